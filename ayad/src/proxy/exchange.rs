//! One request from its first step to its last: what it holds, and what will be recorded of it.
//!
//! Exactly one outcome is recorded for each exchange, also when the client goes away at any point: dropping
//! an exchange that is not over records [`Reason::ClientGone`], or [`Reason::Stopping`] when that cuts it.

use std::net::IpAddr;
use std::sync::Arc;

use aya_core::load::Acquired;
use aya_core::pick::Pick;
use aya_core::reason::Reason;
use aya_core::time::Tick;

use super::between::RouteId;
use super::breakdown::Breakdown;
use super::client::Client;
use super::notes::Id;
use super::record;
use super::trace::{Attempt, Brief, LookId};
use crate::clock;
use crate::log::LogDraft;
use crate::state::{Backend, Pool, WorkerCell};
use crate::upstream::Connection;

/// A place for one request in a backend, given back when dropped.
#[derive(Debug)]
pub struct Place {
    /// The pool, as it was when the request was routed.
    pub pool: Arc<Pool>,
    /// Position of the backend in it.
    index: usize,
    worker: usize,
    since: Tick,
    is_trial: bool,
    among: f32,
    look: Option<LookId>,
    rule: Option<u8>,
}

impl Place {
    /// Takes a place in backend `index` of `pool`, unless it is not eligible any more.
    pub fn take(pool: &Arc<Pool>, index: usize, worker: usize, now: Tick, bound: bool) -> Option<Self> {
        let acquired = pool.backends[index].load.acquire(now, bound);
        Self::of(acquired, pool, index, worker, now)
    }

    /// Takes a place in a backend that was picked.
    pub fn take_picked(
        pool: &Arc<Pool>,
        (picked, look): (Pick, LookId),
        worker: usize,
        now: Tick,
    ) -> Option<Self> {
        let load = &pool.backends[picked.index].load;
        let acquired = if picked.in_panic { load.acquire_in_panic() } else { load.acquire(now, false) };
        let mut place = Self::of(acquired, pool, picked.index, worker, now)?;
        place.look = Some(look);
        Some(place)
    }

    fn of(acquired: Acquired, pool: &Arc<Pool>, index: usize, worker: usize, now: Tick) -> Option<Self> {
        let is_trial = match acquired {
            Acquired::Refused => return None,
            Acquired::Taken => false,
            Acquired::Trial => true,
        };
        let among = pool.backends[index].load.seen_in_flight(now);
        Some(Self {
            pool: Arc::clone(pool),
            index,
            worker,
            since: now,
            is_trial,
            among,
            look: None,
            rule: None,
        })
    }

    /// The same place, of a request that a rule of the pool is for, if one is.
    #[must_use]
    pub fn by(mut self, rule: Option<u8>) -> Self {
        self.rule = rule;
        self
    }

    /// The rule of the pool that the request is under, by position.
    pub fn rule(&self) -> Option<u8> {
        self.rule
    }

    /// The backend.
    pub fn backend(&self) -> &Arc<Backend> {
        &self.pool.backends[self.index]
    }

    /// Position of the backend in the pool.
    pub fn index(&self) -> usize {
        self.index
    }

    /// True when this request decides whether an open breaker closes.
    pub fn is_trial(&self) -> bool {
        self.is_trial
    }

    /// This worker's cell of the backend.
    pub fn cell(&self) -> &WorkerCell {
        &self.backend().workers[self.worker]
    }

    /// What the pick saw; absent when a session bound the client.
    pub fn look(&self) -> Option<LookId> {
        self.look
    }

    /// Requests the backend had when it was taken, this one included.
    pub fn among(&self) -> f32 {
        self.among
    }

    /// When it was taken: the attempt began.
    pub fn since(&self) -> Tick {
        self.since
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.backend().load.release();
    }
}

/// When the steps of a request ended, for the access log. Taken only while there is one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steps {
    /// A backend was picked for the first time.
    pub picked: Option<Tick>,
    /// The connection that carried the request was there.
    pub connected: Option<Tick>,
    /// The head of the answer was there.
    pub first_byte: Option<Tick>,
}

/// One request.
#[derive(Debug)]
pub struct Exchange {
    /// Whose it is.
    pub client: Arc<Client>,
    /// When its first byte was read.
    pub started: Tick,
    /// Where it went, while it is there.
    pub place: Option<Place>,
    /// The backend whose attempt failed, until another one takes the request.
    pub failed: Option<Arc<Backend>>,
    /// Backends asked.
    pub attempts: u32,
    /// Status of the answer; 0 before there is one.
    pub status: u16,
    /// Why the proxy answered by itself or ended it.
    pub reason: Option<Reason>,
    /// Bytes of body received from the client.
    pub bytes_received: u64,
    /// Bytes of body sent to the client.
    pub bytes_sent: u64,
    /// Its id, once it has one.
    pub id: Option<Id>,
    /// For the access log.
    pub steps: Steps,
    /// Method, host and path.
    pub brief: Brief,
    /// Its client's address, once it is known who asks.
    pub address: Option<IpAddr>,
    /// The route it takes.
    pub route: Option<RouteId>,
    /// The rule of its pool that it is under, by position.
    pub rule: Option<u8>,
    /// Attempts that did not bring the answer.
    pub tried: Vec<Attempt>,
    /// It is kept to be explained whatever becomes of it.
    pub is_sampled: bool,
    /// For the access log.
    pub draft: Option<Box<LogDraft>>,
    /// Which rule the request broke, or the answer; or what the system or TLS said when the last connection failed. Until
    /// an attempt is noted with it.
    pub cause: Option<Box<str>>,
    /// How a gRPC call ended, once that is known.
    pub grpc_status: Option<u32>,
    /// The answer itself says that its backend failed, whatever its status.
    pub is_failure: bool,
    /// Where its time goes, when a load test asks for that.
    pub breakdown: Option<Breakdown>,
    /// Which faults hit it.
    pub faults: Option<Box<str>>,
    /// The epoch of faults in which the last attempt was hit.
    pub struck_at: Option<u64>,
    /// What it tells about its backend was taken down already.
    pub is_measured: bool,
    ended: Option<Tick>,
}

impl Exchange {
    /// The beginning of a request.
    pub fn begin(client: Arc<Client>, started: Tick) -> Self {
        Self {
            client,
            started,
            place: None,
            failed: None,
            attempts: 0,
            status: 0,
            reason: None,
            bytes_received: 0,
            bytes_sent: 0,
            id: None,
            steps: Steps::default(),
            brief: Brief::default(),
            address: None,
            route: None,
            rule: None,
            tried: Vec::new(),
            is_sampled: false,
            draft: None,
            cause: None,
            grpc_status: None,
            is_failure: false,
            breakdown: None,
            faults: None,
            struck_at: None,
            is_measured: false,
            ended: None,
        }
    }

    /// Keeps the connection for the next request to the same backend, unless the backend is leaving.
    pub fn keep(&self, connection: Box<Connection>, now: Tick) {
        if let Some(place) = &self.place
            && place.backend().load.eligible_bound(now)
            // One that began with a client's address is that client's.
            && place.pool.conf.proxy_protocol.is_none()
        {
            place.cell().idle.put(connection, now, &place.pool.conf.keepalive);
        }
    }

    /// The answer of a backend was passed on whole.
    pub fn complete(&mut self, now: Tick) {
        self.end(now);
    }

    /// The request ended early.
    pub fn failed(&mut self, reason: Reason, now: Tick) {
        self.reason.get_or_insert(reason);
        self.end(now);
    }

    /// When it was over.
    pub fn ended(&self) -> Option<Tick> {
        self.ended
    }

    fn end(&mut self, now: Tick) {
        if self.ended.replace(now).is_none() {
            record::record(self, now);
            self.place = None;
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.failed(self.client.state.reason_of_drop(), clock::now());
        }
    }
}
