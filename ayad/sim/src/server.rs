//! An imagined server: some slots, a line in front of them, and what its scenario does to it.

use std::collections::VecDeque;
use std::time::Duration;

use aya_core::pick::Tried;
use aya_core::time::Tick;

use crate::scenario::{Backend, Service};

/// A request on its way. What it will cost is drawn when it arrives, before anybody picks for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) arrived: Tick,
    pub(crate) sent: Tick,
    pub(crate) worker: usize,
    pub(crate) key: u64,
    pub(crate) tried: Tried,
    /// Where it falls among all requests by work, 0 to 1.
    pub(crate) work: f64,
    /// Where it falls among all requests by luck, 0 to 1; a server fails those below its failing share.
    pub(crate) luck: f64,
}

/// A job that has a slot until a known time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    pub(crate) id: u64,
    pub(crate) until: Tick,
}

#[derive(Debug)]
pub(crate) struct Server<'s> {
    spec: &'s Backend,
    running: Vec<(u64, Job)>,
    waiting: VecDeque<Job>,
    started: u64,
}

impl<'s> Server<'s> {
    pub(crate) fn new(spec: &'s Backend) -> Self {
        Self { spec, running: Vec::new(), waiting: VecDeque::new(), started: 0 }
    }

    /// Whether it refuses connections at `now`.
    pub(crate) fn is_dead(&self, now: Tick) -> bool {
        self.spec.down.is_some_and(|down| within(now, down.from, down.to))
    }

    /// Takes a job; it waits when no slot is free.
    pub(crate) fn accept(&mut self, job: Job, now: Tick) -> Option<Started> {
        self.waiting.push_back(job);
        self.start(now)
    }

    /// Ends a job: gives it back, and the next one that starts in its place. Nothing when the job was lost.
    pub(crate) fn finish(&mut self, id: u64, now: Tick) -> Option<(Job, Option<Started>)> {
        let at = self.running.iter().position(|(running, _)| *running == id)?;
        let (_, job) = self.running.swap_remove(at);
        Some((job, self.start(now)))
    }

    /// Dies: everything it had is lost.
    pub(crate) fn die(&mut self) -> Vec<Job> {
        let running = std::mem::take(&mut self.running).into_iter().map(|(_, job)| job);
        running.chain(std::mem::take(&mut self.waiting)).collect()
    }

    /// Whether it answers this job with a failure.
    pub(crate) fn fails(&self, job: &Job) -> bool {
        self.spec.failing.is_some_and(|failing| job.luck < failing.share)
    }

    fn start(&mut self, now: Tick) -> Option<Started> {
        if self.running.len() >= self.spec.slots as usize {
            return None;
        }
        let job = self.waiting.pop_front()?;
        self.started += 1;
        self.running.push((self.started, job));
        Some(Started { id: self.started, until: now.after(self.time_for(&job, now)) })
    }

    fn time_for(&self, job: &Job, now: Tick) -> Duration {
        if let Some(failing) = self.spec.failing.filter(|failing| job.luck < failing.share) {
            return failing.after;
        }
        let seconds = match self.spec.service {
            Service::Constant { mean } => mean.as_secs_f64(),
            Service::Exponential { mean } => mean.as_secs_f64() * -(1.0 - job.work).ln(),
        };
        let slow = self.spec.slow.filter(|slow| within(now, slow.from, slow.to));
        Duration::from_secs_f64(seconds * slow.map_or(1.0, |slow| slow.factor))
    }
}

fn within(now: Tick, from: Duration, to: Duration) -> bool {
    let now = now.since(Tick::ZERO);
    from <= now && now < to
}
