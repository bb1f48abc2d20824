//! A backend that keeps the exact bytes it was sent, and answers with exact bytes.
//!
//! [`crate::backend`] reads requests as a server would; this one only finds out where they end. So a test sees what
//! went over the wire, also when that is no good HTTP.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::backend::{Backend, Then};

/// Messages that are kept.
const KEPT: usize = 1000;

/// In which portions bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pieces {
    /// All at once.
    Whole,
    /// One by one.
    Bytes,
    /// The first so many, then the others.
    At(usize),
}

/// When a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// When all of it is there.
    Whole,
    /// When its head is there; the rest is read afterwards.
    Head,
}

/// What the backend says to a request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// When they are said.
    pub when: When,
    /// What comes after them.
    pub then: Then,
    /// In which portions they are written.
    pub pieces: Pieces,
}

impl Reply {
    /// Bytes that are said when the request is there; the connection is kept.
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self { bytes: bytes.as_ref().to_vec(), when: When::Whole, then: Then::Keep, pieces: Pieces::Whole }
    }

    /// A small and simple answer.
    pub fn ok() -> Self {
        Self::new("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    }
}

/// The backend. It stops when it is dropped.
#[derive(Debug)]
pub struct Tape {
    backend: Backend,
    shared: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    reply: Reply,
    whole: Vec<Vec<u8>>,
    broken: Vec<Vec<u8>>,
}

impl Tape {
    /// Starts it; it answers everything with [`Reply::ok`].
    pub fn start() -> Self {
        let state = State { reply: Reply::ok(), whole: Vec::new(), broken: Vec::new() };
        let shared = Arc::new(Mutex::new(state));
        let served = Arc::clone(&shared);
        let backend = Backend::raw(move |stream| {
            // How connections break is what many tests are about.
            drop(serve(&served, stream));
        });
        Self { backend, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.backend.address
    }

    /// Connections open now.
    pub fn open_connections(&self) -> usize {
        self.backend.open_connections()
    }

    /// Forgets what it heard, and answers so from now on.
    pub fn play(&self, reply: Reply) {
        let mut state = lock(&self.shared);
        state.reply = reply;
        state.whole.clear();
        state.broken.clear();
    }

    /// Requests that came whole since [`Self::play`], oldest first.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        lock(&self.shared).whole.clone()
    }

    /// Requests that broke off since [`Self::play`]; known once the connection has ended.
    pub fn broken(&self) -> Vec<Vec<u8>> {
        lock(&self.shared).broken.clone()
    }
}

/// Writes bytes in portions.
pub fn write_in(mut stream: impl Write, bytes: &[u8], pieces: Pieces) -> io::Result<()> {
    match pieces {
        Pieces::Whole => stream.write_all(bytes),
        Pieces::Bytes => bytes.chunks(1).try_for_each(|byte| stream.write_all(byte)),
        Pieces::At(at) => {
            let (first, second) = bytes.split_at(at.min(bytes.len()));
            stream.write_all(first)?;
            stream.write_all(second)
        }
    }
}

fn serve(shared: &Mutex<State>, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut got = Vec::new();
    let mut is_answered = false;
    loop {
        let end = message_end(&got);
        if let Some(end) = end {
            remember(&mut lock(shared).whole, &got[..end]);
        }
        let reply = lock(shared).reply.clone();
        let is_due = end.is_some() || (reply.when == When::Head && head_end(&got).is_some());
        if is_due && !std::mem::replace(&mut is_answered, true) {
            write_in(&stream, &reply.bytes, reply.pieces)?;
            if reply.then == Then::Close {
                return stream.shutdown(Shutdown::Both);
            }
        }
        if let Some(end) = end {
            got.drain(..end);
            is_answered = false;
            continue;
        }
        let mut more = [0; 16 << 10];
        match stream.read(&mut more) {
            Ok(count @ 1..) => got.extend_from_slice(&more[..count]),
            ended => {
                if !got.is_empty() {
                    remember(&mut lock(shared).broken, &got);
                }
                return ended.map(drop);
            }
        }
    }
}

fn remember(list: &mut Vec<Vec<u8>>, bytes: &[u8]) {
    if list.len() < KEPT {
        list.push(bytes.to_vec());
    }
}

/// Where the head ends.
fn head_end(bytes: &[u8]) -> Option<usize> {
    find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

/// Where the first message ends, as its head and its chunks say.
fn message_end(bytes: &[u8]) -> Option<usize> {
    let head = head_end(bytes)?;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line[name.len()..].trim().to_owned())
    };
    if value("transfer-encoding:").as_deref() == Some("chunked") {
        return chunks_end(bytes, head);
    }
    let length = value("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0);
    (bytes.len() - head >= length).then_some(head + length)
}

fn chunks_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let line = find(&bytes[at..], b"\r\n")?;
        let size = String::from_utf8_lossy(&bytes[at..at + line]);
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16).ok()?;
        at += line + 2;
        if size == 0 {
            break;
        }
        at = at.checked_add(size + 2).filter(|at| *at <= bytes.len())?;
    }
    // Trailers end with an empty line.
    loop {
        let line = find(&bytes[at..], b"\r\n")?;
        at += line + 2;
        if line == 0 {
            return Some(at);
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_end_where_their_framing_says() {
        for (message, rest) in [
            ("GET / HTTP/1.1\r\n\r\n", "GET"),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "d"),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\n\r\n", "0\r\n"),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: b\r\nc: d\r\n\r\n", ""),
        ] {
            let all = [message, rest].concat();
            assert_eq!(message_end(all.as_bytes()), Some(message.len()), "{message}");
            for cut in 0..message.len() {
                assert_eq!(message_end(&message.as_bytes()[..cut]), None, "{cut} bytes of {message}");
            }
        }
    }
}
