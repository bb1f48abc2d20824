//! What happens to proxies and servers besides requests: checks, breakers, orders, deaths, and speeds that change.

use std::time::Duration;

use aya_core::axis::Admin;
use aya_core::breaker::{Answer, BreakerChange};
use aya_core::health::{Cause, HealthChange, HealthRules, jittered, penalty, until_next};
use aya_core::outlier::{OutlierChange, OutlierRules, Settings, Standing};
use aya_core::retry::Outcome;
use aya_core::time::Tick;

use super::{Event, Play};
use crate::report::Report;

/// Part by which the time between checks varies.
const JITTER: f64 = 0.1;
/// How often the daemon looks after shares that change with time.
const TEND: Duration = Duration::from_millis(100);

impl Play<'_> {
    pub(super) fn plan_beginnings(&mut self) {
        self.plan_arrival();
        for index in 0..self.scenario.change.len() {
            self.plan(
                Tick::ZERO.after(self.scenario.change[index].at),
                Event::Change { index: index as u32 },
            );
        }
        for index in 0..self.servers.len() {
            self.plan_server(index);
        }
        if self.scenario.slow_start.is_some() || self.scenario.outliers {
            self.plan(Tick::ZERO.after(TEND), Event::Tend);
        }
        let Some(health) = self.scenario.health else { return };
        for proxy in 0..self.scenario.proxies {
            for server in 0..self.servers.len() as u32 {
                let first = health.interval.mul_f64(self.proxies[proxy as usize].rng.unit());
                self.plan(Tick::ZERO.after(first), Event::Check { proxy, server });
            }
        }
    }

    fn plan_server(&mut self, index: usize) {
        let server = index as u32;
        self.wander(server);
        for down in self.servers[index].downs.clone() {
            self.plan(Tick::ZERO.after(down.from), Event::Die { server });
            self.plan(Tick::ZERO.after(down.to), Event::Begin { server });
        }
        if let Some(at) = self.servers[index].spec.joins {
            self.report.in_traffic.set_weight(index, 0.0);
            self.plan(Tick::ZERO.after(at), Event::Join { server });
        }
        if let (Some(at), Some(rolling)) = (self.scenario.roll_at(index), self.scenario.rolling) {
            let back = at + rolling.drain + rolling.down;
            self.plan(Tick::ZERO.after(at), Event::Roll { server, is_back: false });
            self.plan(Tick::ZERO.after(back), Event::Roll { server, is_back: true });
        }
    }

    pub(super) fn wander(&mut self, server: u32) {
        if let Some(wait) = self.servers[server as usize].wander() {
            self.plan_while_busy(wait, Event::Wander { server });
        }
    }

    pub(super) fn die(&mut self, server: u32) {
        self.report.in_traffic.set_weight(server as usize, 0.0);
        for id in self.servers[server as usize].die() {
            self.end(id, Outcome::Reset);
        }
    }

    pub(super) fn change(&mut self, index: u32) {
        let change = &self.scenario.change[index as usize];
        let position = self.scenario.position(&change.backend);
        if let Some(weight) = change.weight {
            self.report.in_traffic.set_weight(position, f64::from(weight));
        }
        if let Some(admin) = change.admin {
            let weight = if admin == Admin::Ready { self.weight(position) } else { 0.0 };
            self.report.in_traffic.set_weight(position, weight);
        }
        for proxy in &self.proxies {
            let load = &proxy.loads[position];
            change.admin.into_iter().for_each(|admin| load.set_admin(admin, false));
            change.weight.into_iter().for_each(|weight| load.set_weight(weight));
        }
    }

    pub(super) fn roll(&mut self, server: u32, is_back: bool) {
        if is_back {
            self.join(server);
            return;
        }
        self.report.in_traffic.set_weight(server as usize, 0.0);
        for proxy in &self.proxies {
            proxy.loads[server as usize].set_admin(Admin::Draining, false);
        }
    }

    /// It is there again after it was dead.
    pub(super) fn begin(&mut self, server: u32) {
        self.servers[server as usize].begin(self.now);
        self.report.in_traffic.set_weight(server as usize, self.weight(server as usize));
    }

    fn weight(&self, server: usize) -> f64 {
        f64::from(self.proxies[0].loads[server].weight())
    }

    /// It comes into traffic.
    pub(super) fn join(&mut self, server: u32) {
        self.report.in_traffic.set_weight(server as usize, self.weight(server as usize));
        for proxy in &self.proxies {
            let load = &proxy.loads[server as usize];
            load.set_admin(Admin::Ready, false);
            load.begin_ramp(self.now);
        }
        self.look();
    }

    pub(super) fn tend(&mut self) {
        self.look();
        self.plan_while_busy(TEND, Event::Tend);
    }

    /// What the daemon does ten times a second: who does worse than the others, and what share each gets.
    fn look(&mut self) {
        let slow_start = self.scenario.slow_start.map(|ramp| ramp.rules());
        let rules = self.scenario.outliers.then(OutlierRules::default);
        let settings = Settings { outliers: rules.as_ref(), slow_start: slow_start.as_ref() };
        for (number, proxy) in self.proxies.iter_mut().enumerate() {
            let mut changes = Vec::new();
            proxy.guard.tend(self.now, settings, &proxy.loads, &proxy.quota, &mut changes);
            for change in changes {
                turned(&mut self.report, number as u32, change.index, &change, self.now);
            }
        }
    }

    pub(super) fn refused(&mut self, proxy: u32, server: usize) {
        self.report.backends[server].refused += 1;
        self.note_result(proxy, server, Answer { sent: self.now, took: Duration::ZERO, ok: false });
        let machine = &mut self.proxies[proxy as usize].machines[server];
        let change = machine.on_refused(self.now);
        let wait = penalty(machine.refusals());
        let has_changed = change.is_some();
        self.apply(proxy, server, change);
        if has_changed && self.scenario.health.is_none() {
            self.plan(self.now.after(wait), Event::Retry { proxy, server: server as u32 });
        }
    }

    pub(super) fn penalty_over(&mut self, proxy: u32, server: u32) {
        let change = self.proxies[proxy as usize].machines[server as usize].on_retry(self.now);
        self.apply(proxy, server as usize, change);
    }

    pub(super) fn note_result(&mut self, proxy: u32, server: usize, answer: Answer) {
        let at = &self.proxies[proxy as usize];
        let load = &at.loads[server];
        match load.breaker().learn(self.now, answer) {
            Some(BreakerChange::Opened { .. }) => self.report.turned(proxy, server, self.now, true),
            Some(BreakerChange::Closed) => self.report.turned(proxy, server, self.now, false),
            Some(BreakerChange::HalfOpened) | None => {}
        }
        if self.scenario.outliers
            && let Some(change) = load.watch(self.now, answer, &at.quota)
        {
            turned(&mut self.report, proxy, server, &change, self.now);
        }
    }

    pub(super) fn check(&mut self, proxy: u32, server: u32) {
        let Some(health) = self.scenario.health else { return };
        let rules = HealthRules { rise: health.rise, fall: health.fall };
        let dead = self.servers[server as usize].is_dead(self.now);
        let result = if dead { Err(Cause::Refused) } else { Ok(()) };
        let at = &mut self.proxies[proxy as usize];
        let change = at.machines[server as usize].on_check(rules, self.now, &result);
        let state = at.machines[server as usize].state();
        let wait = jittered(until_next(health.interval, state), JITTER, &mut at.rng);
        self.apply(proxy, server as usize, change);
        self.plan_while_busy(wait, Event::Check { proxy, server });
    }

    fn apply(&mut self, proxy: u32, server: usize, change: Option<HealthChange>) {
        if let Some(change) = change {
            self.proxies[proxy as usize].loads[server].set_health(change.to);
            self.report.backends[server].health_changes += 1;
        }
    }
}

/// Takes down that a backend was taken out because it did worse than the others, eased or ejected, or is back.
fn turned(report: &mut Report, proxy: u32, server: usize, change: &OutlierChange, now: Tick) {
    match change.to {
        Standing::In => report.turned(proxy, server, now, false),
        _ if change.from == Standing::In => report.turned(proxy, server, now, true),
        _ => {}
    }
}
