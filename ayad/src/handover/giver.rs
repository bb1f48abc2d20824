//! The old side: starts the next process and gives it what this one has. Everything here waits, and is to be
//! called on a thread that may.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use super::wire::{Wire, is_timeout};
use super::{Address, Answer, Handed, HandoverError, Offer, Order, PROTOCOL, Program, Ready, TAKE_OVER};
use crate::clock;
use crate::control::Entrance;
use crate::state::Snapshot;

/// The sockets of this process, held for as long as they are on their way.
#[derive(Debug)]
pub struct Goods {
    offer: Offer,
    listening: Vec<Arc<TcpListener>>,
    control: Arc<UnixListener>,
    admin: Option<Arc<TcpListener>>,
    lifeline: Option<Arc<OwnedFd>>,
}

impl Goods {
    /// Gathers what `snapshot` listens on, and the doors of the control API.
    pub fn of(snapshot: &Snapshot, entrance: &Entrance, lifeline: Option<Arc<OwnedFd>>, rev: u64) -> Self {
        let mut listening = Vec::new();
        let mut addresses = Vec::new();
        for binding in &snapshot.bindings {
            let sockets = binding.sockets();
            addresses.push(Address {
                listener: binding.listener().map_or_else(String::new, |l| l.conf.name.clone()),
                wanted: binding.wanted,
                bound: binding.address,
                sockets: sockets.len(),
            });
            listening.extend(sockets);
        }
        let Entrance { file, control, admin, .. } = entrance;
        let (address, admin) = admin.clone().unzip();
        let offer = Offer {
            protocol: PROTOCOL,
            addresses,
            control: file.path().to_owned(),
            control_file: file.id(),
            admin: address,
            has_lifeline: lifeline.is_some(),
            rev,
            pid: std::process::id(),
        };
        Self { offer, listening, control: Arc::clone(control), admin, lifeline }
    }
}

/// The process that is to go on. It is killed when it is dropped before it has started.
#[derive(Debug)]
pub struct Successor {
    child: Child,
    wire: Wire,
    limit: Duration,
    is_started: bool,
}

impl Successor {
    /// Starts `program`, offers it the goods and waits until it is ready, at most `limit`.
    pub fn start(program: &Program, goods: &Goods, limit: Duration) -> Result<(Self, Ready), HandoverError> {
        let spawn = |source| HandoverError::Spawn { path: program.path.clone(), source };
        let (ours, theirs) = UnixStream::pair().map_err(spawn)?;
        let child = Command::new(&program.path)
            .args(&program.args)
            .arg(TAKE_OVER)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .map_err(spawn)?;
        let mut wire = Wire::new(ours);
        wire.set_deadline(clock::now().after(limit));
        let mut successor = Self { child, wire, limit, is_started: false };
        // One that ends at once closes its end, and has perhaps said why before.
        let offered = successor.offer(goods);
        match successor.answer() {
            Ok(Answer::Ready(ready)) => Ok((successor, ready)),
            Ok(other) => Err(HandoverError::Protocol(format!("{other:?} instead of being ready"))),
            Err(error) => {
                Err(offered.err().filter(is_timeout).map_or(error, |_| HandoverError::TimedOut(limit)))
            }
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Hands over what is left, and waits until the new process serves.
    pub fn commit(mut self, handed: Handed, lock: &File) -> Result<u32, HandoverError> {
        self.wire.set_deadline(clock::now().after(self.limit));
        let order = Order::Commit(Box::new(handed));
        let sent = self.wire.send(&order).and_then(|()| self.wire.send_descriptor(lock.as_fd()));
        if let Err(error) = sent {
            tracing::debug!(%error, "the new process does not take what it is handed");
        }
        match self.answer()? {
            Answer::Started => {
                self.is_started = true;
                Ok(self.child.id())
            }
            other => Err(HandoverError::Protocol(format!("{other:?} instead of a start"))),
        }
    }

    /// It was only to be tried.
    pub fn call_off(mut self) {
        if let Err(error) = self.wire.send(&Order::CallOff) {
            tracing::debug!(%error, "the new process has ended by itself");
        }
    }

    fn offer(&mut self, goods: &Goods) -> io::Result<()> {
        self.wire.send(&Order::Offer(goods.offer.clone()))?;
        let admin = goods.admin.iter().map(|socket| socket.as_fd());
        let lifeline = goods.lifeline.iter().map(|end| end.as_fd());
        let doors = std::iter::once(goods.control.as_fd()).chain(admin).chain(lifeline);
        for descriptor in goods.listening.iter().map(|socket| socket.as_fd()).chain(doors) {
            self.wire.send_descriptor(descriptor)?;
        }
        Ok(())
    }

    fn answer(&mut self) -> Result<Answer, HandoverError> {
        match self.wire.receive() {
            Ok(Answer::Failed { message, hint }) => Err(HandoverError::Failed { message, hint }),
            Ok(answer) => Ok(answer),
            Err(error) if is_timeout(&error) => Err(HandoverError::TimedOut(self.limit)),
            Err(error) if is_gone(&error) => Err(HandoverError::Ended(self.how_it_ended())),
            Err(error) => Err(HandoverError::Protocol(error.to_string())),
        }
    }

    /// Its end of the pair is closed, so it has ended or soon will.
    fn how_it_ended(&mut self) -> String {
        self.child.kill().and_then(|()| self.child.wait()).map_or_else(|e| e.to_string(), |s| s.to_string())
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | BrokenPipe | ConnectionReset)
}

impl Drop for Successor {
    fn drop(&mut self) {
        if self.is_started {
            return;
        }
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            tracing::warn!(%error, pid = self.child.id(), "the new process cannot be ended");
        }
    }
}
