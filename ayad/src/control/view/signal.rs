//! What is known about a backend from outside its traffic, for people.

use std::time::Duration;

use aya_api::view::{AgentView, SignalView, SourceView};
use aya_core::signal::Signal;

use crate::clock;
use crate::config::Signals;
use crate::config::signals::Source;
use crate::state::Backend;

/// Every number that was ever learned, in the order of the kinds.
pub(super) fn signals(backend: &Backend, conf: &Signals) -> Vec<SignalView> {
    let now = clock::now();
    let view = |signal: &Signal| {
        let reading = backend.load.signals().latest(*signal, now)?;
        let source = backend.reported.source(*signal)?;
        Some(SignalView {
            signal: signal.as_str().to_owned(),
            value: reading.value,
            age_ms: reading.age.as_millis() as u64,
            stale: reading.age > conf.expiry(source, *signal),
            source: source.as_str().to_owned(),
        })
    };
    Signal::ALL.iter().filter_map(view).collect()
}

/// Every source that was heard of.
pub(super) fn sources(backend: &Backend, conf: &Signals) -> Vec<SourceView> {
    let now_ms = clock::wall_ms();
    let view = |source: Source| {
        let standing = backend.reported.standing(source);
        let age = Duration::from_millis(now_ms.saturating_sub(standing.since_ms));
        (standing.since_ms != 0).then(|| SourceView {
            source: source.as_str().to_owned(),
            ok: standing.cause.is_none(),
            stale: standing.cause.is_some() && age > conf.longest_expiry(source),
            since_ms: standing.since_ms,
            cause: standing.cause,
        })
    };
    Source::ALL.into_iter().filter_map(view).collect()
}

/// What the agent wants, when one has answered.
pub(super) fn agent(backend: &Backend) -> Option<AgentView> {
    let fact = backend.reported.agent();
    (fact.since_ms != 0).then(|| AgentView {
        hold: fact.agent.hold().map(|hold| hold.as_str().to_owned()),
        weight: fact.agent.weight(),
        reason: fact.reason,
        since_ms: fact.since_ms,
    })
}
