//! The first bytes of a connection, for the name in them.

use aya_core::reason::Reason;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::session::Session;
use crate::buffers::Buffer;
use crate::proxy::client_hello::{MAX_HELLO, Peeked, peek};

/// Reads until it is clear what the client asks for, and notes the name. Returns what was read, for the backend.
///
/// A client that sends nothing until `limit` waits for the server to speak first, and names nobody. One that begins a
/// hello and does not end it has to go.
pub(super) async fn sniff(
    session: &mut Session,
    stream: &TcpStream,
    limit: Instant,
) -> Result<Vec<u8>, Reason> {
    // No buffer before there is something to put in it. Readiness alone may be a false alarm; a byte is none.
    match tokio::time::timeout_at(limit, stream.peek(&mut [0])).await {
        Err(_) => return Ok(Vec::new()),
        Ok(Ok(0)) => return Err(Reason::ClientGone),
        Ok(Err(_)) => return Err(Reason::ClientReset),
        Ok(Ok(_)) => {}
    }
    let mut buffer = Buffer::at_least(MAX_HELLO);
    let mut filled = 0;
    loop {
        match peek(&buffer[..filled]) {
            Peeked::NeedMore => {}
            Peeked::NotTls => break,
            Peeked::Hello(hello) => {
                session.sni = hello.sni;
                break;
            }
        }
        match tokio::time::timeout_at(limit, read(stream, &mut buffer[filled..])).await {
            // It sends no more; what it sent may still mean something to a backend.
            Ok(Ok(0)) => break,
            Ok(Ok(read)) => filled += read,
            Ok(Err(_)) => return Err(Reason::ClientReset),
            Err(_) => return Err(Reason::HeaderTimeout),
        }
    }
    Ok(buffer[..filled].to_vec())
}

async fn read(stream: &TcpStream, into: &mut [u8]) -> std::io::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read(into) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
}
