//! Connections on which no request could be read: what is remembered of them.

use aya_core::reason::Reason;

use super::client::Client;
use crate::log::LogLine;

/// Remembers a connection that was ended for what came on it, without an answer.
pub(super) fn ended(client: &Client, reason: Reason) {
    client.state.counters[client.worker].refused(reason);
    tracing::debug!(peer = %client.peer, reason = reason.as_str(), "a connection was ended");
}

/// Remembers bytes that were no request, and the rule they broke.
pub(super) fn remember(client: &Client, reason: Reason, rule: Option<&'static str>) {
    let state = &client.state;
    let counters = &state.counters[client.worker];
    counters.refused(reason);
    counters.responded(reason.status());
    if state.access_log.is_on() {
        state.access_log.write(&LogLine::unreadable(client, reason, rule));
    }
}

/// As [`remember`], of a connection that could not be answered in HTTP; `detail` says what went wrong.
pub(super) fn untold(client: &Client, reason: Reason, detail: &str) {
    ended(client, reason);
    let access_log = &client.state.access_log;
    if access_log.is_on() {
        access_log.write(&LogLine::untold(client, reason, detail));
    }
}
