//! An imagined server: some slots, a line in front of them, and what its scenario does to it.
//!
//! Speed is taken when work starts and holds to its end, as in servers that sleep for the time that work takes. A
//! request that was given up leaves the line; if it has a slot it keeps it to its end, because few servers notice.

use std::collections::VecDeque;
use std::time::Duration;

use aya_core::rng::Rng;
use aya_core::time::Tick;

use crate::job::{Job, JobId, Jobs};
use crate::scenario::{Backend, Noise, Window, Work, choose};

/// A job that has a slot until a known time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    pub(crate) id: JobId,
    pub(crate) until: Tick,
}

#[derive(Debug)]
pub(crate) struct Server<'s> {
    pub(crate) spec: &'s Backend,
    work: Work,
    mean: f64,
    noise: Option<&'s Noise>,
    rng: Rng,
    factor: f64,
    running: Vec<JobId>,
    waiting: VecDeque<JobId>,
    /// Those in the line that were given up.
    given_up: usize,
    /// Requests that proxies have here, on the way included.
    pub(crate) placed: u32,
    pub(crate) downs: Vec<Window>,
    started_at: Option<Tick>,
}

impl<'s> Server<'s> {
    pub(crate) fn new(spec: &'s Backend, work: Work, downs: Vec<Window>, seed: u64) -> Self {
        let mut rng = Rng::seeded(seed);
        let noise = spec.noise.get(choose(&spec.noise, |noise| noise.share, rng.unit()));
        Self {
            spec,
            work,
            mean: work.mean_seconds(),
            noise,
            rng,
            factor: 1.0,
            running: Vec::with_capacity(spec.slots.min(1024) as usize),
            waiting: VecDeque::new(),
            given_up: 0,
            placed: 0,
            downs,
            started_at: spec.joins.map(|at| Tick::ZERO.after(at)),
        }
    }

    /// Draws its speed anew; when to do so again. Nothing for one whose speed does not change by itself.
    pub(crate) fn wander(&mut self) -> Option<Duration> {
        let noise = self.noise?;
        self.factor = noise.draw(&mut self.rng);
        Some(noise.wait(&mut self.rng))
    }

    /// Whether it refuses connections at `now`.
    pub(crate) fn is_dead(&self, now: Tick) -> bool {
        self.downs.iter().any(|down| within(now, down.from, down.to))
    }

    /// Requests it has, of everybody.
    pub(crate) fn in_flight(&self) -> u32 {
        (self.running.len() + self.waiting.len() - self.given_up) as u32
    }

    /// Takes a job; it waits when no slot is free.
    pub(crate) fn accept(&mut self, id: JobId, jobs: &mut Jobs, now: Tick) -> Option<Started> {
        if let Some(job) = jobs.get(id) {
            job.is_waiting = true;
        }
        self.waiting.push_back(id);
        self.start(jobs, now)
    }

    /// A slot falls free, and the next job starts in it. `false` when the job was lost.
    pub(crate) fn finish(&mut self, id: JobId, jobs: &mut Jobs, now: Tick) -> (bool, Option<Started>) {
        let Some(at) = self.running.iter().position(|running| *running == id) else { return (false, None) };
        self.running.swap_remove(at);
        (true, self.start(jobs, now))
    }

    /// Nobody waits for this job any more.
    pub(crate) fn give_up(&mut self, job: &Job) {
        self.given_up += usize::from(job.is_waiting);
    }

    /// Dies: everything it had is lost.
    pub(crate) fn die(&mut self) -> Vec<JobId> {
        self.given_up = 0;
        let running = std::mem::take(&mut self.running);
        running.into_iter().chain(std::mem::take(&mut self.waiting)).collect()
    }

    /// Starts again after it was dead.
    pub(crate) fn begin(&mut self, now: Tick) {
        self.started_at = Some(now);
    }

    fn start(&mut self, jobs: &mut Jobs, now: Tick) -> Option<Started> {
        while self.running.len() < self.spec.slots as usize {
            let id = self.waiting.pop_front()?;
            let Some(job) = jobs.get(id) else {
                self.given_up -= 1;
                continue;
            };
            job.is_waiting = false;
            job.fails = self.fails(job.luck, now);
            let until = now.after(Duration::from_secs_f64(self.seconds_for(job, now)));
            self.running.push(id);
            return Some(Started { id, until });
        }
        None
    }

    fn seconds_for(&self, job: &Job, now: Tick) -> f64 {
        if job.fails
            && let Some(after) = self.spec.failing.and_then(|failing| failing.after)
        {
            return after.as_secs_f64();
        }
        self.work.seconds(job.work) * self.slowness(job.luck, now)
    }

    /// What its work takes on average if it starts now and nobody is in front, in seconds; for the oracle.
    pub(crate) fn mean_seconds(&self, now: Tick) -> f64 {
        self.mean * self.slowness(0.0, now)
    }

    /// The share of requests that it fails now.
    pub(crate) fn failing(&self, now: Tick) -> f64 {
        let failing = self.spec.failing.filter(|failing| {
            within(now, failing.from.unwrap_or_default(), failing.to.unwrap_or(Duration::MAX))
        });
        failing.map_or(0.0, |failing| failing.share)
    }

    fn fails(&self, luck: f64, now: Tick) -> bool {
        luck < self.failing(now)
    }

    fn slowness(&self, luck: f64, now: Tick) -> f64 {
        let slow = self.spec.slow.filter(|slow| within(now, slow.from, slow.to) && luck < slow.share);
        let cold = self.spec.cold.zip(self.started_at).map_or(1.0, |(cold, since)| {
            let left = 1.0 - now.since(since).as_secs_f64() / cold.over.as_secs_f64();
            1.0 + (cold.factor - 1.0) * left.max(0.0)
        });
        slow.map_or(1.0, |slow| slow.factor) * cold / (self.spec.speed * self.factor)
    }
}

fn within(now: Tick, from: Duration, to: Duration) -> bool {
    let now = now.since(Tick::ZERO);
    from <= now && now < to
}
