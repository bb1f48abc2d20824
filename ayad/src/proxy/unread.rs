//! Connections on which no request could be read: what is remembered of them.

use aya_core::reason::Reason;

use super::client::Client;
use crate::log::LogLine;

/// Remembers bytes that were no request.
pub(super) fn remember(client: &Client, reason: Reason) {
    let state = &client.state;
    let counters = &state.counters[client.worker];
    counters.refused(reason);
    counters.responded(reason.status());
    if state.access_log.is_on() {
        state.access_log.write(&LogLine::unreadable(client, reason));
    }
}
