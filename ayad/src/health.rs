//! Health: checks run here, on a thread of their own; what they mean is decided in `aya-core`.
//!
//! Each backend of a pool with a check has one task. Traffic that is refused takes a backend out at once and
//! tells this thread why; only checks (or, without them, the end of a penalty) bring it back.
//!
//! To add a probe: one file beside this one, one line in [`PROBES`], one variant of [`crate::config::Probe`].

mod attempt;
mod command;
mod grpc;
mod handshake;
mod http;
mod icmp;
mod mysql;
mod postgres;
mod redis;
mod session;
mod tcp;
mod tls;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use aya_api::event::Severity;
use aya_core::agent::Hold;
use aya_core::axis::{Admin, Health};
use aya_core::health::{Cause, HealthChange, HealthMachine, Start, jittered, penalty, until_next};
use aya_core::rng::Rng;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::clock;
use crate::command::Slots;
use crate::config::Check;
use crate::state::{Backend, CheckRecord, HealthNews, NewEvent, PastEntry, Pool, State};
use crate::tls::ClientTls;

/// One kind of check, for documentation.
#[derive(Clone, Copy, Debug)]
pub struct ProbeSpec {
    /// Its `kind` in the configuration.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
}

/// Every kind of check.
pub const PROBES: &[ProbeSpec] = &[
    tcp::SPEC,
    tls::SPEC,
    http::SPEC,
    grpc::SPEC,
    postgres::SPEC,
    mysql::SPEC,
    redis::SPEC,
    icmp::SPEC,
    command::SPEC,
];

/// What [`Cause::Unreachable`] says, so that another process can say the same.
pub fn reasons() -> impl Iterator<Item = &'static &'static str> {
    tcp::UNREACHABLE.iter().chain(&handshake::UNREACHABLE).chain(&attempt::LIES)
}

/// Why a check did not pass.
#[derive(Debug)]
enum NoPass {
    /// It failed; that is a verdict.
    Failed(Cause),
    /// It could not be made for want of our own, which says nothing about the backend.
    Unmade(io::Error),
}

impl From<Cause> for NoPass {
    fn from(cause: Cause) -> Self {
        Self::Failed(cause)
    }
}

/// Share of the first interval within which all first checks are made.
const FIRST_WITHIN: f64 = 0.1;

/// Checks made in a row after which it is told again that one could not be.
const MADE_AGAIN: u32 = 10;

/// Runs the checks until the process ends, and then ends what they have started. `applied` changes whenever a
/// configuration was applied; then it sets how many `slots` there are.
pub async fn run(
    state: Arc<State>,
    mut news: mpsc::UnboundedReceiver<HealthNews>,
    mut applied: watch::Receiver<u64>,
    slots: Slots,
    seed: u64,
) {
    // Whoever ends the process waits for this to be dropped.
    let mut cut = state.cut.subscribe();
    let mut checkers = Checkers { state: Arc::clone(&state), running: HashMap::new(), slots, seed };
    checkers.reconcile();
    loop {
        tokio::select! {
            _ = cut.wait_for(|cut| *cut) => break,
            heard = news.recv() => match heard {
                Some(HealthNews::Refused(backend)) => refused_by(&state, &backend),
                Some(HealthNews::FaultOver(backend, was)) => fault_over(&state, &backend, was),
                None => break,
            },
            changed = applied.changed() => match changed {
                Ok(()) => checkers.reconcile(),
                Err(_) => break,
            },
        }
    }
    checkers.end().await;
}

/// The tasks that check, by backend.
struct Checkers {
    state: Arc<State>,
    running: HashMap<usize, Running>,
    slots: Slots,
    seed: u64,
}

struct Running {
    backend: Arc<Backend>,
    check: Option<Check>,
    task: Option<JoinHandle<()>>,
}

impl Checkers {
    /// Starts, keeps and ends tasks so that they are those of the snapshot in force.
    fn reconcile(&mut self) {
        let snapshot = self.state.snapshot.load_full();
        self.slots.set_most(snapshot.daemon.max_commands);
        let mut before = std::mem::take(&mut self.running);
        for pool in &snapshot.pools {
            for backend in &pool.backends {
                let key = Arc::as_ptr(backend) as usize;
                let running = match before.remove(&key) {
                    Some(running) if running.check == pool.conf.check => running,
                    other => self.start(backend, pool, other),
                };
                self.running.insert(key, running);
            }
        }
        for task in before.into_values().filter_map(|gone| gone.task) {
            task.abort();
        }
    }

    /// Ends all tasks, and with them what they have started.
    async fn end(&mut self) {
        let tasks: Vec<_> = self.running.drain().filter_map(|(_, running)| running.task).collect();
        self.slots.end(tasks).await;
    }

    fn start(&mut self, backend: &Arc<Backend>, pool: &Pool, before: Option<Running>) -> Running {
        let check = pool.conf.check.clone();
        let is_new = before.is_none();
        if let Some(task) = before.and_then(|b| b.task) {
            task.abort();
        }
        if check.is_none() && !is_new {
            forget(backend);
        }
        if check.is_none() && is_new {
            // Down from the process that this one took over from: nothing but the end of its penalty helps.
            let was = backend.past().health.was();
            if was.state == Health::Down {
                let retry = retry_after(penalty(was.refusals), Arc::clone(&self.state), Arc::clone(backend));
                tokio::spawn(retry);
            }
        }
        self.seed = self.seed.wrapping_add(1);
        let task = check.clone().map(|check| {
            let rng = Rng::seeded(self.seed);
            let (state, slots) = (Arc::clone(&self.state), self.slots.clone());
            let checker =
                Checker { state, slots, backend: Arc::clone(backend), check, tls: pool.check_tls.clone() };
            tokio::spawn(checker.keep_checking(rng))
        });
        Running { backend: Arc::clone(backend), check, task }
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("backend", &self.backend.id).finish_non_exhaustive()
    }
}

/// Without checks nobody knows; what they said before no longer counts.
fn forget(backend: &Backend) {
    let mut past = backend.past();
    past.health = HealthMachine::new(Start::Unknown, clock::now());
    past.health_since_ms = clock::wall_ms();
    backend.load.set_health(past.health.state());
}

/// What checks one backend.
struct Checker {
    state: Arc<State>,
    slots: Slots,
    backend: Arc<Backend>,
    check: Check,
    tls: Option<Arc<ClientTls>>,
}

impl Checker {
    async fn keep_checking(self, mut rng: Rng) {
        let Self { state, slots, backend, check, tls } = self;
        tokio::time::sleep(check.interval.mul_f64(FIRST_WITHIN * rng.unit())).await;
        let mut unmade = Unmade::default();
        loop {
            if backend.load.admin() != Admin::Maint {
                let (verdict, took) =
                    attempt::make(&backend, &state.faults, &check, tls.as_deref(), &slots).await;
                let verdict = match verdict {
                    Ok(()) => Ok(Ok(())),
                    Err(NoPass::Failed(cause)) => Ok(Err(cause)),
                    Err(NoPass::Unmade(error)) => Err(error),
                };
                match verdict {
                    Ok(verdict) => {
                        unmade.made();
                        take_verdict(&state, &backend, &check, verdict, took);
                    }
                    Err(error) => unmade.tell(&state, &backend, &error),
                }
            }
            let wait = until_next(check.interval, backend.load.health());
            tokio::time::sleep(jittered(wait, check.jitter, &mut rng)).await;
        }
    }
}

/// What was told of checks that cannot be made.
#[derive(Default)]
struct Unmade {
    told: Option<String>,
    made_since: u32,
}

impl Unmade {
    fn made(&mut self) {
        self.made_since = self.made_since.saturating_add(1);
        if self.made_since >= MADE_AGAIN {
            self.told = None;
        }
    }

    /// Tells it once, and again when there is another cause, or when it had gone well for a while.
    fn tell(&mut self, state: &State, backend: &Backend, error: &io::Error) {
        self.made_since = 0;
        let cause = format!("checks cannot be made: {error}; its health stays as it was");
        if self.told.as_ref() != Some(&cause) {
            self.told = Some(cause.clone());
            state.events.push(NewEvent::new(Severity::Warning, "health", &backend.id, cause));
        }
    }
}

fn take_verdict(state: &State, backend: &Backend, check: &Check, verdict: Result<(), Cause>, took: Duration) {
    let mut past = backend.past();
    // A check that passes does not overrule the agent.
    let is_held = verdict.is_ok() && backend.reported.hold().is_some();
    let change = if is_held { None } else { past.health.on_check(check.rules, clock::now(), &verdict) };
    let took_us = took.as_micros() as u64;
    past.checked(CheckRecord { at_ms: clock::wall_ms(), verdict, took_us });
    let event = change.map(|change| apply(backend, &mut past, &change));
    drop(past);
    if let Some(event) = event {
        state.events.push(event);
    }
}

/// What the agent of a backend wants now: its word keeps traffic away by itself, whatever checks say.
pub fn agent_says(state: &State, backend: &Backend, hold: Option<Hold>) {
    let mut past = backend.past();
    let change = past.health.on_agent(clock::now(), hold);
    let event = change.map(|change| apply(backend, &mut past, &change));
    drop(past);
    if let Some(event) = event {
        state.events.push(event);
    }
}

/// Traffic was refused by this backend. It already gets no more; here the verdict gets its cause.
fn refused_by(state: &Arc<State>, backend: &Arc<Backend>) {
    let mut past = backend.past();
    let change = past.health.on_refused(clock::now());
    let event = change.map(|change| apply(backend, &mut past, &change));
    let wait = penalty(past.health.refusals());
    drop(past);
    backend.left();
    if let Some(event) = event {
        state.events.push(event);
    }
    let is_checked = state.snapshot.load().pool(&backend.pool).is_some_and(|p| p.conf.check.is_some());
    if !is_checked {
        tokio::spawn(retry_after(wait, Arc::clone(state), Arc::clone(backend)));
    }
}

/// Faults had a part in its health: it is what it was, until the next result.
fn fault_over(state: &State, backend: &Backend, was: Health) {
    let mut past = backend.past();
    let change = past.health.on_fault_over(clock::now(), was);
    let event = change.map(|change| apply(backend, &mut past, &change));
    // Also where the machine has not changed: a request may have been refused since.
    backend.load.set_health(past.health.state());
    drop(past);
    if let Some(event) = event {
        state.events.push(event);
    }
}

async fn retry_after(wait: Duration, state: Arc<State>, backend: Arc<Backend>) {
    tokio::time::sleep(wait).await;
    if backend.reported.hold().is_some() {
        return;
    }
    let mut past = backend.past();
    let change = past.health.on_retry(clock::now());
    let event = change.map(|change| apply(&backend, &mut past, &change));
    drop(past);
    if let Some(event) = event {
        state.events.push(event);
    }
}

/// Makes a verdict hold: for picks at once, for people with its cause.
fn apply(backend: &Backend, past: &mut crate::state::Past, change: &HealthChange) -> NewEvent {
    backend.load.set_health(change.to);
    if change.to == Health::Down {
        backend.close_idle();
    }
    let at_ms = clock::wall_ms();
    past.health_since_ms = at_ms;
    let (from, to, cause) = (change.from.as_str(), change.to.as_str(), change.cause.to_string());
    past.remember(PastEntry {
        at_ms,
        axis: "health",
        from: from.to_owned(),
        to: to.to_owned(),
        cause: cause.clone(),
        by: None,
    });
    let severity = if change.to == Health::Down { Severity::Error } else { Severity::Info };
    NewEvent::new(severity, "health", &backend.id, cause).change(from, to)
}
