//! Step 9: what is remembered of a request: counters, latencies, breaker, access log. Once for each request.

use aya_core::reason::{Blame, Reason};
use aya_core::time::Tick;

use super::exchange::Exchange;
use super::trace;
use crate::log::LogLine;

/// Remembers a request that is over.
pub(super) fn record(exchange: &mut Exchange, now: Tick) {
    let state = &exchange.client.state;
    let counters = &state.counters[exchange.client.worker];
    exchange.client.listener.cell.finished(exchange.client.worker);
    let status = exchange.status;
    if status != 0 {
        counters.responded(status);
    }
    if let Some(reason) = exchange.reason {
        counters.refused(reason);
    }
    counters.transferred(exchange.bytes_received, exchange.bytes_sent);
    if let Some(place) = exchange.place.as_ref().filter(|_| !exchange.is_measured) {
        match exchange.reason.map(Reason::blame) {
            // Neither the client's nor our own doing says anything about the backend.
            Some(Blame::Client | Blame::Proxy) => {}
            Some(Blame::Backend) => exchange.note_result(place, now, false),
            None => exchange.note_result(place, now, status < 500 && !exchange.is_failure),
        }
    }
    trace::keep(exchange, now);
    if let Some(draft) = exchange.draft.take().filter(|_| state.access_log.is_on()) {
        state.access_log.write(&LogLine::of(&draft, exchange, now));
    } else if exchange.attempts == 0
        && let (Some(reason), Some(rule)) = (exchange.reason, &exchange.cause)
        && state.access_log.is_on()
    {
        // It was refused before anything of it was taken down.
        state.access_log.write(&LogLine::unreadable(&exchange.client, reason, Some(rule)));
    }
}
