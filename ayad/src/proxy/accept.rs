//! Step 1: connections. Accepts them, drives each until it ends, and ends those that take too long.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{self, SocketAddr};
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
use crate::state::{Arrival, Binding, Ending, LAST_CALL, Listener, NewEvent, Seat, State};

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

/// Accepts connections on one socket of an address until the address ends. Each belongs to the listener that
/// the address serves at that moment, and goes to the worker that has room for it.
pub async fn listen(state: Arc<State>, binding: Arc<Binding>, socket: Arc<net::TcpListener>) {
    let _accepting = Accepting::begin(&state);
    let mut ending = binding.watch();
    // The address keeps the socket itself, for whoever takes it over.
    let socket = match socket.try_clone().and_then(TcpListener::from_std) {
        Ok(socket) => socket,
        Err(error) => return cannot_accept(&state, &binding, &error),
    };
    let mut failing = false;
    let ended = loop {
        let accepted = tokio::select! {
            // Only fails when the address is gone, and this function holds it.
            ended = ending.wait_for(Option::is_some) => break ended.map_or(None, |ended| *ended),
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                failing = false;
                place(&state, &binding, stream, peer);
            }
            // The client was faster to leave than we were to greet.
            Err(error) if is_clients_doing(&error) => {}
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    cannot_accept(&state, &binding, &error);
                }
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    };
    if ended == Some(Ending::Refuse) {
        // No handshake begins any more, see `Binding`; whoever has begun one would be reset with the socket.
        let begun = async {
            while let Ok((stream, peer)) = socket.accept().await {
                place(&state, &binding, stream, peer);
            }
        };
        // That time is over is how it ends.
        drop(tokio::time::timeout(LAST_CALL, begun).await);
    }
}

/// Counts a socket on which a worker accepts.
struct Accepting<'s>(&'s State);

impl<'s> Accepting<'s> {
    fn begin(state: &'s State) -> Self {
        state.accepting.fetch_add(1, Ordering::Relaxed);
        Self(state)
    }
}

impl Drop for Accepting<'_> {
    fn drop(&mut self) {
        self.0.accepting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn cannot_accept(state: &State, binding: &Binding, error: &io::Error) {
    let name = binding.listener().map_or_else(|| binding.address.to_string(), |l| l.conf.name.clone());
    let cause = format!("cannot accept connections: {error}; trying again");
    state.events.push(NewEvent::new(Severity::Error, "listener", name, cause));
}

/// Seats a connection at its worker, which is this one most of the time.
fn place(state: &Arc<State>, binding: &Binding, stream: TcpStream, peer: SocketAddr) {
    // It serves one before its first socket is handed to a worker.
    let Some(listener) = binding.listener() else { return };
    let here = Worker::with(|worker| worker.index);
    let seat = Seat::take(state, &listener, here);
    if seat.worker() == here {
        return greet(state, Arrival { stream, peer, listener, seat });
    }
    let sent = match stream.into_std() {
        Ok(stream) => state.crew.hand_over(Arrival { stream, peer, listener, seat }, here),
        Err(error) => return tracing::error!(%peer, %error, "a connection cannot be handed over"),
    };
    if let Err(arrival) = sent {
        receive(state, arrival);
    }
}

/// Takes a connection in that another worker has accepted.
pub fn receive(state: &Arc<State>, arrival: Arrival<net::TcpStream>) {
    let Arrival { stream, peer, listener, seat } = arrival;
    match TcpStream::from_std(stream) {
        Ok(stream) => greet(state, Arrival { stream, peer, listener, seat }),
        Err(error) => tracing::error!(%peer, %error, "a connection cannot be taken in"),
    }
}

/// Greets a client. Its seat is free again when the connection has ended.
fn greet(state: &Arc<State>, arrival: Arrival<TcpStream>) {
    let Arrival { stream, peer, listener, seat } = arrival;
    let is_ending = state.is_stopping() || listener.cell.is_removed();
    let client = Arc::new(Client::new(Arc::clone(state), listener, seat.worker(), peer));
    if seat.is_over() {
        unread::remember(&client, Reason::TooManyConnections);
        tokio::spawn(async move {
            unread::last_words(stream, Reason::TooManyConnections).await;
            drop(seat);
        });
        return;
    }
    client.closing.store(is_ending, Ordering::Relaxed);
    Worker::with(|worker| worker.register(&client));
    tokio::spawn(async move {
        drive(stream, client).await;
        drop(seat);
    });
}

fn is_clients_doing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Drives a connection until it ends. The task of this function does everything for the connection, also
/// upstream; see [`crate::upstream`].
async fn drive(stream: TcpStream, client: Arc<Client>) {
    prepare(&stream, &client);
    client.await_first(clock::now());
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
