//! The rise and fall of a backend: a state machine fed with the results of checks and of traffic.
//!
//! ```text
//!              first pass                 `fall` failures in a row, or a refused connection
//!   unknown ───────────────▶ up ───────────────────────────────▶ down ◀──┐
//!      │                     ▲                                     │ pass │ failure
//!      │                     └──────────── `rise` passes ────── warming ──┘
//!      └───── `fall` failures in a row, or a refused connection ──▶ down
//! ```
//!
//! A backend that refuses a connection of real traffic is down at once: there is no better evidence, and
//! waiting for `fall` checks would send more requests into the same refusal. Where a pool has no checks, the
//! caller lets time take their place: after [`penalty`] it calls [`HealthMachine::on_retry`].
//!
//! What it deliberately does not do: run checks or timers, or judge answers of traffic (that is the breaker).

mod cause;

use std::time::Duration;

pub use cause::{Cause, Words};

use crate::agent::Hold;
use crate::axis::Health;
use crate::rng::Rng;
use crate::time::{Tick, nanos};

/// Longest time that traffic stays away from a refusing backend of a pool without checks.
pub const PENALTY_MAX: Duration = Duration::from_secs(30);

/// How many results in a row change a backend's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthRules {
    /// Passes in a row from down to up; 0 counts as 1.
    pub rise: u32,
    /// Failures in a row from up to down; 0 counts as 1.
    pub fall: u32,
}

/// Health of a backend before the first check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Gets traffic until a check says otherwise; the first pass makes it up.
    #[default]
    Unknown,
    /// Counts as up.
    Up,
    /// Gets no traffic until `rise` checks have passed.
    Down,
}

/// A change of health, for events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthChange {
    /// Health before.
    pub from: Health,
    /// Health from now on.
    pub to: Health,
    /// What caused it.
    pub cause: Cause,
}

/// Where a machine was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthWas {
    /// Health.
    pub state: Health,
    /// The newest result that supports it.
    pub cause: Cause,
    /// Checks that passed in a row.
    pub passes: u32,
    /// Checks that failed in a row.
    pub failures: u32,
    /// Times in a row that traffic was refused.
    pub refusals: u32,
}

/// The health of one backend; one owner feeds it.
#[derive(Clone, Debug)]
pub struct HealthMachine {
    state: Health,
    since: Tick,
    cause: Cause,
    passes: u32,
    failures: u32,
    refusals: u32,
}

impl HealthMachine {
    /// A machine that nothing has been fed to yet.
    pub fn new(start: Start, now: Tick) -> Self {
        let state = match start {
            Start::Unknown => Health::Unknown,
            Start::Up => Health::Up,
            Start::Down => Health::Down,
        };
        Self { state, since: now, cause: Cause::NotChecked, passes: 0, failures: 0, refusals: 0 }
    }

    /// A machine that goes on where another one was.
    pub fn resume(was: HealthWas, now: Tick) -> Self {
        let HealthWas { state, cause, passes, failures, refusals } = was;
        Self { state, since: now, cause, passes, failures, refusals }
    }

    /// Where it is, for a machine that goes on in another process.
    pub fn was(&self) -> HealthWas {
        let Self { state, since: _, ref cause, passes, failures, refusals } = *self;
        HealthWas { state, cause: cause.clone(), passes, failures, refusals }
    }

    /// Health now.
    pub fn state(&self) -> Health {
        self.state
    }

    /// When the health last changed.
    pub fn since(&self) -> Tick {
        self.since
    }

    /// The newest result that supports the health as it is.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Checks that failed in a row, up to now.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Checks that passed in a row, up to now.
    pub fn passes(&self) -> u32 {
        self.passes
    }

    /// Times in a row that traffic was refused, what [`penalty`] takes. Starts again once the backend has
    /// been in service for longer than [`PENALTY_MAX`], or a check has passed.
    pub fn refusals(&self) -> u32 {
        self.refusals
    }

    /// Takes the result of a check.
    pub fn on_check(
        &mut self,
        rules: HealthRules,
        now: Tick,
        result: &Result<(), Cause>,
    ) -> Option<HealthChange> {
        match result {
            Ok(()) => self.on_pass(rules, now),
            Err(cause) => self.on_failure(rules, now, cause.clone()),
        }
    }

    /// Takes the news that real traffic could not connect: down at once, whatever the rules.
    pub fn on_refused(&mut self, now: Tick) -> Option<HealthChange> {
        if self.state != Health::Down && now.since(self.since) > PENALTY_MAX {
            self.refusals = 0;
        }
        if self.state != Health::Down {
            // Requests that were under way together are refused together; they count once.
            self.refusals = self.refusals.saturating_add(1);
        }
        self.passes = 0;
        self.turn(Health::Down, now, Cause::Refused)
    }

    /// Ends the penalty of a pool without checks: traffic may try the backend again.
    pub fn on_retry(&mut self, now: Tick) -> Option<HealthChange> {
        match self.state {
            Health::Down => self.turn(Health::Unknown, now, Cause::PenaltyOver),
            Health::Up | Health::Unknown | Health::Warming => None,
        }
    }

    /// Takes the news that a fault had a part in its health and has ended: it is again what it `was` before, until the
    /// next result. What an agent wants stays.
    pub fn on_fault_over(&mut self, now: Tick, was: Health) -> Option<HealthChange> {
        if matches!(self.cause, Cause::Agent(_)) {
            return None;
        }
        (self.failures, self.passes, self.refusals) = (0, 0, 0);
        self.turn(was, now, Cause::FaultOver)
    }

    /// Takes what the agent of the backend wants: down at once while it holds traffic back, and nobody knows once it
    /// does not.
    pub fn on_agent(&mut self, now: Tick, hold: Option<Hold>) -> Option<HealthChange> {
        match (hold, &self.cause) {
            (Some(hold), _) => {
                self.passes = 0;
                self.turn(Health::Down, now, Cause::Agent(hold))
            }
            (None, Cause::Agent(_)) => self.turn(Health::Unknown, now, Cause::AgentReleased),
            (None, _) => None,
        }
    }

    fn on_pass(&mut self, rules: HealthRules, now: Tick) -> Option<HealthChange> {
        self.failures = 0;
        self.refusals = 0;
        self.passes = self.passes.saturating_add(1);
        let risen = self.passes >= rules.rise.max(1);
        let to = match self.state {
            Health::Up | Health::Unknown => Health::Up,
            Health::Down | Health::Warming if risen => Health::Up,
            Health::Down | Health::Warming => Health::Warming,
        };
        self.turn(to, now, Cause::Passed)
    }

    fn on_failure(&mut self, rules: HealthRules, now: Tick, cause: Cause) -> Option<HealthChange> {
        self.passes = 0;
        self.failures = self.failures.saturating_add(1);
        match self.state {
            Health::Down | Health::Warming => self.turn(Health::Down, now, cause),
            Health::Up | Health::Unknown if self.failures >= rules.fall.max(1) => {
                self.turn(Health::Down, now, cause)
            }
            Health::Up => None,
            // Nothing supports this state but that nobody knows better; the newest result says more.
            Health::Unknown => self.turn(Health::Unknown, now, cause),
        }
    }

    fn turn(&mut self, to: Health, now: Tick, cause: Cause) -> Option<HealthChange> {
        self.cause = cause.clone();
        if self.state == to {
            return None;
        }
        let from = std::mem::replace(&mut self.state, to);
        self.since = now;
        Some(HealthChange { from, to, cause })
    }
}

/// How long traffic stays away from a backend that refused it `consecutive` times in a row, in a pool without
/// checks: 1 s, doubling up to [`PENALTY_MAX`].
pub fn penalty(consecutive: u32) -> Duration {
    let doublings = consecutive.saturating_sub(1).min(5);
    Duration::from_secs(1 << doublings).min(PENALTY_MAX)
}

/// Time until the next check of a backend in this state: half the interval while it is warming, because somebody waits for
/// it.
pub fn until_next(interval: Duration, state: Health) -> Duration {
    if state == Health::Warming { interval / 2 } else { interval }
}

/// `interval` moved by up to `jitter` (0 to 1) of itself in either direction, so that the checks of many
/// backends do not fall on the same moment.
pub fn jittered(interval: Duration, jitter: f64, rng: &mut Rng) -> Duration {
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
    let factor = jitter.mul_add(rng.unit().mul_add(2.0, -1.0), 1.0);
    Duration::from_nanos((nanos(interval) as f64 * factor) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_on_the_way_back_is_asked_twice_as_often() {
        let wait = |state| until_next(Duration::from_secs(2), state).as_millis();
        assert_eq!(wait(Health::Warming), 1_000);
        for state in [Health::Up, Health::Down, Health::Unknown] {
            assert_eq!(wait(state), 2_000);
        }
    }

    const RULES: HealthRules = HealthRules { rise: 2, fall: 3 };
    const FAILED: Result<(), Cause> = Err(Cause::Status(503));

    fn at(s: u64) -> Tick {
        Tick::from_nanos(s * 1_000_000_000)
    }

    fn to(change: Option<HealthChange>) -> Option<Health> {
        change.map(|c| c.to)
    }

    #[test]
    fn the_first_pass_makes_an_unknown_backend_up() {
        let mut machine = HealthMachine::new(Start::Unknown, at(0));

        let change = machine.on_check(RULES, at(1), &Ok(()));

        assert_eq!(
            change,
            Some(HealthChange { from: Health::Unknown, to: Health::Up, cause: Cause::Passed })
        );
        assert_eq!(machine.since(), at(1));
    }

    #[test]
    fn it_falls_only_after_failures_in_a_row() {
        let mut machine = HealthMachine::new(Start::Up, at(0));

        assert_eq!(machine.on_check(RULES, at(1), &FAILED), None);
        assert_eq!(machine.on_check(RULES, at(2), &FAILED), None);
        assert_eq!(machine.on_check(RULES, at(3), &Ok(())), None);
        assert_eq!(machine.on_check(RULES, at(4), &FAILED), None);
        assert_eq!(machine.on_check(RULES, at(5), &FAILED), None);
        assert_eq!(to(machine.on_check(RULES, at(6), &FAILED)), Some(Health::Down));
        assert_eq!((machine.cause(), machine.since()), (&Cause::Status(503), at(6)));
    }

    #[test]
    fn it_rises_through_warming_and_one_failure_throws_it_back() {
        let mut machine = HealthMachine::new(Start::Down, at(0));

        assert_eq!(to(machine.on_check(RULES, at(1), &Ok(()))), Some(Health::Warming));
        assert_eq!(to(machine.on_check(RULES, at(2), &FAILED)), Some(Health::Down));
        assert_eq!(to(machine.on_check(RULES, at(3), &Ok(()))), Some(Health::Warming));
        assert_eq!(to(machine.on_check(RULES, at(4), &Ok(()))), Some(Health::Up));
    }

    #[test]
    fn a_rise_of_one_skips_warming() {
        let mut machine = HealthMachine::new(Start::Down, at(0));

        assert_eq!(to(machine.on_check(HealthRules { rise: 1, fall: 1 }, at(1), &Ok(()))), Some(Health::Up));
    }

    #[test]
    fn refused_traffic_means_down_at_once_and_checks_must_earn_it_back() {
        let mut machine = HealthMachine::new(Start::Up, at(0));

        assert_eq!(to(machine.on_refused(at(1))), Some(Health::Down));
        assert_eq!(machine.on_refused(at(2)), None);
        assert_eq!((machine.refusals(), machine.since()), (1, at(1)));
        assert_eq!(to(machine.on_check(RULES, at(3), &Ok(()))), Some(Health::Warming));
    }

    #[test]
    fn a_new_failure_updates_the_cause_but_not_since() {
        let mut machine = HealthMachine::new(Start::Up, at(0));
        machine.on_refused(at(1));

        assert_eq!(machine.on_check(RULES, at(9), &Err(Cause::TimedOut)), None);
        assert_eq!((machine.cause(), machine.since()), (&Cause::TimedOut, at(1)));
    }

    #[test]
    fn without_checks_the_penalty_grows_until_it_serves_again() {
        let mut machine = HealthMachine::new(Start::Unknown, at(0));
        machine.on_refused(at(1));
        assert_eq!(to(machine.on_retry(at(2))), Some(Health::Unknown));
        machine.on_refused(at(3));
        assert_eq!(machine.refusals(), 2);

        machine.on_retry(at(5));
        machine.on_refused(at(100));
        assert_eq!(machine.refusals(), 1);
    }

    #[test]
    fn penalties_double_from_one_second_to_thirty() {
        let seconds: Vec<u64> = (0..8).map(|n| penalty(n).as_secs()).collect();

        assert_eq!(seconds, [1, 1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn jitter_stays_within_its_share() {
        let mut rng = Rng::seeded(3);
        let second = Duration::from_secs(1);
        for _ in 0..1000 {
            let jittered = jittered(second, 0.2, &mut rng);
            assert!((Duration::from_millis(800)..=Duration::from_millis(1200)).contains(&jittered));
        }
        assert_eq!(jittered(second, 0.0, &mut rng), second);
        assert_eq!(jittered(second, f64::NAN, &mut rng), second);
    }

    #[test]
    fn a_machine_goes_on_where_another_was() {
        let mut old = HealthMachine::new(Start::Up, at(0));
        old.on_check(RULES, at(1), &FAILED);
        old.on_check(RULES, at(2), &FAILED);

        let mut new = HealthMachine::resume(old.was(), at(3));

        assert_eq!(to(new.on_check(RULES, at(4), &FAILED)), Some(Health::Down));
    }
}
