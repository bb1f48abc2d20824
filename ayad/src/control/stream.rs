//! `GET /v1/stream`.
//!
//! Streams last, so they have a limit of their own, far below that of connections: however many there are, other
//! calls are answered.

use std::sync::Arc;
use std::time::Duration;

use aya_api::error::{ApiError, ErrorCode};
use aya_api::event::StreamItem;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::Control;
use super::call::Call;
use super::server::Reply;
use crate::state::State;

/// Streams at once.
pub(super) const MAX_STREAMS: usize = 64;
/// Lines that may wait for a slow reader; behind them the ring of the event log is its buffer.
const QUEUE: usize = 64;
/// Events taken from the ring at once.
const BATCH: usize = 256;
/// Silence after which a line says that the stream is alive.
const IDLE: Duration = Duration::from_secs(10);

/// Answers with events as they happen.
pub(super) fn handle(control: &Control, call: &Call) -> Result<Reply, ApiError> {
    let place = Arc::clone(&control.streams).try_acquire_owned().map_err(|_| {
        let message = format!("{MAX_STREAMS} streams are open, and that is the limit");
        let hint = "end one of them, or ask for /v1/events now and then";
        ApiError::new(ErrorCode::Unavailable, message, hint)
    })?;
    let newest = control.state.events.newest();
    // Numbers of an earlier process mean nothing here: such a reader starts with what is kept.
    let since = match call.number("since")? {
        Some(since) if since > newest => 0,
        Some(since) => since,
        None => newest,
    };
    let (lines, receiver) = mpsc::channel(QUEUE);
    tokio::task::spawn_local(push(Arc::clone(&control.state), since, lines, place));
    Ok(Reply::Lines(receiver))
}

/// Pushes until the reader is gone or the daemon ends. Waits for the reader, never for the log.
async fn push(state: Arc<State>, mut since: u64, lines: mpsc::Sender<Bytes>, _place: OwnedSemaphorePermit) {
    let mut newer = state.events.watch();
    loop {
        let (events, missed) = state.events.after(since, BATCH);
        if missed > 0 && say(&lines, &StreamItem::Gap { missed, next: since + missed + 1 }).await.is_err() {
            return;
        }
        if events.is_empty() {
            if state.events.is_closed() {
                return;
            }
            let waited = tokio::select! {
                waited = tokio::time::timeout(IDLE, newer.wait_for(|newest| *newest > since || state.events.is_closed())) => waited,
                () = lines.closed() => return,
            };
            if waited.is_err() && say(&lines, &StreamItem::Idle { seq: since }).await.is_err() {
                return;
            }
            continue;
        }
        for event in events {
            since = event.seq;
            if say(&lines, &StreamItem::Event(event)).await.is_err() {
                return;
            }
        }
    }
}

async fn say(lines: &mpsc::Sender<Bytes>, item: &StreamItem) -> Result<(), ()> {
    let mut line = serde_json::to_vec(item).map_err(drop)?;
    line.push(b'\n');
    lines.send(line.into()).await.map_err(drop)
}
