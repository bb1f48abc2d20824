//! Why a backend gets no new requests, in words: cause, who, since when, until when.
//!
//! The three axes stay three; this only picks the words for those that are not as they should be. Whether a
//! backend is eligible is never derived here, the daemon says it.

use aya_api::axis::{Admin, Breaker, BreakerOrder, Health, Standing, StickyDrain};
use aya_api::view::{BackendView, BreakerOrderView, PoolView, StandingView};

use crate::figure;
use crate::theme::Tone;

/// Why a backend is not eligible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Why {
    /// For a list: `down (refused, 12s)`.
    pub(crate) short: String,
    /// For a line of its own.
    pub(crate) long: String,
    /// How loud.
    pub(crate) tone: Tone,
}

/// Explains `backend` at `now_ms`; `None` when it is in traffic.
pub(crate) fn why(backend: &BackendView, now_ms: u64) -> Option<Why> {
    if !backend.is_out() {
        return None;
    }
    let axes = [admin, health, breaker, standing].map(|axis| axis(backend, now_ms));
    let reasons: Vec<Why> = axes
        .into_iter()
        .flatten()
        .chain((backend.weight == 0).then(|| weight_is_zero(backend, now_ms)))
        .collect();
    let Some(first) = reasons.first() else {
        let text = "not eligible, no axis says why".to_owned();
        return Some(Why { short: text.clone(), long: text, tone: Tone::Warn });
    };
    let long: Vec<&str> = reasons.iter().map(|reason| reason.long.as_str()).collect();
    // What broke is louder than what was ordered, but an order explains more, so it comes first.
    let tone = reasons.iter().map(|reason| reason.tone).max().unwrap_or(Tone::Warn);
    Some(Why { short: first.short.clone(), long: long.join("; "), tone })
}

/// As [`why`], and of one that is eligible: what it is eased for, or what was ordered of its breaker.
pub(crate) fn remark(backend: &BackendView, now_ms: u64) -> Option<Why> {
    why(backend, now_ms).or_else(|| {
        let order = backend.breaker.order.as_ref().map(|order| forced(order, now_ms));
        order.or_else(|| stands(backend, now_ms))
    })
}

/// True when nothing new can go to any backend of the pool although it has some. In panic, requests are tried all the same.
pub(crate) fn is_dark(pool: &PoolView) -> bool {
    pool.eligible == 0 && !pool.in_panic && !pool.backends.is_empty()
}

/// How an admin state reads.
pub(crate) fn admin_tone(state: Admin) -> Tone {
    match state {
        Admin::Ready => Tone::Plain,
        Admin::Draining | Admin::Drained | Admin::Maint => Tone::Warn,
    }
}

/// How a health state reads.
pub(crate) fn health_tone(state: Health) -> Tone {
    match state {
        Health::Up => Tone::Good,
        Health::Down => Tone::Bad,
        Health::Warming | Health::Unknown => Tone::Warn,
    }
}

/// How a breaker state reads.
pub(crate) fn breaker_tone(state: Breaker) -> Tone {
    match state {
        Breaker::Off => Tone::Muted,
        Breaker::Closed => Tone::Plain,
        Breaker::Open => Tone::Bad,
        Breaker::HalfOpen => Tone::Warn,
    }
}

fn admin(backend: &BackendView, now_ms: u64) -> Option<Why> {
    let admin = &backend.admin;
    if admin.state == Admin::Ready {
        return None;
    }
    let age = figure::age(now_ms.saturating_sub(admin.since_ms));
    let by = admin.by.as_deref().unwrap_or("the configuration");
    let mut long = vec![format!("{} by {by} for {age}", admin.state)];
    if let Some(reason) = &admin.reason {
        long.push(format!(": \"{reason}\""));
    }
    if admin.state == Admin::Draining {
        long.push(format!(", {} in flight", backend.traffic.in_flight));
        if admin.sticky == Some(StickyDrain::Honour) {
            long.push(", bound clients keep coming".to_owned());
        }
    }
    if admin.restored {
        long.push(", restored after a restart".to_owned());
    }
    if let Some(until_ms) = admin.until_ms {
        long.push(format!(", reverts in {}", figure::left(until_ms.saturating_sub(now_ms))));
    }
    let short = match &admin.by {
        Some(by) => format!("{} by {by}", admin.state),
        None => format!("{} ({age})", admin.state),
    };
    Some(Why { short, long: long.concat(), tone: Tone::Warn })
}

fn health(backend: &BackendView, now_ms: u64) -> Option<Why> {
    let health = &backend.health;
    if health.state == Health::Up {
        return None;
    }
    let age = figure::age(now_ms.saturating_sub(health.since_ms));
    let mut long = vec![format!("{} for {age}: {}", health.state, health.cause)];
    if let Some(checked_ms) = health.checked_ms {
        long.push(format!(", checked {} ago", figure::age(now_ms.saturating_sub(checked_ms))));
    }
    let short = format!("{} ({}, {age})", health.state, health.cause);
    Some(Why { short, long: long.concat(), tone: health_tone(health.state) })
}

fn breaker(backend: &BackendView, now_ms: u64) -> Option<Why> {
    let breaker = &backend.breaker;
    match breaker.order.as_ref().map(|order| order.order) {
        Some(BreakerOrder::Open) => return Some(forced(breaker.order.as_ref()?, now_ms)),
        Some(BreakerOrder::Closed) => return None,
        Some(BreakerOrder::None | BreakerOrder::Held) | None => {}
    }
    if matches!(breaker.state, Breaker::Off | Breaker::Closed) {
        return None;
    }
    let age = figure::age(now_ms.saturating_sub(breaker.since_ms));
    let mut long = vec![format!("breaker {} for {age}", breaker.state)];
    if let Some(cause) = &breaker.cause {
        long.push(format!(": {cause}"));
    }
    if let Some(retry_ms) = breaker.retry_ms {
        long.push(match retry_ms.saturating_sub(now_ms) {
            0 => ", the next request tries it".to_owned(),
            left => format!(", next try in {}", figure::left(left)),
        });
    }
    Some(Why {
        short: format!("breaker {} ({age})", breaker.state),
        long: long.concat(),
        tone: breaker_tone(breaker.state),
    })
}

fn forced(order: &BreakerOrderView, now_ms: u64) -> Why {
    let long = format!("breaker {}", ordered(order, now_ms).join(", "));
    Why { short: format!("breaker ordered {} by {}", order.order, order.by), long, tone: Tone::Warn }
}

/// An order about a breaker: what, since when, who, why, until when.
pub(crate) fn ordered(order: &BreakerOrderView, now_ms: u64) -> Vec<String> {
    let age = figure::age(now_ms.saturating_sub(order.since_ms));
    let mut words = vec![format!("ordered {} by {} for {age}", order.order, order.by)];
    words.extend(order.reason.as_ref().map(|reason| format!("\"{reason}\"")));
    if order.restored {
        words.push("restored after a restart".to_owned());
    }
    words.extend(
        order.until_ms.map(|at_ms| format!("reverts in {}", figure::left(at_ms.saturating_sub(now_ms)))),
    );
    words
}

fn standing(backend: &BackendView, now_ms: u64) -> Option<Why> {
    let standing = backend.standing.as_ref()?;
    if !standing.keeps_out() {
        return None;
    }
    // It is tried and ejected again every few seconds, and one word for both does not jump.
    let age = figure::age(now_ms.saturating_sub(standing.odd_since()));
    let short = format!("{} ({}, {age})", Standing::Ejected, standing.reason);
    stands(backend, now_ms).map(|why| Why { short, tone: Tone::Bad, ..why })
}

/// How it stands among the others, where that is not like them.
fn stands(backend: &BackendView, now_ms: u64) -> Option<Why> {
    let standing = backend.standing.as_ref()?;
    let age = figure::age(now_ms.saturating_sub(standing.odd_since()));
    let shadow = if standing.shadow { "shadow: " } else { "" };
    let mut long = vec![format!("{shadow}{}, odd for {age}: {}", standing.state, standing.cause)];
    long.extend(stands_until(standing, now_ms).map(|words| format!(", {words}")));
    if let Some(ease) = backend.ease.filter(|_| backend.eligible) {
        long.push(format!(", gets {} of its weight", figure::share(ease)));
    }
    Some(Why {
        short: format!("{} ({}, {age})", standing.state, standing.reason),
        long: long.concat(),
        tone: standing_tone(standing.state),
    })
}

/// When an ejected backend is tried, or how far its trials are.
pub(crate) fn stands_until(standing: &StandingView, now_ms: u64) -> Option<String> {
    let tried = standing.until_ms.map(|at| format!("tried in {}", figure::left(at.saturating_sub(now_ms))));
    tried.or_else(|| Some(format!("{} of {} trials succeeded", standing.trials?, standing.trials_needed?)))
}

/// How a standing reads.
pub(crate) fn standing_tone(standing: Standing) -> Tone {
    match standing {
        Standing::In => Tone::Plain,
        Standing::Suspected | Standing::Doubted | Standing::Trying => Tone::Warn,
        Standing::Ejected => Tone::Bad,
    }
}

fn weight_is_zero(backend: &BackendView, now_ms: u64) -> Why {
    let mut long = vec![format!("weight 0, configured {}", backend.configured_weight)];
    if let Some(until_ms) = backend.weight_until_ms {
        long.push(format!(", reverts in {}", figure::left(until_ms.saturating_sub(now_ms))));
    }
    Why { short: "weight 0".into(), long: long.concat(), tone: Tone::Warn }
}
