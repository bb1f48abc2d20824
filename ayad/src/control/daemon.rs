//! `GET /v1/daemon`.

use aya_api::error::ApiError;

use super::Control;
use super::server::Reply;

/// Answers with the process.
pub(super) fn handle(control: &Control) -> Result<Reply, ApiError> {
    Reply::json(&control.daemon_view(), None)
}
