//! Step 1: connections. Accepts them, drives each until it ends, and ends those that take too long.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use aya_api::event::Severity;
use aya_core::reason::Reason;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use super::client::Client;
use super::worker::Worker;
use super::{closing, h1, introduce, tcp, unread};
use crate::clock;
use crate::config::Protocol;
use crate::state::{Listener, ListenerCell, NewEvent, State};
use crate::stream::{Plain, Stream};

/// Longest wait after `accept` failed for want of descriptors or memory.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Bytes the system may hold unsent before a socket counts as full.
const NOTICED_BYTES: u32 = 128 * 1024;

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
    let Some(listener) = known else { return };
    if listener.conf.protocol == Protocol::Tcp {
        admit_tcp(state, listener, stream, peer);
    } else {
        let worker = Worker::with(|worker| worker.index);
        let mut client = Client::new(Arc::clone(state), Arc::clone(listener), worker, peer);
        client.local = stream.local_addr().ok();
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
    let (counted, is_over) = Counted::one_more(&client.state, &client.listener);
    if is_over {
        cell.refused.fetch_add(1, Ordering::Relaxed);
        unread::remember(&client, Reason::TooManyConnections);
        tokio::spawn(async move {
            closing::last_words(Stream::from(stream), Reason::TooManyConnections).await;
            drop(counted);
        });
        return;
    }
    if client.listener.conf.proxy_protocol {
        tokio::spawn(async move {
            drive_introduced(stream, client).await;
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

/// As [`drive`], of a connection that begins with the PROXY protocol. The client is who that names, also when it is
/// asked whose headers are believed.
async fn drive_introduced(stream: TcpStream, peer: Arc<Client>) {
    let limit = clock::instant(clock::now().after(peer.listener.conf.header_timeout));
    let client = match introduce::introduce(&peer.listener, &stream, peer.peer, limit).await {
        Ok(None) => peer,
        Ok(Some(told)) => {
            let (state, listener) = (Arc::clone(&peer.state), Arc::clone(&peer.listener));
            let mut client = Client::new(state, listener, peer.worker, told.source);
            client.local = Some(told.destination);
            Arc::new(client)
        }
        Err(reason) => return unread::remember(&peer, reason),
    };
    Worker::with(|worker| worker.register(&client));
    if client.listener.cell.is_removed() {
        // It was not there to be told.
        client.close();
    }
    drive(stream, client).await;
}

/// As [`admit_connection`], of a connection that carries no HTTP.
fn admit_tcp(state: &Arc<State>, listener: &Arc<Listener>, stream: TcpStream, peer: SocketAddr) {
    let (state, listener) = (Arc::clone(state), Arc::clone(listener));
    let (counted, is_over) = Counted::one_more(&state, &listener);
    if is_over {
        listener.cell.refused.fetch_add(1, Ordering::Relaxed);
        return tcp::turn_away(state, listener, stream, peer);
    }
    tokio::spawn(async move {
        tcp::serve(state, listener, stream, peer).await;
        drop(counted);
    });
}

/// One open connection, of a listener and of the daemon.
struct Counted(Arc<ListenerCell>, Arc<State>);

impl Counted {
    /// Counts one more, and says whether it is one too many.
    fn one_more(state: &Arc<State>, listener: &Listener) -> (Self, bool) {
        let cell = &listener.cell;
        cell.accepted.fetch_add(1, Ordering::Relaxed);
        let open = cell.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let of_all = state.clients.fetch_add(1, Ordering::Relaxed) + 1;
        let is_over = open > listener.conf.max_connections as u64 || of_all > state.max_clients;
        (Self(Arc::clone(cell), Arc::clone(state)), is_over)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // The runtime catches a panic at the task, so it ends this connection and nothing else.
        if std::thread::panicking() {
            self.1.panics.fetch_add(1, Ordering::Relaxed);
            let cause = "a defect of ayad ended a connection; its log has the place";
            self.1.events.push(NewEvent::new(Severity::Error, "daemon", "ayad", cause.to_owned()));
        }
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
        self.1.clients.fetch_sub(1, Ordering::Relaxed);
    }
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

/// Sets what every client's socket needs. None of it is needed enough to refuse the client.
fn prepare(stream: &TcpStream, client: &Client) {
    let undelayed = stream.set_nodelay(true);
    // Progress of a slow reader must show in portions, not when megabytes have gone out.
    let noticed = SockRef::from(stream).set_tcp_notsent_lowat(NOTICED_BYTES);
    if let Err(error) = undelayed.and(noticed) {
        tracing::debug!(peer = %client.peer, %error, "cannot set up a socket");
    }
}
