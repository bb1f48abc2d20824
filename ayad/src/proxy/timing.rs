//! The times of a request's parts, told in its answer to a load test that asks for them.

use std::fmt::Write as _;

use aya_core::time::Tick;

use super::between::Request;
use super::exchange::Exchange;
use crate::h1::Known;
use crate::queue::Queue;

/// True when the request comes from a load test that was told of. Costs one comparison for all others.
#[inline]
pub(super) fn is_asked_for(exchange: &Exchange, request: &Request<'_>) -> bool {
    request.head.fields.has(Known::Load)
        && request.get(Known::Load).is_some_and(|id| exchange.client.state.load_runs.knows(id))
}

/// Adds the field `server-timing` (W3C Server Timing), in milliseconds: until the first backend was picked, attempts that
/// failed with the waits between them, and the last attempt until the head of its answer, with its backend.
#[cold]
pub(super) fn tell(exchange: &Exchange, now: Tick, out: &mut Queue) {
    let Some(place) = &exchange.place else { return };
    let begun = place.since();
    let picked = exchange.steps.picked.unwrap_or(begun).min(begun);
    let ms = |from: Tick, until: Tick| until.since(from).as_secs_f64() * 1e3;
    let (queue, retries, backend) = (ms(exchange.started, picked), ms(picked, begun), ms(begun, now));
    // A name from the configuration may hold anything; a quoted string may not.
    let name: String =
        place.backend().id.chars().filter(|c| c.is_ascii_graphic() && !"\"\\".contains(*c)).collect();
    write!(
        out,
        "server-timing: queue;dur={queue:.3}, retries;dur={retries:.3}, backend;dur={backend:.3};desc=\"{name}\"\r\n"
    )
    .expect("memory takes any text");
}
