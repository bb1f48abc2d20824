//! `PUT /v1/pools/{pool}/algorithm`.

use aya_api::change::Change;
use aya_api::command::algorithm::AlgorithmBody;
use aya_api::error::ApiError;

use super::Control;
use super::call::Call;
use super::orders::Order;

/// Changes the algorithm of a pool.
pub(super) fn handle(control: &mut Control, call: &Call) -> Result<Change, ApiError> {
    let AlgorithmBody { algorithm } = call.parse()?;
    control.order(
        &Order::Algorithm { pool: call.values[0].clone(), name: algorithm },
        &call.by,
        &call.options,
    )
}
