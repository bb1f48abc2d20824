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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::net::UnixStream;

    use super::*;
    use crate::config::{GrpcProbe, RedisProbe, RedisRole};
    use crate::health::{grpc, mysql, postgres, redis};
    use crate::stream::Plain;

    /// What each kind makes of a server that says these bytes and hangs up.
    fn verdicts(said: &[u8]) -> Vec<Result<(), Cause>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ask = async |kind: usize| {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(said).await.unwrap();
            theirs.shutdown().await.unwrap();
            let stream = Stream::Plain(Plain::Unix(ours));
            match kind {
                0 => postgres::probe(stream, "ada").await,
                1 => mysql::probe(stream, "ada").await,
                2 => redis::probe(stream, &RedisProbe { login: None, role: Some(RedisRole::Master) }).await,
                _ => grpc::probe(stream, "a:1", &GrpcProbe { service: "s".into(), host: None }).await,
            }
        };
        (0..4).map(|kind| runtime.block_on(ask(kind))).collect()
    }

    /// What answers begin with, so that what follows is read as more than noise.
    const BEGINNINGS: &[&[u8]] = &[
        b"",
        b"E\0\0\0\x20",
        b"\x20\0\0\0\x0a8\0",
        b"\x20\0\0\0\xff",
        b"+PONG\r\n*3\r\n$6\r\n",
        b"\0\0\0\x04\0\0\0\0\0",
    ];

    proptest! {
        #[test]
        fn whatever_a_server_says_there_is_a_verdict(
            start in prop::sample::select(BEGINNINGS),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            // None of these is an answer of a server that is well; only an invitation to log in would pass.
            for verdict in verdicts(&[start, &rest].concat()) {
                if let Err(cause) = verdict {
                    prop_assert!(cause.to_string().chars().all(|c| !c.is_control()), "{cause:?}");
                }
            }
        }
    }

    #[test]
    fn every_beginning_of_a_good_session_is_closed_early() {
        let good: [&[u8]; 3] = [
            b"R\0\0\0\x08\0\0\0\0",
            b"\x12\0\0\0\x0a8\0\x01\0\0\0challeng\0\xff\xff\x03\0\0\x02\0\0\0",
            b"+PONG\r\n*1\r\n$6\r\nmaster\r\n",
        ];
        for (kind, said) in good.into_iter().enumerate() {
            assert_eq!(verdicts(said)[kind], Ok(()), "{kind}");
            for length in 0..said.len() {
                assert_eq!(
                    verdicts(&said[..length])[kind],
                    Err(Cause::ClosedEarly),
                    "{kind}: {length} bytes"
                );
            }
        }
    }
}
