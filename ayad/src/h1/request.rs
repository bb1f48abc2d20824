//! The head of a request.

use std::mem::MaybeUninit;
use std::net::Ipv6Addr;

use aya_core::reason::Reason;

use super::body::Framing;
use super::head::{Fields, Limits, ON_STACK, Span, ends_line, framing};
use super::known::Known;
use super::refusal::Refusal;

/// Most bytes of line ends before a request, which old clients send behind a body (RFC 9112, 2.2).
const LEADING: usize = 4;

/// The head of one request. Its spans mean the bytes it was read from.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one message")]
pub struct RequestHead {
    /// Method: capitals, digits, `-` and `_`. RFC 9110 allows more, but some servers take `head` for `HEAD`, and
    /// then their answers have no body where we wait for one.
    pub method: Span,
    /// The whole target, as it came.
    pub target: Span,
    /// Host with port, from the target or from `Host`; empty for HTTP/1.0 without one.
    pub authority: Span,
    /// Host alone.
    pub host: Span,
    /// Path as it came; empty when the target is `*` or has none.
    pub path: Span,
    /// Query with its `?`; empty when there is none.
    pub query: Span,
    /// Fields.
    pub fields: Fields,
    /// How long the body is.
    pub framing: Framing,
    /// True for HTTP/1.0.
    pub http_1_0: bool,
    /// True when the client can send another request after this one.
    pub keep_alive: bool,
    /// True when the client asks for another protocol, and may: HTTP/1.1 without a body, and not for HTTP/2.
    pub upgrade: bool,
    /// True when the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// True when the target has a scheme.
    pub is_absolute: bool,
    /// Bytes of the whole head.
    pub size: usize,
}

impl RequestHead {
    /// Reads a head from the beginning of `bytes`. False while it is not complete. After a refusal the connection
    /// must be closed: nobody knows where the next request begins. How the bytes arrive makes no difference.
    pub fn read(&mut self, bytes: &[u8], limits: Limits) -> Result<bool, Refusal> {
        // What lies beyond the limit must not decide why a head is refused, or it would depend on how bytes arrive.
        let bytes = &bytes[..bytes.len().min(limits.bytes)];
        let complete = if limits.fields <= ON_STACK {
            let mut room = [const { MaybeUninit::uninit() }; ON_STACK];
            self.tokens(bytes, &mut room[..limits.fields])?
        } else {
            self.tokens(bytes, &mut vec![MaybeUninit::uninit(); limits.fields])?
        };
        if !complete {
            return if bytes.len() < limits.bytes { Ok(false) } else { Err(too_large(bytes)) };
        }
        self.check(bytes)?;
        Ok(true)
    }

    fn tokens<'b>(
        &mut self,
        bytes: &'b [u8],
        room: &mut [MaybeUninit<httparse::Header<'b>>],
    ) -> Result<bool, Refusal> {
        let mut parsed = httparse::Request::new(&mut []);
        let status = parsed
            .parse_with_uninit_headers(bytes, room)
            .map_err(|error| Refusal::of_tokens(error, bytes))?;
        let httparse::Status::Complete(size) = status else { return Ok(false) };
        let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(Refusal::bad("a request line that cannot be read"));
        };
        self.method = Span::within(bytes, method.as_bytes());
        self.target = Span::within(bytes, target.as_bytes());
        self.http_1_0 = minor == 0;
        self.size = size;
        let line_end = parsed
            .headers
            .first()
            .map_or(size.saturating_sub(2), |first| Span::within(bytes, first.name.as_bytes()).start());
        let version_end = self.target.end() + " HTTP/1.x".len();
        let ends = self.fields.take(bytes, parsed.headers, size.saturating_sub(2))
            && line_end == version_end + 2
            && ends_line(bytes, line_end, version_end)
            && ends_line(bytes, size, size.saturating_sub(2));
        let leading = &bytes[..self.method.start()];
        let is_lead = leading.len() <= LEADING && leading.chunks(2).all(|pair| pair == b"\r\n");
        match (ends, is_lead) {
            (true, true) => Ok(true),
            (true, false) => Err(Refusal::bad("more than empty lines before the request, or too many")),
            (false, _) => Err(Refusal::bad("a line that does not end with CRLF")),
        }
    }

    /// What the tokens mean together.
    fn check(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let fields = &self.fields;
        if fields.has_disguised() {
            return Err(Refusal::bad("a name that looks like that of a field with a meaning"));
        }
        self.framing = framing(bytes, fields, self.http_1_0)
            .map_err(|rule| Refusal::new(unframed(bytes, fields), rule))?;
        let options = fields.options();
        self.keep_alive = !options.close && (options.keep_alive || !self.http_1_0);
        self.upgrade = options.upgrade
            && fields.has(Known::Upgrade)
            && !self.http_1_0
            && matches!(self.framing, Framing::None | Framing::Length(0))
            // A tunnel of HTTP/2 would be requests that no rule here ever sees; it is for one connection alone, and
            // obsolete (RFC 9113, 3.1).
            && fields.elements(bytes, Known::Upgrade).all(may_be_spoken);
        self.expects_continue = fields.has(Known::Expect) && !self.http_1_0;
        if self.expects_continue
            && fields.only(bytes, Known::Expect).is_none_or(|e| !e.eq_ignore_ascii_case(b"100-continue"))
        {
            return Err(Refusal::new(Reason::ExpectationFailed, "an expectation other than 100-continue"));
        }
        self.locate(bytes)
    }

    /// Finds host, path and query, in the four forms of a target (RFC 9112, 3.2).
    fn locate(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let target = self.target.of(bytes);
        if !target.iter().all(|b| matches!(b, 0x21..=0x7e) && *b != b'#') {
            return Err(Refusal::bad("a byte in the target that must be escaped"));
        }
        let method = self.method.of(bytes);
        if !method.iter().all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_')) {
            return Err(Refusal::bad("a method with other bytes than A-Z, 0-9, \"-\" and \"_\""));
        }
        let named = self.host_field()?;
        if method == b"CONNECT" {
            return Err(Refusal::new(Reason::NotImplemented, "CONNECT is not done here"));
        }
        let (start, end) = (self.target.start(), self.target.end());
        self.is_absolute = false;
        let path_from = match target {
            [b'/', ..] => start,
            b"*" if method == b"OPTIONS" => end,
            _ => self.absolute(bytes, named)?,
        };
        if !self.is_absolute {
            self.authority = named;
        } else if host_of(bytes, named).is_none() {
            return Err(bad_host("a host that cannot be one"));
        }
        let question = memchr::memchr(b'?', &bytes[path_from..end]).map_or(end, |at| path_from + at);
        (self.path, self.query) = (Span::new(path_from, question), Span::new(question, end));
        self.host = host_of(bytes, self.authority).ok_or(bad_host("a host that cannot be one"))?;
        Ok(())
    }

    /// `http://HOST[:PORT][/PATH]`; says where the path begins. Who the client claims to be has no place there.
    fn absolute(&mut self, bytes: &[u8], named: Span) -> Result<usize, Refusal> {
        let target = self.target.of(bytes);
        let scheme = [&b"http://"[..], b"https://"].into_iter().find(|scheme| {
            target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        });
        let scheme = scheme.ok_or(Refusal::bad("a target that is neither a path nor http"))?;
        let rest = &target[scheme.len()..];
        let length = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
        let from = self.target.start() + scheme.len();
        let authority = Span::new(from, from + length);
        if memchr::memchr(b'@', authority.of(bytes)).is_some() {
            return Err(Refusal::bad("a target that names a user"));
        }
        // RFC 9110, 4.2.1: a URI of this scheme without a host is invalid.
        if authority.is_empty() {
            return Err(bad_host("a target without a host"));
        }
        let default_port: &[u8] = if scheme.len() == 7 { b":80" } else { b":443" };
        let plain = |text: Span| {
            let text = text.of(bytes);
            text.strip_suffix(default_port).or_else(|| text.strip_suffix(b":")).unwrap_or(text)
        };
        if !self.fields.has(Known::Host) || plain(named).eq_ignore_ascii_case(plain(authority)) {
            (self.is_absolute, self.authority) = (true, authority);
            return Ok(authority.end());
        }
        Err(bad_host("a host that is not that of the target"))
    }

    /// The value of `Host`: exactly one in HTTP/1.1, at most one in HTTP/1.0.
    fn host_field(&self) -> Result<Span, Refusal> {
        if !self.fields.has(Known::Host) {
            return if self.http_1_0 { Ok(Span::default()) } else { Err(bad_host("no host")) };
        }
        let mut hosts = self.fields.iter().filter(|field| field.known == Known::Host);
        match (hosts.next(), hosts.next()) {
            (Some(only), None) if !only.value.is_empty() => Ok(only.value),
            _ => Err(bad_host("host twice, or empty")),
        }
    }
}

fn bad_host(rule: &'static str) -> Refusal {
    Refusal::new(Reason::BadHost, rule)
}

/// Takes the port off; `None` when what is left cannot be a host. Nothing is the host of nobody.
///
/// Names have letters, digits, `-`, `.` and `_`. RFC 3986 would let them have escapes and more punctuation; no host
/// has them, and readers disagree about whether `%61` is `a`.
fn host_of(bytes: &[u8], authority: Span) -> Option<Span> {
    let text = authority.of(bytes);
    if text.is_empty() {
        return Some(authority);
    }
    let name = match text {
        [b'[', ..] => bracketed(text)?,
        _ => text.iter().take_while(|b| IN_NAME[usize::from(**b)]).count(),
    };
    let port_fits = match &text[name..] {
        [] => true,
        [b':', digits @ ..] => is_port(digits),
        _ => false,
    };
    (port_fits && name > 0).then(|| Span::new(authority.start(), authority.start() + name))
}

/// Bytes of an IPv6 address with the brackets around it.
fn bracketed(text: &[u8]) -> Option<usize> {
    let end = memchr::memchr(b']', text)?;
    std::str::from_utf8(&text[1..end]).ok()?.parse::<Ipv6Addr>().ok()?;
    Some(end + 1)
}

/// Which bytes a host name has.
static IN_NAME: [bool; 256] = {
    let (mut table, mut byte) = ([false; 256], 0);
    while byte < table.len() {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        byte += 1;
    }
    table
};

/// Nothing, or a number up to 65535.
fn is_port(digits: &[u8]) -> bool {
    let number = |sum: Option<u16>, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| u16::from(digit - b'0'))?;
        sum?.checked_mul(10)?.checked_add(digit)
    };
    digits.len() <= 5 && digits.iter().fold(Some(0), number).is_some()
}

/// Why the length of a body is in doubt: a coding that is well written but unknown is not the same as a trick.
fn unframed(bytes: &[u8], fields: &Fields) -> Reason {
    let codings = [&b"gzip"[..], b"x-gzip", b"deflate", b"compress", b"x-compress", b"identity"];
    let is_coding = |part: &[u8]| codings.iter().any(|coding| part.eq_ignore_ascii_case(coding));
    let mut elements = fields.elements(bytes, Known::TransferEncoding);
    if !fields.has(Known::ContentLength) && elements.next().is_some_and(is_coding) {
        Reason::NotImplemented
    } else {
        Reason::BadRequest
    }
}

/// What is too long: the request line, when not even that is complete.
fn too_large(bytes: &[u8]) -> Refusal {
    let line = memchr::memchr(b'\n', bytes.get(LEADING..).unwrap_or_default());
    match line {
        Some(_) => Refusal::new(Reason::HeadersTooLarge, "a head over the limit"),
        None => Refusal::new(Reason::UriTooLong, "a request line over the limit"),
    }
}

/// True for a protocol that a client may change to: a name, perhaps with a version (RFC 9110, 7.8), that is not HTTP/2.
/// What else stands in a list, some reader might take for that.
fn may_be_spoken(protocol: &[u8]) -> bool {
    let is_token = |part: &[u8]| {
        !part.is_empty() && part.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
    };
    let mut parts = protocol.splitn(2, |b| *b == b'/');
    let name = parts.next().unwrap_or_default();
    is_token(name) && parts.next().is_none_or(is_token) && !name.eq_ignore_ascii_case(b"h2c")
}
