//! `--wait`: until an order has taken effect.
//!
//! It asks the daemon every 50 ms, which costs far less than what it waits for, and works whether or not the
//! event stream is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aya_api::axis::Admin;
use aya_api::change::Change;
use aya_api::command::backends::GetBackend;
use aya_api::exit::Exit;
use aya_api::view::BackendView;
use signal_hook::SigId;
use signal_hook::consts::SIGINT;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::failure::Failure;
use crate::session::Session;

/// How often the daemon is asked.
const POLL: Duration = Duration::from_millis(50);
/// How often progress is reported where it cannot be redrawn.
const REPORT: Duration = Duration::from_secs(5);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Draining has finished.
    Drained,
    /// It can get requests.
    Eligible,
    /// Nothing is in flight.
    Quiet,
}

impl Condition {
    /// Whether it holds. An order that somebody else replaced meanwhile never comes true: that is a conflict.
    fn holds(self, backend: &BackendView) -> Result<bool, Failure> {
        let state = backend.admin.state;
        let (expected, holds) = match self {
            Self::Drained => (matches!(state, Admin::Draining | Admin::Drained), state == Admin::Drained),
            Self::Eligible => (state == Admin::Ready, backend.eligible),
            Self::Quiet => (state == Admin::Maint, backend.traffic.in_flight == 0),
        };
        if expected {
            return Ok(holds);
        }
        let who = backend.admin.by.as_deref().unwrap_or("somebody");
        let message = format!("{} was made {state} by {who} while waiting", backend.id);
        Err(Failure::new(Exit::Conflict, "conflict", message, "see `ayactl get operations`"))
    }

    fn done(self) -> &'static str {
        match self {
            Self::Drained => "drained",
            Self::Eligible => "gets requests",
            Self::Quiet => "has nothing in flight",
        }
    }
}

/// Waits until the condition holds for all that was changed, and says so on stderr.
pub(super) async fn wait_for(
    session: &mut Session<'_, '_>,
    changes: &[Change],
    condition: Condition,
    limit: Duration,
) -> Result<(), Failure> {
    let interrupt = Interrupt::catch()?;
    let mut waiting: Vec<GetBackend> = changes
        .iter()
        .filter_map(|change| change.subject.split_once('/'))
        .map(|(pool, backend)| GetBackend { pool: pool.into(), backend: backend.into() })
        .collect();
    let started = Instant::now();
    let mut progress = Progress { reported: None };
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut in_flight = 0;
        let mut left = Vec::new();
        for call in waiting {
            let backend = session.client.call(&call).await?.backend;
            if condition.holds(&backend)? {
                progress.clear(session);
                let took = started.elapsed().as_secs_f64();
                session.note(&format!("{} {} after {took:.1}s", backend.id, condition.done()));
            } else {
                in_flight += backend.traffic.in_flight;
                left.push(call);
            }
        }
        waiting = left;
        if waiting.is_empty() {
            return Ok(());
        }
        if interrupt.happened() {
            progress.clear(session);
            let message = format!("stopped waiting; what was ordered stands: {}", names(&waiting));
            return Err(Failure::interrupted(SIGINT, message, "see `ayactl get operations`"));
        }
        if started.elapsed() >= limit {
            progress.clear(session);
            return Err(too_late(&waiting, condition, limit, in_flight));
        }
        progress.show(session, &waiting, in_flight, started.elapsed());
    }
}

fn too_late(waiting: &[GetBackend], condition: Condition, limit: Duration, in_flight: u64) -> Failure {
    let wanted = match condition {
        Condition::Drained => "not drained",
        Condition::Eligible => "not eligible",
        Condition::Quiet => "still busy",
    };
    let message =
        format!("{} {wanted} after {}s ({in_flight} in flight)", names(waiting), limit.as_secs_f64());
    Failure::new(Exit::Deadline, "deadline", message, "the order stands; see `ayactl describe POOL/BACKEND`")
}

fn names(waiting: &[GetBackend]) -> String {
    waiting.iter().map(|call| format!("{}/{}", call.pool, call.backend)).collect::<Vec<_>>().join(", ")
}

/// Progress on stderr: one line redrawn on a terminal, a line now and then elsewhere.
struct Progress {
    reported: Option<Duration>,
}

impl Progress {
    fn show(
        &mut self,
        session: &mut Session<'_, '_>,
        waiting: &[GetBackend],
        in_flight: u64,
        took: Duration,
    ) {
        let due = self.reported.is_none_or(|last| took.saturating_sub(last) >= REPORT);
        if session.is_quiet() || !(due || session.can_redraw()) {
            return;
        }
        self.reported = Some(took);
        let line =
            format!("waiting for {}: {in_flight} in flight, {:.0}s", names(waiting), took.as_secs_f64());
        if session.can_redraw() {
            // As with all talk, a stderr that is gone is nobody's loss.
            let _ = write!(session.console.err, "\r{line}\u{1b}[K");
            let _ = session.console.err.flush();
        } else {
            session.note(&line);
        }
    }

    fn clear(&self, session: &mut Session<'_, '_>) {
        if self.reported.is_some() && session.can_redraw() {
            let _ = write!(session.console.err, "\r\u{1b}[K");
        }
    }
}

/// Ctrl-C while waiting: the order stays, and the person is told so.
struct Interrupt {
    flag: Arc<AtomicBool>,
    id: SigId,
}

impl Interrupt {
    fn catch() -> Result<Self, Failure> {
        let flag = Arc::new(AtomicBool::new(false));
        let id = signal_hook::flag::register(SIGINT, Arc::clone(&flag))?;
        Ok(Self { flag, id })
    }

    fn happened(&self) -> bool {
        // Only a flag: nothing else is published with it.
        self.flag.load(Ordering::Relaxed)
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        signal_hook::low_level::unregister(self.id);
    }
}
