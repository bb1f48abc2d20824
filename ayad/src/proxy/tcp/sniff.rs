//! The first bytes of a connection, for the name in them.

use std::io;

use aya_core::reason::Reason;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::session::Session;
use crate::proxy::client_hello::{MAX_HELLO, Peeked, peek};

/// Bytes made room for at a time: most hellos fit, and a client that sends few costs little.
const ROOM: usize = 2048;

/// Reads until it is clear what the client asks for, and notes the name. Returns what was read, for the backend; at
/// most [`MAX_HELLO`] bytes.
///
/// A client that sends nothing until `limit` waits for the server to speak first, and names nobody. One that begins a
/// hello and does not end it has to go.
pub(super) async fn sniff(
    session: &mut Session,
    stream: &TcpStream,
    limit: Instant,
) -> Result<Vec<u8>, Reason> {
    let mut first = Vec::new();
    loop {
        match peek(&first) {
            Peeked::NeedMore => {}
            Peeked::NotTls => return Ok(first),
            Peeked::Hello(hello) => {
                session.sni = hello.sni;
                return Ok(first);
            }
        }
        match timeout_at(limit, read(stream, &mut first)).await {
            Ok(Ok(0)) if first.is_empty() => return Err(Reason::ClientGone),
            // It sends no more; what it sent may still mean something to a backend.
            Ok(Ok(0)) => return Ok(first),
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(Reason::ClientReset),
            Err(_) if first.is_empty() => return Ok(first),
            Err(_) => return Err(Reason::HeaderTimeout),
        }
    }
}

/// Reads once, behind what is there. No room is made before there is something to read. Cancel-safe.
async fn read(stream: &TcpStream, into: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        let at = into.len();
        into.resize((at + ROOM).min(MAX_HELLO), 0);
        let read = stream.try_read(&mut into[at..]);
        into.truncate(at + read.as_ref().map_or(0, |read| *read));
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
}
