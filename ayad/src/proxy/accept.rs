//! Step 1: connections. Accepts them, drives each until it ends, and ends those that take too long.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use aya_api::event::Severity;
use aya_core::reason::Reason;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::alarm::Timer;
use super::client::{Client, Phase};
use super::io::ClientIo;
use super::worker::Worker;
use super::{serve, unread};
use crate::clock;
use crate::state::{Listener, ListenerCell, NewEvent, State};

/// Longest wait after `accept` failed for want of descriptors or memory.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Most bytes of a body held between two sockets, for each direction.
const MAX_BUFFER: usize = 64 * 1024;
/// hyper keeps this many header fields on the stack; asking for the same number would move them to the heap.
const HYPERS_HEADERS: usize = 100;

/// Accepts connections on one socket of one listener until the listener is removed or the daemon stops.
pub async fn listen(state: Arc<State>, cell: Arc<ListenerCell>, socket: TcpListener) {
    let mut removed = cell.removed.subscribe();
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            // Only fails when the cell is gone, and this function holds it.
            _ = removed.wait_for(|removed| *removed) => break,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                failing = false;
                let listener = Worker::with(|w| w.snapshot(|s| current(&s.listeners, &cell)));
                if let Some(listener) = listener {
                    let client = Client::new(Arc::clone(&state), listener, Worker::with(|w| w.index), peer);
                    admit_connection(stream, Arc::new(client));
                }
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
    drop(socket);
    Worker::with(|worker| worker.close_clients(Some(&cell)));
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
    let counted = Counted(Arc::clone(cell));
    cell.accepted.fetch_add(1, Ordering::Relaxed);
    if open > client.listener.conf.max_connections as u64 {
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

/// One open connection of a listener.
struct Counted(Arc<ListenerCell>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Drives a connection until it ends. The task of this function does everything for the connection, also
/// upstream; see [`crate::upstream`].
async fn drive(stream: TcpStream, client: Arc<Client>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(peer = %client.peer, %error, "cannot switch off delays");
    }
    client.await_first(clock::now());
    let service = {
        let client = Arc::clone(&client);
        service_fn(move |request| serve(Arc::clone(&client), request))
    };
    let io = TokioIo::new(ClientIo::new(stream, Arc::clone(&client)));
    let mut connection = builder(&client.listener).serve_connection(io, service);
    let mut timer = Timer::new();
    let mut told_to_close = false;
    let outcome = poll_fn(|cx| {
        client.waker.get_or_init(|| cx.waker().clone());
        loop {
            if !told_to_close && client.closing.load(Ordering::Relaxed) {
                told_to_close = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            if let Poll::Ready(ended) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(Outcome::Ended(ended));
            }
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
        Outcome::TimedOut(Phase::Idle | Phase::Serving) | Outcome::Ended(Ok(())) => {}
        Outcome::Ended(Err(error)) => {
            tracing::debug!(peer = %client.peer, %error, "connection ended early");
        }
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
