//! `GET /v1/status`.

use aya_api::error::ApiError;

use super::Control;
use super::server::Reply;

/// Answers with everything an operator sees first.
pub(super) fn handle(control: &Control) -> Result<Reply, ApiError> {
    Reply::json(&control.status(), None)
}
