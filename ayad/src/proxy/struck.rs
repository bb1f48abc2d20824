//! What faults do to an attempt before its connection is there, and how its deadlines count that.

use std::time::Duration;

use aya_core::reason::Reason;
use aya_core::time::Tick;

use super::between::Failed;
use super::downstream::Downstream;
use super::exchange::{Exchange, Place};
use super::forward::{answer_due, within};
use crate::chaos::Struck;
use crate::state::State;

/// Lets an attempt feel faults that act before its connection: it waits as for a backend that is slow, and fails as with
/// one that refuses or resets. A refusal is a real one in everything that follows from it: the backend leaves traffic
/// until checks bring it back.
pub(super) async fn suffer<D: Downstream>(
    down: &mut D,
    exchange: &mut Exchange,
    struck: &mut Struck,
) -> Result<(), Failed> {
    let place = exchange.place.as_ref().ok_or(Failed::Unsent(Reason::NoBackend))?;
    down.wait().arm(answer_due(place, place.since()));
    within(down, struck.wait(), Reason::FirstByteTimeout).await.map_err(|reason| match reason {
        Reason::FirstByteTimeout => Failed::Sent(reason),
        _ => Failed::Final(reason),
    })?;
    fate(&exchange.client.state, place, struck).map_or(Ok(()), Err)
}

/// How an attempt fails that is not even made.
pub(super) fn fate(state: &State, place: &Place, struck: &Struck) -> Option<Failed> {
    if struck.is_refused() {
        place.backend().touch.health();
        state.refused(place.backend());
        return Some(Failed::Unsent(Reason::ConnectRefused));
    }
    struck.is_reset.then_some(Failed::Sent(Reason::ClosedEarly))
}

/// When the answer must have begun of a backend that is waited for since `now`, after the time that faults took.
pub(super) fn struck_due(place: &Place, now: Tick, struck: Option<&Struck>) -> Tick {
    let waited = struck.map_or(Duration::ZERO, |struck| struck.waited);
    let waited = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
    answer_due(place, Tick::from_nanos(now.as_nanos().saturating_sub(waited)))
}
