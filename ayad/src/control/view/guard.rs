//! Views of breakers, orders about them, and outliers.

use std::time::Duration;

use aya_api::axis::{Breaker, Standing};
use aya_api::view::{BreakerOrderView, BreakerSettings, BreakerView, BreakerWindow, StandingView};
use aya_core::axis as core;
use aya_core::breaker::BreakerRules;
use aya_core::outlier;

use crate::clock;
use crate::config;
use crate::control::orders::breaker::word;
use crate::state::{Backend, Past};
use crate::tend::finding_words;

/// The breaker of each backend of a pool.
pub(super) fn settings(rules: &BreakerRules) -> BreakerSettings {
    let has_shares = rules.error_share.is_some() || rules.slow.is_some();
    BreakerSettings {
        failures: rules.failures,
        open_ms: ms(rules.open_for),
        open_max_ms: Some(ms(rules.open_max)),
        error_share: rules.error_share,
        slow_ms: rules.slow.map(|slow| ms(slow.over)),
        slow_share: rules.slow.map(|slow| slow.share),
        window_ms: has_shares.then(|| ms(rules.window)),
        min_calls: has_shares.then_some(rules.min_calls),
        trials: Some(rules.trials),
    }
}

/// What is done about outliers of a pool.
pub(super) fn outliers(pool: &config::Pool) -> &'static str {
    match &pool.outliers {
        None => "off",
        Some(rules) if rules.enforce => "enforce",
        Some(_) => "shadow",
    }
}

/// The breaker of a backend.
pub(super) fn breaker(backend: &Backend, past: &Past) -> BreakerView {
    let breaker = backend.load.breaker();
    let order = word(breaker.people_order());
    let counts = breaker.counts(clock::now());
    BreakerView {
        state: state(breaker.state()),
        since_ms: past.breaker_since_ms,
        cause: past.history.iter().rev().find(|e| e.axis == "breaker").map(|e| e.cause.clone()),
        retry_ms: breaker.retry_at().map(clock::wall_of),
        order: past.breaker_order.as_ref().map(|given| BreakerOrderView {
            order,
            since_ms: given.since_ms,
            by: given.by.clone(),
            reason: given.reason.clone(),
            until_ms: given.until_ms,
            restored: given.restored,
        }),
        window: (counts.calls > 0).then_some(BreakerWindow {
            calls: counts.calls,
            failures: counts.failures,
            slow: counts.slow,
        }),
    }
}

/// How a backend stands among the others; `None` when it is like them.
pub(super) fn standing(backend: &Backend, conf: &config::Pool) -> Option<StandingView> {
    let watch = backend.load.watched();
    let finding = watch.finding()?;
    let trials = watch.trials();
    Some(StandingView {
        state: match watch.standing() {
            outlier::Standing::In => Standing::In,
            outlier::Standing::Suspected => Standing::Suspected,
            outlier::Standing::Doubted => Standing::Doubted,
            outlier::Standing::Ejected => Standing::Ejected,
            outlier::Standing::Trying => Standing::Trying,
        },
        shadow: conf.outliers.as_ref().is_some_and(|rules| !rules.enforce),
        since_ms: clock::wall_of(watch.since()),
        odd_since_ms: watch.odd_since().map(clock::wall_of),
        until_ms: watch.until().map(clock::wall_of),
        reason: finding.oddity.as_str().to_owned(),
        cause: finding_words(&finding),
        times: watch.times(),
        trials: trials.map(|(good, _)| good),
        trials_needed: trials.map(|(_, needed)| needed),
    })
}

/// What slow start, standing and signals leave of a weight; `None` when that is all of it.
pub(super) fn ease(backend: &Backend) -> Option<f64> {
    let ease = backend.load.ease();
    let full = aya_core::load::FULL_EASE;
    (ease != full).then(|| f64::from(ease) / f64::from(full))
}

/// The state of a breaker.
pub(in crate::control) fn state(state: core::BreakerState) -> Breaker {
    match state {
        core::BreakerState::Off => Breaker::Off,
        core::BreakerState::Closed => Breaker::Closed,
        core::BreakerState::Open => Breaker::Open,
        core::BreakerState::HalfOpen => Breaker::HalfOpen,
    }
}

fn ms(time: Duration) -> u64 {
    time.as_millis() as u64
}
