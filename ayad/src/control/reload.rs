//! `POST /v1/reload`, and the signal that asks for the same.
//!
//! The file is read and checked, names are resolved and sockets bound before anything changes. What fails
//! changes nothing; the reason is answered, logged, and stays visible in the status until a reload succeeds.

use std::sync::Arc;

use aya_api::SCHEMA_VERSION;
use aya_api::change::Change;
use aya_api::error::{ApiError, ErrorCode};
use aya_api::event::Severity;

use super::apply::{self, Before, Prepared};
use super::call::Call;
use super::peer::Actor;
use super::server::Reply;
use super::{Control, Shared};
use crate::config::Config;
use crate::state::{NewEvent, WorkerOrder};

/// Reloads, or with a dry run says what that would change.
pub(super) async fn handle(shared: &Shared, call: &Call) -> Result<Reply, ApiError> {
    if call.options.for_ms.is_some() {
        let hint = "leave out for_ms; put the old file back to revert";
        return Err(ApiError::new(ErrorCode::BadRequest, "a reload has no time limit", hint));
    }
    let change = reload(shared, &call.by, call.options.dry_run, call.options.reason.as_deref()).await?;
    Reply::json(&change, Some(change.rev))
}

/// Reloads because of SIGHUP. Whatever comes of it is an event.
pub(super) async fn by_signal(shared: Shared) {
    if let Err(error) = reload(&shared, &Actor::daemon("SIGHUP"), false, None).await {
        tracing::debug!(%error, "the reload was refused");
    }
}

async fn reload(
    shared: &Shared,
    by: &Actor,
    dry_run: bool,
    reason: Option<&str>,
) -> Result<Change, ApiError> {
    let loading = {
        let mut control = shared.borrow_mut();
        if std::mem::replace(&mut control.reloading, true) {
            let hint = "wait for it to end";
            return Err(ApiError::new(ErrorCode::Unavailable, "another reload is under way", hint));
        }
        let (source, env) = (control.source.clone(), control.env.clone());
        tokio::task::spawn_blocking(move || source.load(&env))
    };
    let loaded = loading.await;
    let mut control = shared.borrow_mut();
    control.reloading = false;
    let prepared = match loaded {
        Ok(Ok(config)) => control.prepare(config),
        Ok(Err(problems)) => {
            let hint = "nothing was changed; see all problems with `ayad check FILE`";
            Err(ApiError::new(ErrorCode::BadConfig, problems.to_string(), hint))
        }
        Err(error) => Err(ApiError::new(ErrorCode::Internal, error.to_string(), "report this defect")),
    };
    match prepared {
        Ok(prepared) => Ok(control.commit(prepared, by, dry_run, reason)),
        Err(error) => {
            if !dry_run {
                control.refuse(&error, by);
            }
            Err(error)
        }
    }
}

impl Control {
    fn prepare(&self, config: Config) -> Result<Prepared, ApiError> {
        let snapshot = self.state.snapshot.load_full();
        let before = Before {
            snapshot: Some(&snapshot),
            workers: self.workers.len(),
            ordered: &|pool| self.ordered_algorithm(pool),
            next_rev: &|| self.state.next_rev(),
        };
        apply::prepare(config, &before)
            .map_err(|error| ApiError::new(ErrorCode::Unavailable, error.to_string(), error.hint()))
    }

    fn commit(&mut self, prepared: Prepared, by: &Actor, dry_run: bool, reason: Option<&str>) -> Change {
        let old = self.state.snapshot.load_full();
        let changed = !prepared.summary.is_empty();
        let generation = if changed { old.generation + 1 } else { old.generation };
        let summary = if changed { prepared.summary.join(", ") } else { "nothing differs".to_owned() };
        let change = Change {
            schema_version: SCHEMA_VERSION,
            op: None,
            changed,
            dry_run,
            subject: "ayad".to_owned(),
            field: "config".to_owned(),
            before: format!("generation {}", old.generation),
            after: format!("generation {generation}: {summary}"),
            undo: None,
            until_ms: None,
            rev: generation,
            warnings: prepared.warnings.clone(),
        };
        if dry_run {
            return change;
        }
        self.install(prepared, generation);
        self.last_reload_error = None;
        let cause = reason.map_or_else(|| summary.clone(), |reason| format!("{summary} ({reason})"));
        let event = NewEvent::new(Severity::Info, "reload", "ayad", cause)
            .change(old.generation.to_string(), generation.to_string())
            .ordered(Some(by.name.clone()), None);
        self.state.events.push(event);
        change
    }

    fn install(&mut self, prepared: Prepared, generation: u64) {
        let Prepared { mut snapshot, sockets, removed, left, log, .. } = prepared;
        snapshot.generation = generation;
        let snapshot = Arc::new(snapshot);
        apply::refresh_backends(&snapshot, &|id| self.has_weight_order(id), &|| self.state.next_rev());
        self.state.snapshot.store(snapshot);
        self.state.access_log.switch(log);
        for (cell, worker, socket) in sockets {
            if self.workers[worker].send(WorkerOrder::Listen(cell, socket)).is_err() {
                tracing::error!(worker, "a worker has ended and cannot listen");
            }
        }
        for cell in removed {
            cell.removed.send_replace(true);
        }
        // They have what they were given; nothing new comes, so idle connections are of no use.
        for backend in left {
            backend.close_idle();
        }
        self.restore_missing();
        self.applied.send_modify(|count| *count += 1);
    }

    fn refuse(&mut self, error: &ApiError, by: &Actor) {
        self.last_reload_error = Some(error.message.clone());
        let cause = format!("refused, nothing was changed: {}", error.message);
        let event = NewEvent::new(Severity::Error, "reload", "ayad", cause);
        self.state.events.push(event.ordered(Some(by.name.clone()), None));
    }
}
