//! `GET /v1/openapi.json`.

use aya_api::error::ApiError;

use super::server::Reply;

/// Answers with the description of this API.
pub(super) fn handle() -> Result<Reply, ApiError> {
    Reply::json(&aya_api::openapi::document(), None)
}
