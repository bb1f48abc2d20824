//! Reading a header: pure, strict, bounded.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str;

use super::Addresses;

/// Longest line of version 1 with its end, as the specification has it.
pub(super) const LONGEST_LINE: usize = 107;
/// Most bytes of a header of version 2: addresses take at most 216, the rest is for TLVs.
pub const MAX_HEADER: usize = 4096;

/// What begins version 2.
pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// What begins version 1.
const WORD: &[u8] = b"PROXY ";
/// Bytes of the shortest header of either version.
const SHORTEST: usize = b"PROXY UNKNOWN\r\n".len();
/// Bytes of version 2 before the addresses.
const FIXED: usize = 16;

/// What came of looking for a header at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// It is whole: its length in bytes, and whom it names.
    Whole(usize, Option<Addresses>),
    /// It goes on: this many more bytes, at least 1, certainly belong to it.
    More(usize),
}

/// Reads the header that `bytes` begin with, or says what is wrong with them.
pub fn parse(bytes: &[u8]) -> Result<Parsed, &'static str> {
    if bytes.is_empty() {
        // Either version may come, and no more may be asked for than the shorter of the two has.
        return Ok(Parsed::More(SHORTEST));
    }
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(is, wanted)| is == wanted);
    if begins(&SIGNATURE) {
        binary(bytes)
    } else if begins(WORD) {
        line(bytes)
    } else {
        Err("the connection does not begin with the PROXY protocol")
    }
}

/// True when `bytes` are the beginning of a line of version 1, long enough to know.
pub(super) fn is_line(bytes: &[u8]) -> bool {
    bytes.starts_with(WORD)
}

fn line(bytes: &[u8]) -> Result<Parsed, &'static str> {
    const TOO_LONG: &str = "the PROXY line is too long";
    let window = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
        if window.len() == LONGEST_LINE {
            return Err(TOO_LONG);
        }
        return Ok(Parsed::More(SHORTEST.saturating_sub(bytes.len()).max(1)));
    };
    let text = window[..end].strip_suffix(b"\r").ok_or("the PROXY line does not end in CR LF")?;
    let text = text.get(WORD.len()..).ok_or("the PROXY line names no protocol")?;
    let text = str::from_utf8(text).map_err(|_| "the PROXY line is not ASCII")?;
    let mut words = text.split(' ');
    let addresses = match words.next() {
        // Whatever follows is to be ignored.
        Some("UNKNOWN") => return Ok(Parsed::Whole(end + 1, None)),
        Some("TCP4") => ends(&mut words, |word| word.parse::<Ipv4Addr>().ok().map(IpAddr::V4)),
        Some("TCP6") => ends(&mut words, |word| word.parse::<Ipv6Addr>().ok().map(IpAddr::V6)),
        _ => return Err("the PROXY line names a protocol that is not TCP4, TCP6 or UNKNOWN"),
    };
    match addresses {
        Some(addresses) if words.next().is_none() => Ok(Parsed::Whole(end + 1, Some(addresses))),
        _ => Err("the PROXY line is not two addresses and two ports"),
    }
}

fn ends<'w>(
    words: &mut impl Iterator<Item = &'w str>,
    address: impl Fn(&str) -> Option<IpAddr>,
) -> Option<Addresses> {
    let (source, destination) = (address(words.next()?)?, address(words.next()?)?);
    let (from, to) = (port(words.next()?)?, port(words.next()?)?);
    Some(Addresses { source: SocketAddr::new(source, from), destination: SocketAddr::new(destination, to) })
}

/// A port in digits without a leading zero.
fn port(word: &str) -> Option<u16> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    is_plain.then(|| word.parse().ok()).flatten()
}

fn binary(bytes: &[u8]) -> Result<Parsed, &'static str> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else {
        return Ok(Parsed::More(FIXED - bytes.len()));
    };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + length > MAX_HEADER {
        return Err("the PROXY header is too long");
    }
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err("the PROXY header has another version or command"),
    };
    if family >> 4 > 3 || family & 0xf > 2 {
        return Err("the PROXY header has an unknown address family");
    }
    let Some(body) = rest.get(..length) else { return Ok(Parsed::More(length - rest.len())) };
    let whole = |addresses| Ok(Parsed::Whole(FIXED + length, addresses));
    if is_local {
        return whole(None);
    }
    let (addresses, tlvs) = match family >> 4 {
        1 => inet(body).map(|(addresses, rest)| (Some(addresses), rest)),
        2 => inet6(body).map(|(addresses, rest)| (Some(addresses), rest)),
        3 => body.get(216..).map(|rest| (None, rest)),
        _ => Some((None, body)),
    }
    .ok_or("the PROXY header is too short for its addresses")?;
    check_tlvs(tlvs)?;
    // Only a stream is what arrived here.
    whole(addresses.filter(|_| family & 0xf == 1))
}

fn inet(body: &[u8]) -> Option<(Addresses, &[u8])> {
    let (source, rest) = body.split_first_chunk::<4>()?;
    let (destination, rest) = rest.split_first_chunk::<4>()?;
    with_ports(Ipv4Addr::from(*source).into(), Ipv4Addr::from(*destination).into(), rest)
}

fn inet6(body: &[u8]) -> Option<(Addresses, &[u8])> {
    let (source, rest) = body.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    with_ports(Ipv6Addr::from(*source).into(), Ipv6Addr::from(*destination).into(), rest)
}

fn with_ports(source: IpAddr, destination: IpAddr, rest: &[u8]) -> Option<(Addresses, &[u8])> {
    let (from, rest) = rest.split_first_chunk::<2>()?;
    let (to, rest) = rest.split_first_chunk::<2>()?;
    let source = SocketAddr::new(source, u16::from_be_bytes(*from));
    let destination = SocketAddr::new(destination, u16::from_be_bytes(*to));
    Some((Addresses { source, destination }, rest))
}

/// Each has a type, a length and as many bytes.
fn check_tlvs(mut tlvs: &[u8]) -> Result<(), &'static str> {
    while !tlvs.is_empty() {
        let value = tlvs
            .split_first_chunk::<3>()
            .and_then(|(&[_, high, low], rest)| rest.get(usize::from(u16::from_be_bytes([high, low]))..));
        tlvs = value.ok_or("a TLV of the PROXY header is longer than the header")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Facts, Version, write_header};
    use super::*;

    fn whole(bytes: &[u8]) -> Option<Addresses> {
        match parse(bytes).unwrap() {
            Parsed::Whole(length, addresses) => {
                assert_eq!(length, bytes.len());
                addresses
            }
            Parsed::More(more) => panic!("{more} more"),
        }
    }

    #[test]
    fn the_lines_of_the_specification_are_read() {
        let four = whole(b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n").unwrap();
        assert_eq!(four.source, "255.255.255.255:65535".parse().unwrap());
        let six = whole(b"PROXY TCP6 2001:db8::1 ::ffff:1.2.3.4 1 0\r\n").unwrap();
        assert_eq!(six.source, "[2001:db8::1]:1".parse().unwrap());
        assert_eq!(whole(b"PROXY UNKNOWN\r\n"), None);
        assert_eq!(whole(b"PROXY UNKNOWN ffff:f... whatever\r\n"), None);
    }

    #[test]
    fn lines_that_two_could_read_differently_are_refused() {
        for bad in [
            &b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n"[..],
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
            b"PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
            b"PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
            b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
            b"PROXY \xff\r\n",
            b"proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
            b"GET / HTTP/1.1\r\n",
            b"\r\n\r\n\0\r\nQUIT\r",
        ] {
            assert!(parse(bad).is_err(), "{}", bad.escape_ascii());
        }
        assert!(parse(&[b"PROXY UNKNOWN", &[b' '; 100][..]].concat()).is_err(), "too long");
    }

    fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, body].concat()
    }

    #[test]
    fn headers_without_a_client_name_nobody() {
        assert_eq!(whole(&binary(0x20, 0, &[])), None);
        assert_eq!(whole(&binary(0x20, 0x11, &[0xff; 7])), None, "what LOCAL carries is ignored");
        assert_eq!(whole(&binary(0x21, 0x00, &[])), None);
        assert_eq!(whole(&binary(0x21, 0x31, &[0; 216])), None);
        assert_eq!(whole(&binary(0x21, 0x12, &[0; 12])), None, "a datagram did not arrive here");
    }

    #[test]
    fn binary_headers_that_contradict_themselves_are_refused() {
        for bad in [
            binary(0x11, 0x11, &[0; 12]),
            binary(0x22, 0x11, &[0; 12]),
            binary(0x21, 0x41, &[0; 12]),
            binary(0x21, 0x13, &[0; 12]),
            binary(0x21, 0x11, &[0; 11]),
            binary(0x21, 0x21, &[0; 35]),
            binary(0x21, 0x31, &[0; 215]),
            binary(0x21, 0x11, &[&[0; 12][..], &[4, 0, 9, 0]].concat()),
            binary(0x21, 0x11, &[&[0; 12][..], &[4, 0]].concat()),
            binary(0x21, 0x11, &[0; MAX_HEADER]),
        ] {
            assert!(parse(&bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    fn address() -> impl Strategy<Value = SocketAddr> {
        prop_oneof![
            (any::<[u8; 4]>(), any::<u16>()).prop_map(|(ip, port)| (ip, port).into()),
            (any::<[u8; 16]>(), any::<u16>()).prop_map(|(ip, port)| (ip, port).into()),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(source in address(), destination in address(), name in "[a-z.]{0,40}", v1: bool) {
            let version = if v1 { Version::V1 } else { Version::V2 };
            let mut bytes = Vec::new();
            let facts = Facts { authority: Some(&name), tls: Some("TLSv1.3"), alpn: Some(b"h2"), has_certificate: v1 };
            write_header(version, Some(Addresses { source, destination }), &facts, &mut bytes);
            let read = whole(&bytes).unwrap();
            prop_assert_eq!(read.source.ip().to_canonical(), source.ip().to_canonical());
            prop_assert_eq!(read.destination.ip().to_canonical(), destination.ip().to_canonical());
            prop_assert_eq!((read.source.port(), read.destination.port()), (source.port(), destination.port()));
            for cut in 0..bytes.len() {
                match parse(&bytes[..cut]) {
                    Ok(Parsed::More(more)) => prop_assert!(more > 0 && cut + more <= bytes.len()),
                    other => prop_assert!(false, "{other:?} at {cut}"),
                }
            }
        }

        #[test]
        fn no_bytes_are_too_strange(mut bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0..3) {
            let start: &[u8] = [b"", &SIGNATURE[..], b"PROXY TCP4 "][kind as usize];
            bytes.splice(..0, start.iter().copied());
            if let Ok(Parsed::Whole(length, _)) = parse(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
