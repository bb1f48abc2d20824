//! Raw frames over a socket: whatever a codec would refuse to send.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::wait::DEADLINE;

/// `DATA`
pub const DATA: u8 = 0;
/// `HEADERS`
pub const HEADERS: u8 = 1;
/// `PRIORITY`
pub const PRIORITY: u8 = 2;
/// `RST_STREAM`
pub const RESET: u8 = 3;
/// `SETTINGS`
pub const SETTINGS: u8 = 4;
/// `PING`
pub const PING: u8 = 6;
/// `GOAWAY`
pub const GOAWAY: u8 = 7;
/// `WINDOW_UPDATE`
pub const WINDOW_UPDATE: u8 = 8;
/// `CONTINUATION`
pub const CONTINUATION: u8 = 9;

/// The flag `END_STREAM`, and `ACK`.
pub const END_STREAM: u8 = 1;
/// The flag `END_HEADERS`.
pub const END_HEADERS: u8 = 4;

/// What a client sends first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// What is in it.
    pub payload: Vec<u8>,
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("tests send small frames");
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Fields as literals that are not indexed: names and values as they are, whatever is in them (RFC 7541, 6.2.2).
pub fn literals(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541, 5.1).
fn length(block: &mut Vec<u8>, mut value: usize) {
    if value < 127 {
        block.push(value as u8);
        return;
    }
    block.push(127);
    value -= 127;
    while value >= 128 {
        block.push((value % 128) as u8 | 128);
        value /= 128;
    }
    block.push(value as u8);
}

/// The head of a `GET` with further fields.
pub fn get(path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "test.example")];
    literals(&[&pseudo[..], fields].concat())
}

/// A connection on which frames are written and read one by one.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
}

impl Raw {
    /// Connects, and sends what a client sends first. Reads and writes give up after the deadline of every wait.
    pub fn connect(address: SocketAddr) -> Self {
        let mut raw = Self::silent(address);
        raw.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat());
        raw
    }

    /// Connects, and sends nothing.
    pub fn silent(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, DEADLINE).expect("the proxy accepts");
        stream.set_nodelay(true).expect("a socket can be set up");
        stream.set_read_timeout(Some(DEADLINE)).expect("a socket can be set up");
        stream.set_write_timeout(Some(DEADLINE)).expect("a socket can be set up");
        Self { stream }
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the proxy takes what is sent");
    }

    /// Sends bytes, or says why that failed.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends bytes again and again, until that many were sent or the other side takes no more of them.
    pub fn flood(&mut self, bytes: &[u8], times: usize) {
        for _ in 0..times {
            if self.try_send(bytes).is_err() {
                return;
            }
        }
    }

    /// The next frame; `None` once the connection is closed.
    pub fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        match self.stream.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                panic!("neither a frame nor the end comes")
            }
            Err(_) => return None,
        }
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }

    /// Reads up to a frame of this type on this stream.
    pub fn until(&mut self, kind: u8, stream: u32) -> Option<Frame> {
        std::iter::from_fn(|| self.read()).find(|frame| frame.kind == kind && frame.stream == stream)
    }

    /// Reads up to the end, and says with which code the other side ended the connection; `None` when it did not say.
    pub fn goaway(&mut self) -> Option<u32> {
        let last = std::iter::from_fn(|| self.read()).filter(|frame| frame.kind == GOAWAY).last()?;
        last.payload.get(4..8).map(|code| u32::from_be_bytes(code.try_into().expect("four bytes are four")))
    }

    /// Why this stream was reset.
    pub fn reset(&mut self, stream: u32) -> Option<u32> {
        let frame = self.until(RESET, stream)?;
        frame.payload.try_into().ok().map(u32::from_be_bytes)
    }
}
