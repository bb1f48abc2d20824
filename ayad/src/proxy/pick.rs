//! Step 6: which backend gets the request. The decision is made in `aya-core`; here a place is taken in it.

use aya_core::pick::{Ask, Tried};
use aya_core::sticky;
use http::HeaderMap;
use http::header::COOKIE;

use super::between::{Hit, Identity, Picked};
use super::exchange::{Exchange, Place};
use super::worker::Worker;
use crate::clock;
use crate::config::Sticky;

/// What binds this client to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    key: u64,
    kind: Bound,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Free,
    Source,
    /// The token in the cookie, when there is a readable one.
    Cookie(Option<u64>),
}

/// Reads what binds the client, before the head is rewritten.
pub(super) fn binding(hit: &Hit, identity: &Identity, headers: &HeaderMap) -> Binding {
    let kind = match &hit.pool.conf.sticky {
        None => Bound::Free,
        Some(Sticky::Source) => Bound::Source,
        Some(Sticky::Cookie(name)) => Bound::Cookie(token(headers, name)),
    };
    Binding { key: identity.key, kind }
}

/// Picks a backend that was not tried and takes a place in it. `None` when no backend is eligible.
/// Neither locks nor allocates.
pub(super) fn pick(hit: &Hit, binding: &Binding, tried: &Tried, exchange: &mut Exchange) -> Option<Picked> {
    // The clock read at the beginning is young enough to decide by, except after a failed attempt.
    let now = if tried.is_empty() { exchange.started } else { clock::now() };
    if let Some(picked) = bound(hit, binding, tried, exchange, now) {
        return Some(picked);
    }
    let ask = Ask { now, key: binding.key, tried };
    // A backend can leave between pick and take; every other one is left to be picked again.
    for _ in 0..=hit.pool.backends.len() {
        let index = Worker::with(|worker| worker.pick(&hit.pool, hit.position, &ask))?;
        if let Some(place) = Place::take(&hit.pool, index, exchange.client.worker, now, false) {
            exchange.attempts += 1;
            return Some(Picked { place, index, bind: matches!(binding.kind, Bound::Cookie(_)) });
        }
    }
    None
}

fn bound(
    hit: &Hit,
    binding: &Binding,
    tried: &Tried,
    exchange: &mut Exchange,
    now: aya_core::time::Tick,
) -> Option<Picked> {
    let loads = &hit.pool.loads;
    let index = match binding.kind {
        Bound::Free | Bound::Cookie(None) => None,
        Bound::Source => sticky::by_source(loads, binding.key, now, tried),
        Bound::Cookie(Some(token)) => sticky::by_token(loads, token, now, tried),
    }?;
    let place = Place::take(&hit.pool, index, exchange.client.worker, now, true)?;
    if place.backend.load.honours_sticky() {
        place.backend.bound_request(now);
    }
    exchange.attempts += 1;
    Some(Picked { place, index, bind: false })
}

/// The first readable token in a cookie of this name; other cookies may hold any bytes.
fn token(headers: &HeaderMap, name: &str) -> Option<u64> {
    let fields = headers.get_all(COOKIE).iter();
    let pairs = fields.flat_map(|field| field.as_bytes().split(|b| *b == b';')).map(<[u8]>::trim_ascii);
    let mut values = pairs.filter_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    values.find_map(sticky::decode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let hex = String::from_utf8(sticky::encode(42).to_vec()).unwrap();
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=1".parse().unwrap());
        headers.append(COOKIE, format!("b=2; aya={hex}; c=3").parse().unwrap());

        assert_eq!(token(&headers, "aya"), Some(42));
        assert_eq!(token(&headers, "ay"), None);
        assert_eq!(token(&headers, "b"), None);

        let mut headers = HeaderMap::new();
        let field = [b"name=Jos\xc3\xa9; aya=stale; aya=", hex.as_bytes()].concat();
        headers.append(COOKIE, http::HeaderValue::from_bytes(&field).unwrap());
        assert_eq!(token(&headers, "aya"), Some(42));
    }
}
