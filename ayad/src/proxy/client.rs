//! One client connection, as the steps of its requests see it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;

use aya_core::hash::hash64;
use aya_core::reason::Reason;
use aya_core::time::Tick;
use http::HeaderValue;

use super::alarm::Alarm;
use crate::clock;
use crate::state::{Listener, State};
use crate::tls::Handshake;

/// What a connection is doing; decides what its alarm means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Waits for a request that has not begun.
    Idle = 0,
    /// Reads the head of a request.
    Header = 1,
    /// Serves a request.
    Serving = 2,
}

/// A client connection. Its fields are used by the connection's own task; they are atomic because tasks must
/// be `Send`, and the registry of the worker wakes them.
#[derive(Debug)]
pub struct Client {
    /// The daemon's state.
    pub state: Arc<State>,
    /// Where it came in.
    pub listener: Arc<Listener>,
    /// Worker that serves it.
    pub worker: usize,
    /// Its address.
    pub peer: SocketAddr,
    /// Hash of its address, for algorithms that bind clients.
    pub key: u64,
    /// Its address as a header value.
    pub peer_value: HeaderValue,
    /// True when its forwarding headers are believed.
    pub trusted: bool,
    /// Its one timer.
    pub alarm: Alarm,
    /// Bytes of the current request's body.
    pub received: AtomicU64,
    /// Set once it must not take another request.
    pub closing: AtomicBool,
    /// What its TLS handshake told; unset without TLS.
    pub handshake: OnceLock<Handshake>,
    /// What its task waits with.
    pub waker: OnceLock<Waker>,
    phase: AtomicU8,
    began: AtomicU64,
    unflushed: AtomicBool,
    line_read: AtomicBool,
    streaming: AtomicBool,
    reader_awaited: AtomicBool,
    body_failure: AtomicU8,
    awaiting_body: AtomicBool,
    deadline: AtomicU64,
    forwarded: Mutex<Option<(HeaderValue, HeaderValue)>>,
}

impl Client {
    /// A connection that was just accepted.
    pub fn new(state: Arc<State>, listener: Arc<Listener>, worker: usize, peer: SocketAddr) -> Self {
        let ip = peer.ip().to_canonical();
        Self {
            state,
            worker,
            peer,
            key: address_key(ip),
            peer_value: HeaderValue::try_from(ip.to_string()).expect("an address is visible ASCII"),
            trusted: listener.conf.trusted_proxies.iter().any(|net| net.contains(&ip)),
            listener,
            alarm: Alarm::new(),
            received: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            handshake: OnceLock::new(),
            waker: OnceLock::new(),
            phase: AtomicU8::new(Phase::Idle as u8),
            began: AtomicU64::new(0),
            unflushed: AtomicBool::new(false),
            line_read: AtomicBool::new(false),
            streaming: AtomicBool::new(false),
            reader_awaited: AtomicBool::new(true),
            body_failure: AtomicU8::new(0),
            awaiting_body: AtomicBool::new(false),
            deadline: AtomicU64::new(u64::MAX),
            forwarded: Mutex::new(None),
        }
    }

    /// What it is doing.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Header,
            _ => Phase::Serving,
        }
    }

    /// It was accepted at `now`, and has as long for its first byte as for the head that follows.
    pub fn await_first(&self, now: Tick) {
        self.alarm.arm(now.after(self.listener.conf.header_timeout));
    }

    /// The first bytes of a request came at `now`.
    pub fn begin_header(&self, now: Tick) {
        self.began.store(now.as_nanos(), Ordering::Relaxed);
        self.phase.store(Phase::Header as u8, Ordering::Relaxed);
        self.alarm.arm(now.after(self.listener.conf.header_timeout));
    }

    /// More bytes of a head came. Remembers whether its first line is complete.
    pub fn head_bytes(&self, bytes: &[u8], first: bool) {
        if first || !self.line_read.load(Ordering::Relaxed) {
            self.line_read.store(bytes.contains(&b'\n'), Ordering::Relaxed);
        }
    }

    /// True once the first line of the head is complete: what is too long after that are the fields.
    pub fn has_line(&self) -> bool {
        self.line_read.load(Ordering::Relaxed)
    }

    /// Its request is being served. Returns when the request began; `None` when it came together with the
    /// one before, so that nobody read the clock for it.
    pub fn begin_serving(&self) -> Option<Tick> {
        let began = match self.phase() {
            Phase::Header => Some(Tick::from_nanos(self.began.load(Ordering::Relaxed))),
            Phase::Idle | Phase::Serving => None,
        };
        self.phase.store(Phase::Serving as u8, Ordering::Relaxed);
        self.alarm.disarm();
        self.received.store(0, Ordering::Relaxed);
        self.awaiting_body.store(false, Ordering::Relaxed);
        self.body_failure.store(0, Ordering::Relaxed);
        self.unflushed.store(true, Ordering::Relaxed);
        self.streaming.store(false, Ordering::Relaxed);
        self.reader_awaited.store(true, Ordering::Relaxed);
        began
    }

    /// Its request is over; the next one may begin.
    pub fn begin_idle(&self, now: Tick) {
        self.phase.store(Phase::Idle as u8, Ordering::Relaxed);
        self.alarm.arm(now.after(self.listener.conf.idle_timeout));
    }

    /// Rings at `stage_ends`, or at the end of the whole request when that comes first.
    pub fn arm(&self, stage_ends: Tick) {
        let deadline = Tick::from_nanos(self.deadline.load(Ordering::Relaxed));
        self.alarm.arm(deadline.min(stage_ends));
    }

    /// The whole request must be over at `deadline`.
    pub fn set_deadline(&self, deadline: Option<Tick>) {
        self.deadline.store(deadline.map_or(u64::MAX, Tick::as_nanos), Ordering::Relaxed);
    }

    /// What it means that the alarm rang while `stage` was waited for.
    pub fn timeout_reason(&self, stage: Reason, now: Tick) -> Reason {
        if now.as_nanos() >= self.deadline.load(Ordering::Relaxed) {
            Reason::RequestTimeout
        } else if self.awaiting_body.load(Ordering::Relaxed) {
            Reason::BodyTimeout
        } else {
            stage
        }
    }

    /// The client has to send more of the request's body. Only the first of several polls arms the alarm.
    pub fn await_body(&self) {
        if !self.awaiting_body.swap(true, Ordering::Relaxed) {
            self.arm(clock::now().after(self.listener.conf.body_timeout));
        }
    }

    /// The client sent a part, or the end, of the request's body: now the backend has this long to go on.
    pub fn body_moved(&self, backend_has: Duration) {
        self.awaiting_body.store(false, Ordering::Relaxed);
        self.arm(clock::now().after(backend_has));
    }

    /// A part of the answer is on its way to the client: now it is the client that is waited for, and each
    /// write that the system takes gives it more time.
    pub fn answer_moved(&self) {
        self.streaming.store(true, Ordering::Relaxed);
        self.reader_awaited.store(true, Ordering::Relaxed);
        self.arm(clock::now().after(self.listener.conf.body_timeout));
    }

    /// The next part of the answer has to come from the backend, which has this long. Only the first of several
    /// polls arms the alarm.
    pub fn await_answer(&self, backend_has: Duration) {
        if self.reader_awaited.swap(false, Ordering::Relaxed) {
            self.arm(clock::now().after(backend_has));
        }
    }

    /// The system took bytes of an answer, so the client reads.
    pub fn wrote(&self) {
        if !self.streaming.load(Ordering::Relaxed) {
            return;
        }
        match self.phase() {
            Phase::Serving if self.reader_awaited.load(Ordering::Relaxed) => {
                self.arm(clock::now().after(self.listener.conf.body_timeout));
            }
            Phase::Idle => self.alarm.arm(clock::now().after(self.listener.conf.idle_timeout)),
            Phase::Serving | Phase::Header => {}
        }
    }

    /// All bytes of answers are with the system.
    pub fn flushed(&self) {
        if self.phase() != Phase::Serving {
            self.unflushed.store(false, Ordering::Relaxed);
        }
    }

    /// True while bytes of an answer to a served request may not be written yet.
    pub fn is_unflushed(&self) -> bool {
        self.unflushed.load(Ordering::Relaxed)
    }

    /// The body of the current request cannot be read to its end, for this reason.
    pub fn body_failed(&self, reason: Reason) {
        self.body_failure.store(reason.index() as u8 + 1, Ordering::Relaxed);
    }

    /// Why the body of the current request could not be read to its end.
    pub fn body_failure(&self) -> Option<Reason> {
        let stored = usize::from(self.body_failure.load(Ordering::Relaxed));
        stored.checked_sub(1).and_then(|index| Reason::ALL.get(index)).copied()
    }

    /// `Forwarded` for a request to `host`; made anew only when the host differs from the last one.
    pub fn forwarded(&self, host: &HeaderValue) -> Option<HeaderValue> {
        let mut cached = self.forwarded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((for_host, value)) = &*cached
            && for_host == host
        {
            return Some(value.clone());
        }
        let value = forwarded(self.peer, host)?;
        *cached = Some((host.clone(), value.clone()));
        Some(value)
    }
}

/// Hash of a client's address, without its port.
pub fn address_key(ip: std::net::IpAddr) -> u64 {
    match ip.to_canonical() {
        std::net::IpAddr::V4(v4) => hash64(&v4.octets()),
        std::net::IpAddr::V6(v6) => hash64(&v6.octets()),
    }
}

fn forwarded(peer: SocketAddr, host: &HeaderValue) -> Option<HeaderValue> {
    let host = host.to_str().ok().filter(|h| !h.contains(['"', '\\']))?;
    let value = match peer.ip().to_canonical() {
        std::net::IpAddr::V4(ip) => format!("for={ip};host=\"{host}\";proto=http"),
        std::net::IpAddr::V6(ip) => format!("for=\"[{ip}]\";host=\"{host}\";proto=http"),
    };
    HeaderValue::try_from(value).ok()
}
