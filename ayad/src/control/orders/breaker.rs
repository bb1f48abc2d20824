//! Orders about breakers: what they would do, and doing it.

use std::sync::atomic::Ordering;

use aya_api::axis::BreakerOrder as Word;
use aya_api::error::{ApiError, ErrorCode};
use aya_core::axis::BreakerState;
use aya_core::breaker::Order as Forced;
use aya_core::outlier::Return;

use super::plan::Target;
use super::{Order, Plan};
use crate::clock;
use crate::control::Control;
use crate::control::journal::Record;
use crate::state::{Backend, BreakerOrder};

/// What a reset leaves behind.
const NOTHING: &str = "nothing";

/// The word for an order of the core.
pub(in crate::control) fn word(order: Option<Forced>) -> Word {
    match order {
        None => Word::None,
        Some(Forced::Open) => Word::Open,
        Some(Forced::Closed) => Word::Closed,
        Some(Forced::Held) => Word::Held,
    }
}

fn forced(word: Word) -> Option<Forced> {
    match word {
        Word::None => None,
        Word::Open => Some(Forced::Open),
        Word::Closed => Some(Forced::Closed),
        Word::Held => Some(Forced::Held),
    }
}

impl Control {
    pub(super) fn plan_breaker(&self, id: &str, order: Word) -> Result<Plan, ApiError> {
        let backend = self.find_backend(id)?;
        let before = word(backend.load.breaker().people_order());
        let verb = match before {
            Word::None => "release",
            Word::Open => "open",
            Word::Closed => "close",
            Word::Held => "hold",
        };
        let warnings = if order == Word::Open { self.warn_left(&backend) } else { Vec::new() };
        Ok(Plan {
            field: "breaker-order",
            before: before.as_str().to_owned(),
            after: order.as_str().to_owned(),
            configured: Word::None.as_str().to_owned(),
            rev: backend.rev.load(Ordering::Relaxed),
            undo: format!("ayactl breaker {verb} {id}"),
            back: Order::Breaker { id: id.to_owned(), order: before },
            warnings,
            target: Target::Backend(backend),
        })
    }

    /// What would be forgotten. It cannot be undone, and nothing reverts it.
    pub(super) fn plan_reset(&self, id: &str, is_leased: bool) -> Result<Plan, ApiError> {
        if is_leased {
            let hint = "leave out the time limit; to keep traffic away for a while, order the breaker open";
            return Err(ApiError::new(ErrorCode::BadValue, "what was forgotten cannot come back", hint));
        }
        let backend = self.find_backend(id)?;
        Ok(Plan {
            field: "learned",
            before: learned(&backend),
            after: NOTHING.to_owned(),
            configured: NOTHING.to_owned(),
            rev: backend.rev.load(Ordering::Relaxed),
            undo: String::new(),
            back: Order::Reset { id: id.to_owned() },
            warnings: Vec::new(),
            target: Target::Backend(backend),
        })
    }

    pub(super) fn apply_breaker(&self, id: &str, order: Word, record: &Record, restored: bool) -> u64 {
        let Ok(backend) = self.find_backend(id) else { return 0 };
        let rev = self.state.next_rev();
        let operation = &record.operation;
        backend.past().breaker_order = (order != Word::None).then(|| BreakerOrder {
            since_ms: operation.at_ms,
            by: operation.by.clone(),
            reason: operation.reason.clone(),
            until_ms: operation.until_ms,
            restored,
        });
        backend.load.breaker().set_order(forced(order));
        backend.rev.store(rev, Ordering::Relaxed);
        rev
    }

    pub(super) fn apply_reset(&self, id: &str) -> u64 {
        let Ok(backend) = self.find_backend(id) else { return 0 };
        let rev = self.state.next_rev();
        let was = backend.load.breaker().state();
        backend.load.breaker().reset(clock::now());
        if matches!(was, BreakerState::Open | BreakerState::HalfOpen) {
            backend.remember_breaker("closed", "reset");
        }
        if let Some(change) = backend.load.pardon(clock::now(), Return::Ordered) {
            backend.remember("outlier", change.from.as_str(), change.to.as_str(), "reset");
        }
        backend.rev.store(rev, Ordering::Relaxed);
        rev
    }
}

/// What breaker and outlier detection have learned, in words.
fn learned(backend: &Backend) -> String {
    let breaker = backend.load.breaker();
    let standing = backend.load.watched().standing();
    let mut words = Vec::new();
    match breaker.state() {
        BreakerState::Open | BreakerState::HalfOpen => {
            words.push(format!("breaker {}", breaker.state().as_str()));
        }
        BreakerState::Off | BreakerState::Closed if breaker.failures() > 0 => {
            words.push(format!("{} failures in a row", breaker.failures()));
        }
        BreakerState::Off | BreakerState::Closed => {}
    }
    if standing != aya_core::outlier::Standing::In {
        words.push(standing.as_str().to_owned());
    }
    if words.is_empty() { NOTHING.to_owned() } else { words.join(", ") }
}
