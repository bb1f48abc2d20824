//! Step 9: what is remembered of a request: counters, latencies, breaker, access log. Once for each request.

use aya_api::event::Severity;
use aya_core::breaker::BreakerChange;
use aya_core::reason::{Blame, Reason};
use aya_core::time::Tick;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::client::Client;
use super::exchange::{Exchange, Lease};
use super::guard::Identity;
use super::parse::Target;
use super::worker::Worker;
use crate::clock;
use crate::log::{LogDraft, LogLine};
use crate::state::NewEvent;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id taken over from a client, in bytes.
const LONGEST_ID: usize = 128;

/// Takes down what the access log needs of the request, while there is an access log.
pub(super) fn begin(exchange: &mut Exchange, head: &Parts, target: &Target<'_>) {
    if exchange.client.state.access_log.is_on() {
        exchange.draft = Some(Box::new(LogDraft::of(head, target.host)));
    }
}

/// Gives the request an id unless it has one, and takes down who asks.
pub(super) fn request_id(exchange: &mut Exchange, headers: &mut HeaderMap, identity: &Identity) {
    let given = headers.get(REQUEST_ID).filter(|id| (1..=LONGEST_ID).contains(&id.len())).cloned();
    let id = given.unwrap_or_else(|| {
        let id = new_id();
        headers.insert(REQUEST_ID, id.clone());
        id
    });
    if let Some(draft) = &mut exchange.draft {
        draft.client = Some(identity.address);
    }
    exchange.id = Some(id);
}

/// The id of the request; one is made for requests that are refused before they got one.
pub(super) fn id_of(exchange: &Exchange) -> Option<HeaderValue> {
    Some(exchange.id.clone().unwrap_or_else(new_id))
}

fn new_id() -> HeaderValue {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let random = Worker::with(Worker::random);
    let mut id = [0; 32];
    for (i, digit) in id.iter_mut().enumerate() {
        *digit = HEX[(random[i / 16] >> (4 * (i % 16)) & 15) as usize];
    }
    HeaderValue::from_bytes(&id).expect("hexadecimal digits are visible ASCII")
}

/// A backend was picked.
pub(super) fn picked(exchange: &mut Exchange) {
    if let Some(lease) = exchange.lease.as_ref().filter(|lease| lease.is_trial()) {
        breaker_changed(exchange, lease, BreakerChange::HalfOpened);
    }
    if exchange.draft.is_some() && exchange.steps.picked.is_none() {
        exchange.steps.picked = Some(clock::now());
    }
}

/// A connection to the backend is there.
pub(super) fn connected(exchange: &mut Exchange) {
    if exchange.draft.is_some() {
        exchange.steps.connected = Some(clock::now());
    }
}

/// The head of the answer is there.
pub(super) fn answered(exchange: &mut Exchange, status: u16) {
    exchange.status = status;
    if exchange.draft.is_some() {
        exchange.steps.first_byte = Some(clock::now());
    }
}

/// An attempt failed before anything was sent; another one may follow.
pub(super) fn attempt_failed(exchange: &mut Exchange, reason: Reason) {
    let Some(lease) = exchange.lease.take() else { return };
    let now = clock::now();
    if reason.blame() == Blame::Backend {
        backend_finished(exchange, &lease, now, false);
    }
}

/// Remembers a request that is over.
pub(super) fn record(exchange: &mut Exchange, now: Tick) {
    let state = &exchange.client.state;
    let counters = &state.counters[exchange.client.worker];
    let status = exchange.status;
    if status != 0 {
        counters.responded(status);
    }
    if let Some(reason) = exchange.reason {
        counters.refused(reason);
    }
    let received = exchange.client.received.load(std::sync::atomic::Ordering::Relaxed);
    counters.transferred(received, exchange.bytes_sent);
    if let Some(lease) = &exchange.lease {
        match exchange.reason.map(Reason::blame) {
            // Neither the client's nor our own doing says anything about the backend.
            Some(Blame::Client | Blame::Proxy) => {}
            Some(Blame::Backend) => backend_finished(exchange, lease, now, false),
            None => backend_finished(exchange, lease, now, status < 500),
        }
    }
    if let Some(draft) = exchange.draft.take() {
        state.access_log.write(&LogLine::of(&draft, exchange, now));
    }
}

fn backend_finished(exchange: &Exchange, lease: &Lease, now: Tick, ok: bool) {
    let took = now.since(if exchange.attempts > 1 { lease.since() } else { exchange.started });
    lease.cell().finished(took.as_micros() as u64, ok);
    lease.backend.load.record(now, took, ok);
    if let Some(change) = lease.backend.load.breaker().record(now, ok) {
        breaker_changed(exchange, lease, change);
    }
}

fn breaker_changed(exchange: &Exchange, lease: &Lease, change: BreakerChange) {
    let (severity, to, cause) = match change {
        BreakerChange::Opened { .. } => (Severity::Error, "open", "too many failures in a row"),
        BreakerChange::HalfOpened => (Severity::Info, "half-open", "one request is let through to try"),
        BreakerChange::Closed => (Severity::Info, "closed", "the trial request succeeded"),
    };
    let from = lease.backend.remember_breaker(to, cause);
    let event = NewEvent::new(severity, "breaker", &lease.backend.id, cause).change(from, to);
    exchange.client.state.events.push(event);
}

/// Remembers bytes that were no request.
pub(super) fn unreadable(client: &Client, reason: Reason) {
    let state = &client.state;
    let counters = &state.counters[client.worker];
    counters.refused(reason);
    counters.responded(reason.status());
    if state.access_log.is_on() {
        state.access_log.write(&LogLine::unreadable(client, reason));
    }
}
