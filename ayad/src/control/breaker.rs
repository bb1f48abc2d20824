//! `PUT /v1/backends/{pool}/{backend}/breaker` and `POST …/breaker/reset`.

use aya_api::change::Change;
use aya_api::command::breaker::BreakerBody;
use aya_api::error::ApiError;

use super::Control;
use super::call::Call;
use super::orders::Order;

/// Forces, holds or releases the breaker of a backend.
pub(super) fn handle(control: &mut Control, call: &Call) -> Result<Change, ApiError> {
    let BreakerBody { order } = call.parse()?;
    control.order(&Order::Breaker { id: call.backend_id(), order }, &call.by, &call.options)
}

/// Forgets what was learned about a backend.
pub(super) fn reset(control: &mut Control, call: &Call) -> Result<Change, ApiError> {
    control.order(&Order::Reset { id: call.backend_id() }, &call.by, &call.options)
}
