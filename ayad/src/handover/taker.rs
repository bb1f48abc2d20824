//! The new side: takes over what the running process offers on standard input.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use super::wire::{MAX_DESCRIPTORS, Wire};
use super::{Answer, Handed, HandoverError, Offer, Order, PROTOCOL, Ready};
use crate::control::apply::OpenAddress;
use crate::sockets::ControlFile;
use crate::state::{Binding, Snapshot};

/// What the running process offers.
#[derive(Debug)]
pub struct Inheritance {
    wire: Wire,
    offer: Offer,
    addresses: Vec<OwnedFd>,
    control: Option<OwnedFd>,
    admin: Option<OwnedFd>,
    lifeline: Option<OwnedFd>,
}

impl Inheritance {
    /// Reads the offer from standard input, and leaves nothing there for anybody else to read.
    pub fn receive() -> Result<Self, HandoverError> {
        let stream = stdin().map_err(unexpected)?;
        let mut wire = Wire::new(stream);
        let Order::Offer(offer) = wire.receive().map_err(unexpected)? else {
            return Err(HandoverError::Protocol("something else came before the offer".into()));
        };
        if offer.protocol != PROTOCOL {
            let message = format!("version {} of the hand-over, and this is {PROTOCOL}", offer.protocol);
            return Err(HandoverError::Protocol(message));
        }
        let sockets = offer.addresses.iter().map(|address| address.sockets).sum::<usize>();
        if sockets > MAX_DESCRIPTORS {
            return Err(HandoverError::Protocol(format!("{sockets} sockets are offered")));
        }
        let mut next = || wire.receive_descriptor().map_err(unexpected);
        let addresses = (0..sockets).map(|_| next()).collect::<Result<_, _>>()?;
        let control = Some(next()?);
        let admin = offer.admin.map(|_| next()).transpose()?;
        let lifeline = offer.has_lifeline.then(next).transpose()?;
        Ok(Self { wire, offer, addresses, control, admin, lifeline })
    }

    /// The newest revision of the running process.
    pub fn rev(&self) -> u64 {
        self.offer.rev
    }

    /// The running process.
    pub fn pid(&self) -> u32 {
        self.offer.pid
    }

    /// The addresses, for listeners to choose from.
    pub fn addresses(&mut self) -> Vec<OpenAddress> {
        let mut sockets = std::mem::take(&mut self.addresses).into_iter().map(TcpListener::from);
        let open = self.offer.addresses.iter().map(|address| {
            let sockets = sockets.by_ref().take(address.sockets).collect();
            let binding = Arc::new(Binding::new(address.wanted, address.bound, sockets));
            OpenAddress { listener: address.listener.clone(), binding }
        });
        open.collect()
    }

    /// The control socket with its file, if it is the one at this path.
    pub fn control(&mut self, path: &Path) -> Option<(UnixListener, ControlFile)> {
        let socket = self.control.take_if(|_| self.offer.control == path).map(UnixListener::from)?;
        Some((socket, ControlFile::inherited(path.to_owned(), self.offer.control_file)))
    }

    /// What the running process lives on.
    pub fn lifeline(&mut self) -> Option<OwnedFd> {
        self.lifeline.take()
    }

    /// The socket of metrics, if it is the one at this address.
    pub fn admin(&mut self, address: SocketAddr) -> Option<TcpListener> {
        self.admin.take_if(|_| self.offer.admin == Some(address)).map(TcpListener::from)
    }

    /// Says that nothing can fail any more, and waits for what the running process hands over last: what it
    /// learned, and the lock of its journal.
    pub fn ready(&mut self, snapshot: &Snapshot) -> Result<(Handed, File), HandoverError> {
        let offered: HashSet<SocketAddr> = self.offer.addresses.iter().map(|a| a.bound).collect();
        let taken = snapshot.bindings.iter().map(|b| b.address).filter(|a| offered.contains(a)).collect();
        let ready = Ready { version: env!("CARGO_PKG_VERSION").to_owned(), taken };
        self.wire.send(&Answer::Ready(ready)).map_err(unexpected)?;
        match self.wire.receive() {
            Ok(Order::Commit(handed)) => {
                let lock = self.wire.receive_descriptor().map_err(unexpected)?;
                Ok((*handed, File::from(lock)))
            }
            Ok(Order::CallOff) => Err(HandoverError::CalledOff),
            Ok(Order::Offer(_)) => Err(HandoverError::Protocol("the offer came twice".into())),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(HandoverError::CalledOff),
            Err(error) => Err(unexpected(error)),
        }
    }

    /// Says why this process does not start.
    pub fn failed(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        self.tell(&Answer::Failed { message: message.into(), hint: hint.into() });
    }

    /// Says that this process serves; the other one stops accepting.
    pub fn started(mut self) {
        self.tell(&Answer::Started);
    }

    fn tell(&mut self, answer: &Answer) {
        if let Err(error) = self.wire.send(answer) {
            tracing::warn!(%error, "the process that hands over is gone");
        }
    }
}

/// Takes the socket on standard input away and puts nothing in its place.
fn stdin() -> io::Result<UnixStream> {
    let stream = UnixStream::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?);
    // Fails for anything that is no socket.
    stream.peer_addr()?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(stream)
}

fn unexpected(error: impl Into<io::Error>) -> HandoverError {
    HandoverError::Protocol(error.into().to_string())
}
