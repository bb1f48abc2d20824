//! One client connection, as the steps of its requests see it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Waker};

use aya_core::hash::address_key;

use crate::chaos::Marks;
use crate::state::{Listener, State};
use crate::stream::Plain;
use crate::tls::Handshake;

/// A client connection. What changes is atomic only because the registry of the worker wakes it.
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
    /// Lines about it that begin what is added to each of its requests.
    pub origin: Box<str>,
    /// Hash of its address, for algorithms that bind clients.
    pub key: u64,
    /// True when its forwarding headers are believed.
    pub trusted: bool,
    /// What it connected to. Looked up when somebody needs it, because that is a system call; unset before, and when
    /// the system cannot tell.
    pub local: OnceLock<SocketAddr>,
    /// What its TLS handshake told; unset without TLS, and before it.
    pub handshake: OnceLock<Handshake>,
    /// What faults decided about it.
    pub marks: Marks,
    closing: AtomicBool,
    waker: OnceLock<Waker>,
}

impl Client {
    /// A connection that was just accepted.
    pub fn new(state: Arc<State>, listener: Arc<Listener>, worker: usize, peer: SocketAddr) -> Self {
        let ip = peer.ip().to_canonical();
        Self {
            state,
            worker,
            peer,
            origin: origin(ip, if listener.tls.is_some() { "https" } else { "http" }),
            key: address_key(ip),
            trusted: listener.conf.trusted_proxies.iter().any(|net| net.contains(&ip)),
            listener,
            local: OnceLock::new(),
            handshake: OnceLock::new(),
            marks: Marks::default(),
            closing: AtomicBool::new(false),
            waker: OnceLock::new(),
        }
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.listener.tls.is_some() { "https" } else { "http" }
    }

    /// Takes down what it connected to, unless that is known; `stream` is its connection.
    pub fn learn_local(&self, stream: Option<&Plain>) {
        if self.local.get().is_none()
            && let Some(Plain::Tcp(tcp)) = stream
            && let Ok(local) = tcp.local_addr()
        {
            self.local.get_or_init(|| local);
        }
    }

    /// True once it must not take another request.
    #[inline]
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Tells it to end after the request it serves, and wakes it.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// Remembers how to wake the one task of this connection.
    pub fn woken_by(&self, cx: &Context<'_>) {
        self.waker.get_or_init(|| cx.waker().clone());
    }
}

/// Written once for a connection, because formatting costs more than the rest of the head.
fn origin(ip: std::net::IpAddr, scheme: &str) -> Box<str> {
    let node = match ip {
        std::net::IpAddr::V4(v4) => v4.to_string(),
        std::net::IpAddr::V6(v6) => format!("\"[{v6}]\""),
    };
    format!("x-forwarded-for: {ip}\r\nx-forwarded-proto: {scheme}\r\nforwarded: for={node};proto={scheme}")
        .into()
}
