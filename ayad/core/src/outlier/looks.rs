//! Looks on purpose: an algorithm that follows latencies hardly asks a backend that it avoids, so nothing new is heard of
//! it, neither that it is worse than it seems nor that it is cured. Ten times a second a few requests are granted to
//! backends like that; [`Load::take_look`] spends them.
//!
//! ```text
//! a trial is free       the breaker lets one through: it is granted at once
//! seems to fail         up to 6 at a time, until there is evidence enough to tell; all together 5 % of the requests
//! seems slow            the same; 5 % of the requests for one, 0.4 % for more, all together
//! silent for a second   1, whose last answer is oldest; all together 0.3 % of the requests
//! ```
//!
//! So what looking costs is bounded by a share of the traffic and does not grow with the number of bad backends, and the
//! 99th percentile of a pool never consists of looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::norm::{Norm, seems_failing};
use super::watch::Span;
use super::{OutlierRules, Standing};
use crate::load::Load;
use crate::time::Tick;

/// Share of the requests that may go to silent backends, and what may be saved up of it.
const SILENT: (f32, f32) = (0.003, 2.0);
/// The same for those that seem to fail: each failure counts, and may be retried.
const FAILING: (f32, f32) = (0.05, 10.0);
/// The same for those that seem slow, when it is one, and when there are more: many must not make a tail, and nobody is
/// hurt by finding out later about what is avoided anyhow.
const ONE_SLOW: (f32, f32) = (0.05, 10.0);
const MORE_SLOW: (f32, f32) = (0.004, 4.0);
/// Most looks granted to one backend at a time.
const MOST: u32 = 6;
/// Time without an answer after which a backend is silent.
const SILENCE: Duration = Duration::from_secs(1);
/// A backend with less than this part of the mean is avoided: enough for a verdict is heard of the others.
const AVOIDED: f32 = 0.5;
/// Fewest answers whose time is worth a second thought.
const HEARD: u32 = 2;
/// Length of the shortest span in looks, when it is longest.
const LOOKS_IN_SPAN: f32 = 12.5;

/// What is saved up for looks in one pool, as the bits of an `f32`.
#[derive(Debug, Default)]
pub(super) struct Purse {
    silent: AtomicU32,
    failing: AtomicU32,
    slow: AtomicU32,
}

/// Grants looks in a pool. `spans` and `in_service` belong to `set`; `usual` is the share of failures that is.
pub(super) fn grant(
    now: Tick,
    rules: &OutlierRules,
    set: &[Arc<Load>],
    (spans, in_service): (&[[Span; 2]], &[bool]),
    (norms, usual): (&[Option<Norm>; 2], f64),
    purse: &Purse,
) {
    let calls: u32 = spans.iter().map(|[short, _]| short.counts.calls).sum();
    let each = calls as f32 / LOOKS_IN_SPAN;
    let mut silent = saved(&purse.silent, each, SILENT);
    let mut failing = saved(&purse.failing, each, FAILING);
    let asks =
        |load: &Load, spans| load.watched().standing() == Standing::In && seems_slow(spans, norms, rules);
    let several =
        set.iter().zip(spans).zip(in_service).filter(|((load, spans), is_in)| **is_in && asks(load, spans));
    let mut slow = saved(&purse.slow, each, if several.count() > 1 { MORE_SLOW } else { ONE_SLOW });
    let weights: f32 = set.iter().map(|load| load.weight() as f32).sum();
    let avoided = AVOIDED * calls as f32 / weights.max(1.0);
    let mut longest: Option<&Load> = None;
    for ((load, spans), is_in) in set.iter().zip(spans).zip(in_service) {
        let is_asked = *is_in && load.weight() > 0 && load.breaker().passes(now);
        let is_avoided = (spans[0].counts.calls as f32) < avoided * load.weight() as f32;
        if !is_asked || !is_avoided {
            load.grant_looks(0);
        } else if load.breaker().is_trial_free(now) {
            load.grant_looks(1);
        } else if spans.iter().any(|span| seems_failing(span, usual)) {
            load.grant_looks(take(&mut failing, load));
        } else if asks(load, spans) {
            load.grant_looks(take(&mut slow, load));
        } else if load.looks() == 0
            && load.in_flight() == 0
            && now.since(load.latency_at()) >= SILENCE
            && longest.is_none_or(|longest| load.latency_at() < longest.latency_at())
        {
            longest = Some(load);
        }
    }
    if let Some(load) = longest
        && silent >= 1.0
    {
        silent -= 1.0;
        load.grant_looks(1);
    }
    purse.silent.store(silent.to_bits(), Ordering::Relaxed);
    purse.failing.store(failing.to_bits(), Ordering::Relaxed);
    purse.slow.store(slow.to_bits(), Ordering::Relaxed);
}

fn saved(purse: &AtomicU32, requests: f32, (share, most): (f32, f32)) -> f32 {
    (f32::from_bits(purse.load(Ordering::Relaxed)) + share * requests).min(most)
}

/// What a backend is granted. What it has left is paid for: a backend of a part that is not offered now, or of an algorithm
/// that goes by keys, may keep it for long.
fn take(purse: &mut f32, load: &Load) -> u32 {
    let left = load.looks().min(MOST);
    let more = (MOST - left).min(*purse as u32).saturating_sub(load.in_flight());
    *purse -= more as f32;
    left + more
}

/// Whether the few answers of a backend point to one that is slower than the others. Once it is eased, no more of them are
/// wanted.
fn seems_slow(spans: &[Span; 2], norms: &[Option<Norm>; 2], rules: &OutlierRules) -> bool {
    let mut looks = spans.iter().zip(norms);
    looks.any(|(span, norm)| span.timed >= HEARD && norm.is_some_and(|norm| norm.seems_slow(span, rules)))
}
