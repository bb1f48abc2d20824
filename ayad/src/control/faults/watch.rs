//! Ten times a second while there are faults: whose time, lease or target is over, and what stop conditions say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aya_api::condition::Value;
use aya_api::event::Severity;
use aya_api::fault::StopState;
use aya_core::time::Tick;

use super::book::{Entry, Stop};
use super::figures::{self, LOOK};
use crate::chaos::{Faults, put_back};
use crate::control::Control;
use crate::control::sampler::Sampler;
use crate::state::{Backend, Snapshot};

/// A condition without data ends its fault after so long.
const BLIND: Duration = Duration::from_secs(10);
/// Shortest time between two events about what a fault skipped.
const BETWEEN_SKIPS: Duration = Duration::from_secs(1);

impl Control {
    /// Ends the faults that are over. Says when to look again, if there are any.
    pub(in crate::control) fn look_at_faults(&mut self, now: Tick) -> Option<Tick> {
        if self.chaos.active.is_empty() {
            return None;
        }
        // Calls come in between; figures are taken when it is time.
        if now >= self.chaos.look_at {
            self.chaos.look_at = now.after(LOOK);
            let snapshot = self.state.snapshot.load_full();
            self.take_figures(&snapshot);
            // Of whom a reload took out of the reach of all.
            put_back(&self.state);
            for entry in &mut self.chaos.active {
                for stop in &mut entry.stops {
                    look(stop, &self.chaos.figures, &snapshot, &self.state.faults, now);
                }
                if let Some(skipped) = new_skips(entry, now) {
                    self.state.events.push(entry.event(Severity::Info, skipped));
                }
            }
        }
        let is_allowed = self.state.snapshot.load().chaos.allow;
        let over: Vec<(String, String)> = self
            .chaos
            .active
            .iter()
            .filter_map(|entry| why_over(entry, is_allowed, now).map(|cause| (entry.id.clone(), cause)))
            .collect();
        for (id, cause) in over {
            self.end_fault(&id, &cause, "ayad");
        }
        let ends = self.chaos.active.iter().flat_map(|entry| [Some(entry.ends), entry.lease.map(|l| l.ends)]);
        let next = ends.flatten().min()?;
        Some(next.min(self.chaos.look_at))
    }

    fn take_figures(&mut self, snapshot: &Snapshot) {
        let stops = self.chaos.active.iter().flat_map(|entry| &entry.stops);
        let mut watched: BTreeMap<*const Backend, Arc<Backend>> = BTreeMap::new();
        for backend in stops.filter_map(|stop| figures::backends(&stop.scope, snapshot)).flatten() {
            watched.insert(Arc::as_ptr(&backend), backend);
        }
        self.chaos.figures.sample_some(watched.values());
    }
}

/// Looks how a condition stands.
fn look(stop: &mut Stop, figures: &Sampler, snapshot: &Snapshot, faults: &Faults, now: Tick) {
    let value = figures::value(&stop.condition, &stop.scope, figures, snapshot, faults);
    stop.value = match &value {
        Some(Value::Number(number)) => Some(*number),
        _ => None,
    };
    let holds = value.as_ref().and_then(|value| stop.condition.holds(value));
    let met = stop.hold.look(&stop.condition, holds == Some(true), now.since(Tick::ZERO));
    let state = match holds {
        None => StopState::NoData,
        Some(false) => StopState::Clear,
        Some(true) if met => StopState::Met,
        Some(true) => StopState::Pending,
    };
    if state != stop.state {
        stop.state = state;
        stop.since = now;
    }
}

/// Why a fault is over, if it is.
fn why_over(entry: &Entry, is_allowed: bool, now: Tick) -> Option<String> {
    if !is_allowed {
        return Some("configuration: [chaos] allow is false now".to_owned());
    }
    if now >= entry.ends {
        return Some("over".to_owned());
    }
    if let Some(lease) = entry.lease.filter(|lease| now >= lease.ends) {
        return Some(format!("lease: nothing was heard of its caller for {} ms", lease.length.as_millis()));
    }
    if entry.backends().is_empty() {
        return Some(format!("target: {} is not there any more", entry.body.target));
    }
    entry.stops.iter().find_map(|stop| match stop.state {
        StopState::Met => {
            let value =
                stop.value.map(|value| format!(" (it is {})", shown(stop, value))).unwrap_or_default();
            Some(format!("condition: {} for {}{value}", stop.condition, stop.scope))
        }
        StopState::NoData if now.since(stop.since) >= BLIND => {
            let seconds = BLIND.as_secs();
            Some(format!(
                "no data: {} of {} cannot be told for {seconds} s",
                stop.condition.metric, stop.scope
            ))
        }
        _ => None,
    })
}

/// A value with the unit of its metric.
fn shown(stop: &Stop, value: f64) -> String {
    use aya_api::condition::Unit;
    match stop.condition.metric.unit() {
        Unit::Time => format!("{value:.1} ms"),
        Unit::Share => format!("{:.1} %", value * 100.0),
        Unit::PerSecond => format!("{value:.1}/s"),
        Unit::Count | Unit::Word => format!("{value}"),
    }
}

/// What a fault skipped since that was told last, in words, when it is time to tell.
fn new_skips(entry: &mut Entry, now: Tick) -> Option<String> {
    let skipped = entry.observed().skipped;
    let total: u64 = skipped.iter().map(|skipped| skipped.count).sum();
    let is_soon = entry.skips.told_at.is_some_and(|at| now.since(at) < BETWEEN_SKIPS);
    if total == entry.skips.told || is_soon {
        return None;
    }
    let new = total - entry.skips.told;
    entry.skips.told = total;
    entry.skips.told_at = Some(now);
    let causes: Vec<String> = skipped.iter().map(|s| format!("{} {}", s.count, s.cause)).collect();
    Some(format!("{new} more were not hit, {total} so far: {}", causes.join(", ")))
}
