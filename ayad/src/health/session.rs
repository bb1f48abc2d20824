//! The client's side of a short session: what is said, and what comes back, within limits.

use std::io;

use aya_core::health::Cause;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stream::Stream;

/// Longest line that is read, in bytes.
const LONGEST_LINE: usize = 1024;

/// A session with a server.
#[derive(Debug)]
pub(super) struct Session {
    stream: Stream,
    /// What was read and not asked for yet.
    read: Vec<u8>,
}

impl Session {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, read: Vec::new() }
    }

    /// Says something. Never fails: a server that has hung up may have said why before, which is still to be read, and
    /// reading tells the end.
    pub(super) async fn say(&mut self, bytes: &[u8]) {
        let said = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        if let Err(error) = said.await {
            tracing::debug!(%error, "a server did not listen to a check");
        }
    }

    /// Says the last words, and that they are. The verdict is there already, so nobody waits for an answer.
    pub(super) async fn part(mut self, bytes: &[u8]) {
        self.say(bytes).await;
        if let Err(error) = self.stream.shutdown().await {
            tracing::debug!(%error, "a server was gone before a check took its leave");
        }
    }

    /// Reads so many bytes; the caller has seen to it that they are few.
    pub(super) async fn take(&mut self, count: usize) -> Result<Vec<u8>, Cause> {
        while self.read.len() < count {
            self.read_more().await?;
        }
        Ok(self.read.drain(..count).collect())
    }

    /// Reads a line, and leaves out its end of CR and LF.
    pub(super) async fn line(&mut self) -> Result<Vec<u8>, Cause> {
        loop {
            if let Some(end) = self.read.iter().take(LONGEST_LINE).position(|b| *b == b'\n') {
                let mut line: Vec<u8> = self.read.drain(..=end).collect();
                line.pop();
                return if line.pop() == Some(b'\r') { Ok(line) } else { Err(Cause::Garbage) };
            }
            if self.read.len() >= LONGEST_LINE {
                return Err(Cause::Garbage);
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> Result<(), Cause> {
        let mut buffer = [0; LONGEST_LINE];
        match self.stream.read(&mut buffer).await {
            Ok(0) => Err(Cause::ClosedEarly),
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(Cause::TimedOut),
            Err(_) => Err(Cause::ClosedEarly),
        }
    }
}
