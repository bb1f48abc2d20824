//! Bodies, rule by rule.

use ayad::h1::body::{LONGEST_CHUNK_LINE, MOST_EXTENSIONS, MOST_TRAILERS};
use ayad::h1::{BodyReader, Framing, Step};

use super::kit::{Body, body};

fn chunked(bytes: &[u8]) -> Body {
    body(Framing::Chunked, bytes, &[]).unwrap_or_else(|(bad, _)| panic!("{}: {bad}", bytes.escape_ascii()))
}

fn refused(bytes: &[u8]) {
    assert!(body(Framing::Chunked, bytes, &[]).is_err(), "{} was accepted", bytes.escape_ascii());
}

#[test]
fn a_body_ends_where_its_framing_says() {
    for (framing, bytes, payload, size, is_over) in [
        (Framing::None, "next", "", 0, true),
        (Framing::Length(0), "next", "", 0, true),
        (Framing::Length(5), "hellonext", "hello", 5, true),
        (Framing::Length(5), "hell", "hell", 4, false),
        (Framing::UntilClose, "hello", "hello", 5, false),
        (Framing::Chunked, "5\r\nhello\r\n0\r\n\r\nnext", "hello", 15, true),
        (Framing::Chunked, "0\r\n\r\nnext", "", 5, true),
        (Framing::Chunked, "000\r\n\r\n", "", 7, true),
        (Framing::Chunked, "000000000000005\r\nhello\r\n", "hello", 24, false),
        (
            Framing::Chunked,
            "a\r\n0123456789\r\nA;x\r\n0123456789\r\n0\r\n\r\n",
            "01234567890123456789",
            37,
            true,
        ),
        (Framing::Chunked, "5\r\nhello\r\n", "hello", 10, false),
        (Framing::Chunked, "5\r\nhello\r\n0\r\n", "hello", 13, false),
        (Framing::Chunked, "5\r\nhello\r\n0\r\n\r", "hello", 13, false),
        (Framing::Chunked, "5\r\nhello\r", "hello", 8, false),
        (Framing::Chunked, "5\r\nhel", "hel", 6, false),
        (Framing::Chunked, "5\r", "", 0, false),
        (Framing::Chunked, "5", "", 0, false),
        (Framing::Chunked, "", "", 0, false),
    ] {
        let read = body(framing, bytes.as_bytes(), &[]).unwrap();
        let expected = Body { payload: payload.into(), trailers: Vec::new(), size, is_over };
        assert_eq!(read, expected, "{framing:?} {bytes:?}");
    }
}

#[test]
fn a_chunk_that_two_readers_could_read_differently_is_refused() {
    for bytes in [
        "-1\r\n",
        "+5\r\nhello\r\n",
        "0x5\r\nhello\r\n",
        " 5\r\nhello\r\n",
        "\t5\r\nhello\r\n",
        "5 \r\nhello\r\n",
        "5\t\r\nhello\r\n",
        "5 ;x\r\nhello\r\n",
        "5_0\r\n",
        "5,5\r\n",
        "5.0\r\n",
        "g\r\n",
        "\r\n",
        "\n",
        ";x\r\n",
        "\0\r\n",
        "5\nhello\r\n",
        "5\r\r\nhello",
        "5\rhello\r\n",
        "5;a\nhello\r\n",
        "5;a\r5\r\nhello\r\n",
        "5;a\0\r\nhello\r\n",
        "5;\u{7f}\r\nhello\r\n",
        "5\r\nhello\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhelloworld\r\n",
        "5\r\nhell\r\n0\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "0\n\r\n",
        "0\r\n\n",
        "0\r\n\r\r\n",
        "0000000000000005\r\n",
        "fffffffffffffff0\r\n",
        "ffffffffffffffff\r\n",
        "10000000000000005\r\n",
    ] {
        refused(bytes.as_bytes());
    }
    let widest = body(Framing::Chunked, b"fffffffffffffff\r\nx", &[]).unwrap();
    assert_eq!((widest.payload.len(), widest.is_over), (1, false));
}

#[test]
fn extensions_are_bounded_in_a_line_and_in_a_body() {
    let line = |length: usize| format!("1;{}\r\nx\r\n", "e".repeat(length - 1));
    let over = "0\r\n\r\n";

    assert!(chunked(format!("{}{over}", line(LONGEST_CHUNK_LINE - 1)).as_bytes()).is_over);
    refused(line(LONGEST_CHUNK_LINE).as_bytes());
    refused(format!("1;{}", "e".repeat(LONGEST_CHUNK_LINE)).as_bytes());
    let fit = MOST_EXTENSIONS / 128;
    assert!(chunked(format!("{}{over}", line(128).repeat(fit)).as_bytes()).is_over);
    refused(line(128).repeat(fit + 1).as_bytes());
    refused(line(128).repeat(1_000).as_bytes());
}

#[test]
fn trailers_are_fields_with_limits_of_their_own() {
    let bytes = b"0\r\nA: b\r\nc:d \r\nContent-Length: 3\r\n\r\nnext";
    let read = chunked(bytes);
    let trailers: Vec<_> =
        read.trailers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    assert_eq!(trailers, [("a", &b"b"[..]), ("c", b"d"), ("content-length", b"3")]);
    assert!(read.is_over && read.size == bytes.len() - "next".len());

    for trailers in [
        "A: b\n\r\n",
        "A: b\r\n\n",
        "A : b\r\n\r\n",
        " A: b\r\n\r\n",
        "A: b\r\n c\r\n\r\n",
        "A\r\n\r\n",
        ": b\r\n\r\n",
        "A: \0\r\n\r\n",
        "A: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
    ] {
        refused(format!("0\r\n{trailers}").as_bytes());
    }
    let long = |size: usize| format!("0\r\nA: {}\r\n\r\n", "x".repeat(size - 7));
    assert!(chunked(long(MOST_TRAILERS).as_bytes()).is_over);
    refused(long(MOST_TRAILERS + 1).as_bytes());
    refused(&long(MOST_TRAILERS + 1).as_bytes()[..MOST_TRAILERS + 3]);
    refused(format!("0\r\n{}\r\n", "A: b\r\n".repeat(33)).as_bytes());
}

#[test]
fn advancing_takes_the_same_bytes_as_reading_step_by_step() {
    let bytes = b"5\r\nhello\r\nA;x\r\n0123456789\r\n0\r\nA: b\r\n\r\nnext";
    let before = bytes.len() - b"0\r\nA: b\r\n\r\nnext".len();
    let mut reader = BodyReader::new(Framing::Chunked);

    assert_eq!(reader.advance(bytes), Ok((before, 15)));
    assert_eq!(reader.look(&bytes[before..]), Ok(Step::Last(3)), "it would say that the body is whole");
    let mut byte_by_byte = BodyReader::new(Framing::Chunked);
    let (mut at, mut payload) = (0, 0);
    for end in 0..=before {
        let (taken, of_payload) = byte_by_byte.advance(&bytes[at..end]).unwrap();
        (at, payload) = (at + taken, payload + of_payload);
    }
    assert_eq!((at, payload), (before, 15));
}

#[test]
fn payload_that_went_past_counts_and_never_too_much() {
    let mut length = BodyReader::new(Framing::Length(10));
    length.skip(4);
    assert_eq!((length.certain(), length.may_close()), (Some(6), false));
    length.skip(100);
    assert!(length.is_done() && length.may_close());

    let mut chunk = BodyReader::new(Framing::Chunked);
    chunk.advance(b"5\r\n").unwrap();
    assert_eq!(chunk.certain(), Some(5));
    chunk.skip(5);
    assert_eq!((chunk.certain(), chunk.look(b"\r\n")), (None, Ok(Step::Framing(2))));
    assert!(BodyReader::new(Framing::UntilClose).may_close());
}
