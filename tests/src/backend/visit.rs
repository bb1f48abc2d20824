//! One request at a scripted backend.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::message::{Body, Head};

/// What happens to the connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The next request is read from it.
    Keep,
    /// It is closed.
    Close,
}

/// One request, and the connection it came by.
#[derive(Debug)]
pub struct Visit<'c> {
    /// Its first line and fields.
    pub head: Head,
    /// How many requests this backend had before.
    pub nth: usize,
    /// How many of them came by the same connection.
    pub nth_on_connection: usize,
    stream: &'c mut BufReader<TcpStream>,
    has_read_body: bool,
}

impl<'c> Visit<'c> {
    pub(super) fn new(
        head: Head,
        nth: usize,
        nth_on_connection: usize,
        stream: &'c mut BufReader<TcpStream>,
    ) -> Self {
        Self { head, nth, nth_on_connection, stream, has_read_body: false }
    }

    /// The target of the request.
    pub fn target(&self) -> &str {
        self.head.word(1)
    }

    /// Reads the body to its end.
    pub fn body(&mut self) -> io::Result<Body> {
        self.has_read_body = true;
        Body::read(self.stream, &self.head, false)
    }

    pub(super) fn read_leftover(&mut self) -> io::Result<()> {
        if self.has_read_body { Ok(()) } else { self.body().map(drop) }
    }

    /// Reads exactly `count` bytes of what follows the head, without looking at its framing.
    pub fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        self.has_read_body = true;
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes bytes as they are.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Answers with a status and a text, and keeps the connection.
    pub fn answer(&mut self, status: u16, text: &str) -> io::Result<Then> {
        self.read_leftover()?;
        let length = text.len();
        let body = if self.head.word(0) == "HEAD" { "" } else { text };
        self.write(format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {length}\r\n\r\n{body}"))?;
        Ok(Then::Keep)
    }

    /// Answers with these bytes and keeps the connection.
    pub fn raw_answer(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<Then> {
        self.read_leftover()?;
        self.write(bytes)?;
        Ok(Then::Keep)
    }

    /// Reads and forgets until the other end closes the connection or goes away.
    pub fn wait_for_close(&mut self) {
        // A reset is a way of closing, too.
        drop(io::copy(self.stream, &mut io::sink()));
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&self) -> io::Result<()> {
        self.stream.get_ref().shutdown(Shutdown::Write)
    }

    /// The socket, for what the other methods do not do.
    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }
}
