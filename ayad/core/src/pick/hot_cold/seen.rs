//! What hot-cold looks at of one backend: how busy it is, by whatever says so, and what its next answer should take.

use std::time::Duration;

use crate::load::{FULL_EASE, Load};
use crate::signal::Signal;
use crate::time::Tick;

/// Load up to which a backend is never hot: in an idle pool one request is more than usual, and no reason to ask a slow
/// backend instead.
const NEVER_HOT: f32 = 2.0;
/// How fast an idle backend's latency is doubted, for each square second.
const DOUBT: f32 = 0.125;

/// What says how busy a backend is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure {
    /// A signal in place of requests in flight.
    pub(super) signal: Option<Signal>,
    pub(super) expire: Duration,
    /// What a backend that does not tell counts as: not hot, and no better than the others.
    pub(super) absent: f32,
}

impl Measure {
    /// The load up to which a backend is never hot, whatever is usual in its pool.
    pub(super) fn never_hot(self) -> f32 {
        match self.signal {
            None => NEVER_HOT,
            Some(Signal::Queue) => 1.0,
            Some(Signal::Utilization | Signal::Cpu | Signal::Memory | Signal::Gpu) => 0.5,
            Some(_) => 0.0,
        }
    }

    fn read(self, signal: Signal, load: &Load, now: Tick) -> f32 {
        load.signals().fresh(signal, now, self.expire).map_or(self.absent, |value| value as f32)
    }
}

/// What is looked at of one backend.
pub(super) struct Seen {
    /// Requests it has for each unit of weight, or the signal that stands for them.
    pub(super) busy: f32,
    in_flight: f32,
    own: f32,
    slots: f32,
    /// Service time in nanoseconds; zero before the first result.
    pub(super) service: f32,
    /// Seconds since the last result, while it is idle.
    quiet: f32,
}

impl Seen {
    #[inline]
    pub(super) fn of(load: &Load, weight: u32, now: Tick, measure: Measure) -> Self {
        let own = load.apparent() as f32;
        let in_flight = own + load.others(now);
        let quiet = if in_flight < 1.0 {
            now.as_nanos().saturating_sub(load.latency_at().as_nanos()) as f32 * 1e-9
        } else {
            0.0
        };
        let count =
            || if weight == FULL_EASE { in_flight } else { in_flight * FULL_EASE as f32 / weight as f32 };
        Self {
            busy: measure.signal.map_or_else(count, |signal| measure.read(signal, load, now)),
            in_flight,
            own,
            slots: load.slots() as f32,
            service: load.service_ns().unwrap_or(0.0),
            quiet,
        }
    }

    /// What the next answer takes at most, in nanoseconds: if it waits for everything that is in flight.
    pub(super) fn in_turn(&self, unknown: f32) -> f32 {
        if self.service > 0.0 { self.service * (self.in_flight + 1.0) } else { unknown }
    }

    /// What the next answer should take, in nanoseconds; `unknown`, the median of the pool, before the first result.
    pub(super) fn expected(&self, unknown: f32) -> f32 {
        if self.service <= 0.0 {
            return unknown;
        }
        let crowd =
            if self.slots > 0.0 { ((self.in_flight + 1.0) / self.slots).max(0.6) } else { self.own + 1.0 };
        let expected = self.service * crowd;
        if self.quiet <= 0.0 {
            return expected;
        }
        let doubt = 1.0 + self.quiet * self.quiet * DOUBT;
        (expected + unknown * (doubt - 1.0)) / (doubt * doubt)
    }
}
