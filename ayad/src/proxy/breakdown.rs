//! Where the time of a request of a load test went, told in its answer (`server-timing`).

use std::time::Duration;

use aya_core::time::Tick;

use super::between::Request;
use super::exchange::{Exchange, Place};
use crate::clock;
use crate::h1::Known;
use crate::queue::Queue;

/// What is noted on the way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Breakdown {
    /// When the first attempt began.
    first: Option<Tick>,
}

impl Breakdown {
    /// An attempt began.
    pub(super) fn attempt(&mut self, place: &Place) {
        self.first.get_or_insert(place.since());
    }
}

impl Exchange {
    /// Takes down whether the request is one of a load test that is under way. Costs one load while there is none.
    #[inline]
    pub(super) fn note_run(&mut self, request: &Request<'_>) {
        let runs = &self.client.state.runs;
        if !runs.is_empty() && request.get(Known::Load).is_some_and(|id| runs.has(id)) {
            self.breakdown = Some(Breakdown::default());
        }
    }

    /// Says where the time went: before the first attempt, with those that failed and the pauses between, and with the
    /// last one until the head of its answer, in milliseconds.
    pub(super) fn tell_breakdown(&self, added: &mut Queue) {
        let (Some(breakdown), Some(place)) = (self.breakdown, &self.place) else { return };
        let first = breakdown.first.unwrap_or(place.since());
        let [queue, retries, backend] =
            [first.since(self.started), place.since().since(first), clock::now().since(place.since())]
                .map(millis);
        let line = format!(
            "server-timing: queue;dur={queue:.3}, retries;dur={retries:.3}, backend;dur={backend:.3};desc=\"{}\"\r\n",
            place.backend().id
        );
        added.extend(line.as_bytes());
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
