//! `GET /v1/status`.

use aya_api::error::{ApiError, ErrorCode};
use aya_api::view::{SPARK_POINTS, WINDOW_S};

use super::Control;
use super::call::Call;
use super::server::Reply;

/// Answers with everything an operator sees first, over the usual window or the one that is asked for.
pub(super) fn handle(control: &Control, call: &Call) -> Result<Reply, ApiError> {
    let mut status = control.status();
    let seconds = call.number("window_s")?.unwrap_or(u64::from(WINDOW_S));
    let seconds = usize::try_from(seconds).ok().filter(|seconds| (1..=SPARK_POINTS).contains(seconds));
    let seconds = seconds.ok_or_else(|| {
        let hint = format!("1 to {SPARK_POINTS} seconds are kept");
        ApiError::new(ErrorCode::BadValue, "window_s is out of range", hint)
    })?;
    if seconds != WINDOW_S as usize {
        control.narrow(&mut status.pools, seconds);
    }
    Reply::json(&status, None)
}
