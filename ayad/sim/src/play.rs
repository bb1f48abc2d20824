//! The event loop: virtual time moves from one event to the next, and the daemon's decisions are asked at
//! each.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use aya_core::axis::Health;
use aya_core::breaker::{BreakerChange, BreakerRules};
use aya_core::hash::{hash64, mix};
use aya_core::health::{Cause, HealthChange, HealthMachine, HealthRules, Start, jittered, penalty};
use aya_core::histogram::{Counts, bucket_of};
use aya_core::load::Load;
use aya_core::pick::{Ask, Picker, Tried};
use aya_core::rng::Rng;
use aya_core::time::Tick;

use crate::report::{BackendReport, Report};
use crate::scenario::Scenario;
use crate::server::{Job, Server, Started};

/// Part by which the time between checks varies.
const JITTER: f64 = 0.1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive,
    Finish { server: usize, id: u64 },
    Check { server: usize },
    Retry { server: usize },
    Die { server: usize },
    Change { index: usize },
}

struct Worker {
    picker: Box<dyn Picker>,
    rng: Rng,
}

struct Play<'s> {
    scenario: &'s Scenario,
    now: Tick,
    /// What is to come; the number keeps events of the same moment in the order they were planned.
    events: BinaryHeap<Reverse<(Tick, u64, Event)>>,
    planned: u64,
    /// Draws arrivals, clients and work, and nothing else, so that they do not depend on decisions.
    traffic: Rng,
    checks: Rng,
    workers: Vec<Worker>,
    loads: Vec<Arc<Load>>,
    machines: Vec<HealthMachine>,
    servers: Vec<Server<'s>>,
    report: Report,
}

/// Plays a scenario to its end.
pub fn run(scenario: &Scenario) -> Report {
    let mut play = Play::new(scenario);
    play.plan_beginnings();
    while let Some(Reverse((at, _, event))) = play.events.pop() {
        play.now = at;
        play.happen(event);
    }
    play.report
}

impl<'s> Play<'s> {
    fn new(scenario: &'s Scenario) -> Self {
        let seed = |part: u64| mix(scenario.seed, part);
        let worker = |number: u32| {
            let mut picker = scenario.algorithm.make(seed(u64::from(number) + 10));
            picker.prepare(scenario.backend.len());
            Worker { picker, rng: Rng::seeded(seed(u64::from(number) + 1_000)) }
        };
        let breaker = scenario.breaker.map(|b| BreakerRules {
            failures: b.failures,
            open_for: b.open_for,
            open_max: b.open_for,
            ..BreakerRules::default()
        });
        let load = |name: &str, weight: u32| {
            let load = Load::new(hash64(name.as_bytes()), weight, Health::Unknown);
            load.breaker().configure(breaker.as_ref());
            Arc::new(load)
        };
        let backends = || scenario.backend.iter();
        let named = |name: &str| BackendReport { name: name.to_owned(), ..BackendReport::default() };
        Self {
            scenario,
            now: Tick::ZERO,
            events: BinaryHeap::new(),
            planned: 0,
            traffic: Rng::seeded(seed(1)),
            checks: Rng::seeded(seed(2)),
            workers: (0..scenario.workers).map(worker).collect(),
            loads: backends().map(|backend| load(&backend.name, backend.weight)).collect(),
            machines: backends().map(|_| HealthMachine::new(Start::Unknown, Tick::ZERO)).collect(),
            servers: backends().map(Server::new).collect(),
            report: Report {
                algorithm: scenario.algorithm.name,
                requests: 0,
                failures: 0,
                latency: Counts::new(),
                backends: backends().map(|backend| named(&backend.name)).collect(),
            },
        }
    }

    fn plan(&mut self, at: Tick, event: Event) {
        self.planned += 1;
        self.events.push(Reverse((at, self.planned, event)));
    }

    fn plan_beginnings(&mut self) {
        self.plan_arrival();
        for (index, change) in self.scenario.change.iter().enumerate() {
            self.plan(Tick::ZERO.after(change.at), Event::Change { index });
        }
        for (server, backend) in self.scenario.backend.iter().enumerate() {
            if let Some(down) = backend.down {
                self.plan(Tick::ZERO.after(down.from), Event::Die { server });
            }
            if let Some(health) = self.scenario.health {
                let first = health.interval.mul_f64(self.checks.unit());
                self.plan(Tick::ZERO.after(first), Event::Check { server });
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive => self.arrive(),
            Event::Finish { server, id } => {
                if let Some((job, next)) = self.servers[server].finish(id, self.now) {
                    self.plan_finish(server, next);
                    let ok = !self.servers[server].fails(&job);
                    self.end(server, &job, ok);
                }
            }
            Event::Check { server } => self.check(server),
            Event::Retry { server } => {
                let change = self.machines[server].on_retry(self.now);
                self.apply(server, change);
            }
            Event::Die { server } => {
                for job in self.servers[server].die() {
                    self.end(server, &job, false);
                }
            }
            Event::Change { index } => {
                let change = &self.scenario.change[index];
                let load = &self.loads[self.scenario.position(&change.backend)];
                change.admin.into_iter().for_each(|admin| load.set_admin(admin, false));
                change.weight.into_iter().for_each(|weight| load.set_weight(weight));
            }
        }
    }

    fn plan_arrival(&mut self) {
        let seconds = -(1.0 - self.traffic.unit()).ln() / self.scenario.rate;
        let at = self.now.after(Duration::from_secs_f64(seconds));
        if at <= Tick::ZERO.after(self.scenario.duration) {
            self.plan(at, Event::Arrive);
        }
    }

    fn plan_finish(&mut self, server: usize, started: Option<Started>) {
        if let Some(Started { id, until }) = started {
            self.plan(until, Event::Finish { server, id });
        }
    }

    fn arrive(&mut self) {
        let client = self.traffic.below(self.scenario.clients);
        let job = Job {
            arrived: self.now,
            sent: self.now,
            worker: self.traffic.below(self.scenario.workers) as usize,
            key: mix(u64::from(client), self.scenario.seed),
            tried: Tried::new(),
            work: self.traffic.unit(),
            luck: self.traffic.unit(),
        };
        self.plan_arrival();
        self.send(job);
    }

    /// Sends a request the way the daemon does: pick, take a place, connect; a refused connection or a lost
    /// place goes to another backend at once.
    fn send(&mut self, mut job: Job) {
        for _ in 0..self.scenario.attempts {
            let Worker { picker, rng } = &mut self.workers[job.worker];
            let ask = Ask::any(self.now, job.key, &job.tried);
            let Some(server) = picker.pick(&self.loads, &ask, rng) else { break };
            job.tried.push(server);
            if !self.loads[server].try_acquire(self.now, false) {
                continue;
            }
            if self.servers[server].is_dead(self.now) {
                self.loads[server].release();
                self.refused(server);
                continue;
            }
            if self.counts(&job) {
                self.report.backends[server].requests += 1;
            }
            let started = self.servers[server].accept(job, self.now);
            self.plan_finish(server, started);
            return;
        }
        if self.counts(&job) {
            self.report.requests += 1;
            self.report.failures += 1;
        }
    }

    fn refused(&mut self, server: usize) {
        self.report.backends[server].refused += 1;
        self.note_result(server, false);
        let change = self.machines[server].on_refused(self.now);
        self.apply(server, change.clone());
        if change.is_some() && self.scenario.health.is_none() {
            let wait = penalty(self.machines[server].refusals());
            self.plan(self.now.after(wait), Event::Retry { server });
        }
    }

    fn end(&mut self, server: usize, job: &Job, ok: bool) {
        self.loads[server].record(self.now, self.now.since(job.sent), ok);
        self.note_result(server, ok);
        self.loads[server].release();
        if !self.counts(job) {
            return;
        }
        self.report.requests += 1;
        if ok {
            let micros = self.now.since(job.arrived).as_micros() as u64;
            self.report.latency.add(bucket_of(micros), 1);
        } else {
            self.report.failures += 1;
            self.report.backends[server].failures += 1;
        }
    }

    fn note_result(&mut self, server: usize, ok: bool) {
        if let Some(BreakerChange::Opened { .. }) = self.loads[server].breaker().record(self.now, ok) {
            self.report.backends[server].opened += 1;
        }
    }

    fn check(&mut self, server: usize) {
        let Some(health) = self.scenario.health else { return };
        let rules = HealthRules { rise: health.rise, fall: health.fall };
        let result = if self.servers[server].is_dead(self.now) { Err(Cause::Refused) } else { Ok(()) };
        let change = self.machines[server].on_check(rules, self.now, &result);
        self.apply(server, change);
        let next = self.now.after(jittered(health.interval, JITTER, &mut self.checks));
        if next <= Tick::ZERO.after(self.scenario.duration) {
            self.plan(next, Event::Check { server });
        }
    }

    fn apply(&mut self, server: usize, change: Option<HealthChange>) {
        if let Some(change) = change {
            self.loads[server].set_health(change.to);
            self.report.backends[server].health_changes += 1;
        }
    }

    fn counts(&self, job: &Job) -> bool {
        job.arrived >= Tick::ZERO.after(self.scenario.warm_up)
    }
}
