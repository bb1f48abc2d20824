//! Orders certificates by ACME when they are due, again and again until there is one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aya_api::event::Severity;
use aya_core::certificate::{Life, may_hurry, retry_after};
use aya_core::rng::Rng;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::EVENT;
use crate::clock;
use crate::config::Acme;
use crate::state::{NewEvent, Snapshot, State};
use crate::tls::acme::{Failures, OrderError, Store, order};
use crate::tls::{AcmeState, Loaded, ServerTls, Source};

/// Longest sleep: the wall clock, by which certificates end, may jump while we sleep.
const LONGEST_SLEEP: Duration = Duration::from_secs(60 * 60);
/// Longest time for an order, so that a directory that never answers ends in an error that people see.
const LONGEST_ORDER: Duration = Duration::from_secs(10 * 60);

/// The tasks that renew, one for each certificate; listeners that ask for the same one share it.
pub(super) struct Renewals {
    state: Arc<State>,
    rng: Rng,
    running: HashMap<Acme, Running>,
}

struct Running {
    task: AbortHandle,
    hurry: Arc<Notify>,
}

impl Renewals {
    /// No task yet.
    pub(super) fn new(state: &Arc<State>, rng: Rng) -> Self {
        Self { state: Arc::clone(state), rng, running: HashMap::new() }
    }

    /// Starts and ends tasks so that they are those of the snapshot in force.
    pub(super) fn reconcile(&mut self, snapshot: &Snapshot) {
        let wanted = |acme: &Acme| holders(snapshot, acme).next().is_some();
        self.running.retain(|acme, running| {
            let stays = wanted(acme);
            if !stays {
                running.task.abort();
            }
            stays
        });
        for acme in snapshot.listeners.iter().filter_map(|l| l.tls.as_ref()?.settings().acme.as_ref()) {
            if !self.running.contains_key(acme) {
                let running = self.start(acme, snapshot);
                self.running.insert(acme.clone(), running);
            }
        }
    }

    fn start(&mut self, acme: &Acme, snapshot: &Snapshot) -> Running {
        let hurry = Arc::new(Notify::new());
        let renewal = Renewal {
            state: Arc::clone(&self.state),
            store: Store::at(&snapshot.daemon.state_dir),
            acme: acme.clone(),
            hurry: Arc::clone(&hurry),
            rng: Rng::seeded(self.rng.next_u64()),
            got_s: None,
            tried_ms: 0,
        };
        Running { task: tokio::spawn(renewal.run()).abort_handle(), hurry }
    }

    /// Has every order that failed made again, when the directory can be asked again so soon.
    pub(super) fn hurry(&self) {
        self.running.values().for_each(|running| running.hurry.notify_one());
    }
}

/// The listeners that show this certificate, with their names.
fn holders<'s>(snapshot: &'s Snapshot, acme: &Acme) -> impl Iterator<Item = (&'s str, &'s Arc<ServerTls>)> {
    let all = snapshot.listeners.iter().filter_map(|l| Some((l.conf.name.as_str(), l.tls.as_ref()?)));
    all.filter(move |(_, tls)| tls.settings().acme.as_ref() == Some(acme))
}

/// One certificate that is renewed.
struct Renewal {
    state: Arc<State>,
    store: Store,
    acme: Acme,
    hurry: Arc<Notify>,
    rng: Rng,
    /// When the last order gave a certificate, seconds since 1970.
    got_s: Option<i64>,
    /// When the last order was made, milliseconds since 1970.
    tried_ms: u64,
}

impl Renewal {
    async fn run(mut self) {
        let mut progress = self.resume();
        loop {
            let due_ms = progress.next_ms.filter(|_| progress.failures > 0).unwrap_or_else(|| self.due_ms());
            progress.next_ms = Some(due_ms);
            self.note(&progress);
            if !self.wait_until(due_ms, progress.failures).await {
                continue;
            }
            self.tried_ms = clock::wall_ms();
            self.tell(Severity::Info, &format!("ordering a certificate from {}", self.acme.directory));
            let ordered = order(&self.acme, &self.store, &self.state.challenges);
            let ordered = tokio::time::timeout(LONGEST_ORDER, ordered).await;
            progress = match ordered.unwrap_or(Err(OrderError::TooSlow(LONGEST_ORDER))) {
                Ok(loaded) => self.got(&loaded),
                Err(error) => self.failed(&progress, &error),
            };
        }
    }

    /// What a process before this one, or a configuration before this one, has tried already. A start is as good a reason
    /// to hurry as a reload, and no better.
    fn resume(&mut self) -> AcmeState {
        let Some(kept) = self.store.failures(&self.acme) else { return AcmeState::default() };
        let Failures { count, error, tried_ms, next_ms } = kept;
        self.tried_ms = tried_ms;
        self.hurry.notify_one();
        // By a clock that was wrong it could be years.
        let latest_ms = clock::wall_ms().saturating_add(retry_after(count, 1.0).as_millis() as u64);
        AcmeState { error: Some(error), failures: count, next_ms: Some(next_ms.min(latest_ms)) }
    }

    /// When the certificate in force is to be renewed; now when there is none.
    fn due_ms(&mut self) -> u64 {
        let now_ms = clock::wall_ms();
        let Some(life) = self.in_force() else { return now_ms };
        let at_s = life.renew_at(self.acme.renew_before, self.rng.unit());
        let at_s = self.got_s.map_or(at_s, |got_s| at_s.max(life.earliest_renewal(got_s)));
        u64::try_from(at_s).unwrap_or(0).saturating_mul(1000).max(now_ms)
    }

    /// The life of the certificate in force. A listener that was configured while an order was on its way still shows
    /// a placeholder, and gets what was kept of that order.
    fn in_force(&self) -> Option<Life> {
        let snapshot = self.state.snapshot.load();
        let shown: Vec<_> = holders(&snapshot, &self.acme).flat_map(|(_, tls)| tls.certificates()).collect();
        if shown.iter().any(|one| matches!(one.source, Source::Placeholder(_))) {
            let kept = self.store.certificate(&self.acme)?;
            holders(&snapshot, &self.acme).for_each(|(_, tls)| tls.install(&kept));
            return Some(kept.info.life);
        }
        shown.iter().find(|one| matches!(one.source, Source::Acme(_))).map(|one| one.info.life)
    }

    /// Waits until a time of the wall clock, or until a reload after a failure. False when what it waits for may have
    /// changed: a certificate that is good needs no hurry, but a listener that joined must get it.
    async fn wait_until(&self, due_ms: u64, failures: u32) -> bool {
        loop {
            let left = Duration::from_millis(due_ms.saturating_sub(clock::wall_ms()));
            if left.is_zero() {
                return true;
            }
            tokio::select! {
                () = tokio::time::sleep(left.min(LONGEST_SLEEP)) => {}
                () = self.hurry.notified() => {
                    let since = Duration::from_millis(clock::wall_ms().saturating_sub(self.tried_ms));
                    if failures == 0 {
                        return false;
                    }
                    if may_hurry(failures, since) {
                        return true;
                    }
                }
            }
        }
    }

    fn failed(&mut self, before: &AcmeState, error: &OrderError) -> AcmeState {
        let text = error.to_string();
        let failures = before.failures.saturating_add(1);
        let wait = retry_after(failures, self.rng.unit());
        let minutes = wait.as_secs().div_ceil(60);
        let sooner = if may_hurry(failures, Duration::ZERO) { " or at a reload" } else { "" };
        let told = format!("no certificate: {text}; tried again in {minutes} min{sooner}");
        self.tell(Severity::Error, &told);
        let next_ms = clock::wall_ms().saturating_add(wait.as_millis() as u64);
        let kept = Failures { count: failures, error: text.clone(), tried_ms: self.tried_ms, next_ms };
        if let Err(error) = self.store.keep_failures(&self.acme, &kept) {
            tracing::warn!(%error, "how often an order failed is not known to the next process");
        }
        AcmeState { error: Some(text), failures, next_ms: Some(next_ms) }
    }

    fn got(&mut self, loaded: &Loaded) -> AcmeState {
        let snapshot = self.state.snapshot.load();
        holders(&snapshot, &self.acme).for_each(|(_, tls)| tls.install(loaded));
        let now_s = super::now_s();
        self.got_s = Some(now_s);
        self.store.forget_failures(&self.acme);
        let standing = loaded.info.life.standing(now_s);
        self.tell(Severity::Info, &format!("got {}", super::words(&loaded.info, standing, now_s)));
        AcmeState::default()
    }

    fn note(&self, progress: &AcmeState) {
        let snapshot = self.state.snapshot.load();
        holders(&snapshot, &self.acme).for_each(|(_, tls)| tls.set_acme_state(progress.clone()));
    }

    fn tell(&self, severity: Severity, text: &str) {
        let snapshot = self.state.snapshot.load();
        for (listener, _) in holders(&snapshot, &self.acme) {
            self.state.events.push(NewEvent::new(severity, EVENT, listener, text));
        }
    }
}
