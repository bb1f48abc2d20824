//! Connections on which no request could be read: what they are told, and what is remembered of them.

use std::time::Duration;

use aya_core::reason::Reason;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::client::Client;
use super::words;
use crate::log::LogLine;

/// Longest time to hand over an error on a connection that is being closed.
const LAST_WORDS: Duration = Duration::from_secs(1);

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

/// Says why a connection is closed, and closes it.
pub(super) async fn last_words(mut stream: impl AsyncWrite + Unpin, reason: Reason) {
    let said = tokio::time::timeout(LAST_WORDS, async {
        stream.write_all(&words::raw(reason)).await?;
        stream.shutdown().await
    });
    if let Ok(Err(error)) = said.await {
        tracing::debug!(%error, "the client left before it was told why");
    }
}
