//! `POST /v1/reload`, and the signal that asks for the same.
//!
//! The file is read and checked, names are resolved and sockets bound before anything changes. What fails
//! changes nothing; the reason is answered, logged, and stays visible in the status until a reload succeeds.
//!
//! One reload runs at a time. Whoever asks meanwhile may mean a newer file than the one it has read, so one more
//! run follows, for all of them together: nobody is refused, and the last file is always the one in force. A run that
//! takes longer than `daemon.load_timeout` fails, and the next one is not kept waiting.

use std::rc::Rc;
use std::sync::Arc;

use aya_api::SCHEMA_VERSION;
use aya_api::change::Change;
use aya_api::error::{ApiError, ErrorCode};
use aya_api::event::Severity;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinError;

use super::apply::{self, Before, Prepared};
use super::call::Call;
use super::peer::Actor;
use super::server::Reply;
use super::{Control, Shared};
use crate::config::{Config, Kept, Problems};
use crate::state::NewEvent;

/// Readings of the configuration at once, also those that hang and that nobody waits for any more.
const MAX_READERS: usize = 8;
/// What to do about a reading that hangs.
const HANGS: &str = "is one of its files a pipe, or on a mount that hangs? or do host names not resolve?";

/// Reloads that were asked for.
#[derive(Debug)]
pub(super) struct Reloads {
    running: bool,
    readers: Arc<Semaphore>,
    kept: Arc<Kept>,
    /// To be answered by the next run; at most one for each connection, and one for signals.
    waiting: Vec<Asked>,
}

impl Reloads {
    /// None was asked for yet; `kept` is of the first reading.
    pub(super) fn new(kept: Arc<Kept>) -> Self {
        Self { running: false, readers: Arc::new(Semaphore::new(MAX_READERS)), kept, waiting: Vec::new() }
    }
}

/// Somebody who asked for a reload.
#[derive(Debug)]
struct Asked {
    by: Actor,
    reason: Option<String>,
    /// Absent for signals, which nobody waits for.
    answer: Option<oneshot::Sender<Result<Change, ApiError>>>,
}

/// Reloads, or with a dry run says what that would change.
pub(super) async fn handle(shared: &Shared, call: &Call) -> Result<Reply, ApiError> {
    if call.options.for_ms.is_some() {
        let hint = "leave out for_ms; put the old file back to revert";
        return Err(ApiError::new(ErrorCode::BadRequest, "a reload has no time limit", hint));
    }
    let change = if call.options.dry_run {
        let config = load(shared).await?;
        let control = shared.borrow();
        control.prepare(config).map(|prepared| control.outcome(&prepared))?
    } else {
        let (answer, answered) = oneshot::channel();
        let (by, reason) = (call.by.clone(), call.options.reason.clone());
        ask(shared, Asked { by, reason, answer: Some(answer) });
        answered.await.unwrap_or_else(|_| Err(defect("the reload broke off")))?
    };
    Reply::json(&change, Some(change.rev))
}

/// Reloads because of SIGHUP. Whatever comes of it is an event.
pub(super) fn by_signal(shared: &Shared) {
    let is_waiting = shared.borrow().reloads.waiting.iter().any(|asked| asked.answer.is_none());
    if !is_waiting {
        ask(shared, Asked { by: Actor::daemon("SIGHUP"), reason: None, answer: None });
    }
}

/// Has the next run answer. It goes on when whoever asked does not wait for it.
fn ask(shared: &Shared, asked: Asked) {
    let mut control = shared.borrow_mut();
    control.reloads.waiting.push(asked);
    if !std::mem::replace(&mut control.reloads.running, true) {
        tokio::task::spawn_local(run(Rc::clone(shared)));
    }
}

/// Runs until nobody waits any more.
async fn run(shared: Shared) {
    loop {
        let asked = {
            let mut control = shared.borrow_mut();
            let asked = std::mem::take(&mut control.reloads.waiting);
            control.reloads.running = !asked.is_empty();
            asked
        };
        if asked.is_empty() {
            return;
        }
        let loaded = load(&shared).await;
        let result = shared.borrow_mut().reload(loaded, &asked);
        for answer in asked.into_iter().filter_map(|asked| asked.answer) {
            if answer.send(result.clone()).is_err() {
                tracing::debug!("whoever asked for a reload has stopped waiting");
            }
        }
    }
}

/// Reads the configuration as it is now, on another thread. A file that cannot be read to its end (a pipe, a mount
/// that hangs) keeps that thread for as long as it likes, and nobody waits for it beyond `daemon.load_timeout`.
async fn load(shared: &Shared) -> Result<Config, ApiError> {
    let (source, env, limit, readers, kept) = {
        let control = shared.borrow();
        let limit = control.state.snapshot.load().daemon.load_timeout;
        let Reloads { readers, kept, .. } = &control.reloads;
        (control.source.clone(), control.env.clone(), limit, Arc::clone(readers), Arc::clone(kept))
    };
    let Ok(reader) = readers.try_acquire_owned() else {
        let message =
            format!("{MAX_READERS} earlier readings of the configuration still hang: nothing was changed");
        return Err(ApiError::new(ErrorCode::Unavailable, message, HANGS));
    };
    let reading = tokio::task::spawn_blocking(move || {
        let loaded = source.load(&env, &kept);
        drop(reader);
        loaded
    });
    let Ok(loaded) = tokio::time::timeout(limit, reading).await else {
        let message = format!(
            "the configuration could not be read within {} s: nothing was changed",
            limit.as_secs_f64()
        );
        return Err(ApiError::new(ErrorCode::Unavailable, message, HANGS));
    };
    let loaded: Result<Result<Config, Problems>, JoinError> = loaded;
    if shared.borrow().state.is_stopping() {
        let hint = "start it again; it reads the file then";
        return Err(ApiError::new(ErrorCode::Unavailable, "ayad is stopping: nothing was changed", hint));
    }
    match loaded {
        Ok(Ok(config)) => Ok(config),
        Ok(Err(problems)) => {
            let hint = "nothing was changed; see all problems with `ayad check FILE`";
            Err(ApiError::new(ErrorCode::BadConfig, problems.to_string(), hint))
        }
        Err(error) => Err(defect(error.to_string())),
    }
}

fn defect(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::Internal, message, "report this defect")
}

/// What these have in common, each said once.
fn joined<'a>(words: impl Iterator<Item = &'a str>, between: &str) -> String {
    let mut all: Vec<&str> = Vec::new();
    for word in words {
        if !all.contains(&word) {
            all.push(word);
        }
    }
    all.join(between)
}

impl Control {
    fn prepare(&self, mut config: Config) -> Result<Prepared, ApiError> {
        let snapshot = self.state.snapshot.load_full();
        let discovered = self.discovered_for(&mut config, &snapshot);
        let ordered = self.ordered_algorithms();
        let before = Before {
            snapshot: Some(&snapshot),
            open: Before::open_in(&snapshot),
            ending: &self.ending,
            workers: self.state.crew.len(),
            challenges: &self.state.challenges,
            ordered: &|pool| ordered.get(pool).copied(),
            next_rev: &|| self.state.next_rev(),
        };
        apply::prepare(config, &before)
            .map(|prepared| Prepared { discovered, ..prepared })
            .map_err(|error| ApiError::new(ErrorCode::Unavailable, error.to_string(), error.hint()))
    }

    fn reload(&mut self, loaded: Result<Config, ApiError>, asked: &[Asked]) -> Result<Change, ApiError> {
        let by = joined(asked.iter().map(|a| a.by.name.as_str()), ", ");
        let reason = joined(asked.iter().filter_map(|a| a.reason.as_deref()), "; ");
        let loaded = loaded.and_then(|config| self.check_in_charge().map(|()| config));
        match loaded.and_then(|config| self.prepare(config)) {
            Ok(prepared) => Ok(self.commit(prepared, by, &reason)),
            Err(error) => {
                self.refuse(&error, by);
                Err(error)
            }
        }
    }

    /// What applying it would do.
    fn outcome(&self, prepared: &Prepared) -> Change {
        let old = self.state.snapshot.load();
        let changed = !prepared.summary.is_empty();
        let generation = if changed { old.generation + 1 } else { old.generation };
        Change {
            schema_version: SCHEMA_VERSION,
            op: None,
            changed,
            dry_run: true,
            subject: "ayad".to_owned(),
            field: "config".to_owned(),
            before: format!("generation {}", old.generation),
            after: format!("generation {generation}: {}", summary(prepared)),
            undo: None,
            until_ms: None,
            rev: generation,
            warnings: prepared.warnings.clone(),
        }
    }

    fn commit(&mut self, prepared: Prepared, by: String, reason: &str) -> Change {
        let change = Change { dry_run: false, ..self.outcome(&prepared) };
        let summary = summary(&prepared);
        let before = self.state.snapshot.load().generation;
        self.install(prepared, change.rev);
        self.last_reload_error = None;
        let cause = if reason.is_empty() { summary } else { format!("{summary} ({reason})") };
        let event = NewEvent::new(Severity::Info, "reload", "ayad", cause)
            .change(before.to_string(), change.rev.to_string())
            .ordered(Some(by), None);
        self.state.events.push(event);
        change
    }

    fn install(&mut self, prepared: Prepared, generation: u64) {
        let Prepared { mut snapshot, served, opened, closed, removed, left, log, discovered, .. } = prepared;
        snapshot.generation = generation;
        let snapshot = Arc::new(snapshot);
        let weighed = self.journal.weighed();
        apply::refresh_backends(&snapshot, &|id| weighed.contains(id), &|| self.state.next_rev());
        self.state.snapshot.load().part_with(&removed);
        self.state.publish(&snapshot);
        self.state.access_log.switch(log);
        Prepared::serve(&snapshot, &served);
        for binding in &opened {
            self.state.crew.listen(binding);
        }
        Prepared::end(&self.state, &closed, &removed, &left);
        self.ending.retain(|binding| binding.is_in_use());
        self.ending.extend(closed);
        self.discovered_is(discovered);
        self.restore_missing();
        self.applied.send_modify(|count| *count += 1);
        self.moved.send_modify(|count| *count += 1);
    }

    fn refuse(&mut self, error: &ApiError, by: String) {
        let told = brief(&error.message);
        let cause = format!("refused, nothing was changed: {told}");
        self.last_reload_error = Some(told);
        let event = NewEvent::new(Severity::Error, "reload", "ayad", cause);
        self.state.events.push(event.ordered(Some(by), None));
    }
}

/// What events and status keep of an error: thousands of them are kept, and read together.
fn brief(message: &str) -> String {
    const MOST: usize = 2_000;
    if message.len() <= MOST {
        return message.to_owned();
    }
    let end = (0..=MOST).rev().find(|&end| message.is_char_boundary(end)).unwrap_or(0);
    let kept = &message[..end];
    format!("{kept}… ({} bytes more; `ayad check` tells all)", message.len() - kept.len())
}

fn summary(prepared: &Prepared) -> String {
    if prepared.summary.is_empty() { "nothing differs".to_owned() } else { prepared.summary.join(", ") }
}
