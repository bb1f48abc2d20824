//! What a program writes: taken as it comes, within a limit.

use std::io::{self, PipeReader};

use tokio::net::unix::pipe::Receiver;

/// Bytes that are read at once.
const CHUNK: usize = 4096;
/// Chunks that are read before somebody else gets a turn. More than a pipe holds.
const TURN: usize = 64;

/// What is done with bytes beyond the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    /// There must be none.
    Fail,
    /// So many more are read and forgotten; who still writes finds nobody reading, as before `head`.
    Leave(usize),
    /// All are read and forgotten.
    Forget,
}

/// One output of a program.
#[derive(Debug)]
pub(super) struct Output {
    /// Absent when nothing more is read.
    pipe: Option<Receiver>,
    kept: Vec<u8>,
    most: usize,
    forgotten: usize,
    beyond: Beyond,
}

impl Output {
    /// What comes out of this pipe; `most` bytes of it are kept. Fails when the runtime takes no more descriptors.
    pub(super) fn new(reader: PipeReader, most: usize, beyond: Beyond) -> io::Result<Self> {
        let pipe = Some(Receiver::from_owned_fd(reader.into())?);
        Ok(Self { pipe, kept: Vec::new(), most, forgotten: 0, beyond })
    }

    /// True when more came than may.
    pub(super) fn is_too_much(&self) -> bool {
        self.beyond == Beyond::Fail && self.forgotten > 0
    }

    /// Reads on and on, and ends only when it is too much: that an output ends does not mean that the program does.
    /// Cancel-safe.
    pub(super) async fn read(&mut self) {
        while !self.is_too_much() {
            let readable = match &self.pipe {
                Some(pipe) => pipe.readable().await,
                None => std::future::pending().await,
            };
            match readable {
                Ok(()) => self.take_what_is_there(),
                Err(_) => self.pipe = None,
            }
            // A program that writes without end must not keep others from their turn.
            tokio::task::yield_now().await;
        }
    }

    /// The bytes that are kept, with those that are still in the pipe.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        self.take_what_is_there();
        std::mem::take(&mut self.kept)
    }

    fn take_what_is_there(&mut self) {
        let mut chunk = [0; CHUNK];
        for _ in 0..TURN {
            let Some(pipe) = &self.pipe else { return };
            match pipe.try_read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(count @ 1..) => self.take(&chunk[..count]),
                Ok(0) | Err(_) => self.pipe = None,
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(self.most - self.kept.len());
        self.kept.extend_from_slice(&bytes[..kept]);
        self.forgotten += bytes.len() - kept;
        let is_over = match self.beyond {
            Beyond::Fail => self.forgotten > 0,
            Beyond::Leave(more) => self.forgotten > more,
            Beyond::Forget => false,
        };
        if is_over {
            self.pipe = None;
        }
    }
}
