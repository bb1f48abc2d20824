//! What requests and answers have in common: spans, fields, and the names that mean something to a proxy.

use super::body::Framing;

/// A range of bytes in a head. Heads are at most a mebibyte, so 32 bits are plenty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// From `start` up to, not including, `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// Where `part` lies in `whole`, of which it must be a slice.
    pub(super) fn within(whole: &[u8], part: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        debug_assert!(start <= whole.len() && start + part.len() <= whole.len());
        Self::new(start, start + part.len())
    }

    /// The bytes it stands for.
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }

    /// First byte.
    pub fn start(self) -> usize {
        self.start as usize
    }

    /// First byte behind it.
    pub fn end(self) -> usize {
        self.end as usize
    }

    /// How many bytes it covers.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// True when it covers none.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

macro_rules! known {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// Field names that mean something to a proxy.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Known {
            /// Any other name.
            Other,
            $($(#[$doc])* $variant),+
        }

        impl Known {
            /// Every name but [`Known::Other`].
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in lower case; empty for [`Known::Other`].
            pub const fn name(self) -> &'static str {
                match self { Self::Other => "", $(Self::$variant => $name),+ }
            }
        }
    };
}

known! {
    /// `Host`
    Host = "host",
    /// `Connection`
    Connection = "connection",
    /// `Content-Length`
    ContentLength = "content-length",
    /// `Transfer-Encoding`
    TransferEncoding = "transfer-encoding",
    /// `TE`
    Te = "te",
    /// `Trailer`
    Trailer = "trailer",
    /// `Upgrade`
    Upgrade = "upgrade",
    /// `Expect`
    Expect = "expect",
    /// `Keep-Alive`
    KeepAlive = "keep-alive",
    /// `Proxy-Connection`
    ProxyConnection = "proxy-connection",
    /// `Proxy-Authenticate`
    ProxyAuthenticate = "proxy-authenticate",
    /// `Proxy-Authorization`
    ProxyAuthorization = "proxy-authorization",
    /// `HTTP2-Settings`
    Http2Settings = "http2-settings",
    /// `Forwarded`
    Forwarded = "forwarded",
    /// `X-Forwarded-For`
    ForwardedFor = "x-forwarded-for",
    /// `X-Forwarded-Host`
    ForwardedHost = "x-forwarded-host",
    /// `X-Forwarded-Proto`
    ForwardedProto = "x-forwarded-proto",
    /// `X-Request-Id`
    RequestId = "x-request-id",
    /// `Via`
    Via = "via",
    /// `Accept`
    Accept = "accept",
    /// `Cookie`
    Cookie = "cookie",
    /// `Content-Type`
    ContentType = "content-type",
    /// `Idempotency-Key`
    IdempotencyKey = "idempotency-key",
    /// `Retry-After`
    RetryAfter = "retry-after",
    /// `X-Aya-Reason`
    Reason = "x-aya-reason",
}

impl Known {
    /// Looks a name up, in any case. Most names are told apart by their length.
    #[inline]
    pub fn of(name: &[u8]) -> Self {
        let alike = BY_LENGTH[name.len().min(BY_LENGTH.len() - 1)];
        alike.iter().find(|(_, wanted)| is_in_any_case(name, wanted)).map_or(Self::Other, |(known, _)| *known)
    }

    /// True for a name that some reader takes for one that frames a request or says where it came from.
    pub fn pretends(name: &[u8]) -> bool {
        Self::of(name) == Self::Other && Self::is_disguised(name)
    }

    /// True for a name that frames a request or says where it came from, written with `_` for `-`. CGI, and what
    /// followed it, takes the two for one (RFC 3875, 4.1.18), so a backend may see another length than we do.
    fn is_disguised(name: &[u8]) -> bool {
        if !(14..=17).contains(&name.len()) {
            return false;
        }
        let alike =
            |(byte, known): (&u8, u8)| byte.eq_ignore_ascii_case(&known) || (*byte == b'_' && known == b'-');
        BY_LENGTH[name.len()].iter().any(|(known, wanted)| match known {
            Self::ContentLength
            | Self::TransferEncoding
            | Self::ForwardedFor
            | Self::ForwardedHost
            | Self::ForwardedProto => name.iter().zip(wanted.iter().copied()).all(alike),
            _ => false,
        })
    }

    /// Its bit in a set of names.
    const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// The names by their length.
static BY_LENGTH: [&[(Known, &[u8])]; 21] = [
    &[],
    &[],
    &[(Known::Te, b"te")],
    &[(Known::Via, b"via")],
    &[(Known::Host, b"host")],
    &[],
    &[(Known::Accept, b"accept"), (Known::Cookie, b"cookie"), (Known::Expect, b"expect")],
    &[(Known::Upgrade, b"upgrade"), (Known::Trailer, b"trailer")],
    &[],
    &[(Known::Forwarded, b"forwarded")],
    &[(Known::Connection, b"connection"), (Known::KeepAlive, b"keep-alive")],
    &[(Known::RetryAfter, b"retry-after")],
    &[
        (Known::ContentType, b"content-type"),
        (Known::RequestId, b"x-request-id"),
        (Known::Reason, b"x-aya-reason"),
    ],
    &[],
    &[(Known::ContentLength, b"content-length"), (Known::Http2Settings, b"http2-settings")],
    &[(Known::ForwardedFor, b"x-forwarded-for"), (Known::IdempotencyKey, b"idempotency-key")],
    &[(Known::ForwardedHost, b"x-forwarded-host"), (Known::ProxyConnection, b"proxy-connection")],
    &[(Known::TransferEncoding, b"transfer-encoding"), (Known::ForwardedProto, b"x-forwarded-proto")],
    &[(Known::ProxyAuthenticate, b"proxy-authenticate")],
    &[(Known::ProxyAuthorization, b"proxy-authorization")],
    &[],
];

/// True when `name` is `wanted` in any case. Of two names of one length, both at least two bytes long; `wanted` has lower
/// case letters, digits and `-`. Compares eight bytes at a time: this is asked for every field of every message.
#[inline]
fn is_in_any_case(name: &[u8], wanted: &[u8]) -> bool {
    let (length, wanted_length) = (name.len(), wanted.len());
    if length != wanted_length {
        return false;
    }
    // Two words that overlap cover every length up to twice theirs.
    let ends = |width: usize| [0, length - width];
    match length {
        17.. => {
            let (front, back) = (&name[..16], &name[16..]);
            is_in_any_case(front, &wanted[..16]) && back.eq_ignore_ascii_case(&wanted[16..])
        }
        8..=16 => ends(8).into_iter().all(|at| same(word(name, at), word(wanted, at))),
        4..=7 => ends(4).into_iter().all(|at| same(half(name, at), half(wanted, at))),
        _ => name.eq_ignore_ascii_case(wanted),
    }
}

/// True when bytes differ in their case alone. A letter is what has the bit above that of its case.
#[inline]
fn same(given: u64, wanted: u64) -> bool {
    const CASE: u64 = 0x2020_2020_2020_2020;
    (given ^ wanted) & !(wanted >> 1 & CASE) == 0
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

#[inline]
fn half(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |chunk| u64::from(u32::from_le_bytes(*chunk)))
}

/// One field line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// What it is, when that means something here.
    pub known: Known,
    /// Its name.
    pub name: Span,
    /// Its value, without the whitespace around it.
    pub value: Span,
    end: u32,
}

impl Field {
    /// The whole line with its CRLF.
    pub fn line(&self) -> Span {
        Span { start: self.name.start, end: self.end }
    }
}

/// What `Connection` says, over all its fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "options that come in any combination")]
pub struct Options {
    /// No other message follows.
    pub close: bool,
    /// Another one may, also in HTTP/1.0.
    pub keep_alive: bool,
    /// Another protocol is asked for or agreed on.
    pub upgrade: bool,
    /// It names fields beside those that always belong to one connection.
    pub others: bool,
}

impl Options {
    fn of<'b>(elements: impl Iterator<Item = &'b [u8]>) -> Self {
        let mut options = Self::default();
        for element in elements {
            match Known::of(element) {
                Known::KeepAlive => options.keep_alive = true,
                Known::Upgrade => options.upgrade = true,
                Known::Te => {}
                _ if element.eq_ignore_ascii_case(b"close") => options.close = true,
                _ => options.others = true,
            }
        }
        options
    }
}

/// The fields of a head, in their order.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    list: Vec<Field>,
    present: u64,
    options: Options,
    disguised: bool,
}

impl Fields {
    /// Forgets them all, and keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.present = 0;
        self.options = Options::default();
        self.disguised = false;
    }

    /// What `Connection` says.
    #[inline]
    pub fn options(&self) -> Options {
        self.options
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.list.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// True when there is a field of this name. Costs one comparison.
    #[inline]
    pub fn has(&self, known: Known) -> bool {
        self.present & known.bit() != 0
    }

    /// Values of this name, in their order.
    pub fn all<'b>(&self, bytes: &'b [u8], known: Known) -> impl DoubleEndedIterator<Item = &'b [u8]> {
        let list = if self.has(known) { self.list.as_slice() } else { &[] };
        list.iter().filter(move |field| field.known == known).map(|field| field.value.of(bytes))
    }

    /// The first value of this name.
    pub fn get<'b>(&self, bytes: &'b [u8], known: Known) -> Option<&'b [u8]> {
        self.all(bytes, known).next()
    }

    /// The value of this name, when there is exactly one.
    pub fn only<'b>(&self, bytes: &'b [u8], known: Known) -> Option<&'b [u8]> {
        let mut all = self.all(bytes, known);
        all.next().filter(|_| all.next().is_none())
    }

    /// The first value of a name in any case.
    pub fn find<'b>(&self, bytes: &'b [u8], name: &str) -> Option<&'b [u8]> {
        let mut list = self.list.iter();
        let found = list.find(|field| field.name.of(bytes).eq_ignore_ascii_case(name.as_bytes()));
        found.map(|field| field.value.of(bytes))
    }

    /// Elements of a comma-separated list that may span several fields, without empty ones.
    pub fn elements<'b>(&self, bytes: &'b [u8], known: Known) -> impl Iterator<Item = &'b [u8]> {
        let parts = self.all(bytes, known).flat_map(|value| value.split(|b| *b == b','));
        parts.map(<[u8]>::trim_ascii).filter(|part| !part.is_empty())
    }

    /// True when some reader would take one of the names for another that means something.
    pub fn has_disguised(&self) -> bool {
        self.disguised
    }

    /// Takes over what the tokeniser found; `end` is where the last line ends. False when a line does not end
    /// with CRLF.
    pub(super) fn take(&mut self, bytes: &[u8], found: &[httparse::Header<'_>], end: usize) -> bool {
        self.clear();
        let (mut present, mut disguised, mut lines_end) = (0, false, true);
        self.list.extend(found.iter().enumerate().map(|(index, header)| {
            let known = Known::of(header.name.as_bytes());
            present |= known.bit();
            disguised |= known == Known::Other && Known::is_disguised(header.name.as_bytes());
            let name = Span::within(bytes, header.name.as_bytes());
            let value = match header.value {
                // The tokeniser may hand out an empty value that is no part of the head.
                [] => Span::new(name.end(), name.end()),
                value => Span::within(bytes, value),
            };
            let end =
                found.get(index + 1).map_or(end, |next| Span::within(bytes, next.name.as_bytes()).start());
            lines_end &= ends_line(bytes, end, value.end());
            Field { known, name, value, end: end as u32 }
        }));
        self.disguised = disguised;
        self.present = present & !Known::Other.bit();
        if self.has(Known::Connection) {
            self.options = Options::of(self.elements(bytes, Known::Connection));
        }
        lines_end
    }
}

/// True when a line that holds something up to `content` ends at `end` with the only CRLF behind that.
pub(super) fn ends_line(bytes: &[u8], end: usize, content: usize) -> bool {
    end >= content + 2 && bytes[end - 2] == b'\r' && bytes[end - 1] == b'\n'
}

impl<'f> IntoIterator for &'f Fields {
    type Item = &'f Field;
    type IntoIter = std::slice::Iter<'f, Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// How large a head may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes.
    pub bytes: usize,
    /// Most fields.
    pub fields: usize,
}

/// Fields for which the tokeniser has room on the stack.
pub(super) const ON_STACK: usize = 128;

/// How long a message says its body is, by the fields that say so.
///
/// `None` when they could be read in two ways: both kinds, more than one of a kind, anything but digits or
/// `chunked`, or a coding in HTTP/1.0 (RFC 9112, 6.1 and 6.3).
pub(super) fn framing(bytes: &[u8], fields: &Fields, http_1_0: bool) -> Option<Framing> {
    match (fields.has(Known::ContentLength), fields.has(Known::TransferEncoding)) {
        (false, false) => Some(Framing::None),
        (true, false) => number(fields.only(bytes, Known::ContentLength)?).map(Framing::Length),
        (false, true) if !http_1_0 => {
            let coding = fields.only(bytes, Known::TransferEncoding)?;
            coding.eq_ignore_ascii_case(b"chunked").then_some(Framing::Chunked)
        }
        (_, true) => None,
    }
}

/// Digits alone, at most 19 of them, so that they fit.
fn number(text: &[u8]) -> Option<u64> {
    let fits = (1..=19).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    fits.then(|| text.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_nothing_else_is() {
        for known in Known::ALL {
            assert_eq!(Known::of(known.name().as_bytes()), *known);
            assert_eq!(Known::of(known.name().to_uppercase().as_bytes()), *known);
            assert_eq!(Known::of(format!("{}x", known.name()).as_bytes()), Known::Other);
        }
        assert_eq!(Known::of(b""), Known::Other);
        assert_eq!(Known::of(b"hosd"), Known::Other);
    }

    #[test]
    fn a_name_that_differs_in_more_than_the_case_of_a_letter_is_another_one() {
        for known in Known::ALL {
            for at in 0..known.name().len() {
                for byte in 0..=255_u8 {
                    let mut name = known.name().as_bytes().to_vec();
                    name[at] = byte;
                    let expected = Known::ALL.iter().find(|k| name.eq_ignore_ascii_case(k.name().as_bytes()));
                    assert_eq!(Known::of(&name), expected.copied().unwrap_or(Known::Other), "{name:?}");
                }
            }
        }
    }
}
