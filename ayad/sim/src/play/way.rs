//! The way of one request: it arrives, is sent the way the daemon sends it, waits, is answered or given up.

use aya_core::breaker::Answer;
use aya_core::hash::mix;
use aya_core::load::{Acquired, Load};
use aya_core::pick::{Ask, Tried};
use aya_core::retry::{Decision, Ended, Outcome, RetryRules, decide};
use aya_core::time::Tick;

use super::{Event, Play};
use crate::arm::Reports;
use crate::job::{Job, JobId};
use crate::server::{Server, Started};

impl Play<'_> {
    pub(super) fn arrive(&mut self) {
        let client = self.traffic.below(self.scenario.clients);
        let worker = self.traffic.below(self.scenario.proxies * self.scenario.workers);
        let job = Job {
            arrived: self.now,
            proxy: worker / self.scenario.workers,
            worker: worker % self.scenario.workers,
            key: mix(u64::from(client), self.scenario.seed),
            work: self.traffic.unit(),
            luck: self.traffic.unit(),
            ..Job::new(self.now)
        };
        self.plan_arrival();
        let id = self.jobs.add(job);
        self.deadlines.push_back((self.now.after(self.scenario.deadline), id));
        self.send_probes(job.proxy);
        self.send(id);
    }

    /// Sends a request the way the daemon does: pick, take a place, connect; a refused connection or a lost
    /// place goes to another backend at once.
    pub(super) fn send(&mut self, id: JobId) {
        let Some(mut job) = self.jobs.get(id).copied() else { return };
        for _ in 0..self.scenario.attempts {
            let Some(server) = self.pick(&job) else { break };
            job.tried.push(server);
            let load = &self.proxies[job.proxy as usize].loads[server];
            if load.acquire(self.now, false) == Acquired::Refused {
                continue;
            }
            job.among = load.seen_in_flight(self.now);
            if self.servers[server].is_dead(self.now) {
                load.release();
                self.refused(job.proxy, server);
                continue;
            }
            job.attempts += 1;
            self.place(id, job, server);
            return;
        }
        self.end_extra(&job);
        if let Some(job) = self.jobs.remove(id) {
            self.report.failed(&job, None);
        }
    }

    fn pick(&mut self, job: &Job) -> Option<usize> {
        let proxy = &mut self.proxies[job.proxy as usize];
        let worker = &mut proxy.workers[job.worker as usize];
        let ask = Ask::any(self.now, job.key, &job.tried);
        if let Some(picker) = &mut worker.picker {
            return picker.pick(&proxy.loads, &ask, &mut worker.rng);
        }
        let start = worker.rng.below(self.servers.len() as u32) as usize;
        soonest(&self.servers, &proxy.loads, &ask, start)
    }

    fn place(&mut self, id: JobId, mut job: Job, server: usize) {
        job.server = Some(server as u32);
        job.sent = self.now;
        job.is_waiting = false;
        self.servers[server].placed += 1;
        self.report.placed(&job, server, self.now);
        if let Some(kept) = self.jobs.get(id) {
            *kept = job;
        }
        let server = server as u32;
        if let Some(limit) = self.scenario.retry.and_then(|retry| retry.per_try) {
            self.plan(self.now.after(limit), Event::TryOver { id });
        }
        if self.scenario.network.is_zero() {
            self.reach(server, id);
        } else {
            self.plan(self.now.after(self.scenario.network), Event::Reach { server, id });
        }
    }

    pub(super) fn reach(&mut self, server: u32, id: JobId) {
        if self.jobs.get(id).is_none() {
            return;
        }
        if self.servers[server as usize].is_dead(self.now) {
            self.end(id, Outcome::Reset);
            return;
        }
        let started = self.servers[server as usize].accept(id, &mut self.jobs, self.now);
        self.plan_finish(server, started);
    }

    fn plan_finish(&mut self, server: u32, started: Option<Started>) {
        if let Some(Started { id, until }) = started {
            self.plan(until, Event::Finish { server, id });
        }
    }

    pub(super) fn finish(&mut self, server: u32, id: JobId) {
        let at = &mut self.servers[server as usize];
        let (had_it, next) = at.finish(id, &mut self.jobs, self.now);
        if !had_it {
            return;
        }
        let reported = at.in_flight();
        self.plan_finish(server, next);
        let Some(job) = self.jobs.get(id) else { return };
        // The one that starts in its place was there already.
        job.reported = reported;
        if self.scenario.network.is_zero() {
            self.answer(id);
        } else {
            self.plan(self.now.after(self.scenario.network), Event::Answer { id });
        }
    }

    /// An answer is there, good or not.
    pub(super) fn answer(&mut self, id: JobId) {
        let Some(&mut Job { fails, server: Some(server), proxy, reported, .. }) = self.jobs.get(id) else {
            return;
        };
        if self.arm.reports == Reports::Answers {
            let load = &self.proxies[proxy as usize].loads[server as usize];
            load.report_in_flight(self.now, f64::from(reported));
            load.set_slots(self.servers[server as usize].spec.slots);
        }
        if fails {
            self.end(id, Outcome::Status { code: 500, retry_after: None });
        } else if let Some(job) = self.jobs.remove(id) {
            self.leave(&job, server as usize, true);
            self.report.answered(&job, self.now);
        }
    }

    /// The time of one attempt is over.
    pub(super) fn try_over(&mut self, id: JobId) {
        let Some(&mut job) = self.jobs.get(id) else { return };
        if let Some(server) = job.server {
            self.servers[server as usize].give_up(&job);
            self.end(id, Outcome::Timeout);
        }
    }

    /// The time of a request is over.
    pub(super) fn give_up(&mut self, request: JobId) {
        let Some(id) = self.jobs.current(request) else { return };
        let Some(job) = self.jobs.remove(id) else { return };
        if let Some(server) = job.server {
            self.servers[server as usize].give_up(&job);
            self.leave(&job, server as usize, false);
        }
        self.report.failed(&job, job.server);
    }

    /// An attempt went wrong: the request goes to another backend, or ends.
    pub(super) fn end(&mut self, id: JobId, outcome: Outcome) {
        let Some(&mut job) = self.jobs.get(id) else { return };
        let Some(server) = job.server else { return };
        self.leave(&job, server as usize, false);
        let again =
            self.scenario.retry.and_then(|retry| self.wait_before_next(&retry.rules(), &job, outcome));
        let Some(at) = again else {
            self.jobs.remove(id);
            self.report.failed(&job, Some(server));
            return;
        };
        let next = self.jobs.renew(id);
        if let Some(job) = self.jobs.get(next) {
            *job = Job { server: None, is_extra: true, ..*job };
        }
        self.plan(at, Event::Again { id: next });
    }

    fn wait_before_next(&mut self, rules: &RetryRules, job: &Job, outcome: Outcome) -> Option<Tick> {
        let ended = Ended {
            outcome,
            attempts: job.attempts,
            was_stale: false,
            repeatable: true,
            now: self.now,
            deadline: Some(job.arrived.after(self.scenario.deadline)),
            in_flight: self.proxies[job.proxy as usize].in_flight(),
        };
        let proxy = &mut self.proxies[job.proxy as usize];
        match decide(rules, &ended, &proxy.budget, &mut proxy.rng) {
            Decision::Retry { after } => Some(self.now.after(after)),
            Decision::GiveUp(_) => None,
        }
    }

    /// What the daemon takes down of an attempt that is over.
    fn leave(&mut self, job: &Job, server: usize, ok: bool) {
        self.servers[server].placed -= 1;
        let load = &self.proxies[job.proxy as usize].loads[server];
        load.record_among(self.now, self.now.since(job.sent), ok, job.among);
        self.note_result(job.proxy, server, Answer { sent: job.sent, took: self.now.since(job.sent), ok });
        self.proxies[job.proxy as usize].loads[server].release();
        self.end_extra(job);
    }

    fn end_extra(&mut self, job: &Job) {
        if job.is_extra {
            self.proxies[job.proxy as usize].budget.end();
        }
    }

    fn send_probes(&mut self, proxy: u32) {
        let Reports::Probes(rate) = self.arm.reports else { return };
        self.proxies[proxy as usize].probes_due += rate;
        while self.proxies[proxy as usize].probes_due >= 1.0 {
            self.proxies[proxy as usize].probes_due -= 1.0;
            let server = self.probing.below(self.servers.len() as u32);
            self.report.probes += 1;
            self.plan(self.now.after(self.scenario.network * 2), Event::Probe { proxy, server });
        }
    }

    pub(super) fn probed(&mut self, proxy: u32, server: u32) {
        let at = &self.servers[server as usize];
        if at.is_dead(self.now) {
            return;
        }
        let load = &self.proxies[proxy as usize].loads[server as usize];
        // A report is about the others besides the request that brings it, and a probe is none.
        let besides = u32::from(load.in_flight() > 0);
        load.report_in_flight(self.now, f64::from(at.in_flight().saturating_sub(besides)));
        load.set_slots(at.spec.slots);
    }
}

/// The server where a request of average cost should be done first.
fn soonest(
    servers: &[Server<'_>],
    loads: &[std::sync::Arc<Load>],
    ask: &Ask<'_>,
    start: usize,
) -> Option<usize> {
    let open = |index: &usize| ask.allows(*index, &loads[*index]) && !servers[*index].is_dead(ask.now);
    let order = (start..servers.len()).chain(0..start).filter(open);
    let finish = |index: usize| {
        let server = &servers[index];
        let slots = f64::from(server.spec.slots);
        let in_front = (f64::from(server.placed) + 1.0 - slots).max(0.0) / slots;
        let good = (1.0 - server.failing(ask.now)).max(1e-6);
        server.mean_seconds(ask.now) * (1.0 + in_front) / good
    };
    let ranked = order.map(|index| (finish(index), index));
    ranked.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, index)| index)
}

impl Job {
    fn new(now: Tick) -> Self {
        Self {
            born: 0,
            arrived: now,
            sent: now,
            proxy: 0,
            worker: 0,
            key: 0,
            tried: Tried::new(),
            attempts: 0,
            work: 0.0,
            luck: 0.0,
            server: None,
            fails: false,
            is_waiting: false,
            among: 0.0,
            reported: 0,
            is_extra: false,
        }
    }
}
