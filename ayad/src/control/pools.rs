//! `GET /v1/pools` and `GET /v1/pools/{pool}`.

use aya_api::error::ApiError;

use super::Control;
use super::call::Call;
use super::server::Reply;

/// Answers with all pools.
pub(super) fn handle_all(control: &Control) -> Result<Reply, ApiError> {
    Reply::json(&control.pool_views(&control.state.snapshot.load()), None)
}

/// Answers with one pool.
pub(super) fn handle_one(control: &Control, call: &Call) -> Result<Reply, ApiError> {
    let pool = control.find_pool(&call.values[0])?;
    Reply::json(&control.pool_view(&pool), Some(pool.rev))
}
