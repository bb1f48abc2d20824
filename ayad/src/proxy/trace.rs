//! What a request leaves behind so that it can be explained: what its picks saw, and what came of its attempts.
//!
//! A pick's candidates are taken down by the worker in a ring that is written over: nearly all requests end well and are
//! never asked about. Only when one ends that failed, was tried again or is sampled, its part of the ring is read and
//! kept ([`crate::state::Traces`]). A request that took so long that the ring went round has no candidates left.

use std::sync::Arc;
use std::time::Duration;

use aya_api::view::{AttemptView, RequestExplanation, Scored};
use aya_core::load::Load;
use aya_core::pick::{Ask, Chooser, Class, Score};
use aya_core::reason::{Blame, Reason};
use aya_core::time::Tick;

use super::between::{Request, RouteId, Target};
use super::exchange::{Exchange, Place};
use super::worker::Worker;
use crate::clock;
use crate::state::{Backend, Pool};

/// Most candidates taken down for one pick.
const CANDIDATES: usize = 16;
/// Picks a worker remembers.
const LOOKS: usize = 256;
/// Most bytes of method, host and path that are taken down of every request.
const BRIEF: usize = 96;

/// Names one pick among those of its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookId(u64);

/// The last picks of a worker.
#[derive(Debug)]
pub struct Looks {
    ring: Box<[Look]>,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    id: u64,
    len: u8,
    left_out: u16,
    seen: [Seen; CANDIDATES],
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    index: u16,
    class: Class,
    score: f32,
    in_flight: u32,
}

impl Default for Looks {
    fn default() -> Self {
        let seen = Seen { index: 0, class: Class::Plain, score: 0.0, in_flight: 0 };
        let empty = Look { id: 0, len: 0, left_out: 0, seen: [seen; CANDIDATES] };
        Self { ring: vec![empty; LOOKS].into(), next: 1 }
    }
}

impl Looks {
    /// Takes down whom a pick could have gone to. Neither locks nor allocates.
    pub fn take_down(&mut self, chooser: &Chooser, pool: &Pool, ask: &Ask<'_>, picked: usize) -> LookId {
        let id = self.next;
        self.next += 1;
        let look = &mut self.ring[(id % LOOKS as u64) as usize];
        (look.id, look.len, look.left_out) = (id, 0, 0);
        let loads = &pool.loads;
        if !chooser.looked(&mut |index, score| look.add(loads, index, score, picked)) {
            look.add(loads, picked, chooser.score(loads, picked, ask), picked);
            let others = loads.iter().enumerate().filter(|(index, _)| *index != picked);
            let others = others.filter(|(index, load)| ask.allows(*index, load)).take(CANDIDATES - 1);
            others.for_each(|(index, _)| look.add(loads, index, chooser.score(loads, index, ask), picked));
        }
        look.left_out = loads.len().saturating_sub(usize::from(look.len)).min(usize::from(u16::MAX)) as u16;
        LookId(id)
    }

    fn get(&self, id: LookId) -> Option<&Look> {
        Some(&self.ring[(id.0 % LOOKS as u64) as usize]).filter(|look| look.id == id.0)
    }
}

impl Look {
    /// One candidate more. The one that was picked comes first, and there is always room for it.
    fn add(&mut self, loads: &[Arc<Load>], index: usize, score: Score, picked: usize) {
        let len = usize::from(self.len);
        let is_picked = index == picked;
        if index > usize::from(u16::MAX) || (len == CANDIDATES && !is_picked) {
            return;
        }
        let in_flight = loads[index].in_flight();
        let seen = Seen { index: index as u16, class: score.class, score: score.value, in_flight };
        let place = len.min(CANDIDATES - 1);
        self.seen[place] = seen;
        if is_picked {
            self.seen.swap(0, place);
        }
        self.len = (place + 1) as u8;
    }
}

/// Method, host and path of a request, as far as they fit.
#[derive(Clone, Copy, Debug)]
pub struct Brief {
    len: u8,
    bytes: [u8; BRIEF],
}

impl Default for Brief {
    fn default() -> Self {
        Self { len: 0, bytes: [0; BRIEF] }
    }
}

impl Brief {
    /// Takes down a request.
    pub(super) fn of(request: &Request<'_>, target: &Target<'_>) -> Self {
        let mut brief = Self::default();
        for part in [request.method(), b" ", target.host.as_bytes(), target.path.as_bytes()] {
            let from = usize::from(brief.len);
            let len = part.len().min(BRIEF - from);
            brief.bytes[from..from + len].copy_from_slice(&part[..len]);
            brief.len += len as u8;
        }
        brief
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..usize::from(self.len)]).into_owned()
    }
}

/// An attempt that did not bring the answer.
#[derive(Debug)]
pub struct Attempt {
    backend: Arc<Backend>,
    outcome: String,
    detail: Option<Box<str>>,
    since: Tick,
    took: Duration,
    among: f32,
    look: Option<LookId>,
}

impl Attempt {
    /// Takes down what came of the attempt that had `place`.
    pub(super) fn of(place: &Place, outcome: String, detail: Option<Box<str>>, took: Duration) -> Self {
        Self {
            backend: Arc::clone(place.backend()),
            outcome,
            detail,
            since: place.since(),
            took,
            among: place.among(),
            look: place.look(),
        }
    }
}

/// Keeps the request when it is worth explaining.
pub(super) fn keep(exchange: &Exchange, now: Tick) {
    let is_ours = match exchange.reason.map(Reason::blame) {
        Some(Blame::Client) => false,
        Some(Blame::Backend | Blame::Proxy) => true,
        None => exchange.status >= 500 || exchange.is_failure,
    };
    let is_told = matches!(exchange.reason, Some(reason) if reason != Reason::ClientGone);
    let is_hit = exchange.faults.is_some();
    if !(is_ours || is_told || is_hit || exchange.attempts > 1 || exchange.is_sampled) {
        return;
    }
    let state = &exchange.client.state;
    state.traces.keep(exchange.client.worker, explain(exchange, now), is_ours);
}

fn explain(exchange: &Exchange, now: Tick) -> RequestExplanation {
    let from = |at: Tick| millis(at.since(exchange.started));
    let took = now.since(exchange.started);
    let (route, pool) = exchange.route.and_then(routed).unzip();
    let pool = exchange.place.as_ref().map(|place| Arc::clone(&place.pool)).or(pool);
    let pool = pool.as_ref();
    let mut attempts: Vec<AttemptView> =
        exchange.tried.iter().map(|attempt| view(attempt, exchange.started, pool)).collect();
    if let Some(place) = &exchange.place {
        let outcome = exchange.reason.map_or_else(|| exchange.status.to_string(), |r| r.as_str().to_owned());
        let last = Attempt::of(place, outcome, exchange.cause.clone(), now.since(place.since()));
        attempts.push(view(&last, exchange.started, pool));
    }
    let client = exchange.address.unwrap_or_else(|| exchange.client.peer.ip().to_canonical());
    RequestExplanation {
        id: exchange.id.as_ref().and_then(|id| id.as_str()).unwrap_or_default().to_owned(),
        at_ms: clock::wall_ms().saturating_sub(took.as_millis() as u64),
        took_ms: millis(took),
        listener: exchange.client.listener.conf.name.clone(),
        client: client.to_string(),
        request: exchange.brief.text(),
        route,
        pool: pool.map(|pool| pool.name.clone()),
        algorithm: pool.map(|pool| pool.picks(exchange.rule).to_string()),
        unit: pool.map(|pool| pool.picks(exchange.rule).spec.scale.unit.to_owned()),
        rule: exchange.rule.map(|rule| u64::from(rule) + 1),
        status: exchange.status,
        reason: exchange.reason.map(|reason| reason.as_str().to_owned()),
        detail: exchange.cause.as_deref().map(str::to_owned),
        fault: exchange.faults.as_deref().map(str::to_owned),
        sampled: exchange.is_sampled,
        attempts,
        picked_ms: exchange.steps.picked.map(from),
        connected_ms: exchange.steps.connected.map(from),
        first_byte_ms: exchange.steps.first_byte.map(from),
    }
}

/// The route's name and pool, unless the configuration has changed since.
fn routed(route: RouteId) -> Option<(String, Arc<Pool>)> {
    Worker::with(|worker| {
        worker.snapshot(|snapshot| {
            let target =
                snapshot.targets.get(route.index).filter(|_| snapshot.generation == route.generation)?;
            Some((snapshot.routes[route.index].name.clone(), Arc::clone(&snapshot.pools[target.pool])))
        })
    })
}

fn view(attempt: &Attempt, started: Tick, pool: Option<&Arc<Pool>>) -> AttemptView {
    let seen = attempt.look.zip(pool).and_then(|(id, pool)| {
        Worker::with(|worker| worker.looks(|looks| looks.get(id).map(|look| scored(look, pool))))
    });
    let (candidates, left_out) = seen.unzip();
    AttemptView {
        backend: attempt.backend.id.clone(),
        outcome: attempt.outcome.clone(),
        detail: attempt.detail.as_deref().map(str::to_owned),
        began_ms: millis(attempt.since.since(started)),
        took_ms: millis(attempt.took),
        in_flight: f64::from(attempt.among),
        candidates,
        left_out: left_out.unwrap_or(0),
    }
}

fn scored(look: &Look, pool: &Pool) -> (Vec<Scored>, u32) {
    let seen = &look.seen[..usize::from(look.len)];
    let each = seen.iter().filter_map(|seen| {
        Some(Scored {
            backend: pool.backends.get(usize::from(seen.index))?.id.clone(),
            score: Some(f64::from(seen.score)).filter(|score| score.is_finite()),
            class: Some(seen.class.as_str().to_owned()).filter(|class| !class.is_empty()),
            in_flight: seen.in_flight,
        })
    });
    (each.collect(), u32::from(look.left_out))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
