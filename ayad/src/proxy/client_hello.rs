//! What a TLS client asks for, read from its first bytes without ending TLS: the name (SNI) and the protocols
//! (ALPN) of its `ClientHello`.
//!
//! Pure, strict and bounded. The hello may come in any pieces, and may be split over several records; it is read as
//! far as it goes, and no further than [`MAX_HELLO`] bytes. A hello that contradicts itself, or says something twice,
//! counts as no TLS: two readers could take it for different names, and the second one is the backend.
//!
//! Not here: decrypting, or an encrypted hello (ECH); of that one the outer name is seen.
//!
//! Sources: RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3 (`server_name`), RFC 7301 (ALPN).

use std::borrow::Cow;

/// Most bytes looked at, record headers included. Hellos with post-quantum keys take about 2 KiB.
pub const MAX_HELLO: usize = 16 * 1024;

/// Content type of records with handshake messages.
const HANDSHAKE: u8 = 22;
/// Type of the message.
const CLIENT_HELLO: u8 = 1;
/// Bytes of a record before its content.
const RECORD_HEADER: usize = 5;
/// Most bytes of content in a record.
const MAX_RECORD: usize = 1 << 14;
/// Extension numbers.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
/// Longest name, and its type.
const MAX_NAME: usize = 255;
const HOST_NAME: u8 = 0;

/// What the first bytes of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peeked {
    /// The beginning of a hello; more must come.
    NeedMore,
    /// Something else, or a hello that cannot be trusted to say one thing only.
    NotTls,
    /// A whole hello.
    Hello(Hello),
}

/// What a client asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The name, in lower case and without a final dot.
    pub sni: Option<String>,
    /// The protocols, best first.
    pub alpn: Vec<Vec<u8>>,
}

/// Looks at the first bytes of a connection. To be called again with more of them after [`Peeked::NeedMore`]; it
/// starts anew each time, which costs little, as a hello comes in one or two pieces.
pub fn peek(bytes: &[u8]) -> Peeked {
    let window = &bytes[..bytes.len().min(MAX_HELLO)];
    match message(window) {
        Some(Message::Whole(body)) => hello(&body).map_or(Peeked::NotTls, Peeked::Hello),
        // What is not whole within the limit never will be.
        Some(Message::Partial) if window.len() < MAX_HELLO => Peeked::NeedMore,
        _ => Peeked::NotTls,
    }
}

enum Message<'b> {
    Partial,
    Whole(Cow<'b, [u8]>),
}

/// The body of the first handshake message, put together from its records. `None` when it is no hello.
fn message(bytes: &[u8]) -> Option<Message<'_>> {
    let mut rest = bytes;
    let mut content: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    loop {
        // A record that has begun must begin like one, as far as it is there.
        let wanted = [(0, HANDSHAKE), (1, 3)];
        if wanted.iter().any(|&(at, byte)| rest.get(at).is_some_and(|is| *is != byte)) {
            return None;
        }
        let Some((&[_, _, minor, high, low], after)) = rest.split_first_chunk::<RECORD_HEADER>() else {
            return Some(Message::Partial);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        // Up to TLS 1.3; a record of a handshake is never empty.
        if minor > 4 || length == 0 || length > MAX_RECORD {
            return None;
        }
        let fragment = &after[..length.min(after.len())];
        if content.is_empty() {
            content = Cow::Borrowed(fragment);
        } else {
            content.to_mut().extend_from_slice(fragment);
        }
        if content.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return None;
        }
        if let Some(&[_, high, middle, low]) = content.first_chunk::<4>() {
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            if length > MAX_HELLO {
                return None;
            }
            if content.len() >= 4 + length {
                return Some(Message::Whole(part(content, 4, length)));
            }
        }
        if after.len() < length {
            return Some(Message::Partial);
        }
        rest = &after[length..];
    }
}

fn part(content: Cow<'_, [u8]>, from: usize, length: usize) -> Cow<'_, [u8]> {
    match content {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[from..from + length]),
        Cow::Owned(bytes) => Cow::Owned(bytes[from..from + length].to_vec()),
    }
}

/// Reads the body of the message; `None` when anything in it is out of order.
fn hello(body: &[u8]) -> Option<Hello> {
    let mut body = Reader(body);
    let [major, _] = body.array::<2>()?;
    let _random = body.array::<32>()?;
    let session = body.with_u8_length()?;
    let suites = body.with_u16_length()?;
    let compressions = body.with_u8_length()?;
    if major != 3
        || session.len() > 32
        || suites.is_empty()
        || suites.len() % 2 != 0
        || compressions.is_empty()
    {
        return None;
    }
    let mut hello = Hello::default();
    if body.is_empty() {
        return Some(hello);
    }
    let mut extensions = Reader(body.with_u16_length()?);
    if !body.is_empty() {
        return None;
    }
    let (mut named, mut protocols) = (false, false);
    while !extensions.is_empty() {
        let kind = u16::from_be_bytes(extensions.array()?);
        let content = extensions.with_u16_length()?;
        match kind {
            SERVER_NAME if !std::mem::replace(&mut named, true) => hello.sni = server_name(content)?,
            ALPN if !std::mem::replace(&mut protocols, true) => hello.alpn = protocol_list(content)?,
            SERVER_NAME | ALPN => return None,
            _ => {}
        }
    }
    Some(hello)
}

/// The one host name in the list. `None` when the list is out of order; a list of other types of names has none.
#[expect(
    clippy::option_option,
    reason = "the outer one is a mistake, as everywhere here, the inner one no name"
)]
fn server_name(content: &[u8]) -> Option<Option<String>> {
    let mut content = Reader(content);
    let mut list = Reader(content.with_u16_length()?);
    if list.is_empty() || !content.is_empty() {
        return None;
    }
    let mut host = None;
    while !list.is_empty() {
        let [kind] = list.array()?;
        let name = list.with_u16_length()?;
        if kind == HOST_NAME && host.replace(host_name(name)?).is_some() {
            return None;
        }
    }
    Some(host)
}

fn host_name(name: &[u8]) -> Option<String> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let name = name.strip_suffix(b".").unwrap_or(name);
    let is_host = (1..=MAX_NAME).contains(&name.len()) && name.iter().all(is_plain);
    is_host.then(|| name.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect())
}

fn protocol_list(content: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut content = Reader(content);
    let mut list = Reader(content.with_u16_length()?);
    let mut protocols = Vec::new();
    while !list.is_empty() {
        let protocol = list.with_u8_length().filter(|protocol| !protocol.is_empty())?;
        protocols.push(protocol.to_vec());
    }
    (content.is_empty() && !protocols.is_empty()).then_some(protocols)
}

/// Takes bytes off the front.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn slice(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn with_u8_length(&mut self) -> Option<&'b [u8]> {
        let [length] = self.array()?;
        self.slice(usize::from(length))
    }

    fn with_u16_length(&mut self) -> Option<&'b [u8]> {
        let length = u16::from_be_bytes(self.array()?);
        self.slice(usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &(content.len() as u16).to_be_bytes(), content].concat()
    }

    fn sni(name: &[u8]) -> Vec<u8> {
        let entry = [&[HOST_NAME][..], &(name.len() as u16).to_be_bytes(), name].concat();
        extension(SERVER_NAME, &[&(entry.len() as u16).to_be_bytes()[..], &entry].concat())
    }

    fn alpn(protocols: &[&[u8]]) -> Vec<u8> {
        let list: Vec<u8> = protocols.iter().flat_map(|p| [&[p.len() as u8][..], p].concat()).collect();
        extension(ALPN, &[&(list.len() as u16).to_be_bytes()[..], &list].concat())
    }

    /// The message, without records around it.
    fn body(extensions: &[u8]) -> Vec<u8> {
        let start = [&[3, 3][..], &[7; 32], &[2, 1, 2], &[0, 2, 0x13, 1], &[1, 0]].concat();
        let body = [&start[..], &(extensions.len() as u16).to_be_bytes(), extensions].concat();
        [&[CLIENT_HELLO][..], &(body.len() as u32).to_be_bytes()[1..], &body].concat()
    }

    /// The message in records of at most `most` bytes each.
    fn records(message: &[u8], most: usize) -> Vec<u8> {
        let record =
            |part: &[u8]| [&[HANDSHAKE, 3, 1][..], &(part.len() as u16).to_be_bytes(), part].concat();
        message.chunks(most).flat_map(record).collect()
    }

    fn shop() -> Vec<u8> {
        body(&[sni(b"Shop.Example.com"), extension(43, &[2, 3, 4]), alpn(&[b"h2", b"http/1.1"])].concat())
    }

    fn wanted() -> Peeked {
        Peeked::Hello(Hello {
            sni: Some("shop.example.com".into()),
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        })
    }

    #[test]
    fn a_hello_is_read_however_it_is_cut() {
        for most in [1, 3, 50, MAX_RECORD] {
            let bytes = records(&shop(), most);
            assert_eq!(peek(&bytes), wanted(), "in records of {most}");
            for cut in 0..bytes.len() {
                assert_eq!(peek(&bytes[..cut]), Peeked::NeedMore, "records of {most}, cut at {cut}");
            }
            assert_eq!(peek(&[&bytes[..], b"more"].concat()), wanted(), "what follows is not looked at");
        }
    }

    #[test]
    fn a_hello_without_a_name_is_a_hello() {
        let without = Peeked::Hello(Hello::default());
        assert_eq!(peek(&records(&body(&[]), 100)), without);
        let mut old = body(&[]);
        old.truncate(old.len() - 2);
        old[3] -= 2;
        assert_eq!(peek(&records(&old, 100)), without, "without extensions at all");
    }

    #[test]
    fn what_two_could_read_differently_is_no_hello() {
        let twice = [sni(b"a.test"), sni(b"b.test")].concat();
        let two = [&[0, 0, 3][..], b"a.b", &[0, 0, 3], b"c.d"].concat();
        let two = extension(SERVER_NAME, &[&(two.len() as u16).to_be_bytes()[..], &two].concat());
        let cases: &[(&str, Vec<u8>)] = &[
            ("two lists of names", twice),
            ("two names in a list", two),
            ("an empty name", sni(b"")),
            ("a name with a space", sni(b"a b")),
            ("a name with a NUL", sni(b"a\0b")),
            ("a long name", sni(&[b'a'; 256])),
            ("an empty list of names", extension(SERVER_NAME, &[0, 0])),
            ("a list longer than itself", extension(SERVER_NAME, &[0, 9, 0])),
            ("bytes after the list", extension(SERVER_NAME, &[0, 4, 0, 0, 1, b'a', b'b'])),
            ("an empty protocol", alpn(&[b""])),
            ("protocols twice", [alpn(&[b"h2"]), alpn(&[b"h2"])].concat()),
            ("an extension cut short", vec![0, 43, 0, 9, 1]),
        ];
        for (what, extensions) in cases {
            assert_eq!(peek(&records(&body(extensions), 100)), Peeked::NotTls, "{what}");
        }
    }

    #[test]
    fn other_protocols_are_told_by_their_first_bytes() {
        let too_long = [&[HANDSHAKE, 3, 1, 0x40, 0, CLIENT_HELLO][..], &[1, 0, 0]].concat();
        for other in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"SSH-2.0",
            b"\0\0\0\x08\x04\xd2\x16\x2f",
            &[22, 2],
            &[22, 3, 1, 0, 0],
            &[22, 3, 1, 0, 4, 2],
            &too_long,
        ] {
            assert_eq!(peek(other), Peeked::NotTls, "{}", other.escape_ascii());
        }
        assert_eq!(peek(b""), Peeked::NeedMore);
    }

    #[test]
    fn a_hello_that_never_ends_is_given_up() {
        let endless = records(&body(&extension(21, &vec![0; 17_000])), 200);
        assert_eq!(peek(&endless[..MAX_HELLO - 1]), Peeked::NotTls, "its length is known early");
        let tiny: Vec<u8> = [HANDSHAKE, 3, 1, 0, 1, CLIENT_HELLO]
            .into_iter()
            .chain([HANDSHAKE, 3, 1, 0, 1, 0].repeat(9000))
            .collect();
        assert_ne!(peek(&tiny), Peeked::NeedMore);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(mut bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0..200usize) {
            peek(&bytes);
            let mut hello = records(&shop(), 60);
            let at = at.min(hello.len());
            hello.splice(at.., bytes.drain(..));
            peek(&hello);
        }

        #[test]
        fn a_verdict_stands_whatever_follows(cut in 0..200usize, most in 1..200usize, more in prop::collection::vec(any::<u8>(), 0..50)) {
            let mut bytes = records(&shop(), most);
            bytes.truncate(cut);
            bytes.extend(more);
            for end in 0..bytes.len() {
                let verdict = peek(&bytes[..end]);
                if verdict != Peeked::NeedMore {
                    prop_assert_eq!(peek(&bytes), verdict);
                    break;
                }
            }
        }
    }
}
