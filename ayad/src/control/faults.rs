//! `/v1/faults`: faults that are injected, one by one.
//!
//! [`mod@start`] says whether one may be, [`book`] keeps who injected what, why and until when, [`watch`] ends what is over,
//! and [`figures`] is what stop conditions are judged by. What a fault does is in [`crate::chaos`]. All of it is in memory
//! alone: nothing is written down, nothing goes to the next process.

mod book;
mod figures;
mod fits;
mod start;
mod values;
mod watch;

use aya_api::error::{ApiError, ErrorCode};
use aya_api::fault::{ChaosLimits, ChaosView, FaultView};
use aya_api::run::LoadLimits;
use aya_core::chaos::caution::Limits;

pub(super) use self::book::Chaos;
use super::call::Call;
use super::server::Reply;
use super::{Control, suggest};
use crate::chaos::put_back;
use crate::clock;

/// Answers with the faults that are injected, and with those that ended when asked for.
pub(super) fn handle_all(control: &Control, call: &Call) -> Result<Reply, ApiError> {
    let mut faults = control.chaos.active_views();
    match call.query.get("all").map(String::as_str) {
        None | Some("0" | "false") => {}
        Some("1" | "true" | "") => faults.extend(control.chaos.ended.iter().cloned()),
        Some(other) => {
            let message = format!("all is \"{other}\"");
            return Err(ApiError::new(ErrorCode::BadRequest, message, "write all=1"));
        }
    }
    Reply::json(&faults, None)
}

/// Answers with one fault.
pub(super) fn handle_one(control: &Control, call: &Call) -> Result<Reply, ApiError> {
    Reply::json(&control.find_fault(&call.values[0])?, None)
}

/// Injects a fault, or says whom it would hit.
pub(super) fn start(control: &mut Control, call: &Call) -> Result<Reply, ApiError> {
    let body = call.parse()?;
    Reply::json(&control.start_fault(body, call)?, None)
}

/// Keeps an attached fault alive.
pub(super) fn renew(control: &mut Control, call: &Call) -> Result<Reply, ApiError> {
    let [id, _] = &call.values;
    let view = control.find_fault(id)?;
    if let Some(ended_by) = view.ended_by {
        let message = format!("the fault {id} has ended: {ended_by}");
        return Err(ApiError::new(ErrorCode::Conflict, message, "inject it again if it is still wanted"));
    }
    if !control.chaos.renew(id, clock::now()) {
        let message = format!("the fault {id} is not attached: it goes on until it is over or stopped");
        return Err(ApiError::new(ErrorCode::BadRequest, message, "give lease_ms when it is injected"));
    }
    Reply::json(&control.find_fault(id)?, None)
}

/// Ends a fault.
pub(super) fn stop(control: &mut Control, call: &Call) -> Result<Reply, ApiError> {
    let [id, _] = &call.values;
    let view = control.find_fault(id)?;
    if call.options.dry_run || view.ended_ms.is_some() {
        return Reply::json(&view, None);
    }
    control.end_fault(id, &stopped(call), &call.by.name);
    Reply::json(&control.find_fault(id)?, None)
}

/// Ends all faults.
pub(super) fn stop_all(control: &mut Control, call: &Call) -> Result<Reply, ApiError> {
    if call.options.dry_run {
        return Reply::json(&control.chaos.active_views(), None);
    }
    Reply::json(&control.end_all_faults(&stopped(call), &call.by.name), None)
}

fn stopped(call: &Call) -> String {
    let why = call.options.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("stopped by {}{why}", call.by.name)
}

impl Control {
    /// Faults that are injected, and what limits them.
    pub fn chaos_view(&self) -> ChaosView {
        let snapshot = self.state.snapshot.load();
        let conf = &snapshot.chaos;
        ChaosView {
            allowed: conf.allow,
            lock: self.chaos.lock.clone(),
            longest_ms: conf.longest.as_millis() as u64,
            limits: shown(conf.limits),
            max_faults: conf.max_faults,
            load: LoadLimits { allow: conf.load.allow.clone(), max_rate: conf.load.max_rate.map(f64::from) },
            faults: self.chaos.active_views(),
            ended: self.chaos.ended.iter().cloned().collect(),
        }
    }

    fn find_fault(&self, id: &str) -> Result<FaultView, ApiError> {
        self.chaos.view(id).ok_or_else(|| {
            let known: Vec<String> = self.chaos.ids();
            let hint = suggest(id, known.iter().map(String::as_str));
            ApiError::new(ErrorCode::NotFound, format!("no fault \"{id}\""), hint)
        })
    }

    /// Ends all faults at once, and gives them.
    pub(super) fn end_all_faults(&mut self, cause: &str, by: &str) -> Vec<FaultView> {
        let snapshot = self.state.snapshot.load_full();
        // Nobody is hit any more from here on; the rest is book-keeping.
        self.state.faults.end_all(&snapshot);
        put_back(&self.state);
        let ids: Vec<String> = self.chaos.active.iter().map(|entry| entry.id.clone()).collect();
        ids.iter().filter_map(|id| self.end_fault(id, cause, by)).collect()
    }

    /// Ends the faults that are part of a run.
    pub(super) fn end_faults_of_run(&mut self, run: &str, how: &str) {
        let of_run = |body: &aya_api::fault::FaultBody| body.run.as_deref() == Some(run);
        let ids = self.chaos.active.iter().filter(|entry| of_run(&entry.body)).map(|entry| entry.id.clone());
        for id in ids.collect::<Vec<_>>() {
            self.end_fault(&id, &format!("the run {run} is {how}"), "ayad");
        }
    }
}

/// Limits as they are told.
fn shown(limits: Limits) -> ChaosLimits {
    let Limits { max_backends, max_traffic, min_ready, max_held } = limits;
    ChaosLimits { max_backends, max_traffic, min_ready, max_held }
}
