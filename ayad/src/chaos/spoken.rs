//! What the bytes of a backend mean, as far as faults need it: where bodies are, and where an answer ends.

use crate::h1::{BodyReader, Fields, Framing, Limits, ResponseHead, Step};

const LIMITS: Limits = Limits { bytes: 64 * 1024, fields: 128 };
/// Bytes of the head of a frame.
const FRAME: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;

/// What a backend speaks.
#[derive(Clone, Debug)]
pub enum Spoken {
    /// Anything: all of it is body, and its end is the end of the connection.
    Bytes,
    /// HTTP/1.1, of one answer.
    Http1(Http1),
    /// HTTP/2.
    Http2(Http2),
}

/// Bytes that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// How many; never none.
    pub(super) len: usize,
    /// They are content.
    pub(super) is_body: bool,
    /// The answer ends with them.
    pub(super) is_last: bool,
}

impl Spoken {
    /// The answer to one request in HTTP/1.1; `to_head` says that it was a `HEAD`.
    pub fn http1(to_head: bool) -> Self {
        Self::Http1(Http1 { to_head, state: State::Head })
    }

    /// A connection of HTTP/2.
    pub fn http2() -> Self {
        Self::Http2(Http2 { left: 0, is_body: false, is_last: false })
    }

    /// What `bytes` begin with; `None` when that takes more of them.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Option<Part> {
        if bytes.is_empty() {
            return None;
        }
        match self {
            Self::Bytes => Some(Part { len: bytes.len(), is_body: true, is_last: false }),
            Self::Http1(answer) => answer.next(bytes),
            Self::Http2(frames) => frames.next(bytes),
        }
    }
}

/// Follows one answer.
#[derive(Clone, Debug)]
pub struct Http1 {
    to_head: bool,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Head,
    Body(BodyReader),
    /// Another protocol, what cannot be read, or what nobody asked for.
    Rest {
        is_body: bool,
    },
}

impl Http1 {
    fn next(&mut self, bytes: &[u8]) -> Option<Part> {
        match &mut self.state {
            State::Head => self.head(bytes),
            State::Body(reader) => {
                let len = match reader.look(bytes) {
                    Ok(Step::Data(len)) => {
                        reader.take(&bytes[..len]).ok()?;
                        return Some(Part { len, is_body: true, is_last: self.ends() });
                    }
                    Ok(Step::Framing(len) | Step::Last(len)) => {
                        reader.take(&bytes[..len]).ok()?;
                        len
                    }
                    Ok(Step::Trailers) => match reader.trailers(bytes, &mut Fields::default()) {
                        Ok(size) => size?,
                        Err(_) => return Some(self.rest(bytes)),
                    },
                    Ok(Step::More) => return None,
                    Ok(Step::Done) | Err(_) => return Some(self.rest(bytes)),
                };
                Some(Part { len, is_body: false, is_last: self.ends() })
            }
            State::Rest { is_body } => Some(Part { len: bytes.len(), is_body: *is_body, is_last: false }),
        }
    }

    fn head(&mut self, bytes: &[u8]) -> Option<Part> {
        let mut head = ResponseHead::default();
        match head.read(bytes, self.to_head, LIMITS) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(_) => return Some(self.rest(bytes)),
        }
        if head.status == 101 {
            self.state = State::Rest { is_body: true };
        } else if !head.is_interim() {
            self.state = State::Body(BodyReader::new(head.framing));
        }
        let is_last = matches!(head.framing, Framing::None | Framing::Length(0)) && self.ends();
        Some(Part { len: head.size, is_body: false, is_last })
    }

    fn ends(&self) -> bool {
        matches!(&self.state, State::Body(reader) if reader.is_done())
    }

    fn rest(&mut self, bytes: &[u8]) -> Part {
        self.state = State::Rest { is_body: false };
        Part { len: bytes.len(), is_body: false, is_last: false }
    }
}

/// Follows frames.
#[derive(Clone, Debug)]
pub struct Http2 {
    /// Bytes of the present frame that are still to come.
    left: usize,
    is_body: bool,
    is_last: bool,
}

impl Http2 {
    fn next(&mut self, bytes: &[u8]) -> Option<Part> {
        if self.left > 0 {
            let len = self.left.min(bytes.len());
            self.left -= len;
            return Some(Part { len, is_body: self.is_body, is_last: self.is_last && self.left == 0 });
        }
        let head = bytes.first_chunk::<FRAME>()?;
        let [_, _, _, kind, flags, ..] = *head;
        self.left = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        self.is_body = kind == DATA && flags & PADDED == 0;
        self.is_last = matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0;
        Some(Part { len: FRAME, is_body: false, is_last: self.is_last && self.left == 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which bytes are content, and where it ends, when `portion` bytes come at a time.
    fn read(mut spoken: Spoken, bytes: &[u8], portion: usize) -> (Vec<u8>, Option<usize>) {
        let (mut stock, mut body, mut at, mut end) = (Vec::new(), Vec::new(), 0, None);
        for come in bytes.chunks(portion) {
            stock.extend_from_slice(come);
            while let Some(part) = spoken.next(&stock) {
                if part.is_body {
                    body.extend_from_slice(&stock[..part.len]);
                }
                at += part.len;
                if part.is_last {
                    end.get_or_insert(at);
                }
                stock.drain(..part.len);
            }
        }
        (body, end)
    }

    #[test]
    fn bodies_are_told_from_what_frames_them() {
        let plain =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".as_slice();
        let chunked =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nx: y\r\n\r\n";
        for portion in [1, 2, 7, 1_000] {
            for bytes in [plain, chunked.as_slice()] {
                let read = read(Spoken::http1(false), bytes, portion);
                assert_eq!(read, (b"hello".to_vec(), Some(bytes.len())), "portions of {portion}");
            }
        }
    }

    #[test]
    fn an_answer_without_a_body_ends_with_its_head() {
        for (bytes, to_head) in [
            (b"HTTP/1.1 204 No Content\r\n\r\n".as_slice(), false),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n".as_slice(), true),
        ] {
            assert_eq!(read(Spoken::http1(to_head), bytes, 3), (Vec::new(), Some(bytes.len())));
        }
    }

    #[test]
    fn frames_are_told_apart() {
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let data = [0, 0, 5, 0, 1, 0, 0, 0, 1, b'h', b'e', b'l', b'l', b'o'];
        let bytes = [settings.as_slice(), data.as_slice()].concat();
        for portion in [1, 4, 100] {
            assert_eq!(read(Spoken::http2(), &bytes, portion), (b"hello".to_vec(), Some(bytes.len())));
        }
    }
}
