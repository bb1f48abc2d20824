//! What one thread saw: the running part of a second, which is handed over when it is whole, and what is told once at the
//! end.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::exchange::Timing;
use super::lane::Work;
use crate::record::{ErrorKind, OfBackend, OfStatus, Overhead, Seen};

/// From here on a request was given out late.
const LATE: Duration = Duration::from_millis(10);

/// Parts of seconds that a thread hands over.
pub(super) struct Partial {
    /// Which thread.
    pub(super) thread: u32,
    /// The part it is in: all before are whole.
    pub(super) reached: u32,
    /// Number, requests in flight at most, and what was seen. Packing it is left to whoever takes it: here it would be lag.
    pub(super) parts: Vec<(u32, u64, Seen)>,
}

/// What a thread leaves behind.
#[derive(Default)]
pub(super) struct Last {
    pub(super) by_status: BTreeMap<u16, OfStatus>,
    pub(super) by_backend: BTreeMap<String, OfBackend>,
    pub(super) overhead: Option<Overhead>,
    pub(super) connections: u64,
    pub(super) most_open: u64,
    /// How long the thread stood still.
    pub(super) still: Duration,
    /// Requests that were still under way at the end.
    pub(super) unfinished: u64,
}

/// How a request ended.
pub(super) enum Outcome {
    /// With a whole answer.
    Answer { status: u16, bytes: u64, timing: Option<Timing> },
    /// Without.
    Failed(ErrorKind),
}

/// The records of a thread.
pub(super) struct Shard {
    thread: u32,
    to: Sender<Partial>,
    /// Into how many parts each second is cut.
    cut: u32,
    /// The part that runs.
    part: u32,
    now: Seen,
    in_flight: u64,
    /// Requests offered in parts that are over, when the pacer was late.
    late: BTreeMap<u32, u64>,
    pub(super) last: Last,
}

impl Shard {
    pub(super) fn new(thread: u32, cut: u32, to: Sender<Partial>, has_overhead: bool) -> Self {
        let last = Last { overhead: has_overhead.then(Overhead::default), ..Last::default() };
        let (part, in_flight) = (0, 0);
        Self { thread, to, cut, part, now: Seen::default(), in_flight, late: BTreeMap::new(), last }
    }

    /// The part of a second in which `moment` is.
    fn part_of(&self, moment: Duration) -> u32 {
        moment.as_secs() as u32 * self.cut + moment.subsec_nanos() / (1_000_000_000 / self.cut)
    }

    /// A request was due at `planned` and given out.
    pub(super) fn offered(&mut self, planned: Duration) {
        let part = self.part_of(planned);
        if part == self.part {
            self.now.offered += 1;
        } else {
            *self.late.entry(part).or_default() += 1;
        }
    }

    /// A request that was due at `planned` found no free connection at `now`. When it was given out late, as after a
    /// standstill of this machine, the heap is the generator's own and says nothing of the target.
    pub(super) fn waited(&mut self, planned: Duration, now: Duration) {
        if now.saturating_sub(planned) < LATE {
            self.now.waited += 1;
        }
    }

    /// So many requests are under way.
    pub(super) fn under_way(&mut self, count: u64) {
        self.in_flight = self.in_flight.max(count);
    }

    /// A request was sent.
    pub(super) fn sent(&mut self, work: &Work) {
        let lag = work.sent.saturating_sub(work.planned).as_micros() as u64;
        self.now.sent += 1;
        self.now.lag.record(lag);
    }

    /// A request ended at `now`.
    pub(super) fn ended(&mut self, work: &Work, now: Duration, outcome: &Outcome) {
        let us = |from: Duration| now.saturating_sub(from).as_micros() as u64;
        let (response, service) = (us(work.planned), us(work.sent));
        let seen = &mut self.now;
        seen.response.record(response);
        seen.service.record(service);
        match outcome {
            Outcome::Answer { status, bytes, timing } => {
                seen.answered += 1;
                seen.bytes += bytes;
                if *status >= 500 {
                    seen.failed += 1;
                    seen.failures.record(response);
                }
                *seen.statuses.entry(*status).or_default() += 1;
                let of = self.last.by_status.entry(*status).or_default();
                of.response.record(response);
                of.service.record(service);
                if let Some(timing) = timing {
                    self.split(work, response, *status, timing);
                }
            }
            Outcome::Failed(kind) => {
                *seen.errors.entry(*kind).or_default() += 1;
                seen.failed += 1;
                seen.failures.record(response);
            }
        }
        self.compare(work, now, service);
    }

    /// What the proxy told of the request's parts.
    fn split(&mut self, work: &Work, response: u64, status: u16, timing: &Timing) {
        let is_known = self.last.by_backend.contains_key(&timing.name);
        // A target that makes names up must not fill the memory.
        if !is_known && self.last.by_backend.len() >= MOST_BACKENDS {
            return;
        }
        let of = self.last.by_backend.entry(timing.name.clone()).or_default();
        of.queue.record(timing.queue_us);
        of.retries.record(timing.retries_us);
        of.backend.record(timing.backend_us);
        of.response.record(response);
        of.lag.record(work.sent.saturating_sub(work.planned).as_micros() as u64);
        of.failed += u64::from(status >= 500);
    }

    fn compare(&mut self, work: &Work, now: Duration, service: u64) {
        let Some(overhead) = &mut self.last.overhead else { return };
        let seconds = if work.lane == 0 { &mut overhead.proxied } else { &mut overhead.direct };
        let second = now.as_secs() as usize;
        if seconds.len() <= second {
            if let Some(before) = seconds.last_mut() {
                before.pack();
            }
            seconds.resize_with(second + 1, Default::default);
        }
        seconds[second].record(service);
    }

    /// Hands over what is whole at `now`; at the end the running part as well.
    pub(super) fn tick(&mut self, now: Duration, is_end: bool) {
        let part = self.part_of(now);
        if part == self.part && !is_end {
            return;
        }
        let seen = std::mem::take(&mut self.now);
        let mut parts = vec![(self.part, std::mem::take(&mut self.in_flight), seen)];
        for (at, offered) in std::mem::take(&mut self.late) {
            parts.push((at, 0, Seen { offered, ..Seen::default() }));
        }
        self.part = part;
        let reached = if is_end { u32::MAX } else { part };
        // Nobody listens any more when the run was given up.
        let _ = self.to.send(Partial { thread: self.thread, reached, parts });
    }
}

/// Most backends that are told apart.
const MOST_BACKENDS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_piles_up_while_the_generator_stands_still_is_not_blamed_on_the_target() {
        let (to, _parts) = std::sync::mpsc::channel();
        let mut shard = Shard::new(0, 1, to, false);
        let second = Duration::from_secs(1);
        shard.waited(second, second + Duration::from_micros(80));
        assert_eq!(shard.now.waited, 1);
        shard.waited(second, second * 4);
        assert_eq!(shard.now.waited, 1);
    }
}
