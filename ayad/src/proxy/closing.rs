//! How connections end: so that the client reads what it was told.
//!
//! A socket that is closed while bytes wait in it is reset, and a reset overtakes the answer. So the sending half is
//! closed first, and what still comes is read and thrown away for a moment.

use std::time::Duration;

use aya_core::reason::Reason;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::words;
use crate::buffers::Buffer;
use crate::stream::Stream;

/// Longest time for all of it.
const WITHIN: Duration = Duration::from_secs(1);
/// Most bytes that are thrown away.
const MOST: usize = 256 * 1024;

/// Says why a connection is closed, and closes it.
pub(super) async fn last_words(mut stream: Stream, reason: Reason) {
    let said = tokio::time::timeout(WITHIN, stream.write_all(&words::raw(reason))).await;
    if matches!(said, Ok(Ok(()))) {
        farewell(stream).await;
    } else {
        tracing::debug!("the client left before it was told why");
    }
}

/// As [`last_words`], without waiting for anything: a client that sends meanwhile may not get to read it.
pub(super) fn parting_word(stream: &TcpStream, reason: Reason) {
    let mut buffer = Buffer::small();
    // Whether something came or not: it is out of the way of the close.
    let read = recv(stream, &mut buffer[..], RecvFlags::DONTWAIT);
    let said = send(stream, &words::raw(reason), SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    tracing::trace!(?read, ?said, "a connection was turned away at once");
}

/// Closes a connection whose last answer is with the system.
pub(super) async fn farewell(mut stream: Stream) {
    let ended = tokio::time::timeout(WITHIN, async {
        stream.shutdown().await?;
        let mut buffer = Buffer::small();
        let mut read = 0;
        while read < MOST {
            match stream.read(&mut buffer).await? {
                0 => break,
                count => read += count,
            }
        }
        Ok::<_, std::io::Error>(())
    });
    if let Ok(Err(error)) = ended.await {
        tracing::debug!(%error, "a connection ended early");
    }
}
