//! `GET /v1/backends` and `GET /v1/backends/{pool}/{backend}`.

use aya_api::error::{ApiError, ErrorCode};
use aya_api::view::BackendView;

use super::Control;
use super::call::Call;
use super::server::Reply;

/// Answers with all backends of all pools.
pub(super) fn handle_all(control: &Control) -> Result<Reply, ApiError> {
    let pools = control.pool_views(&control.state.snapshot.load());
    let all: Vec<BackendView> = pools.into_iter().flat_map(|p| p.backends).collect();
    Reply::json(&all, None)
}

/// Answers with one backend and its past.
pub(super) fn handle_one(control: &Control, call: &Call) -> Result<Reply, ApiError> {
    let backend = control.find_backend(&call.backend_id())?;
    let pool = control.find_pool(&backend.pool)?;
    let detail = control.backend_detail(&backend, &control.pool_view(&pool)).ok_or_else(|| {
        // The configuration changed between the two look-ups.
        ApiError::new(ErrorCode::NotFound, format!("{} is gone", backend.id), "ask again")
    })?;
    Reply::json(&detail, Some(detail.backend.rev))
}
