//! Where a body ends.
//!
//! The reader looks at bytes and says which of them are payload, which are framing, and when it is over. It keeps
//! none of them: a body is passed on from the buffer it was read into.

use std::fmt;

use super::head::{Fields, ends_line};

/// How long a body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    #[default]
    None,
    /// This many bytes.
    Length(u64),
    /// As many as its chunks say.
    Chunked,
    /// Until the connection is closed; only answers may be so.
    UntilClose,
}

/// Longest line before a chunk, with extensions, in bytes.
pub const LONGEST_CHUNK_LINE: usize = 256;
/// Most bytes of extensions in one body: every chunk may carry some, and nobody reads them.
pub const MOST_EXTENSIONS: usize = 4096;
/// Most bytes of trailers.
pub const MOST_TRAILERS: usize = 8192;
/// Most trailer fields.
const TRAILER_FIELDS: usize = 32;

/// Why a body cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadBody(pub &'static str);

impl fmt::Display for BadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadBody {}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// This many bytes of payload.
    Data(usize),
    /// This many bytes of framing, complete.
    Framing(usize),
    /// This many bytes of framing, complete: the line of the last chunk, which is empty. Whoever passes it on says that
    /// the body is whole, which is only known behind its trailers.
    Last(usize),
    /// More bytes are needed to tell.
    More,
    /// The trailer section begins here: [`BodyReader::trailers`] reads it.
    Trailers,
    /// The body is over; the bytes belong to the next message.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// This many bytes are left of it.
    Length(u64),
    UntilClose,
    /// Before the line of a chunk.
    Size,
    /// This many bytes are left of the chunk.
    Chunk(u64),
    /// Before the line end behind a chunk.
    ChunkEnd,
    Trailers,
    Done,
}

/// Follows one body from its first byte to its last.
#[derive(Clone, Copy, Debug)]
pub struct BodyReader {
    state: State,
    extensions: u16,
}

impl BodyReader {
    /// A body that was just begun.
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size,
            Framing::UntilClose => State::UntilClose,
        };
        Self { state, extensions: 0 }
    }

    /// True once nothing of it is missing.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// True when the connection may be closed now without anything missing.
    pub fn may_close(&self) -> bool {
        matches!(self.state, State::Done | State::UntilClose)
    }

    /// Bytes that are certainly payload: what is left of a length or a chunk. `None` when that is not known.
    pub fn certain(&self) -> Option<u64> {
        match self.state {
            State::Length(left) | State::Chunk(left) => Some(left),
            _ => None,
        }
    }

    /// Says what `bytes` begin with, without taking them. They are not looked at beyond that.
    pub fn look(&self, bytes: &[u8]) -> Result<Step, BadBody> {
        let at_most =
            |left: u64| Step::Data(usize::try_from(left).map_or(bytes.len(), |l| l.min(bytes.len())));
        match self.state {
            State::Done => Ok(Step::Done),
            State::Trailers => Ok(Step::Trailers),
            _ if bytes.is_empty() => Ok(Step::More),
            State::Length(left) | State::Chunk(left) => Ok(at_most(left)),
            State::UntilClose => Ok(Step::Data(bytes.len())),
            State::Size => Ok(match chunk_line(bytes)? {
                None => Step::More,
                Some(ChunkLine { size: 0, length, .. }) => Step::Last(length),
                Some(ChunkLine { length, .. }) => Step::Framing(length),
            }),
            State::ChunkEnd => match bytes {
                [b'\r', b'\n', ..] => Ok(Step::Framing(2)),
                [b'\r'] => Ok(Step::More),
                _ => Err(BadBody("a chunk is longer than it says")),
            },
        }
    }

    /// Takes what [`Self::look`] said of `bytes`, and at most that: all of a framing, any part of a payload.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), BadBody> {
        let count = bytes.len() as u64;
        self.state = match self.state {
            State::Length(left) if count < left => State::Length(left - count),
            State::Length(_) | State::Done => State::Done,
            State::UntilClose => State::UntilClose,
            State::Chunk(left) if count < left => State::Chunk(left - count),
            State::Chunk(_) => State::ChunkEnd,
            State::ChunkEnd => State::Size,
            State::Trailers => State::Trailers,
            State::Size => {
                let line = chunk_line(bytes)?.ok_or(BadBody("a chunk has no size"))?;
                self.extensions = self.extensions.saturating_add(line.extension as u16);
                if usize::from(self.extensions) > MOST_EXTENSIONS {
                    return Err(BadBody("there are too many chunk extensions"));
                }
                if line.size == 0 { State::Trailers } else { State::Chunk(line.size) }
            }
        };
        Ok(())
    }

    /// Takes payload that never came by a buffer here, such as spliced bytes: at most [`Self::certain`].
    pub fn skip(&mut self, count: u64) {
        match &mut self.state {
            State::Length(left) => {
                *left = left.saturating_sub(count);
                if *left == 0 {
                    self.state = State::Done;
                }
            }
            State::Chunk(left) => {
                *left = left.saturating_sub(count);
                if *left == 0 {
                    self.state = State::ChunkEnd;
                }
            }
            _ => {}
        }
    }

    /// Takes as many of `bytes` as belong to this body before the line of its last chunk, payload and framing alike, and
    /// says how many that are, and how many of them are payload. For bodies that are passed on as they are framed.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<(usize, usize), BadBody> {
        let (mut at, mut payload) = (0, 0);
        loop {
            let rest = &bytes[at..];
            match self.look(rest)? {
                Step::Data(count) => {
                    self.take(&rest[..count])?;
                    at += count;
                    payload += count;
                }
                Step::Framing(count) => {
                    self.take(&rest[..count])?;
                    at += count;
                }
                Step::More | Step::Last(_) | Step::Trailers | Step::Done => return Ok((at, payload)),
            }
        }
    }

    /// Reads the trailer section, at whose beginning `bytes` are; says how long it is once it is complete, and puts
    /// its fields in `fields`. After that the body is over.
    pub fn trailers(&mut self, bytes: &[u8], fields: &mut Fields) -> Result<Option<usize>, BadBody> {
        fields.clear();
        if let [b'\r', b'\n', ..] = bytes {
            self.state = State::Done;
            return Ok(Some(2));
        }
        let mut room = [httparse::EMPTY_HEADER; TRAILER_FIELDS];
        match httparse::parse_headers(bytes, &mut room) {
            Ok(httparse::Status::Complete((size, found))) if size <= MOST_TRAILERS => {
                let ends = fields.take(bytes, found, size.saturating_sub(2));
                if !ends || !ends_line(bytes, size, size.saturating_sub(2)) {
                    return Err(BadBody("a line of the trailers does not end with CRLF"));
                }
                self.state = State::Done;
                Ok(Some(size))
            }
            Ok(httparse::Status::Partial) if bytes.len() < MOST_TRAILERS => Ok(None),
            Ok(_) | Err(httparse::Error::TooManyHeaders) => Err(BadBody("the trailers are too large")),
            Err(_) => Err(BadBody("the trailers cannot be read")),
        }
    }
}

struct ChunkLine {
    size: u64,
    length: usize,
    extension: usize,
}

/// Reads `SIZE [;EXTENSION] CRLF`. `None` while the line is not complete.
fn chunk_line(bytes: &[u8]) -> Result<Option<ChunkLine>, BadBody> {
    let digits = bytes.iter().take(17).take_while(|b| b.is_ascii_hexdigit()).count();
    if digits == 0 && !bytes.is_empty() {
        return Err(BadBody("a chunk has no size"));
    }
    // Fifteen digits are an exbibyte; sixteen could be mistaken for a negative number by somebody else.
    if digits > 15 {
        return Err(BadBody("a chunk is too large"));
    }
    let rest = &bytes[digits..];
    let Some(end) = memchr::memchr2(b'\r', b'\n', &rest[..rest.len().min(LONGEST_CHUNK_LINE)]) else {
        if rest.len() >= LONGEST_CHUNK_LINE {
            return Err(BadBody("the extensions of a chunk are too long"));
        }
        return check_extension(rest).map(|()| None);
    };
    check_extension(&rest[..end])?;
    match rest.get(end..) {
        Some([b'\r', b'\n', ..]) => {
            let size = bytes[..digits].iter().fold(0, |size, digit| size << 4 | hex(*digit));
            Ok(Some(ChunkLine { size, length: digits + end + 2, extension: end }))
        }
        Some([b'\r']) => Ok(None),
        _ => Err(BadBody("the line of a chunk does not end with CRLF")),
    }
}

/// What may stand between the size of a chunk and its line end: nothing, or `;` and visible text.
fn check_extension(text: &[u8]) -> Result<(), BadBody> {
    let fits = |b: &u8| matches!(b, b'\t' | b' '..=b'~' | 0x80..);
    match text {
        [] => Ok(()),
        [b';', rest @ ..] if rest.iter().all(fits) => Ok(()),
        _ => Err(BadBody("the size of a chunk cannot be read")),
    }
}

fn hex(digit: u8) -> u64 {
    u64::from(match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    })
}
