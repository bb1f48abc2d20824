//! The workers as everybody else sees them: how many connections each has, and where to send it orders and
//! connections that another one accepted.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aya_core::pick::Explanation;
use aya_core::spread::worker_for;
use tokio::sync::{mpsc, oneshot};

use super::counters::Padded;
use super::{Binding, Listener, ListenerCell, Pool, State};

/// Connections on their way to one worker at most; one that finds no place stays where it was accepted.
const ON_THEIR_WAY: usize = 256;

/// What a worker is ordered to do.
#[derive(Debug)]
pub enum WorkerOrder {
    /// Accept connections on one more socket, of this address.
    Listen(Arc<Binding>, Arc<TcpListener>),
    /// Tell the connections of a listener, or all of them, to end after the request they serve.
    EndClients(Option<Arc<ListenerCell>>),
    /// Say what the next pick of a pool would see.
    Explain(Arc<Pool>, usize, (u64, Option<u8>), oneshot::Sender<Explanation>),
}

/// A connection that was accepted, with all that its worker needs to take it in.
#[derive(Debug)]
pub struct Arrival<S> {
    /// The connection.
    pub stream: S,
    /// Who is at its other end.
    pub peer: SocketAddr,
    /// The listener it belongs to.
    pub listener: Arc<Listener>,
    /// Its place; to be kept until it ends.
    pub seat: Seat,
}

/// The place of one open connection, counted for its listener, its worker and the daemon until it is dropped.
#[derive(Debug)]
pub struct Seat {
    state: Arc<State>,
    cell: Arc<ListenerCell>,
    worker: usize,
    is_over: bool,
}

impl Seat {
    /// Takes a place for a connection that `accepting` has accepted, at the worker that should serve it.
    pub fn take(state: &Arc<State>, listener: &Listener, accepting: usize) -> Self {
        let crew = &state.crew.all;
        let open = crew.iter().map(|mate| mate.open.load(Ordering::Relaxed));
        let worker = worker_for(accepting, open);
        Self::at(state, listener, worker)
    }

    fn at(state: &Arc<State>, listener: &Listener, worker: usize) -> Self {
        let cell = &listener.cell;
        state.crew.all[worker].open.fetch_add(1, Ordering::Relaxed);
        let of_listener = cell.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let of_all = state.clients.fetch_add(1, Ordering::Relaxed) + 1;
        cell.accepted.fetch_add(1, Ordering::Relaxed);
        let is_over = of_listener > listener.conf.max_connections as u64 || of_all > state.max_clients;
        if is_over {
            cell.refused.fetch_add(1, Ordering::Relaxed);
        }
        Self { state: Arc::clone(state), cell: Arc::clone(cell), worker, is_over }
    }

    /// The worker that serves it.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// True when it is one more than the listener or the daemon takes: it is to be turned away.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// The connection stays with another worker after all.
    fn move_to(&mut self, worker: usize) {
        self.state.crew.all[self.worker].open.fetch_sub(1, Ordering::Relaxed);
        self.state.crew.all[worker].open.fetch_add(1, Ordering::Relaxed);
        self.worker = worker;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.state.crew.all[self.worker].open.fetch_sub(1, Ordering::Relaxed);
        self.cell.connections.fetch_sub(1, Ordering::Relaxed);
        self.state.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All workers.
#[derive(Debug)]
pub struct Crew {
    all: Vec<Mate>,
}

#[derive(Debug)]
struct Mate {
    open: Padded<AtomicU64>,
    orders: mpsc::UnboundedSender<WorkerOrder>,
    arrivals: mpsc::Sender<Arrival<TcpStream>>,
}

/// What is sent to one worker.
#[derive(Debug)]
pub struct Inbox {
    /// Orders; few, and only from the control thread and the end of the process.
    pub orders: mpsc::UnboundedReceiver<WorkerOrder>,
    /// Connections that other workers accepted.
    pub arrivals: mpsc::Receiver<Arrival<TcpStream>>,
}

impl Crew {
    /// As many workers, and what each is to read.
    pub fn new(workers: usize) -> (Self, Vec<Inbox>) {
        let mate = |_| {
            let (orders, on_order) = mpsc::unbounded_channel();
            let (arrivals, on_arrival) = mpsc::channel(ON_THEIR_WAY);
            let mate = Mate { open: Padded::default(), orders, arrivals };
            (mate, Inbox { orders: on_order, arrivals: on_arrival })
        };
        let (all, inboxes) = (0..workers).map(mate).unzip();
        (Self { all }, inboxes)
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Connections that each has open now.
    pub fn open(&self) -> impl Iterator<Item = u64> {
        self.all.iter().map(|mate| mate.open.load(Ordering::Relaxed))
    }

    /// Has the workers accept at an address, one socket each, in turn when there are more.
    pub fn listen(&self, binding: &Arc<Binding>) {
        for (socket, worker) in binding.sockets().into_iter().zip((0..self.len()).cycle()) {
            self.order(worker, WorkerOrder::Listen(Arc::clone(binding), socket));
        }
    }

    /// Tells the connections of a listener, or all, to end after the request they serve.
    pub fn end_clients(&self, of: Option<&Arc<ListenerCell>>) {
        for worker in 0..self.len() {
            self.order(worker, WorkerOrder::EndClients(of.cloned()));
        }
    }

    /// Asks a worker what its next pick of a pool, which stands at `position`, would see for a request with this key,
    /// which this rule of the pool is for, or none.
    pub fn explain(
        &self,
        worker: usize,
        pool: &Arc<Pool>,
        position: usize,
        key: u64,
        rule: Option<u8>,
    ) -> oneshot::Receiver<Explanation> {
        let (answer, answered) = oneshot::channel();
        self.order(worker, WorkerOrder::Explain(Arc::clone(pool), position, (key, rule), answer));
        answered
    }

    /// Hands a connection to the worker of its seat. One that cannot be sent comes back, with its seat at
    /// `accepting`.
    pub fn hand_over(&self, arrival: Arrival<TcpStream>, accepting: usize) -> Result<(), Arrival<TcpStream>> {
        let mate = &self.all[arrival.seat.worker];
        mate.arrivals.try_send(arrival).map_err(|unsent| {
            let mut arrival = unsent.into_inner();
            arrival.seat.move_to(accepting);
            arrival
        })
    }

    fn order(&self, worker: usize, order: WorkerOrder) {
        if self.all[worker].orders.send(order).is_err() {
            tracing::error!(worker, "a worker has ended and takes no orders");
        }
    }
}
