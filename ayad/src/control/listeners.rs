//! `GET /v1/listeners`.

use aya_api::error::ApiError;

use super::Control;
use super::server::Reply;

/// Answers with all listeners.
pub(super) fn handle(control: &Control) -> Result<Reply, ApiError> {
    Reply::json(&control.listener_views(&control.state.snapshot.load()), None)
}
