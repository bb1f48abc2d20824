//! `GET /v1/events`.

use aya_api::error::ApiError;

use super::Control;
use super::call::Call;
use super::server::Reply;
use crate::state::EVENTS_KEPT;

/// Answers with the events still kept.
pub(super) fn handle(control: &Control, call: &Call) -> Result<Reply, ApiError> {
    let since = call.number("since")?.unwrap_or(0);
    Reply::json(&control.state.events.after(since, EVENTS_KEPT).0, None)
}
