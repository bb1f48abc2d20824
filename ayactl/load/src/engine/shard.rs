//! What one thread saw: the running part of a second, which is handed over when it is whole, and what is told once at the
//! end.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::exchange::Timing;
use super::lane::Work;
use super::part::{Outcome, Part};
use crate::record::{OfBackend, Overhead};

/// A second, in nanoseconds.
const SECOND: u32 = 1_000_000_000;
/// From here on a request was given out late.
const LATE: Duration = Duration::from_millis(10);

/// Parts of seconds that a thread hands over.
pub(super) struct Partial {
    /// Which thread.
    pub(super) thread: u32,
    /// The part it is in: all before are whole.
    pub(super) reached: u32,
    /// What was seen. Putting it together is left to whoever takes it: here it would be lag.
    pub(super) parts: Vec<Part>,
}

/// What a thread leaves behind.
#[derive(Default)]
pub(super) struct Last {
    pub(super) by_backend: BTreeMap<String, OfBackend>,
    pub(super) overhead: Option<Overhead>,
    pub(super) connections: u64,
    pub(super) most_open: u64,
    /// How long the thread stood still.
    pub(super) still: Duration,
    /// Requests that were still under way at the end.
    pub(super) unfinished: u64,
}

/// The records of a thread.
pub(super) struct Shard {
    thread: u32,
    to: Sender<Partial>,
    /// Into how many parts each second is cut.
    cut: u32,
    /// The part that runs.
    now: Part,
    /// When it began.
    began: Duration,
    /// When it ends.
    ends: Duration,
    /// Requests offered in parts that are over, when the pacer was late.
    late: BTreeMap<u32, u64>,
    pub(super) last: Last,
}

impl Shard {
    pub(super) fn new(thread: u32, cut: u32, to: Sender<Partial>, has_overhead: bool) -> Self {
        let last = Last { overhead: has_overhead.then(Overhead::default), ..Last::default() };
        let (_, began, ends) = part_of(Duration::ZERO, cut);
        Self { thread, to, cut, now: Part::new(0), began, ends, late: BTreeMap::new(), last }
    }

    /// A request was due at `planned` and given out.
    pub(super) fn offered(&mut self, planned: Duration) {
        if self.began <= planned && planned < self.ends {
            self.now.offered(1);
        } else {
            *self.late.entry(part_of(planned, self.cut).0).or_default() += 1;
        }
    }

    /// A request that was due at `planned` found no free connection at `now`. When it was given out late, as after a
    /// standstill of this machine, the heap is the generator's own and says nothing of the target.
    pub(super) fn waited(&mut self, planned: Duration, now: Duration) {
        if now.saturating_sub(planned) < LATE {
            self.now.waited();
        }
    }

    /// So many requests are under way.
    pub(super) fn under_way(&mut self, count: u64) {
        self.now.in_flight = self.now.in_flight.max(count);
    }

    /// A request was sent.
    pub(super) fn sent(&mut self, work: &Work) {
        self.now.sent(work);
    }

    /// A request ended at `now`.
    pub(super) fn ended(&mut self, work: &Work, now: Duration, outcome: &Outcome) {
        self.now.ended(work, now, outcome);
        if let Outcome::Answer { status, timing, .. } = outcome {
            if let Some(timing) = timing {
                self.split(work, now, *status, timing);
            }
            self.compare(work, now);
        }
    }

    /// What the proxy told of the request's parts.
    fn split(&mut self, work: &Work, now: Duration, status: u16, timing: &Timing) {
        let is_known = self.last.by_backend.contains_key(&timing.name);
        // A target that makes names up must not fill the memory.
        if !is_known && self.last.by_backend.len() >= MOST_BACKENDS {
            return;
        }
        let of = self.last.by_backend.entry(timing.name.clone()).or_default();
        of.queue.record(timing.queue_us);
        of.retries.record(timing.retries_us);
        of.backend.record(timing.backend_us);
        of.response.record(now.saturating_sub(work.planned).as_micros() as u64);
        of.lag.record(work.lag_us());
        of.failed += u64::from(status >= 500);
    }

    fn compare(&mut self, work: &Work, now: Duration) {
        let Some(overhead) = &mut self.last.overhead else { return };
        let seconds = if work.lane == 0 { &mut overhead.proxied } else { &mut overhead.direct };
        let second = now.as_secs() as usize;
        if seconds.len() <= second {
            if let Some(before) = seconds.last_mut() {
                before.pack();
            }
            seconds.resize_with(second + 1, Default::default);
        }
        seconds[second].record(now.saturating_sub(work.sent).as_micros() as u64);
    }

    /// Hands over what is whole at `now`; at the end the running part as well.
    pub(super) fn tick(&mut self, now: Duration, is_end: bool) {
        if now < self.ends && !is_end {
            return;
        }
        let (part, began, ends) = part_of(now, self.cut);
        (self.began, self.ends) = (began, ends);
        let mut parts = vec![self.now.hand_over(part)];
        for (at, offered) in std::mem::take(&mut self.late) {
            let mut late = Part::new(at);
            late.offered(offered);
            parts.push(late);
        }
        let reached = if is_end { u32::MAX } else { part };
        // Nobody listens any more when the run was given up.
        let _ = self.to.send(Partial { thread: self.thread, reached, parts });
    }
}

/// The part of a second in which `moment` is where each is cut into `cut`, with its beginning and its end.
fn part_of(moment: Duration, cut: u32) -> (u32, Duration, Duration) {
    let length = SECOND / cut;
    let within = (moment.subsec_nanos() / length).min(cut - 1);
    let second = moment.as_secs();
    let edge = |part: u32| {
        let nanos = if part == cut { SECOND } else { part * length };
        Duration::from_secs(second) + Duration::from_nanos(u64::from(nanos))
    };
    (second as u32 * cut + within, edge(within), edge(within + 1))
}

/// Most backends that are told apart.
const MOST_BACKENDS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_is_in_one_part() {
        for cut in [1, 3, 4, 7, 20] {
            let mut before = part_of(Duration::ZERO, cut);
            for _ in 0..cut * 3 {
                let (at, began, ends) = part_of(before.2, cut);
                assert_eq!((at, began), (before.0 + 1, before.2), "{cut} parts");
                assert_eq!(part_of(ends.saturating_sub(Duration::from_nanos(1)), cut).0, at, "{cut} parts");
                before = (at, began, ends);
            }
            assert_eq!(before.1.as_secs(), 3, "{cut} parts");
        }
    }

    #[test]
    fn what_piles_up_while_the_generator_stands_still_is_not_blamed_on_the_target() {
        let (to, _parts) = std::sync::mpsc::channel();
        let mut shard = Shard::new(0, 1, to, false);
        let second = Duration::from_secs(1);
        shard.waited(second, second + Duration::from_micros(80));
        shard.waited(second, second * 4);
        let (seen, _) = shard.now.hand_over(1).settled();
        assert_eq!(seen.waited, 1);
    }
}
