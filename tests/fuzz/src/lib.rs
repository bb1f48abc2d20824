//! What must hold for any bytes, one function for each parser that reads what strangers send.
//!
//! libFuzzer calls these with bytes it makes up (`fuzz_targets/`, `just fuzz TARGET`); `ayad/tests/corpus.rs` calls
//! them with the inputs that were worth keeping (`corpus/TARGET/`), on every run of the tests and without a nightly
//! toolchain. That test includes this file, so it uses nothing but the crates it is about, and `toml`.
//!
//! A target checks more than that nothing panics: that a message means the same in whatever pieces it arrives, that
//! what was accepted is accepted again when it is written out, that nothing is left which somebody could read
//! differently. To add a parser, add a function, a line in [`TARGETS`], and a file and an entry like the others.

use aya_core::path::{Normal, normalise};
use ayad::config::{self, Env, check, shape, source::Source};
use ayad::h1::{BodyReader, Fields, Framing, Known, Limits, RequestHead, ResponseHead, Step};
use ayad::proxy::client_hello::{MAX_HELLO, Peeked, peek};
use ayad::proxy_protocol::{Facts, MAX_HEADER, Parsed, Version, parse, write_header};

/// A check that any bytes must pass.
pub type Target = fn(&[u8]);

/// Every target with its name, which is also that of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("request_head", request_head),
    ("response_head", response_head),
    ("chunked_body", chunked_body),
    ("path", path),
    ("client_hello", client_hello),
    ("proxy_protocol", proxy_protocol),
    ("config", config),
    ("load_report", load_report),
    ("agent", agent),
    ("metrics_page", metrics_page),
];

const LIMITS: Limits = Limits { bytes: 8192, fields: 64 };

/// Longest input that is read once for each of its beginnings.
const SHORT: usize = 512;

/// A report of load; the first byte says in which field it came.
pub fn load_report(bytes: &[u8]) {
    use aya_core::report::{Form, MOST, read};
    let Some((&form, bytes)) = bytes.split_first() else { return };
    let form = [Form::Aya, Form::Orca, Form::OrcaBinary][usize::from(form % 3)];
    let mut count = 0;
    let names = [("depth".to_owned(), aya_core::signal::Signal::Queue)];
    let ended = read(form, bytes, &names, &mut |(_, value)| {
        count += 1;
        assert!(value.is_err() || value.is_ok_and(|value| value.is_finite() && value >= 0.0));
    });
    assert!(count <= MOST && ended.map_or_else(|wrong| !wrong.as_str().is_empty(), |()| true));
}

/// The answer of an agent.
pub fn agent(bytes: &[u8]) {
    use aya_core::agent::{Agent, LONGEST_REASON, read};
    let Ok(said) = read(bytes) else { return };
    assert!(said.reason.chars().count() <= LONGEST_REASON);
    let mut agent = Agent::default();
    agent.hear(&said);
    assert!((0.0..=1.0).contains(&agent.weight()));
    let mut again = agent;
    again.hear(&said);
    assert_eq!(again, agent, "hearing the same twice changes nothing");
}

/// A page of metrics.
pub fn metrics_page(bytes: &[u8]) {
    use aya_core::exposition::{Gather, Over, Selector, read};
    let Ok(page) = std::str::from_utf8(bytes) else { return };
    let selector = Selector::parse("a").expect("a name");
    let mut wanted = [Gather::new(&selector)];
    let lines = page.lines().count();
    match read(page, &mut wanted) {
        Ok(samples) => assert!(samples <= lines),
        Err(line) => assert!((1..=lines).contains(&line)),
    }
    let found = [Over::Sum, Over::Max, Over::Mean].map(|over| wanted[0].value(over).is_some());
    assert!(found == [true; 3] || found == [false; 3]);
    if let Some(other) = Selector::parse(page) {
        assert!(!other.name().is_empty());
    }
}

/// The head of a request.
pub fn request_head(bytes: &[u8]) {
    let read = |bytes: &[u8]| {
        let mut head = RequestHead::default();
        head.read(bytes, LIMITS).map(|done| done.then_some(head))
    };
    let whole = read(bytes);
    let described = |result: &Result<Option<RequestHead>, _>| format!("{result:?}");
    if let Some(first) =
        in_pieces(bytes, |part| Some(read(part)).filter(|result| !matches!(result, Ok(None))))
    {
        assert_eq!(described(&first), described(&whole));
    }
    let Ok(Some(head)) = whole else { return };
    let text = &bytes[..head.size];
    check_lines(&text[head.method.start()..], &head.fields, text);
    assert!(text.ends_with(b"\r\n\r\n") && head.size <= LIMITS.bytes && head.fields.len() <= LIMITS.fields);
    assert!(!head.http_1_0 || head.framing != Framing::Chunked);
    assert!(head.http_1_0 || head.fields.all(bytes, Known::Host).count() == 1);
    assert_ne!(head.framing, Framing::UntilClose);
    assert_eq!(head.path.end(), head.query.start());

    let mut written = [head.method.of(bytes), b" ", head.target.of(bytes), b" HTTP/1."].concat();
    written.extend(if head.http_1_0 { b"0\r\n" } else { b"1\r\n" });
    let again = written_again(written, &head.fields, bytes);
    let second = read(&again).expect("what was accepted is accepted again").expect("and it is whole");
    assert_eq!(
        (second.framing, second.keep_alive, second.upgrade),
        (head.framing, head.keep_alive, head.upgrade)
    );
    assert_eq!(second.host.of(&again), head.host.of(bytes));
    assert_eq!(pairs(&second.fields, &again), pairs(&head.fields, bytes));
}

/// The head of an answer; the first byte says to what method.
pub fn response_head(bytes: &[u8]) {
    let Some((&method, bytes)) = bytes.split_first() else { return };
    let to_head = method == b'H';
    let read = |bytes: &[u8]| {
        let mut head = ResponseHead::default();
        head.read(bytes, to_head, LIMITS).map(|done| done.then_some(head))
    };
    let whole = read(bytes);
    if let Some(first) =
        in_pieces(bytes, |part| Some(read(part)).filter(|result| !matches!(result, Ok(None))))
    {
        assert_eq!(format!("{first:?}"), format!("{whole:?}"));
    }
    let Ok(Some(head)) = whole else { return };
    let text = &bytes[..head.size];
    check_lines(text, &head.fields, text);
    assert!((100..600).contains(&head.status) && text.ends_with(b"\r\n\r\n"));
    let has_none = to_head || head.status < 200 || matches!(head.status, 204 | 304);
    assert_eq!(head.framing == Framing::None, has_none);
    assert!(!head.keep_alive || head.framing != Framing::UntilClose);

    let mut written = format!("HTTP/1.{} {:03} ", u8::from(!head.http_1_0), head.status).into_bytes();
    written.extend([head.reason.of(bytes), b"\r\n"].concat());
    let again = written_again(written, &head.fields, bytes);
    let second = read(&again).expect("what was accepted is accepted again").expect("and it is whole");
    assert_eq!(
        (second.framing, second.keep_alive, second.status),
        (head.framing, head.keep_alive, head.status)
    );
    assert_eq!(pairs(&second.fields, &again), pairs(&head.fields, bytes));
}

/// A body in chunks.
pub fn chunked_body(bytes: &[u8]) {
    let whole = read_body(bytes, bytes.len().max(1));
    let pieces = read_body(bytes, 1);
    assert_eq!(whole, pieces);
    let mut reader = BodyReader::new(Framing::Chunked);
    if let Ok((taken, payload)) = reader.advance(bytes) {
        assert!(payload <= taken && taken <= bytes.len());
        assert_eq!(payload, whole.payload.len());
    }
    if whole.end.is_some() {
        let mut written = Vec::new();
        for part in whole.payload.chunks(7) {
            written.extend(format!("{:x}\r\n", part.len()).bytes());
            written.extend([part, b"\r\n"].concat());
        }
        written.extend(b"0\r\n\r\n");
        let again = read_body(&written, 3);
        assert_eq!((again.payload, again.end), (whole.payload, Some(written.len())));
    }
}

/// The path of a request.
pub fn path(bytes: &[u8]) {
    let mut out = Vec::new();
    let normal = match normalise(bytes, &mut out) {
        Ok(Normal::AsIs) => bytes,
        Ok(Normal::Rewritten) => &out,
        Err(_) => return,
    };
    assert_eq!(normalise(normal, &mut Vec::new()), Ok(Normal::AsIs));
    assert!(normal.first() == Some(&b'/') && normal.iter().all(|byte| matches!(byte, 0x21..=0x7e)));
    assert!(!normal.windows(2).any(|pair| pair == b"//") && normal.len() <= 3 * bytes.len());
    assert!(!normal.split(|byte| *byte == b'/').any(|segment| segment == b"." || segment == b".."));
}

/// The first bytes of a TLS client. rustls, which ends TLS here and perhaps behind us, must not read another name.
pub fn client_hello(bytes: &[u8]) {
    let whole = peek(bytes);
    let first = in_pieces(bytes, |part| Some(peek(part)).filter(|verdict| *verdict != Peeked::NeedMore));
    assert_eq!(first.as_ref().unwrap_or(&Peeked::NeedMore), &whole);
    let hello = match whole {
        Peeked::NeedMore => return assert!(bytes.len() < MAX_HELLO),
        Peeked::NotTls => return,
        Peeked::Hello(hello) => hello,
    };
    assert!(hello.alpn.iter().all(|protocol| (1..256).contains(&protocol.len())));
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase();
    assert!(hello.sni.iter().all(|name| (1..=255).contains(&name.len()) && name.bytes().all(is_plain)));
    if let Some(name) = name_by_rustls(bytes) {
        assert_eq!(hello.sni.as_deref(), Some(name.trim_end_matches('.')));
    }
}

/// The name that rustls reads, if it reads the hello at all and the name is no address.
fn name_by_rustls(mut bytes: &[u8]) -> Option<String> {
    let mut acceptor = rustls::server::Acceptor::default();
    loop {
        if let Some(accepted) = acceptor.accept().ok()? {
            return accepted.client_hello().server_name().map(str::to_ascii_lowercase);
        }
        if acceptor.read_tls(&mut bytes).ok()? == 0 {
            return None;
        }
    }
}

/// What a load balancer in front sends first.
pub fn proxy_protocol(bytes: &[u8]) {
    let whole = parse(bytes);
    let ended = |part: &[u8]| Some(parse(part)).filter(|parsed| !matches!(parsed, Ok(Parsed::More(_))));
    if let Some(first) = in_pieces(bytes, ended) {
        assert_eq!(first, whole);
    }
    let Ok(Parsed::Whole(size, addresses)) = whole else {
        return assert!(whole.is_err() || bytes.len() < MAX_HEADER);
    };
    assert!(size <= bytes.len() && size <= MAX_HEADER);
    for end in 0..size {
        // Whoever reads as much as is asked for never takes what belongs to the client.
        assert!(matches!(parse(&bytes[..end]), Ok(Parsed::More(more)) if more > 0 && end + more <= size));
    }
    for version in [Version::V1, Version::V2] {
        let mut written = Vec::new();
        write_header(version, addresses, &Facts::default(), &mut written);
        let header = written.len();
        written.extend(b"first bytes");
        let Ok(Parsed::Whole(size, again)) = parse(&written) else { panic!("our own header is refused") };
        let ends = [again, addresses].map(|addresses| {
            addresses
                .map(|both| [both.source, both.destination].map(|end| (end.ip().to_canonical(), end.port())))
        });
        assert_eq!((size, ends[0]), (header, ends[1]));
    }
}

/// A configuration file. Files that name hosts or other files are left out, so that nobody is asked for them.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if toml::from_str(text).is_ok_and(|value: toml::Value| asks_others(&value)) {
        return;
    }
    let mut problems = Vec::new();
    let document = shape::read(&Source::new("fuzz.toml", text).into(), &mut problems);
    match check::check(vec![document], &Env::default(), None, "fuzz.toml", problems) {
        Ok(config) => {
            assert!(config::describe(&config).starts_with("ok: "));
            assert!(config::describe_json(&config)["valid"] == true);
        }
        Err(problems) => {
            let shown = problems.len().min(config::Problems::SHOWN);
            assert!(shown > 0 && problems.to_string().lines().count() > shown);
            assert!(problems.render(false, 80).contains("nothing was changed"));
        }
    }
}

/// Whether a text in the file could be the name of a host, which would be resolved, or of a file.
fn asks_others(value: &toml::Value) -> bool {
    match value {
        toml::Value::String(text) => {
            let is_literal = text.parse::<std::net::SocketAddr>().is_ok();
            !is_literal && (text.contains(':') || text.contains('/') && text.len() > 16)
        }
        toml::Value::Array(values) => values.iter().any(asks_others),
        toml::Value::Table(table) => table.iter().any(|(key, value)| key == "include" || asks_others(value)),
        _ => false,
    }
}

/// The first thing that `read` makes of ever longer beginnings, all of them if there are not too many.
fn in_pieces<T>(bytes: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
    let step = 1 + bytes.len() / SHORT;
    let ends = (0..bytes.len()).step_by(step).chain([bytes.len()]);
    ends.into_iter().find_map(|end| read(&bytes[..end]))
}

/// Nothing that anybody could take for a line end or a framing of its own is in an accepted head.
fn check_lines(lines: &[u8], fields: &Fields, bytes: &[u8]) {
    for (at, byte) in lines.iter().enumerate() {
        match byte {
            b'\n' => assert_eq!(lines[at - 1], b'\r'),
            b'\r' => assert_eq!(lines.get(at + 1), Some(&b'\n')),
            b'\t' | b' '..=b'~' | 0x80.. => {}
            _ => panic!("a control character was accepted"),
        }
    }
    assert!(!lines.windows(3).any(|bytes| bytes.starts_with(b"\r\n") && matches!(bytes[2], b' ' | b'\t')));
    let lengths = fields.all(bytes, Known::ContentLength).count();
    let codings = fields.all(bytes, Known::TransferEncoding).count();
    assert!(lengths + codings <= 1);
    for field in fields {
        assert!(!field.name.is_empty() && !field.name.of(bytes).contains(&b' '));
        let line = field.line().of(bytes);
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        assert_eq!(field.value.of(bytes).trim_ascii(), field.value.of(bytes));
    }
}

fn pairs<'b>(fields: &Fields, bytes: &'b [u8]) -> Vec<(&'b [u8], &'b [u8])> {
    fields.iter().map(|field| (field.name.of(bytes), field.value.of(bytes))).collect()
}

/// Fields behind a first line, written as anybody would.
fn written_again(mut head: Vec<u8>, fields: &Fields, bytes: &[u8]) -> Vec<u8> {
    for (name, value) in pairs(fields, bytes) {
        head.extend([name, b": ", value, b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    head
}

/// What was read of a body.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    payload: Vec<u8>,
    /// Where it ends, if it does.
    end: Option<usize>,
    is_bad: bool,
}

/// Reads a body of which `size` bytes come at a time.
fn read_body(bytes: &[u8], size: usize) -> Read {
    let mut reader = BodyReader::new(Framing::Chunked);
    let mut read = Read { payload: Vec::new(), end: None, is_bad: false };
    let (mut at, mut there) = (0, 0);
    loop {
        let rest = &bytes[at..there];
        let step = match reader.look(rest) {
            Ok(Step::Trailers) => match reader.trailers(rest, &mut Fields::default()) {
                Ok(Some(count)) => {
                    at += count;
                    continue;
                }
                Ok(None) => Ok(Step::More),
                Err(bad) => Err(bad),
            },
            step => step,
        };
        let taken = step.and_then(|step| match step {
            Step::Data(count) | Step::Framing(count) | Step::Last(count) => {
                reader.take(&rest[..count]).map(|()| Some((step, count)))
            }
            _ => Ok(None),
        });
        match taken {
            Err(_) => return Read { is_bad: true, ..read },
            Ok(Some((step, count))) => {
                if matches!(step, Step::Data(_)) {
                    read.payload.extend(&rest[..count]);
                }
                at += count;
            }
            Ok(None) if reader.is_done() => {
                read.end = Some(at);
                return read;
            }
            Ok(None) if there == bytes.len() => return read,
            Ok(None) => there = bytes.len().min(there + size),
        }
    }
}
