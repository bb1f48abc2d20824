//! Whether a fault may be injected, and injecting it.

use std::collections::BTreeSet;
use std::time::Duration;

use aya_api::error::{ApiError, ErrorCode};
use aya_api::event::Severity;
use aya_api::fault::{FaultBody, FaultView, StopState};
use aya_core::axis::BreakerState;
use aya_core::chaos::caution::{Facts, Limits, PoolFacts, Refusal, judge};
use aya_core::hash::mix;

use super::book::{Entry, Lease, Skips, Stop};
use super::fits::fits;
use super::{figures, values};
use crate::chaos::{BadTarget, FaultOrder, Reach};
use crate::clock;
use crate::control::call::Call;
use crate::control::orders::LONGEST_REASON;
use crate::control::{Control, suggest};
use crate::state::Snapshot;

impl Control {
    /// Injects a fault, or with a dry run says whom it would hit.
    pub(super) fn start_fault(&mut self, body: FaultBody, call: &Call) -> Result<FaultView, ApiError> {
        let snapshot = self.state.snapshot.load_full();
        self.check_may_inject(&snapshot, call)?;
        values::check(&body, snapshot.chaos.longest.as_millis() as u64)?;
        let reach = Reach::of(&body.target, &snapshot).map_err(|error| bad_target(&error))?;
        fits(&body, &reach, &snapshot)?;
        self.check_conflicts(&body, &reach, &snapshot)?;
        let limits = snapshot.chaos.limits.narrower(wanted(&body));
        let stops = stops(&body, &reach, &snapshot)?;
        self.judge_fault(&body, &reach, &limits, &snapshot)?;
        let now = clock::now();
        let number = self.chaos.last + 1;
        let lease = body.lease_ms.map(Duration::from_millis);
        let mut entry = Entry {
            id: if call.options.dry_run { String::new() } else { format!("f{number}") },
            // Half of the digits are enough to tell runs apart, and can be typed.
            seed: body.seed.unwrap_or_else(|| mix(self.chaos.seed, number) >> 32),
            by: call.by.name.clone(),
            reason: call.options.reason.clone(),
            limits,
            since_ms: clock::wall_ms(),
            ends: now.after(Duration::from_millis(body.for_ms)),
            lease: lease.map(|length| Lease { length, ends: now.after(length) }),
            stops,
            skips: Skips::default(),
            active: None,
            backends: reach.ids().to_vec(),
            body,
        };
        if call.options.dry_run {
            return Ok(entry.view());
        }
        let order = FaultOrder {
            id: entry.id.clone(),
            fault: entry.body.fault.clone(),
            target: entry.body.target.clone(),
            share: entry.body.share,
            per: entry.body.per,
            seed: entry.seed,
            limits: super::shown(limits),
        };
        self.chaos.last = number;
        entry.active = Some(self.state.faults.start(order, &snapshot).map_err(|error| bad_target(&error))?);
        let event = entry.event(Severity::Warning, entry.words()).change("none", "active");
        self.state.events.push(event.ordered(Some(entry.by.clone()), None));
        let view = entry.view();
        self.chaos.active.push(entry);
        Ok(view)
    }

    fn check_may_inject(&self, snapshot: &Snapshot, call: &Call) -> Result<(), ApiError> {
        let denied = |message: String, hint| Err(ApiError::new(ErrorCode::NotPermitted, message, hint));
        if !snapshot.chaos.allow {
            let message = "the configuration of this daemon does not allow faults".to_owned();
            return denied(message, "write allow = true in [chaos] and reload");
        }
        if let Some(lock) = &self.chaos.lock {
            let message = format!("faults are locked by {}: {}", lock.by, lock.reason);
            return denied(message, "ask them, then `ayactl chaos unlock`");
        }
        if call.options.for_ms.is_some() || call.options.if_rev.is_some() {
            let message = "for_ms and If-Match do not apply to faults";
            return Err(ApiError::new(ErrorCode::BadRequest, message, "the time of a fault is in its body"));
        }
        if call.options.reason.as_ref().is_some_and(|reason| reason.len() > LONGEST_REASON) {
            let message = format!("the reason has over {LONGEST_REASON} bytes");
            let hint = "put the story into a ticket and name that";
            return Err(ApiError::new(ErrorCode::BadValue, message, hint));
        }
        self.check_in_charge()
    }

    fn check_conflicts(&self, body: &FaultBody, reach: &Reach, snapshot: &Snapshot) -> Result<(), ApiError> {
        let conflict = |message: String, hint: String| Err(ApiError::new(ErrorCode::Conflict, message, hint));
        let pools = pools_of(reach.ids().iter(), snapshot);
        for entry in &self.chaos.active {
            if entry.body.fault == body.fault && entry.body.target == body.target {
                let message =
                    format!("{} is injected for {} already, as {}", body.fault, body.target, entry.id);
                return conflict(message, format!("stop it first: `ayactl chaos stop {}`", entry.id));
            }
            let (Some(theirs), Some(ours)) = (&entry.body.run, &body.run) else { continue };
            let both = pools_of(entry.backends().iter(), snapshot).intersection(&pools).next().copied();
            if let Some(pool) = both.filter(|_| theirs != ours) {
                let message = format!("the run {theirs} of {} injects faults into the pool {pool}", entry.by);
                return conflict(message, "one run at a time is for a pool; wait until it has ended".into());
            }
        }
        Ok(())
    }

    fn judge_fault(
        &self,
        body: &FaultBody,
        reach: &Reach,
        limits: &Limits,
        snapshot: &Snapshot,
    ) -> Result<(), ApiError> {
        let now = clock::now();
        let before =
            self.chaos.active.iter().filter(|entry| entry.body.share > 0.0).flat_map(Entry::backends);
        let mut faulty: BTreeSet<String> = before.collect();
        // A share of nothing is a fault for nobody.
        if body.share > 0.0 {
            faulty.extend(reach.ids().iter().cloned());
        }
        let ours = pools_of(reach.ids().iter(), snapshot);
        let pools = snapshot.pools.iter().filter(|pool| ours.contains(pool.name.as_str())).map(|pool| {
            let eligible: Vec<_> =
                pool.backends.iter().filter(|backend| backend.load.eligible(now)).collect();
            let is_open = |state| matches!(state, BreakerState::Open | BreakerState::HalfOpen);
            let windows = pool.backends.iter().map(|backend| self.sampler.window(backend));
            let window = windows.reduce(|mut all, one| {
                all.merge(&one);
                all
            });
            let window = window.unwrap_or_default().into_pool();
            PoolFacts {
                name: &pool.name,
                eligible: eligible.len() as u32,
                left: eligible.iter().filter(|backend| !faulty.contains(&backend.id)).count() as u32,
                open_breakers: pool.backends.iter().filter(|b| is_open(b.load.breaker().state())).count()
                    as u32,
                requests: window.requests,
                failures: window.failures,
            }
        });
        let facts = Facts {
            pools: &pools.collect::<Vec<_>>(),
            faults: self.chaos.active.len() as u32,
            max_faults: snapshot.chaos.max_faults,
            backends: faulty.len() as u32,
        };
        judge(&facts, limits, body.force).map_err(|refusal| refused(&refusal))
    }
}

/// Pools of these backends.
pub(super) fn pools_of(ids: impl Iterator<Item = impl AsRef<str>>, snapshot: &Snapshot) -> BTreeSet<&str> {
    ids.filter_map(|id| snapshot.backend_by_id(id.as_ref()).map(|backend| backend.pool.clone()))
        .filter_map(|name| snapshot.pool(&name).map(|pool| pool.name.as_str()))
        .collect()
}

fn wanted(body: &FaultBody) -> Limits {
    let limits = body.limits.unwrap_or_default();
    Limits {
        max_backends: limits.max_backends,
        max_traffic: limits.max_traffic,
        min_ready: limits.min_ready,
        max_held: limits.max_held,
    }
}

/// The stop conditions, with what they are about.
fn stops(body: &FaultBody, reach: &Reach, snapshot: &Snapshot) -> Result<Vec<Stop>, ApiError> {
    let pools = pools_of(reach.ids().iter(), snapshot);
    let stop = |text: &String| {
        let (condition, scope) = figures::read(text, &pools, snapshot)?;
        let since = clock::now();
        let hold = aya_api::condition::Hold::default();
        Ok(Stop { condition, scope, hold, state: StopState::NoData, value: None, since })
    };
    if body.stop_if.len() > figures::MOST_CONDITIONS {
        let message = format!("a fault has at most {} stop conditions", figures::MOST_CONDITIONS);
        return Err(ApiError::new(ErrorCode::BadValue, message, "leave out those that others imply"));
    }
    body.stop_if.iter().map(stop).collect()
}

fn bad_target(error: &BadTarget) -> ApiError {
    match error {
        BadTarget::Unknown { what, name, known } => {
            let hint = suggest(name, known.iter().map(String::as_str));
            ApiError::new(ErrorCode::NotFound, format!("no {what} \"{name}\""), hint)
        }
        BadTarget::Nobody(_) => ApiError::new(
            ErrorCode::NotFound,
            error.to_string(),
            "all that the target says must hold for a backend",
        ),
        BadTarget::BadClient(_) => {
            ApiError::new(ErrorCode::BadValue, error.to_string(), "write 10.0.0.0/8 or one address")
        }
    }
}

fn refused(refusal: &Refusal) -> ApiError {
    const FORCE: &str = "wait until it is well, or inject it all the same with --force";
    let (message, hint) = match refusal {
        Refusal::TooMany(most) => {
            (format!("{most} faults are injected already, the most there may be"), "stop one first")
        }
        Refusal::TooManyBackends { would, most } => (
            format!("faults would be for {would} backends, and may be for {most} (max_backends)"),
            "take a narrower target, or stop another fault first",
        ),
        Refusal::TooFewLeft { pool, left, least } => (
            format!(
                "{left} backends of the pool {pool} would stay without a fault, and {least} must (min_ready)"
            ),
            "take a narrower target, or inject it all the same with --force",
        ),
        Refusal::TooFewReady { pool, ready, least } => (
            format!(
                "the pool {pool} is unhealthy already: {ready} of its backends can serve, and {least} must"
            ),
            FORCE,
        ),
        Refusal::OpenBreakers { pool, open } => {
            (format!("the pool {pool} is unhealthy already: {open} of its breakers are not closed"), FORCE)
        }
        Refusal::Failing { pool, share } => (
            format!("the pool {pool} is unhealthy already: {:.1} % of its requests fail", share * 100.0),
            FORCE,
        ),
    };
    ApiError::new(ErrorCode::Unsafe, message, hint)
}
