//! One address the daemon listens on: its sockets, and the listener they serve at the moment.
//!
//! Sockets belong to addresses and not to listeners, so that a listener may get, lose, swap or rename whatever
//! it likes while every socket that stays in use stays open, with the connections in the kernel's queue. A
//! connection belongs to the listener that the address serves when it is accepted.
//!
//! There is one socket for each worker (`SO_REUSEPORT`). Closing one of them resets what is in its queue, and
//! the kernel goes on filling the queue until the very moment of the close. So an address that no listener has
//! any more ends in three steps ([`Ending::Refuse`]):
//!
//! 1. A socket filter drops segments that would begin a connection (SYN without ACK). No handshake begins from
//!    here on; those that have begun go on. A client that comes now tries again after its first timeout (1 s on
//!    Linux) and is refused then.
//! 2. For [`LAST_CALL`] every worker accepts what completes, and serves it.
//! 3. The socket is closed.
//!
//! What this guarantees: a connection whose SYN came before step 1 and whose handshake completes within
//! `LAST_CALL` is served; one that came later is refused and never reset. What it cannot: a handshake that takes
//! longer is reset. Where the kernel does not take the filter (it always does, short of memory) step 1 is left
//! out, and what comes between the last accept and the close is reset. `shutdown(2)` and a backlog of 0 were
//! not taken: the first resets the queue at once, the second still lets one connection in, and
//! `SO_ATTACH_REUSEPORT_CBPF` can only choose among sockets of the same address.
//!
//! An address that another process goes on with ([`Ending::HandOver`]) is only let go: the socket, its queue and
//! its handshakes are the same kernel object in both.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use socket2::{SockFilter, SockRef};
use tokio::sync::watch;

use super::Listener;

/// How long handshakes that have begun may take once an address ends.
pub const LAST_CALL: Duration = Duration::from_millis(200);

/// How an address ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nobody listens there any more: what has begun is served, everything else is refused.
    Refuse,
    /// Another process has the same sockets and goes on with them.
    HandOver,
}

/// One address, bound once for each worker.
#[derive(Debug)]
pub struct Binding {
    /// As it was written; its port may be 0.
    pub wanted: SocketAddr,
    /// What it is really bound to.
    pub address: SocketAddr,
    sockets: Mutex<Vec<Arc<TcpListener>>>,
    serves: ArcSwapOption<Listener>,
    ending: watch::Sender<Option<Ending>>,
}

impl Binding {
    /// An address with its sockets, which must not block.
    pub fn new(wanted: SocketAddr, address: SocketAddr, sockets: Vec<TcpListener>) -> Self {
        Self {
            wanted,
            address,
            sockets: Mutex::new(sockets.into_iter().map(Arc::new).collect()),
            serves: ArcSwapOption::empty(),
            ending: watch::Sender::new(None),
        }
    }

    /// Adds sockets of the same address.
    pub fn add(&self, sockets: Vec<TcpListener>) {
        self.lock().extend(sockets.into_iter().map(Arc::new));
    }

    /// Its sockets; none once it has ended.
    pub fn sockets(&self) -> Vec<Arc<TcpListener>> {
        self.lock().clone()
    }

    /// Has what is accepted from now on belong to `listener`.
    pub fn serve(&self, listener: &Arc<Listener>) {
        self.serves.store(Some(Arc::clone(listener)));
    }

    /// The listener it serves; absent before it was given to one. Costs a few atomic operations.
    pub fn listener(&self) -> Option<Arc<Listener>> {
        self.serves.load_full()
    }

    /// Ends it, once: its workers stop accepting in the way `ending` says.
    pub fn end(&self, ending: Ending) {
        let sockets = std::mem::take(&mut *self.lock());
        if ending == Ending::Refuse {
            for socket in &sockets {
                begin_no_handshake(socket);
            }
        }
        self.ending.send_if_modified(|ended| {
            let is_first = ended.is_none();
            ended.get_or_insert(ending);
            is_first
        });
    }

    /// True while a worker accepts here, also after the end of the address for as long as that takes.
    pub fn is_in_use(&self) -> bool {
        self.ending.receiver_count() > 0
    }

    /// Tells how it ends, once it does.
    pub fn watch(&self) -> watch::Receiver<Option<Ending>> {
        self.ending.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<TcpListener>>> {
        // Every holder leaves a whole list behind, also when it panics.
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops segments with SYN and without ACK before the kernel looks at them.
fn begin_no_handshake(socket: &TcpListener) {
    // Classic BPF over the TCP header, see linux/filter.h: load byte, and, jump if equal, return.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const FLAGS_AT: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    let program = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_AT),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    if let Err(error) = SockRef::from(socket).attach_filter(&program) {
        tracing::warn!(%error, "connections that begin while a socket is closed may be reset");
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::TcpStream;

    use super::*;
    use crate::sockets;

    fn binding() -> Binding {
        let wanted = "127.0.0.1:0".parse().unwrap();
        let sockets = sockets::bind(wanted, 1, false).unwrap();
        let address = sockets[0].local_addr().unwrap();
        Binding::new(wanted, address, sockets)
    }

    #[test]
    fn who_came_before_the_end_can_be_accepted_and_nobody_comes_after() {
        let binding = binding();
        let socket = binding.sockets().remove(0);
        let early = TcpStream::connect(binding.address).unwrap();

        binding.end(Ending::Refuse);

        let wait = Duration::from_millis(50);
        let late = TcpStream::connect_timeout(&binding.address, wait).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut, "neither taken nor reset");
        let (_accepted, peer) = socket.accept().unwrap();
        assert_eq!(peer, early.local_addr().unwrap());
        assert_eq!(socket.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_socket_that_is_handed_over_goes_on() {
        let binding = binding();
        let taken_over = binding.sockets()[0].try_clone().unwrap();

        binding.end(Ending::HandOver);

        assert!(binding.sockets().is_empty());
        let _client = TcpStream::connect(binding.address).unwrap();
        assert!(taken_over.accept().is_ok());
    }

    #[test]
    fn an_address_ends_only_once() {
        let binding = binding();
        let mut ended = binding.watch();
        binding.end(Ending::HandOver);
        ended.mark_unchanged();

        binding.end(Ending::Refuse);

        assert!(!ended.has_changed().unwrap());
    }
}
