//! What an attempt says about a backend: to its load, its breaker, what outliers are found by, and whoever reads events.

use std::time::Duration;

use aya_api::event::Severity;
use aya_core::breaker::{Answer, BreakerChange, Opening};
use aya_core::outlier::OutlierChange;
use aya_core::time::Tick;

use super::exchange::Place;
use crate::config::unit::show_percent;
use crate::state::{NewEvent, State};
use crate::tend;

/// A place was taken. Tells of the breaker that lets this one through to try.
pub(super) fn begun(state: &State, place: &Place) {
    if place.is_trial() && place.backend().load.breaker().is_first_trial() {
        tell(state, place, BreakerChange::HalfOpened);
    }
}

/// An attempt went well or not, after `took`.
pub(super) fn reached(state: &State, place: &Place, now: Tick, took: Duration, ok: bool) {
    let load = &place.backend().load;
    load.record_among(now, took, ok, place.among());
    // What a class of requests costs says nothing about the arms that did not pick for it.
    if let (Some(auto), None) = (&place.pool.auto, place.rule()) {
        auto.served(now, place.index(), place.among(), took, ok);
    }
    let answer = Answer { sent: place.since(), took, ok };
    if let Some(change) = load.breaker().learn(now, answer) {
        tell(state, place, change);
    }
    if let Some(change) = load.watch(now, answer, &place.pool.quota) {
        eject(state, place, &change);
    }
}

fn tell(state: &State, place: &Place, change: BreakerChange) {
    let (severity, to, cause) = match change {
        BreakerChange::Opened { why, .. } => (Severity::Error, "open", opening(why)),
        BreakerChange::HalfOpened => {
            (Severity::Info, "half-open", "requests are let through to try".to_owned())
        }
        BreakerChange::Closed => {
            (Severity::Info, "closed", "what was let through to try succeeded".to_owned())
        }
    };
    let from = place.backend().remember_breaker(to, &cause);
    state.events.push(NewEvent::new(severity, "breaker", &place.backend().id, cause).change(from, to));
}

fn opening(why: Opening) -> String {
    match why {
        Opening::FailuresInRow { failures } => format!("too many failures in a row: {failures}"),
        Opening::ErrorShare { counts } => {
            format!("{} of {} requests failed", show_percent(rounded(counts.failure_share())), counts.calls)
        }
        Opening::SlowShare { counts } => {
            format!("{} of {} requests were slow", show_percent(rounded(counts.slow_share())), counts.calls)
        }
        Opening::TrialFailed => "a request that was let through to try failed".to_owned(),
    }
}

fn rounded(share: f64) -> f64 {
    (share * 1_000.0).round() / 1_000.0
}

#[cold]
fn eject(state: &State, place: &Place, change: &OutlierChange) {
    tend::tell(state, &place.pool, place.backend(), change);
}
