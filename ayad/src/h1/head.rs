//! What requests and answers have in common: spans, fields, and how they say how long a body is.

use super::body::Framing;
use super::known::Known;
use crate::queue::Queue;

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

    /// True when there is a field of one of these names. Costs one comparison.
    #[inline]
    pub fn has_any(&self, known: &[Known]) -> bool {
        self.present & known.iter().fold(0, |set, known| set | known.bit()) != 0
    }

    /// Makes fields of these names ones that mean nothing here, so that they are passed on as they came.
    pub fn disown(&mut self, known: &[Known]) {
        self.present &= !known.iter().fold(0, |set, known| set | known.bit());
        let given = self.list.iter_mut().filter(|field| known.contains(&field.known));
        given.for_each(|field| field.known = Known::Other);
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

/// Writes one field line. Both are taken as they are: a name is a token and a value has no control characters, because
/// they are ours or were read strictly.
pub fn write_field(out: &mut Queue, name: &str, value: &[u8]) {
    out.extend(name.as_bytes());
    out.extend(b": ");
    out.extend(value);
    out.extend(b"\r\n");
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
/// An error when they could be read in two ways: both kinds, more than one of a kind, anything but digits or
/// `chunked`, or a coding in HTTP/1.0 (RFC 9112, 6.1 and 6.3).
pub(super) fn framing(bytes: &[u8], fields: &Fields, http_1_0: bool) -> Result<Framing, &'static str> {
    match (fields.has(Known::ContentLength), fields.has(Known::TransferEncoding)) {
        (false, false) => Ok(Framing::None),
        (true, false) => {
            let length = fields.only(bytes, Known::ContentLength).ok_or("content-length twice")?;
            number(length).map(Framing::Length).ok_or("a content-length that is no number")
        }
        (true, true) => Err("content-length beside transfer-encoding"),
        (false, true) if http_1_0 => Err("transfer-encoding in HTTP/1.0"),
        (false, true) => {
            let coding = fields.only(bytes, Known::TransferEncoding).ok_or("transfer-encoding twice")?;
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
            is_chunked.then_some(Framing::Chunked).ok_or("a transfer-encoding other than chunked")
        }
    }
}

/// Digits alone, at most 19 of them, so that they fit.
fn number(text: &[u8]) -> Option<u64> {
    let fits = (1..=19).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    fits.then(|| text.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}
