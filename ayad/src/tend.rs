//! Ten times a second: which backends do worse than the others of their pools, which came into traffic, and what share
//! of its weight each gets, and which pools panic. What is worse and what follows is decided in `aya-core`; here it is asked, done and told.
//!
//! What it deliberately does not do: run checks (that is [`crate::health`]), or count results (workers do, at once).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use aya_api::event::Severity;
use aya_core::axis::{Admin, BreakerState, Health};
use aya_core::load::Load;
use aya_core::outlier::{Finding, Guard, Oddity, OutlierChange, Return, Settings, Standing};
use aya_core::pick::Part;
use aya_core::time::Tick;

use crate::clock;
use crate::config::unit::show_percent;
use crate::state::{Backend, NewEvent, Pool, State};

/// How often pools are looked at.
pub const EVERY: Duration = Duration::from_millis(100);

/// Looks at all pools until the process ends.
pub async fn run(state: Arc<State>) {
    let mut tender = Tender::default();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        tender.look(&state, clock::now());
    }
}

#[derive(Default)]
struct Tender {
    guard: Guard,
    changes: Vec<OutlierChange>,
    /// Whether each backend was in traffic at the last look.
    served: HashMap<usize, bool>,
    /// The priority groups of pools that were in panic at the last look.
    panics: HashSet<(String, u8)>,
}

impl Tender {
    fn look(&mut self, state: &State, now: Tick) {
        let snapshot = state.snapshot.load_full();
        let mut served = HashMap::with_capacity(self.served.len());
        for pool in &snapshot.pools {
            if pool.conf.slow_start.is_some() {
                for backend in &pool.backends {
                    served.insert(Arc::as_ptr(backend) as usize, self.ramp(backend, now));
                }
            }
            self.tend(state, pool, now);
        }
        self.served = served;
        self.tell_panics(state, &snapshot.pools, now);
    }

    /// Tells when a priority group begins to panic, and when that is over.
    fn tell_panics(&mut self, state: &State, pools: &[Arc<Pool>], now: Tick) {
        let mut panics = HashSet::new();
        for pool in pools.iter().filter(|pool| pool.plan.rules.panic > 0.0) {
            // Before the first checks nobody is healthy, which is no news.
            let is_known = |load: &Arc<Load>| {
                load.admin() != Admin::Ready || matches!(load.health(), Health::Up | Health::Down)
            };
            let is_judged = pool.conf.check.is_none() || pool.loads.iter().all(is_known);
            for part in pool.parts(now) {
                let key = (pool.name.clone(), part.priority);
                let was = self.panics.contains(&key);
                let is_told = part.in_panic && (was || is_judged);
                if is_told {
                    panics.insert(key);
                }
                if is_told != was {
                    state.events.push(panic_event(pool, &part));
                }
            }
        }
        self.panics = panics;
    }

    /// Begins the ramp of a backend that came into traffic since the last look. One that is new to this process does not
    /// begin here: at the start nobody else is there to take its share.
    fn ramp(&self, backend: &Arc<Backend>, now: Tick) -> bool {
        let serves = serves(&backend.load);
        if serves && self.served.get(&(Arc::as_ptr(backend) as usize)) == Some(&false) {
            backend.load.begin_ramp(now);
        }
        serves
    }

    fn tend(&mut self, state: &State, pool: &Pool, now: Tick) {
        let settings =
            Settings { outliers: pool.conf.outliers.as_ref(), slow_start: pool.conf.slow_start.as_ref() };
        self.guard.tend(now, settings, &pool.loads, &pool.quota, &mut self.changes);
        for change in self.changes.drain(..) {
            tell(state, pool, &pool.backends[change.index], &change);
        }
    }
}

fn panic_event(pool: &Pool, part: &Part) -> NewEvent {
    let Part { healthy, ready, priority, in_panic, .. } = part;
    let (severity, what) = if *in_panic {
        let least = show_percent(pool.plan.rules.panic);
        (Severity::Error, format!("less than {least}: health is ignored and all are asked"))
    } else {
        (Severity::Info, "health counts again".to_owned())
    };
    let cause = format!("{healthy} of {ready} backends of priority {priority} are healthy, {what}");
    let (from, to) = if *in_panic { ("calm", "panic") } else { ("panic", "calm") };
    NewEvent::new(severity, "panic", &pool.name, cause).change(from, to)
}

fn serves(load: &Load) -> bool {
    load.admin() == Admin::Ready
        && matches!(load.health(), Health::Up | Health::Unknown)
        && matches!(load.breaker().state(), BreakerState::Off | BreakerState::Closed)
}

/// Tells what changed, with its figures. A backend that stays bad is tried every few seconds: that would fill all memory for
/// events, so of its trials only the failed ones are told whose number is a power of two.
pub fn tell(state: &State, pool: &Pool, backend: &Backend, change: &OutlierChange) {
    let times = backend.load.watched().times();
    let is_again = change.from == Standing::Trying && change.to == Standing::Ejected;
    if change.to == Standing::Trying || (is_again && !times.is_power_of_two()) {
        return;
    }
    let severity = match change.to {
        Standing::Ejected => Severity::Error,
        Standing::Suspected | Standing::Doubted if change.back.is_none() => Severity::Warning,
        _ => Severity::Info,
    };
    let mut cause = cause(change);
    if change.to == Standing::Ejected
        && let Some(until) = backend.load.watched().until()
    {
        let length = until.since(backend.load.watched().since());
        cause = format!("{cause}; for {} ms", length.as_millis());
        if is_again {
            cause = format!("{cause}; out {times} times in a row");
        }
    }
    if pool.conf.outliers.as_ref().is_some_and(|rules| !rules.enforce) {
        cause.push_str(" (shadow: nothing is done)");
    }
    let (from, to) = (change.from.as_str(), change.to.as_str());
    backend.remember("outlier", from, to, &cause);
    state.events.push(NewEvent::new(severity, "outlier", &backend.id, cause).change(from, to));
}

/// Why a standing changed, in words with figures.
fn cause(change: &OutlierChange) -> String {
    match (change.back, &change.finding) {
        (Some(Return::Recovered), _) => "like the others again".to_owned(),
        (Some(Return::TrialsPassed), _) => "its trials succeeded".to_owned(),
        (Some(Return::OthersNoBetter), _) => "the others are no better".to_owned(),
        (Some(Return::SwitchedOff), _) => "outliers are not looked for any more".to_owned(),
        (Some(Return::Ordered), _) => "ordered".to_owned(),
        (Some(Return::FaultOver), _) => {
            "a fault had hit it, and has ended: what it taught is forgotten".to_owned()
        }
        (None, Some(_)) if change.to == Standing::Trying => {
            "one request at a time is let through to try".to_owned()
        }
        (None, Some(finding)) if change.from == Standing::Trying => {
            let how = if finding.oddity == Oddity::Slow { "was slow, or failed" } else { "failed" };
            format!("a trial {how}; before, {}", finding_words(finding))
        }
        (None, Some(finding)) => finding_words(finding),
        (None, None) => change.to.as_str().to_owned(),
    }
}

/// What was found, with its figures: `failure share 21% of 120 against a median of 0.2%, 9.1 deviations`.
pub fn finding_words(finding: &Finding) -> String {
    let Finding { oddity, value, median, z, calls } = *finding;
    match oddity {
        Oddity::FailureShare => format!(
            "failure share {} of {calls} against a median of {}, {z:.1} deviations",
            percent(value),
            percent(median)
        ),
        Oddity::FailuresInRow => {
            format!("{calls} failures in a row against a median failure share of {}", percent(median))
        }
        Oddity::Slow => format!(
            "{:.1} ms against a median of {:.1} ms, {z:.1} deviations, {calls} answers",
            value / 1e6,
            median / 1e6
        ),
    }
}

fn percent(share: f32) -> String {
    show_percent((f64::from(share) * 1_000.0).round() / 1_000.0)
}
