//! Bytes from one TCP socket to another without passing through this process: splice(2) over a pipe.
//!
//! A pipe costs two descriptors and, when it holds data, memory of the kernel. So it is taken when there is
//! something to move and given back as soon as it is empty; each thread keeps a few, and has an upper limit.
//! Whoever gets none copies through a buffer, which is slower and never wrong.
//!
//! See splice(2), pipe(7), and the same use in `HAProxy` (`option splice-auto`).

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Most pipes of one thread at once, lent and free: two descriptors each.
pub const MOST: usize = 32;
/// Most free pipes kept by one thread.
const KEPT: usize = 16;
/// Bytes a pipe is asked to hold. A system that refuses (pipe-user-pages-soft) leaves its own size, which works
/// too, in more calls.
const SIZE: usize = 512 * 1024;

thread_local! {
    static PIPES: RefCell<Pipes> = const { RefCell::new(Pipes { free: Vec::new(), lent: 0 }) };
}

struct Pipes {
    free: Vec<Ends>,
    lent: usize,
}

#[derive(Debug)]
struct Ends {
    read: OwnedFd,
    write: OwnedFd,
}

impl Ends {
    fn make() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        if let Err(error) = fcntl_setpipe_size(&write, SIZE) {
            tracing::debug!(%error, "a pipe keeps the size the system gave it");
        }
        Ok(Self { read, write })
    }
}

/// A lent pipe; given back when dropped, or closed when bytes are still in it.
#[derive(Debug)]
pub struct Pipe {
    /// Always there until the pipe is dropped.
    ends: Option<Ends>,
    held: usize,
}

impl Pipe {
    /// A pipe without bytes in it. `None` when this thread has lent all it may, or the system gives none.
    pub fn take() -> Option<Self> {
        PIPES.with_borrow_mut(|pipes| {
            if pipes.lent >= MOST {
                return None;
            }
            let made =
                || Ends::make().inspect_err(|error| tracing::debug!(%error, "no pipe to splice over")).ok();
            let ends = pipes.free.pop().or_else(made)?;
            pipes.lent += 1;
            Some(Self { ends: Some(ends), held: 0 })
        })
    }

    /// Bytes in it. While there are any, the socket it empties into is what is waited for.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Moves at most `limit` bytes from a socket into the empty pipe; 0 is the end of the stream.
    pub fn poll_fill(
        &mut self,
        from: &TcpStream,
        limit: u64,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        // What is in it would have to leave first: with a full pipe, "would block" says nothing about the socket.
        debug_assert_eq!(self.held, 0, "only an empty pipe is filled");
        let Some(ends) = &self.ends else { return Poll::Ready(Ok(0)) };
        let most = usize::try_from(limit).unwrap_or(SIZE).min(SIZE);
        let moved = ready!(retry(
            cx,
            |cx| from.poll_read_ready(cx),
            || {
                from.try_io(Interest::READABLE, || Ok(splice(from, None, &ends.write, None, most, flags())?))
            }
        ))?;
        self.held = moved;
        Poll::Ready(Ok(moved))
    }

    /// Moves bytes from the pipe into a socket, as many as it takes; 0 when the pipe is empty.
    pub fn poll_drain(&mut self, to: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(ends) = self.ends.as_ref().filter(|_| self.held > 0) else { return Poll::Ready(Ok(0)) };
        let moved = ready!(retry(
            cx,
            |cx| to.poll_write_ready(cx),
            || {
                to.try_io(Interest::WRITABLE, || Ok(splice(&ends.read, None, to, None, self.held, flags())?))
            }
        ))?;
        if moved == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.held -= moved.min(self.held);
        Poll::Ready(Ok(moved))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let Some(ends) = self.ends.take() else { return };
        let is_empty = self.held == 0;
        // When the thread is ending there is no list any more, and the pipe is closed.
        let returned = PIPES.try_with(|pipes| {
            let mut pipes = pipes.borrow_mut();
            pipes.lent = pipes.lent.saturating_sub(1);
            if is_empty && pipes.free.len() < KEPT {
                pipes.free.push(ends);
            }
        });
        if returned.is_err() {
            tracing::trace!("a pipe outlived the list of its thread");
        }
    }
}

/// Moves bytes of one socket to another, at most `limit`, counted in bytes that reached `to`: what the pipe holds
/// is part of it. Ready with how many were moved now; 0 is the end of `from`, with an empty pipe.
///
/// For bodies of known length: call it with what is left to be written until nothing is. Cancel-safe as far as the
/// pipe is kept; a pipe dropped with bytes in it loses them.
pub fn poll_splice(
    from: &TcpStream,
    to: &TcpStream,
    pipe: &mut Pipe,
    limit: u64,
    cx: &mut Context<'_>,
) -> Poll<io::Result<u64>> {
    if pipe.held() == 0 && (limit == 0 || ready!(pipe.poll_fill(from, limit, cx))? == 0) {
        return Poll::Ready(Ok(0));
    }
    pipe.poll_drain(to, cx).map_ok(|moved| moved as u64)
}

fn flags() -> SpliceFlags {
    SpliceFlags::MOVE | SpliceFlags::NONBLOCK
}

/// Calls `act` whenever the socket is ready, until it does something else than block. `act` goes through `try_io`,
/// which takes note that the socket is not ready after all; the next turn then waits for it.
fn retry(
    cx: &mut Context<'_>,
    mut ready: impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>>,
    mut act: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(ready(cx))?;
        match act() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return Poll::Ready(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_thread_gets_more_pipes_than_its_limit_and_they_come_back() {
        let lent: Vec<_> = std::iter::from_fn(Pipe::take).collect();
        assert_eq!(lent.len(), MOST);
        drop(lent);
        PIPES.with_borrow(|pipes| assert_eq!((pipes.lent, pipes.free.len()), (0, KEPT)));
        assert!(Pipe::take().is_some());
    }
}
