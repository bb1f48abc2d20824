//! `POST /v1/upgrade`, and the signal that asks for the same: the old side of a hand-over.
//!
//! See [`crate::handover`] for what goes over and when. Here is who may ask, what people are told, and the moment
//! between: from the last order this process takes to the first that the next one does, callers wait in the queue
//! of the control socket.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aya_api::SCHEMA_VERSION;
use aya_api::change::Change;
use aya_api::command::upgrade::UpgradeBody;
use aya_api::error::{ApiError, ErrorCode};
use aya_api::event::Severity;
use sd_notify::NotifyState;
use signal_hook::consts::SIGTERM;
use tokio::sync::{oneshot, watch};

use super::call::Call;
use super::peer::Actor;
use super::server::Reply;
use super::{Control, Entrance, Shared};
use crate::handover::giver::{Goods, Successor};
use crate::handover::{Handed, HandoverError, Line, Program, Ready, learned};
use crate::state::{EVENTS_KEPT, Ending, NewEvent};

/// Whether callers are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doors {
    /// They are.
    Open,
    /// They wait, for this process or the next one.
    Waiting,
    /// Another process takes them.
    Shut,
}

/// What the control thread knows about upgrades.
#[derive(Debug)]
pub(super) struct Upgrades {
    program: Program,
    /// Absent once another process has it.
    entrance: Option<Entrance>,
    doors: watch::Sender<Doors>,
    is_running: bool,
}

impl Upgrades {
    pub(super) fn new(program: Program, entrance: Entrance) -> Self {
        let doors = watch::Sender::new(Doors::Open);
        Self { program, entrance: Some(entrance), doors, is_running: false }
    }

    /// Tells whether callers are taken.
    pub(super) fn doors(&self) -> watch::Receiver<Doors> {
        self.doors.subscribe()
    }

    /// Where callers come in, while that is this process's business and nobody else is about to have it.
    pub(super) fn entrance(&mut self) -> Option<&mut Entrance> {
        self.entrance.as_mut().filter(|_| !self.is_running)
    }

    /// True from the last order this process takes.
    pub(super) fn is_frozen(&self) -> bool {
        *self.doors.borrow() != Doors::Open
    }
}

/// What was asked for.
struct Wanted {
    binary: Option<PathBuf>,
    by: Actor,
    reason: Option<String>,
    dry_run: bool,
}

/// Upgrades, or with a dry run tries how far the new process gets.
pub(super) async fn handle(shared: &Shared, call: &Call) -> Result<Reply, ApiError> {
    if call.options.for_ms.is_some() {
        let hint = "leave out for_ms; upgrade to the old binary to go back";
        return Err(ApiError::new(ErrorCode::BadRequest, "an upgrade has no time limit", hint));
    }
    let body = if call.body.is_empty() { UpgradeBody::default() } else { call.parse()? };
    let wanted = Wanted {
        binary: body.binary.map(PathBuf::from),
        by: call.by.clone(),
        reason: call.options.reason.clone(),
        dry_run: call.options.dry_run,
    };
    let (answer, answered) = oneshot::channel();
    let shared = Rc::clone(shared);
    // It goes on when whoever asked does not wait for it.
    tokio::task::spawn_local(async move {
        if answer.send(run(&shared, wanted).await).is_err() {
            tracing::debug!("whoever asked for an upgrade has stopped waiting");
        }
    });
    let broken = |_| Err(ApiError::new(ErrorCode::Internal, "the upgrade broke off", "report this defect"));
    let change = answered.await.unwrap_or_else(broken)?;
    Reply::json(&change, Some(change.rev))
}

/// Upgrades because of SIGUSR2. Whatever comes of it is an event.
pub(super) fn by_signal(shared: &Shared) {
    let wanted = Wanted { binary: None, by: Actor::daemon("SIGUSR2"), reason: None, dry_run: false };
    let shared = Rc::clone(shared);
    tokio::task::spawn_local(async move {
        if let Err(error) = run(&shared, wanted).await {
            tracing::debug!(%error, "the upgrade did not come about");
        }
    });
}

async fn run(shared: &Shared, wanted: Wanted) -> Result<Change, ApiError> {
    let beginning = shared.borrow_mut().begin_upgrade(&wanted)?;
    let result = attempt(shared, &wanted, beginning).await;
    let mut control = shared.borrow_mut();
    control.upgrades.is_running = false;
    if let Err(error) = &result {
        control.state.handed_over.store(false, Ordering::Release);
        control.upgrades.doors.send_replace(Doors::Open);
        control.state.events.hold(false);
        if !wanted.dry_run {
            control.last_upgrade_error = Some(error.message.clone());
        }
        let cause = format!("no upgrade, this process goes on: {}", error.message);
        let event = NewEvent::new(Severity::Error, "upgrade", "ayad", cause);
        control.state.events.push(event.ordered(Some(wanted.by.name), None));
    }
    result
}

/// What an upgrade begins with.
struct Beginning {
    program: Program,
    goods: Goods,
    limit: Duration,
    generation: u64,
}

async fn attempt(shared: &Shared, wanted: &Wanted, beginning: Beginning) -> Result<Change, ApiError> {
    let Beginning { program, goods, limit, generation } = beginning;
    let (successor, ready) = waiting(move || Successor::start(&program, &goods, limit)).await?;
    let change = change(&successor, &ready, wanted.dry_run);
    if wanted.dry_run {
        waiting(move || {
            successor.call_off();
            Ok(())
        })
        .await?;
        return Ok(change);
    }
    let (handed, lock) = shared.borrow_mut().freeze(generation)?;
    let pid = waiting(move || successor.commit(handed, &lock)).await?;
    shared.borrow_mut().let_go(pid, &ready, wanted);
    Ok(change)
}

/// Does what waits on a thread that may.
async fn waiting<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HandoverError> + Send + 'static,
) -> Result<T, ApiError> {
    let refused = |error: HandoverError| {
        let code = match &error {
            HandoverError::Failed { .. } => ErrorCode::BadConfig,
            _ => ErrorCode::Unavailable,
        };
        ApiError::new(code, error.to_string(), error.hint())
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(refused),
        Err(error) => Err(ApiError::new(ErrorCode::Internal, error.to_string(), "report this defect")),
    }
}

fn change(successor: &Successor, ready: &Ready, dry_run: bool) -> Change {
    let to = if dry_run { String::new() } else { format!("pid {}, ", successor.pid()) };
    Change {
        schema_version: SCHEMA_VERSION,
        op: None,
        changed: true,
        dry_run,
        subject: "ayad".to_owned(),
        field: "process".to_owned(),
        before: format!("pid {}, version {}", std::process::id(), env!("CARGO_PKG_VERSION")),
        after: format!("{to}version {}", ready.version),
        undo: None,
        until_ms: None,
        rev: 0,
        warnings: Vec::new(),
    }
}

impl Control {
    fn begin_upgrade(&mut self, wanted: &Wanted) -> Result<Beginning, ApiError> {
        let refused = |message| Err(ApiError::new(ErrorCode::Unavailable, message, "wait for it to end"));
        if self.state.is_stopping() {
            return refused("ayad is stopping");
        }
        if self.upgrades.is_running {
            return refused("an upgrade is under way");
        }
        let Some(entrance) = &self.upgrades.entrance else {
            return refused("another process has taken over");
        };
        let mut program = self.upgrades.program.clone();
        if let Some(binary) = &wanted.binary {
            program.path.clone_from(binary);
        }
        let snapshot = self.state.snapshot.load_full();
        let goods = Goods::of(&snapshot, entrance, program.lifeline.clone(), self.state.rev());
        let verb = if wanted.dry_run { "trying" } else { "starting" };
        let reason = wanted.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
        let cause = format!("{verb} {} to take over{reason}", program.path.display());
        let event = NewEvent::new(Severity::Info, "upgrade", "ayad", cause);
        self.state.events.push(event.ordered(Some(wanted.by.name.clone()), None));
        self.upgrades.is_running = true;
        let limit = snapshot.daemon.upgrade_timeout;
        Ok(Beginning { program, goods, limit, generation: snapshot.generation })
    }

    /// Takes no more orders and no more callers, and gathers what the next process is to know.
    fn freeze(&mut self, generation: u64) -> Result<(Handed, std::fs::File), ApiError> {
        let failed = |message: String, hint| ApiError::new(ErrorCode::Unavailable, message, hint);
        if self.state.is_stopping() {
            return Err(failed("ayad is stopping".to_owned(), "start the new one in its place"));
        }
        let snapshot = self.state.snapshot.load_full();
        if snapshot.generation != generation {
            let message = "the configuration was reloaded while the new process read it".to_owned();
            return Err(failed(message, "upgrade again"));
        }
        let hint = "is a limit on open files reached?";
        let lock = self.journal.lock().map_err(|error| failed(error.to_string(), hint))?;
        self.end_all_faults("upgrade: faults do not go to the next process", "ayad");
        // A stop from here on must not spoil the sockets for the other process.
        self.state.handed_over.store(true, Ordering::Release);
        self.upgrades.doors.send_replace(Doors::Waiting);
        self.state.events.hold(true);
        let handed = Handed {
            rev: self.state.rev(),
            seq: self.state.events.newest(),
            events: self.state.events.after(0, EVENTS_KEPT).0,
            learned: learned::of(&snapshot),
            chosen: self.autos.chosen(&snapshot),
            line: Line {
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
                since_ms: Some(self.serving_since_ms),
                generation: snapshot.generation,
            },
        };
        Ok((handed, lock))
    }

    /// The next process serves: this one finishes what it has.
    fn let_go(&mut self, pid: u32, ready: &Ready, wanted: &Wanted) {
        self.upgrades.doors.send_replace(Doors::Shut);
        self.upgrades.entrance = None;
        for binding in &self.state.snapshot.load().bindings {
            let is_taken = ready.taken.contains(&binding.address);
            binding.end(if is_taken { Ending::HandOver } else { Ending::Refuse });
        }
        tracing::info!(
            pid,
            by = wanted.by.name,
            "another process has taken over; this one finishes what it has"
        );
        // Streams and callers that wait for their next call end, and find the other process.
        self.state.events.close();
        if let Err(error) = sd_notify::notify(&[NotifyState::MainPid(pid)]) {
            tracing::debug!(%error, "systemd was not told");
        }
        // From here on it is the end like any other.
        if let Err(error) = signal_hook::low_level::raise(SIGTERM) {
            tracing::error!(%error, "this process has to be stopped by hand");
        }
    }
}
