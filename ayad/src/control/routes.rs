//! `GET /v1/routes`.

use aya_api::error::ApiError;

use super::server::Reply;
use super::{Control, view};

/// Answers with all routes, in the order in which they are tried.
pub(super) fn handle(control: &Control) -> Result<Reply, ApiError> {
    Reply::json(&view::routes(&control.state.snapshot.load()), None)
}
