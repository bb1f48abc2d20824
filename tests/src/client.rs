//! A client that sends exactly the bytes it is given and reads exact answers.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::message::{Body, Head};
use crate::wait::{DEADLINE, Gate};

/// The byte that [`pour`] writes.
pub const FILLING: u8 = 7;
/// A socket that takes nothing for this long is full.
const FULL: Duration = Duration::from_millis(300);

/// A connection to a proxy or a control socket.
#[derive(Debug)]
pub struct Client<S: Read = TcpStream> {
    stream: BufReader<S>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its first line and fields.
    pub head: Head,
    /// What followed.
    pub body: Body,
}

impl Answer {
    /// The only value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }

    /// Why the proxy answered by itself; `None` for answers of backends.
    pub fn reason(&self) -> Option<&str> {
        self.field("x-aya-reason")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        self.body.text()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body.bytes).unwrap_or_else(|e| panic!("{e} in {:?}", self.text()))
    }
}

impl Client {
    /// Connects. Reads and writes give up after [`DEADLINE`].
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"))
    }

    /// Connects, or says why not.
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Self::over(stream))
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&self) {
        self.stream.get_ref().shutdown(Shutdown::Write).expect("the connection is open");
    }

    /// Its own address, as the other end sees it.
    pub fn local_address(&self) -> SocketAddr {
        self.stream.get_ref().local_addr().expect("the connection is open")
    }

    /// Waits until there is something to read, and leaves it there.
    pub fn wait_readable(&self) {
        self.stream.get_ref().peek(&mut [0; 1]).expect("something comes");
    }

    /// Sends bytes and says with the last of them, in one packet, that nothing more will be sent.
    pub fn send_and_finish(&mut self, bytes: impl AsRef<[u8]>) {
        let socket = socket2::SockRef::from(self.stream.get_ref());
        socket.set_tcp_cork(true).expect("the socket is TCP");
        self.send(bytes);
        self.finish_sending();
    }

    /// What comes from the other end.
    pub fn reader(&mut self) -> &mut impl Read {
        &mut self.stream
    }

    /// Sends `count` bytes; see [`pour`].
    pub fn pour(&mut self, count: usize, taken: &AtomicUsize, full: &Gate) -> io::Result<()> {
        pour(self.stream.get_ref(), count, taken, full)
    }
}

impl<S: Read> Client<S>
where
    for<'s> &'s S: Write,
{
    /// Speaks over an open connection.
    pub fn over(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// What it speaks over.
    pub fn socket(&self) -> &S {
        self.stream.get_ref()
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the other end takes what is sent");
    }

    /// Sends bytes, or says why that failed.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_ref().write_all(bytes.as_ref())
    }

    /// Reads the answer to a request.
    pub fn answer(&mut self) -> Answer {
        self.try_answer().expect("a whole answer comes")
    }

    /// Reads the answer to a request, or says how it broke off.
    pub fn try_answer(&mut self) -> io::Result<Answer> {
        let head = self.try_head()?;
        let status = status(&head)?;
        let is_bodiless = matches!(status, 204 | 304) || status < 200;
        let body = if is_bodiless { Body::default() } else { Body::read(&mut self.stream, &head, true)? };
        Ok(Answer { status, head, body })
    }

    /// Reads the answer to a HEAD request, which has no body whatever its fields say.
    pub fn answer_to_head(&mut self) -> Answer {
        let head = self.head();
        let status = status(&head).expect("an answer has a status");
        Answer { status, head, body: Body::default() }
    }

    /// Reads the head of an answer and leaves its body where it is.
    pub fn head(&mut self) -> Head {
        self.try_head().expect("a whole head comes")
    }

    fn try_head(&mut self) -> io::Result<Head> {
        Head::read(&mut self.stream)?.ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    /// Reads exactly `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).expect("that many bytes come");
        bytes
    }

    /// Reads a byte, or says why none comes.
    pub fn try_byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    /// Reads one line of text, without its end.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            line.extend(self.bytes(1));
        }
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    /// Reads until the other end closes, and returns what came before.
    pub fn rest(&mut self) -> Vec<u8> {
        self.try_rest().unwrap_or_else(|error| panic!("the other end keeps the connection open: {error}"))
    }

    /// Reads until the other end closes or resets the connection; an error when it does neither.
    pub fn try_rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(bytes),
            Err(error) => Err(error),
        }
    }

    /// Waits until the other end closes; panics when anything comes before that.
    pub fn expect_close(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "before the end came {:?}", String::from_utf8_lossy(&rest));
    }
}

fn status(head: &Head) -> io::Result<u16> {
    head.word(1).parse().map_err(|_| io::Error::new(ErrorKind::InvalidData, head.line.clone()))
}

/// Writes `count` bytes of no meaning, adds up in `taken` what the socket took, and opens `full` when it takes
/// no more, or when all is written.
pub fn pour(mut socket: &TcpStream, count: usize, taken: &AtomicUsize, full: &Gate) -> io::Result<()> {
    let piece = vec![FILLING; 64 << 10];
    socket.set_write_timeout(Some(FULL))?;
    while taken.load(Ordering::SeqCst) < count {
        let left = count - taken.load(Ordering::SeqCst);
        match socket.write(&piece[..left.min(piece.len())]) {
            Ok(written) => {
                taken.fetch_add(written, Ordering::SeqCst);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => full.open(),
            Err(error) => return Err(error),
        }
    }
    full.open();
    Ok(())
}

/// Sends one request on a connection of its own and reads the answer.
pub fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> Answer {
    let mut client = Client::connect(address);
    client.send(request);
    client.answer()
}

/// Asks for a path of the host `test`.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, request("GET", path, &[]))
}

/// A request without a body for the host `test`, with more fields.
pub fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> String {
    let host =
        if fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) { "" } else { "host: test\r\n" };
    let mut text = format!("{method} {path} HTTP/1.1\r\n{host}");
    for (name, value) in fields {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text + "\r\n"
}
