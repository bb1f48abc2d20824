//! `/v1/faults`: faults that are injected, one by one.

use aya_api::error::{ApiError, ErrorCode};
use aya_api::fault::LockView;

use super::Control;
use super::call::Call;
use super::server::Reply;

/// What the control thread knows of faults.
#[derive(Debug, Default)]
pub(super) struct Chaos {
    /// Set while nobody may inject.
    pub(super) lock: Option<LockView>,
}

fn none() -> ApiError {
    ApiError::new(ErrorCode::Unavailable, "no fault is injected by this version", "take a newer one")
}

pub(super) fn handle_all(control: &Control, _call: &Call) -> Result<Reply, ApiError> {
    Reply::json(&control.chaos_view().faults, None)
}

pub(super) fn handle_one(_control: &Control, _call: &Call) -> Result<Reply, ApiError> {
    Err(none())
}

pub(super) fn start(_control: &mut Control, _call: &Call) -> Result<Reply, ApiError> {
    Err(none())
}

pub(super) fn renew(_control: &mut Control, _call: &Call) -> Result<Reply, ApiError> {
    Err(none())
}

pub(super) fn stop(_control: &mut Control, _call: &Call) -> Result<Reply, ApiError> {
    Err(none())
}

pub(super) fn stop_all(control: &mut Control, call: &Call) -> Result<Reply, ApiError> {
    control.end_all_faults("stopped", &call.by.name);
    Reply::json(&control.chaos_view().faults, None)
}

impl Control {
    pub(super) fn end_all_faults(&mut self, _cause: &str, _by: &str) {}

    pub(super) fn end_faults_of_run(&mut self, _run: &str, _how: &str) {}
}
