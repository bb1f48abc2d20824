//! `PUT /v1/backends/{pool}/{backend}/admin`.

use aya_api::change::Change;
use aya_api::command::admin::AdminBody;
use aya_api::error::ApiError;

use super::Control;
use super::call::Call;
use super::orders::Order;

/// Drains a backend, takes it out of service, or makes it ready.
pub(super) fn handle(control: &mut Control, call: &Call) -> Result<Change, ApiError> {
    let AdminBody { state, sticky } = call.parse()?;
    control.order(&Order::Admin { id: call.backend_id(), state, sticky }, &call.by, &call.options)
}
