//! Step 1: connections. Accepts them, seats each at a worker, and hands it to whoever speaks its protocol.

use std::io;
use std::net::{self, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aya_api::event::Severity;
use aya_core::reason::Reason;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use super::client::Client;
use super::worker::{Registered, Worker};
use super::{closing, h1, introduce, tcp, unread};
use crate::clock;
use crate::config::Protocol;
use crate::state::{Arrival, Binding, Ending, LAST_CALL, NewEvent, Seat, State};
use crate::stream::{Plain, Stream};

/// Longest wait after `accept` failed for want of descriptors or memory.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Bytes the system may hold unsent before a socket counts as full.
const NOTICED_BYTES: u32 = 128 * 1024;
/// Most connections over the limit for which one worker waits until they have read so. Each holds a descriptor beyond
/// those that clients may have.
const LINGERING: u64 = 64;
/// One in so many clients may linger, where there are few descriptors.
const FEW_LINGER: u64 = 16;

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
    if arrival.listener.conf.protocol == Protocol::Tcp {
        admit_tcp(state, arrival);
    } else if arrival.listener.conf.proxy_protocol {
        admit_introduced(state, arrival);
    } else {
        admit(state, arrival);
    }
}

fn admit(state: &Arc<State>, arrival: Arrival<TcpStream>) {
    let Arrival { stream, peer, listener, seat } = arrival;
    let client = Arc::new(Client::new(Arc::clone(state), listener, seat.worker(), peer));
    if seat.is_over() {
        unread::remember(&client, Reason::TooManyConnections, None);
        if client.listener.tls.is_some() {
            // It could not read words without a handshake, which is the work that is refused.
            return;
        }
        return turn_away(state, stream, seat);
    }
    let registered = begin(&client);
    tokio::spawn(async move {
        drive(stream, client).await;
        drop((registered, seat));
    });
}

/// Tells a client that there are too many. The first few are waited for until they have read it; whoever opens
/// connections faster than that must not get the descriptors of checks, operators and the clients that are served.
fn turn_away(state: &State, stream: TcpStream, seat: Seat) {
    let most = (state.max_clients / FEW_LINGER / state.crew.len() as u64).clamp(1, LINGERING);
    let Some(lingering) = Worker::with(|worker| worker.linger(most as usize)) else {
        return closing::parting_word(&stream, Reason::TooManyConnections);
    };
    tokio::spawn(async move {
        closing::last_words(Stream::from(stream), Reason::TooManyConnections).await;
        drop((lingering, seat));
    });
}

/// As [`admit`], of a connection that begins with the PROXY protocol. The client is who that names, also when it is
/// asked whose headers are believed.
fn admit_introduced(state: &Arc<State>, arrival: Arrival<TcpStream>) {
    let Arrival { stream, peer, listener, seat } = arrival;
    let state = Arc::clone(state);
    if seat.is_over() {
        let client = Client::new(state, listener, seat.worker(), peer);
        return unread::remember(&client, Reason::TooManyConnections, None);
    }
    tokio::spawn(async move {
        let limit = clock::instant(clock::now().after(listener.conf.header_timeout));
        let told = introduce::introduce(&listener, &stream, peer, limit).await;
        let real = told.as_ref().map_or(peer, |told| told.map_or(peer, |told| told.source));
        let client = Arc::new(Client::new(state, listener, seat.worker(), real));
        if let Ok(Some(told)) = &told {
            client.local.get_or_init(|| told.destination);
        }
        if let Err(reason) = told {
            unread::remember(&client, reason, None);
        } else {
            let registered = begin(&client);
            drive(stream, client).await;
            drop(registered);
        }
        drop(seat);
    });
}

/// As [`admit`], of a connection that carries no HTTP.
fn admit_tcp(state: &Arc<State>, arrival: Arrival<TcpStream>) {
    let Arrival { stream, peer, listener, seat } = arrival;
    let state = Arc::clone(state);
    if seat.is_over() {
        return tcp::turn_away(state, listener, stream, peer);
    }
    tokio::spawn(async move {
        tcp::serve(state, listener, stream, peer).await;
        drop(seat);
    });
}

/// Makes a connection known to its worker, which tells it when to end.
fn begin(client: &Arc<Client>) -> Registered {
    if client.state.is_stopping() || client.listener.cell.is_removed() {
        client.close();
    }
    Worker::with(|worker| worker.register(client))
}

fn is_clients_doing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Drives a connection until it ends. The task of this function does everything for the connection, also
/// upstream; see [`crate::upstream`].
async fn drive(stream: TcpStream, client: Arc<Client>) {
    prepare(&stream, &client);
    let accepted = clock::now();
    if client.listener.tls.is_none() {
        h1::run(Stream::from(stream), client, accepted).await;
    } else if let Some(stream) = Box::pin(secure(stream, &client)).await {
        h1::run(stream, client, accepted).await;
    }
}

/// Shakes hands. `None` when that failed or took too long.
async fn secure(stream: TcpStream, client: &Client) -> Option<Stream> {
    let tls = client.listener.tls.as_ref()?;
    let accepted = tls.accept(Plain::Tcp(stream));
    match tokio::time::timeout(client.listener.conf.header_timeout, accepted).await {
        Ok(Ok((stream, handshake))) => {
            client.handshake.get_or_init(|| handshake);
            Some(stream)
        }
        Ok(Err(failed)) => {
            if failed.is_of_tls() {
                unread::untold(client, Reason::NoHandshake, &failed.error.to_string());
            } else {
                tracing::debug!(peer = %client.peer, error = %failed.error, "left before the TLS handshake ended");
            }
            if let Some(plain) = failed.plain {
                closing::farewell(Stream::Plain(plain)).await;
            }
            None
        }
        Err(_) => {
            unread::untold(client, Reason::NoHandshake, "it took too long");
            None
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
