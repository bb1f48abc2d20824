//! Messages and descriptors over a socket pair: a length of four bytes, that much JSON, and descriptors each of
//! which travels beside one byte of its own, so that the kernel cannot merge or lose any.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use aya_core::time::Tick;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock;

/// Longest message, in bytes: what thousands of backends have learned is a few of them.
const MAX_MESSAGE: usize = 256 << 20;
/// Most descriptors in one message; no listener list comes near.
pub(super) const MAX_DESCRIPTORS: usize = 1 << 16;
/// Longest wait for one read or write, where the whole has no deadline.
const FOREVER: Duration = Duration::from_secs(3600);

/// One end of the pair.
#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
    deadline: Option<Tick>,
}

impl Wire {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream, deadline: None }
    }

    /// Everything from here on has to be over by then, else it fails as timed out.
    pub(super) fn set_deadline(&mut self, deadline: Tick) {
        self.deadline = Some(deadline);
    }

    pub(super) fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        let body = serde_json::to_vec(message)?;
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        self.arm()?;
        self.stream.write_all(&length.to_be_bytes())?;
        self.stream.write_all(&body)
    }

    /// The next message; [`io::ErrorKind::UnexpectedEof`] when the other end is gone.
    pub(super) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let mut length = [0; 4];
        self.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_MESSAGE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes")));
        }
        let mut body = vec![0; length];
        self.read_exact(&mut body)?;
        Ok(serde_json::from_slice(&body)?)
    }

    pub(super) fn send_descriptor(&mut self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        self.arm()?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        let descriptors = [descriptor];
        if !beside.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(io::Error::other("a descriptor does not fit into its message"));
        }
        sendmsg(&self.stream, &[IoSlice::new(&[1])], &mut beside, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    pub(super) fn receive_descriptor(&mut self) -> io::Result<OwnedFd> {
        self.arm()?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let read = recvmsg(&self.stream, &mut [IoSliceMut::new(&mut byte)], &mut beside, flags)?;
        if read.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut received = beside.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        received.next().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a descriptor is missing"))
    }

    fn read_exact(&mut self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            self.arm()?;
            match self.stream.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => buffer = &mut buffer[read..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives the next system call what time is left.
    fn arm(&self) -> io::Result<()> {
        let left = self.deadline.map_or(FOREVER, |deadline| deadline.since(clock::now()));
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.set_write_timeout(Some(left))
    }
}

/// True when time was over: the kernel calls that "would block".
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn pair() -> (Wire, Wire) {
        let (a, b) = UnixStream::pair().unwrap();
        (Wire::new(a), Wire::new(b))
    }

    #[test]
    fn descriptors_come_with_their_message_and_in_order() {
        let (mut a, mut b) = pair();
        let pipes: Vec<_> = (0..100).map(|_| UnixStream::pair().unwrap()).collect();
        a.send(&100).unwrap();
        for (_, end) in &pipes {
            a.send_descriptor(end.as_fd()).unwrap();
        }

        let count: usize = b.receive().unwrap();
        for (mut end, _) in pipes.into_iter().take(count) {
            let mut passed = UnixStream::from(b.receive_descriptor().unwrap());
            end.write_all(b"x").unwrap();
            passed.read_exact(&mut [0]).unwrap();
        }
        assert_eq!(count, 100);
    }

    #[test]
    fn a_silent_end_and_one_that_is_gone_are_told_apart() {
        let (mut a, b) = pair();
        a.set_deadline(clock::now().after(Duration::from_millis(20)));
        assert!(is_timeout(&a.receive::<u32>().unwrap_err()));

        let (mut a, gone) = pair();
        drop((gone, b));
        assert_eq!(a.receive::<u32>().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_message_of_absurd_length_is_refused_before_it_is_read() {
        let (mut a, mut b) = pair();
        a.stream.write_all(&u32::MAX.to_be_bytes()).unwrap();

        assert_eq!(b.receive::<u32>().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
