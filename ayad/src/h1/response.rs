//! The head of an answer.

use std::fmt;
use std::mem::MaybeUninit;

use super::body::Framing;
use super::head::{Fields, Limits, ON_STACK, Span, ends_line, framing};

/// Why an answer cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadResponse(pub &'static str);

impl fmt::Display for BadResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadResponse {}

/// The head of one answer. Its spans mean the bytes it was read from.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// Status code, 100 to 599.
    pub status: u16,
    /// Reason phrase; may be empty.
    pub reason: Span,
    /// Fields.
    pub fields: Fields,
    /// How long the body is.
    pub framing: Framing,
    /// True for HTTP/1.0.
    pub http_1_0: bool,
    /// True when the backend takes another request on this connection.
    pub keep_alive: bool,
    /// Bytes of the whole head.
    pub size: usize,
}

impl ResponseHead {
    /// Reads a head from the beginning of `bytes`. False while it is not complete. `to_head` says that the request
    /// was a `HEAD`.
    pub fn read(&mut self, bytes: &[u8], to_head: bool, limits: Limits) -> Result<bool, BadResponse> {
        // In which portions the bytes came makes no difference.
        let bytes = &bytes[..bytes.len().min(limits.bytes)];
        let mut room = [const { MaybeUninit::uninit() }; ON_STACK];
        let room = &mut room[..limits.fields.min(ON_STACK)];
        let mut parsed = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let status = config.parse_response_with_uninit_headers(&mut parsed, bytes, room);
        let size = match status {
            Ok(httparse::Status::Complete(size)) => size,
            Ok(httparse::Status::Partial) if bytes.len() < limits.bytes => return Ok(false),
            Ok(httparse::Status::Partial) => return Err(BadResponse("the head is too long")),
            Err(httparse::Error::TooManyHeaders) => return Err(BadResponse("there are too many fields")),
            Err(_) => return Err(BadResponse("the head cannot be read")),
        };
        let (Some(code), Some(minor)) = (parsed.code, parsed.version) else {
            return Err(BadResponse("the head cannot be read"));
        };
        (self.status, self.http_1_0, self.size) = (code, minor == 0, size);
        let line_end = parsed
            .headers
            .first()
            .map_or(size.saturating_sub(2), |first| Span::within(bytes, first.name.as_bytes()).start());
        let code_end = "HTTP/1.x 200".len();
        // What stands between code and line end is the phrase; the tokeniser leaves out one it does not like.
        let phrase_end = line_end.saturating_sub(2);
        self.reason = Span::new((code_end + 1).min(phrase_end), phrase_end);
        let is_text = |b: &u8| matches!(b, b'\t' | b' '..=b'~' | 0x80..);
        let ends = self.fields.take(bytes, parsed.headers, size.saturating_sub(2))
            && ends_line(bytes, line_end, code_end)
            && ends_line(bytes, size, size.saturating_sub(2))
            && bytes.starts_with(b"HTTP/1.")
            && self.reason.of(bytes).iter().all(is_text);
        if !ends {
            return Err(BadResponse("a line of the head does not end with CRLF"));
        }
        self.check(bytes, to_head)?;
        Ok(true)
    }

    /// True for 1xx answers that another one follows.
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }

    fn check(&mut self, bytes: &[u8], to_head: bool) -> Result<(), BadResponse> {
        let fields = &self.fields;
        if !(100..600).contains(&self.status) {
            return Err(BadResponse("the status is out of range"));
        }
        let announced = framing(bytes, fields, self.http_1_0).map_err(BadResponse)?;
        // What cannot have a body must not announce one: the backend may send it, and it would be the next answer
        // (RFC 9112, 6.1 and 6.2). Answers to HEAD and 304 tell what there would be.
        let is_bare = self.status < 200 || self.status == 204;
        if is_bare && !matches!(announced, Framing::None | Framing::Length(0)) {
            return Err(BadResponse("an answer that has no body announces one"));
        }
        let bodiless = to_head || self.status < 200 || matches!(self.status, 204 | 304);
        self.framing = match announced {
            _ if bodiless => Framing::None,
            Framing::None => Framing::UntilClose,
            announced => announced,
        };
        let options = fields.options();
        let persists = !options.close && (options.keep_alive || !self.http_1_0);
        self.keep_alive = persists && self.framing != Framing::UntilClose;
        Ok(())
    }
}
