//! What an attempt says about a backend: to its load, its breaker, and whoever reads events.

use std::time::Duration;

use aya_api::event::Severity;
use aya_core::breaker::BreakerChange;
use aya_core::time::Tick;

use super::exchange::Place;
use crate::state::{NewEvent, State};

/// A place was taken. Tells of the breaker that lets this one through to try.
pub(super) fn begun(state: &State, place: &Place) {
    if place.is_trial() {
        tell(state, place, BreakerChange::HalfOpened);
    }
}

/// An attempt went well or not, after `took`.
pub(super) fn reached(state: &State, place: &Place, now: Tick, took: Duration, ok: bool) {
    place.backend().load.record_among(now, took, ok, place.among());
    if let Some(auto) = &place.pool.auto {
        auto.served(now, place.index(), place.among(), took, ok);
    }
    if let Some(change) = place.backend().load.breaker().record(now, ok) {
        tell(state, place, change);
    }
}

fn tell(state: &State, place: &Place, change: BreakerChange) {
    let (severity, to, cause) = match change {
        BreakerChange::Opened { .. } => (Severity::Error, "open", "too many failures in a row"),
        BreakerChange::HalfOpened => (Severity::Info, "half-open", "one request is let through to try"),
        BreakerChange::Closed => (Severity::Info, "closed", "the trial request succeeded"),
    };
    let from = place.backend().remember_breaker(to, cause);
    state.events.push(NewEvent::new(severity, "breaker", &place.backend().id, cause).change(from, to));
}
