//! `PUT /v1/backends/{pool}/{backend}/weight`.

use aya_api::change::Change;
use aya_api::command::weight::WeightBody;
use aya_api::error::ApiError;

use super::Control;
use super::call::Call;
use super::orders::Order;

/// Changes the weight of a backend.
pub(super) fn handle(control: &mut Control, call: &Call) -> Result<Change, ApiError> {
    let WeightBody { weight } = call.parse()?;
    control.order(&Order::Weight { id: call.backend_id(), weight }, &call.by, &call.options)
}
