//! `GET /v1/operations`.

use aya_api::error::ApiError;

use super::Control;
use super::server::Reply;

/// Answers with the journal, newest first.
pub(super) fn handle(control: &Control) -> Result<Reply, ApiError> {
    Reply::json(&control.journal.operations(), None)
}
