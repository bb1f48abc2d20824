//! What the active faults do to one attempt.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aya_api::fault::{Distribution, Fault, LyingHealth, Phase};
use aya_core::chaos::cap::Traffic;
use aya_core::chaos::flap;
use aya_core::chaos::latency::{Latency, Spread};
use aya_core::hash::mix;
use aya_core::rng::Rng;
use aya_core::time::Tick;

use super::Faults;
use super::active::{Active, Cause, Held, Marks};
use super::shaped::{Shape, Shaped, Spoken};
use crate::clock;
use crate::proxy::between::RouteId;
use crate::stream::Stream;

/// An attempt, as far as faults tell attempts apart.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its pool.
    pub pool: &'a str,
    /// The stable number of its backend.
    pub token: u64,
    /// The head that is for the backend, in HTTP/1.1; empty for what has none.
    pub head: &'a [u8],
    /// By which route it comes.
    pub route: Option<RouteId>,
    /// Whose it is.
    pub client: IpAddr,
    /// What was decided about its connection.
    pub marks: &'a Marks,
    /// It is an HTTP request.
    pub is_http: bool,
}

/// An attempt that is hit.
#[derive(Debug, Default)]
pub struct Struck {
    /// Which faults hit it, for people: `f7 latency, f9 slice`.
    pub note: String,
    /// The fault by which the backend refuses the connection.
    refused: Option<Arc<Active>>,
    /// The connection is reset before the answer.
    pub is_reset: bool,
    /// How long it has waited.
    pub waited: Duration,
    waits: Vec<(Held, Option<Duration>)>,
    partition: Option<Held>,
    answer: Option<Arc<Active>>,
    shapes: Vec<(Held, Shape)>,
}

/// What a fault makes of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckFate {
    /// It passes.
    Passes,
    /// It fails.
    Fails,
    /// The connection is refused.
    Refused,
    /// Nobody answers.
    Silent,
}

impl Faults {
    /// What happens to this attempt; `None` when no fault hits it.
    #[cold]
    pub fn strike(&self, asked: &Asked<'_>) -> Option<Box<Struck>> {
        let set = self.set.load();
        let now = clock::now();
        let traffic = self.meters.of(asked.pool);
        traffic.request(now);
        let mut struck: Option<Box<Struck>> = None;
        for active in set.iter() {
            if !active.reach().has(asked.token) || !active.reach().takes(asked.route) {
                continue;
            }
            if !active.is_for(asked.head, asked.client) || !is_due(active, asked.token, now) {
                continue;
            }
            let Some(number) = active.draw(asked.marks) else { continue };
            let is_first = struck.as_ref().is_none_or(|struck| struck.note.is_empty());
            match blow(active, asked, number, &traffic, now, is_first) {
                Ok(blow) => {
                    if active.counts_each() || asked.marks.is_new_hit(active) {
                        active.count_hit();
                    }
                    let struck = struck.get_or_insert_default();
                    active.note(&mut struck.note);
                    struck.take(blow);
                }
                Err(cause) => active.skip(cause),
            }
        }
        struck
    }

    /// What becomes of a check of the backend of this number; `None` when it is made as usual.
    pub fn check(&self, token: u64) -> Option<CheckFate> {
        if self.is_idle() {
            return None;
        }
        let now = clock::now();
        let set = self.set.load();
        set.iter().rev().filter(|active| active.order().share > 0.0).find_map(|active| {
            let is_whole = active.is_for_backends_alone() && active.order().share >= 1.0;
            let fate = match active.fault() {
                Fault::HealthLie { says: LyingHealth::Up } => CheckFate::Passes,
                Fault::HealthLie { says: LyingHealth::Down } => CheckFate::Fails,
                Fault::Partition {} if is_whole => CheckFate::Silent,
                Fault::Flap { .. } if is_whole && is_due(active, token, now) => CheckFate::Refused,
                _ => return None,
            };
            active.reach().has(token).then_some(fate)
        })
    }
}

/// Whether the fault is about attempts, and about this one by its schedule.
fn is_due(active: &Active, token: u64, now: Tick) -> bool {
    match *active.fault() {
        Fault::HealthLie { .. } | Fault::Breaker { .. } | Fault::Load { .. } | Fault::Process { .. } => false,
        Fault::DropFirst { count } => active.is_among_first(count, token),
        Fault::Flap { period_ms, away } => {
            flap::is_away(Duration::from_millis(period_ms), away, now.since(active.since()))
        }
        _ => true,
    }
}

/// One thing that is done to an attempt.
enum Blow {
    Wait(Held, Option<Duration>),
    Refuse(Arc<Active>),
    Partition(Held),
    Answer(Arc<Active>),
    Reset,
    Shape(Held, Shape),
}

/// What the fault does to the attempt that it drew as the `number`-th, unless a limit keeps it from that.
fn blow(
    active: &Arc<Active>,
    asked: &Asked<'_>,
    number: u64,
    traffic: &Traffic,
    now: Tick,
    is_first: bool,
) -> Result<Blow, Cause> {
    let held = || active.hold().ok_or(Cause::MaxHeld);
    let waits = || active.hold_waiting(asked.token, now).ok_or(Cause::MaxHeld);
    let seed = mix(active.order().seed, number);
    let blow = match *active.fault() {
        Fault::Latency { mean_ms, jitter_ms, distribution } => {
            let latency = Latency { mean_ms, jitter_ms, spread: spread(distribution) };
            Blow::Wait(waits()?, Some(latency.draw(&mut Rng::seeded(seed))))
        }
        Fault::Hang {} => Blow::Wait(waits()?, None),
        Fault::Partition {} => Blow::Partition(waits()?),
        Fault::Refuse {} | Fault::DropFirst { .. } | Fault::Flap { .. } => Blow::Refuse(Arc::clone(active)),
        Fault::Reset { phase: Phase::Before, .. } => Blow::Reset,
        Fault::Error { .. } if !asked.is_http => return Err(Cause::NotPossible),
        Fault::Error { .. } => Blow::Answer(Arc::clone(active)),
        Fault::Reset { phase: Phase::Inside, after_bytes } => {
            Blow::Shape(held()?, Shape::Reset { after: after_bytes })
        }
        Fault::Truncate { after_bytes } => Blow::Shape(held()?, Shape::Truncate { after: after_bytes }),
        Fault::Bandwidth { up, down } => Blow::Shape(held()?, Shape::bandwidth(up, down, now)),
        Fault::Slice { bytes, spread, pause_us } => {
            Blow::Shape(held()?, Shape::slice(bytes, spread, Duration::from_micros(pause_us), seed))
        }
        Fault::Corrupt { one_in } => Blow::Shape(held()?, Shape::corrupt(one_in, seed)),
        Fault::SlowClose { delay_ms } => Blow::Shape(held()?, Shape::slow_close(delay_ms)),
        Fault::HealthLie { .. } | Fault::Breaker { .. } | Fault::Load { .. } | Fault::Process { .. } => {
            return Err(Cause::NotPossible);
        }
    };
    // A request that is hit twice is one request that is hit.
    if is_first && !traffic.try_hit(now, active.order().limits.max_traffic.unwrap_or(1.0)) {
        return Err(Cause::MaxTraffic);
    }
    Ok(blow)
}

fn spread(distribution: Distribution) -> Spread {
    match distribution {
        Distribution::Uniform => Spread::Uniform,
        Distribution::Normal => Spread::Normal,
        Distribution::Exponential => Spread::Exponential,
        Distribution::Pareto => Spread::Pareto,
    }
}

impl Struck {
    fn take(&mut self, blow: Blow) {
        match blow {
            Blow::Wait(held, time) => self.waits.push((held, time)),
            Blow::Refuse(active) => self.refused = Some(active),
            Blow::Partition(held) => self.partition = Some(held),
            Blow::Answer(active) => self.answer = Some(active),
            Blow::Reset => self.is_reset = true,
            Blow::Shape(held, shape) => self.shapes.push((held, shape)),
        }
    }

    /// True while the backend is to refuse the connection: no more once that fault has ended.
    pub fn is_refused(&self) -> bool {
        self.refused.as_ref().is_some_and(|active| !active.is_over())
    }

    /// Waits as long as faults want it to, or until they end. Cancel-safe.
    pub async fn wait(&mut self) {
        let begun = clock::now();
        while let Some((held, time)) = self.waits.last() {
            let over = held.by().over();
            match time {
                Some(time) => {
                    tokio::select! {
                        () = over => {}
                        () = tokio::time::sleep(*time) => {}
                    }
                }
                None => over.await,
            }
            self.waits.pop();
        }
        self.waited = clock::now().since(begun);
    }

    /// Waits while the backend cannot be reached. Cancel-safe.
    pub async fn reach(&mut self) {
        if let Some(held) = &self.partition {
            held.by().over().await;
        }
        self.partition = None;
    }

    /// True when the attempt needs a connection of its own, which nobody uses after it.
    pub fn wants_own(&self) -> bool {
        self.partition.is_some() || self.answer.is_some() || !self.shapes.is_empty()
    }

    /// True when its bytes are changed.
    pub fn is_shaped(&self) -> bool {
        !self.shapes.is_empty()
    }

    /// The stream that answers in place of the backend, if one does.
    pub fn answer(&self, to_head: bool) -> Option<Stream> {
        let active = self.answer.as_ref()?;
        let Fault::Error { status, body, headers } = active.fault() else { return None };
        let bytes = super::made::answer(*status, headers, body, to_head);
        Some(Stream::Shaped(Box::new(Shaped::made(bytes))))
    }

    /// The stream to the backend as faults make it. The shapes are used up.
    pub fn shape(&mut self, stream: Stream, spoken: &Spoken) -> Stream {
        self.shapes.drain(..).fold(stream, |stream, (held, shape)| {
            Stream::Shaped(Box::new(Shaped::new(stream, shape, held, spoken.clone())))
        })
    }
}
