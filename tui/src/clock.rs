//! The one file of the dashboard that reads the clock; everything else gets the time in messages.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, as in the API. A clock before 1970 reads as 0: ages are then 0, nothing fails.
#[expect(clippy::disallowed_methods, reason = "the owning file; everyone else gets the time in messages")]
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
