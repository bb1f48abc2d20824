//! One TCP connection from accept to end: what it holds, and what is recorded of it, exactly once.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aya_core::hash::address_key;
use aya_core::reason::{Blame, Reason};
use aya_core::time::Tick;
use tokio::net::TcpStream;

use crate::chaos::{Asked, Marks, Struck};
use crate::clock;
use crate::log::ConnectionLine;
use crate::proxy::between::RouteId;
use crate::proxy::exchange::Place;
use crate::proxy::verdict;
use crate::proxy::worker::Worker;
use crate::proxy_protocol::Addresses;
use crate::relay::Totals;
use crate::state::{Backend, Listener, State};

/// A connection of a client. Dropping it before its end records [`Reason::ClientGone`], or [`Reason::Stopping`] when
/// that cuts it.
pub(in crate::proxy) struct Session {
    pub(super) state: Arc<State>,
    pub(super) listener: Arc<Listener>,
    pub(super) worker: usize,
    /// Who connected to us.
    pub(super) peer: SocketAddr,
    /// Who that is in the words of a load balancer in front.
    pub(super) told: Option<Addresses>,
    /// The name the client asked for.
    pub(super) sni: Option<String>,
    pub(super) started: Tick,
    pub(super) place: Option<Place>,
    /// The backend whose attempt failed, until another one takes the connection.
    failed: Option<Arc<Backend>>,
    attempts: u32,
    picked: Option<Tick>,
    connected: Option<Tick>,
    /// What faults decided about it, and which ones hit it.
    marks: Marks,
    faults: String,
    /// The epoch of faults in which the last attempt was hit.
    struck_at: Option<u64>,
    /// Bytes written to the backend that are not the client's.
    header: u64,
    totals: Totals,
    over: bool,
}

impl Session {
    /// A connection that was just accepted.
    pub(super) fn begin(state: Arc<State>, listener: Arc<Listener>, peer: SocketAddr) -> Self {
        Self {
            state,
            listener,
            worker: Worker::with(|worker| worker.index),
            peer,
            told: None,
            sni: None,
            started: clock::now(),
            place: None,
            failed: None,
            attempts: 0,
            picked: None,
            connected: None,
            marks: Marks::default(),
            faults: String::new(),
            struck_at: None,
            header: 0,
            totals: Totals::default(),
            over: false,
        }
    }

    /// The client's address, as far as it can be believed.
    fn client(&self) -> IpAddr {
        self.told.map_or(self.peer, |told| told.source).ip().to_canonical()
    }

    /// Hash of that address.
    pub(super) fn key(&self) -> u64 {
        address_key(self.client())
    }

    /// Both ends of the client's connection, for a backend that wants to know.
    pub(super) fn addresses(&self, stream: &TcpStream) -> Option<Addresses> {
        self.told.or_else(|| {
            let destination = stream.local_addr().ok()?;
            Some(Addresses { source: self.peer, destination })
        })
    }

    /// A place was taken for the next attempt.
    pub(super) fn picked(&mut self, place: Place) {
        if let Some(failed) = self.failed.take() {
            failed.workers[self.worker].moved_on();
        }
        self.attempts += 1;
        self.picked.get_or_insert_with(|| place.since());
        verdict::begun(&self.state, &place);
        self.place = Some(place);
    }

    /// What faults do to the attempt at the place that was taken.
    pub(super) fn strike(&mut self, route: RouteId) -> Option<Box<Struck>> {
        let place = self.place.as_ref().filter(|_| !self.state.faults.is_idle())?;
        let epoch = self.state.faults.epoch();
        self.struck_at = None;
        let struck = self.state.faults.strike(&Asked {
            pool: &place.pool.name,
            token: place.backend().load.token(),
            head: b"",
            route: Some(route),
            client: self.client(),
            marks: &self.marks,
            is_http: false,
        })?;
        place.backend().touch.attempt();
        self.struck_at = Some(epoch);
        if !self.faults.is_empty() {
            self.faults.push_str(", ");
        }
        self.faults.push_str(&struck.note);
        Some(struck)
    }

    /// The backend is there: that is the success of which breakers and algorithms learn.
    pub(super) fn connected(&mut self) {
        let now = clock::now();
        self.connected = Some(now);
        if let Some(place) = &self.place {
            self.learn(place, now, now.since(place.since()), true);
        }
    }

    /// Lets others learn how an attempt went, unless a fault did that which has ended meanwhile.
    fn learn(&self, place: &Place, now: Tick, took: Duration, ok: bool) {
        if self.struck_at.is_none_or(|epoch| epoch == self.state.faults.epoch()) {
            verdict::reached(&self.state, place, now, took, ok);
        }
    }

    /// The attempt failed; another one may follow.
    pub(super) fn failed_attempt(&mut self, reason: Reason) {
        let Some(place) = self.place.take() else { return };
        if reason.blame() == Blame::Backend {
            let now = clock::now();
            let took = now.since(place.since());
            self.learn(&place, now, took, false);
            place.cell().finished(took.as_micros() as u64, false);
            self.failed = Some(Arc::clone(place.backend()));
        }
    }

    /// The backend gets this many bytes before those of the client.
    pub(super) fn header_sent(&mut self, bytes: usize) {
        self.header = bytes as u64;
    }

    /// Counts what went through; says whether that was anything.
    pub(super) fn passed_on(&mut self, totals: Totals) -> bool {
        let totals = Totals { up: totals.up.saturating_sub(self.header), ..totals };
        let (up, down) = (totals.up - self.totals.up, totals.down - self.totals.down);
        self.totals = totals;
        if up + down > 0 {
            self.state.counters[self.worker].transferred(up, down);
        }
        up + down > 0
    }

    /// The connection is over; without a reason both sides ended it themselves.
    pub(super) fn end(mut self, reason: Option<Reason>) {
        self.record(reason);
    }

    fn record(&mut self, reason: Option<Reason>) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let now = clock::now();
        self.listener.cell.finished(self.worker);
        if let Some(reason) = reason {
            self.state.counters[self.worker].refused(reason);
        }
        if let (Some(place), Some(connected)) = (&self.place, self.connected) {
            let took = connected.since(place.since());
            let is_backends_doing = reason.is_some_and(|reason| reason.blame() == Blame::Backend);
            if is_backends_doing {
                self.learn(place, now, took, false);
            }
            place.cell().finished(took.as_micros() as u64, !is_backends_doing);
        }
        if self.state.access_log.is_on() {
            self.state.access_log.write(&self.line(reason, now));
        }
        self.place = None;
    }

    fn line(&self, reason: Option<Reason>, now: Tick) -> ConnectionLine<'_> {
        let backend = self.place.as_ref().map(Place::backend);
        let micros = |took: Duration| took.as_micros() as u64;
        let picked = self.picked.map(|picked| picked.since(self.started));
        let connected = self.connected.zip(self.picked).map(|(connected, picked)| connected.since(picked));
        ConnectionLine {
            time_ms: clock::wall_ms(),
            protocol: "tcp",
            listener: &self.listener.conf.name,
            client: self.client(),
            peer: self.peer,
            host: self.sni.as_deref(),
            pool: backend.map(|backend| backend.pool.as_str()),
            backend: backend.map(|backend| backend.name.as_str()),
            reason: reason.map(Reason::as_str),
            attempts: self.attempts,
            fault: Some(self.faults.as_str()).filter(|faults| !faults.is_empty()),
            bytes_received: self.totals.up,
            bytes_sent: self.totals.down,
            timing_us: crate::log::ConnectionTiming {
                pick: picked.map(micros),
                connect: connected.map(micros),
                total: micros(now.since(self.started)),
            },
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.record(Some(self.state.reason_of_drop()));
    }
}
