//! Step 1: connections. Accepts them, drives each until it ends, and ends those that take too long.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use aya_api::event::Severity;
use aya_core::reason::Reason;
use aya_core::time::Tick;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use super::alarm::Timer;
use super::client::{Client, Phase};
use super::io::ClientIo;
use super::worker::Worker;
use super::{serve, unread};
use crate::clock;
use crate::state::{Listener, ListenerCell, NewEvent, State};
use crate::stream::{Plain, Stream};

/// Longest wait after `accept` failed for want of descriptors or memory.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Most bytes of a body held between two sockets, for each direction.
const MAX_BUFFER: usize = 64 * 1024;
/// How long an idle connection stays once it must end, for a request that may be on its way.
const LINGER: Duration = Duration::from_millis(100);
/// Bytes the system may hold unsent before a socket counts as full.
const NOTICED_BYTES: u32 = 128 * 1024;
/// hyper keeps this many header fields on the stack; asking for the same number would move them to the heap.
const HYPERS_HEADERS: usize = 100;

/// Accepts connections on one socket of one listener until the listener is removed or the daemon stops.
pub async fn listen(state: Arc<State>, cell: Arc<ListenerCell>, socket: TcpListener) {
    let mut removed = cell.removed.subscribe();
    let mut failing = false;
    let mut listener = None;
    loop {
        let accepted = tokio::select! {
            // Only fails when the cell is gone, and this function holds it.
            _ = removed.wait_for(|removed| *removed) => break,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                failing = false;
                greet(&state, &cell, &mut listener, stream, peer);
            }
            // The client was faster to leave than we were to greet.
            Err(error) if is_clients_doing(&error) => {}
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    let cause = format!("cannot accept connections: {error}; trying again");
                    state.events.push(NewEvent::new(Severity::Error, "listener", &cell.name, cause));
                }
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
    // Whoever is in the queue of the socket would be reset with it.
    while let Some(Ok((stream, peer))) = waiting(&socket).await {
        greet(&state, &cell, &mut listener, stream, peer);
    }
    drop(socket);
    Worker::with(|worker| worker.close_clients(Some(&cell)));
}

/// A connection that can be accepted without waiting.
async fn waiting(socket: &TcpListener) -> Option<io::Result<(TcpStream, SocketAddr)>> {
    poll_fn(|cx| match socket.poll_accept(cx) {
        Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Takes a connection in. `known` is the listener as it was last configured, for connections that come while
/// it is being removed.
fn greet(
    state: &Arc<State>,
    cell: &Arc<ListenerCell>,
    known: &mut Option<Arc<Listener>>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    if let Some(listener) = Worker::with(|w| w.snapshot(|s| current(&s.listeners, cell))) {
        *known = Some(listener);
    }
    if let Some(listener) = known {
        let client = Client::new(Arc::clone(state), Arc::clone(listener), Worker::with(|w| w.index), peer);
        admit_connection(stream, Arc::new(client));
    }
}

fn current(listeners: &[Arc<Listener>], cell: &Arc<ListenerCell>) -> Option<Arc<Listener>> {
    listeners.iter().find(|l| Arc::ptr_eq(&l.cell, cell)).cloned()
}

fn is_clients_doing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn admit_connection(stream: TcpStream, client: Arc<Client>) {
    let cell = &client.listener.cell;
    let open = cell.connections.fetch_add(1, Ordering::Relaxed) + 1;
    let of_all = client.state.clients.fetch_add(1, Ordering::Relaxed) + 1;
    let counted = Counted(Arc::clone(cell), Arc::clone(&client.state));
    cell.accepted.fetch_add(1, Ordering::Relaxed);
    if open > client.listener.conf.max_connections as u64 || of_all > client.state.max_clients {
        cell.refused.fetch_add(1, Ordering::Relaxed);
        unread::remember(&client, Reason::TooManyConnections);
        tokio::spawn(async move {
            unread::last_words(stream, Reason::TooManyConnections).await;
            drop(counted);
        });
        return;
    }
    Worker::with(|worker| worker.register(&client));
    tokio::spawn(async move {
        drive(stream, client).await;
        drop(counted);
    });
}

/// One open connection, of a listener and of the daemon.
struct Counted(Arc<ListenerCell>, Arc<State>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
        self.1.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Drives a connection until it ends. The task of this function does everything for the connection, also
/// upstream; see [`crate::upstream`].
async fn drive(stream: TcpStream, client: Arc<Client>) {
    prepare(&stream, &client);
    client.await_first(clock::now());
    let Some(stream) = secure(stream, &client).await else { return };
    let service = {
        let client = Arc::clone(&client);
        service_fn(move |request| serve(Arc::clone(&client), request))
    };
    let io = TokioIo::new(ClientIo::new(stream, Arc::clone(&client)));
    let mut connection = builder(&client.listener).serve_connection(io, service);
    let mut timer = Timer::new();
    let mut farewell = Farewell::default();
    let outcome = poll_fn(|cx| {
        client.waker.get_or_init(|| cx.waker().clone());
        loop {
            if farewell.is_due(&client) {
                Pin::new(&mut connection).graceful_shutdown();
            }
            if let Poll::Ready(ended) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(Outcome::Ended(ended));
            }
            farewell.linger(&client);
            // An alarm that nobody answered to: it was for the connection as a whole.
            if client.alarm.rang() {
                return Poll::Ready(Outcome::TimedOut(client.phase()));
            }
            if timer.poll(&client.alarm, cx).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await;
    match outcome {
        Outcome::TimedOut(Phase::Header) => {
            unread::remember(&client, Reason::HeaderTimeout);
            let stream = connection.into_parts().io.into_inner().into_inner();
            unread::last_words(stream, Reason::HeaderTimeout).await;
        }
        // Read by the exchange when the connection is dropped, right below.
        Outcome::TimedOut(Phase::Serving) => client.body_failed(Reason::SendTimeout),
        Outcome::TimedOut(Phase::Idle) | Outcome::Ended(Ok(())) => {}
        Outcome::Ended(Err(error)) => {
            tracing::debug!(peer = %client.peer, %error, "connection ended early");
        }
    }
}

/// Shakes hands where the listener has TLS. `None` when that failed or took too long.
async fn secure(stream: TcpStream, client: &Client) -> Option<Stream> {
    let Some(tls) = &client.listener.tls else { return Some(stream.into()) };
    let accepted = tls.accept(Plain::Tcp(stream));
    match tokio::time::timeout(client.listener.conf.header_timeout, accepted).await {
        Ok(Ok((stream, handshake))) => {
            client.handshake.get_or_init(|| handshake);
            client.await_first(clock::now());
            Some(stream)
        }
        Ok(Err(error)) => {
            tracing::debug!(peer = %client.peer, %error, "no TLS handshake");
            None
        }
        Err(_) => {
            tracing::debug!(peer = %client.peer, "the TLS handshake took too long");
            None
        }
    }
}

/// How a connection ends that must not take another request. One that serves, or reads a request, is told with
/// the answer; one that is idle stays a moment, because a request may be on its way.
#[derive(Default)]
struct Farewell {
    told: bool,
    until: Option<Tick>,
}

impl Farewell {
    /// True once: when the connection has a request with whose answer it can be told.
    fn is_due(&mut self, client: &Client) -> bool {
        let due = !self.told && client.closing.load(Ordering::Relaxed) && client.phase() != Phase::Idle;
        self.told |= due;
        due
    }

    /// Keeps an idle connection no longer than [`LINGER`].
    fn linger(&mut self, client: &Client) {
        if !self.told && client.phase() == Phase::Idle && client.closing.load(Ordering::Relaxed) {
            let until = *self.until.get_or_insert_with(|| clock::now().after(LINGER));
            if !client.alarm.rang() {
                client.alarm.arm(until);
            }
        }
    }
}

/// Sets what every client's socket needs. None of it is needed enough to refuse the client.
fn prepare(stream: &TcpStream, client: &Client) {
    let undelayed = stream.set_nodelay(true);
    // Progress of a slow reader must show in portions, not when megabytes have gone out.
    let noticed = SockRef::from(stream).set_tcp_notsent_lowat(NOTICED_BYTES);
    if let Err(error) = undelayed.and(noticed) {
        tracing::debug!(peer = %client.peer, %error, "cannot set up a socket");
    }
}

enum Outcome {
    Ended(hyper::Result<()>),
    TimedOut(Phase),
}

fn builder(listener: &Listener) -> http1::Builder {
    let conf = &listener.conf;
    let mut builder = http1::Builder::new();
    // The alarm of the connection watches over the head; hyper's own timer would cost a timer operation
    // for each request.
    builder.header_read_timeout(None).max_buf_size(MAX_BUFFER.max(conf.max_header_bytes));
    builder.max_header_size(conf.max_header_bytes);
    if conf.max_headers != HYPERS_HEADERS {
        builder.max_headers(conf.max_headers);
    }
    builder
}
