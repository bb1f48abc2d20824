//! Step 6: which backend gets the request. The decision is made in `aya-core`; here a place is taken in it.

use aya_core::hash::hash64;
use aya_core::pick::{Ask, Tried};
use aya_core::sticky;

use super::between::{Binding, Bound, Hit, Identity, Picked, Request, Target};
use super::exchange::{Exchange, Place};
use super::worker::Worker;
use crate::clock;
use crate::config::{HashBy, Sticky};
use crate::h1::Known;

/// Reads what binds the client, before the head is rewritten.
pub(super) fn binding(hit: &Hit, identity: &Identity, request: &Request<'_>, target: &Target<'_>) -> Binding {
    let kind = match &hit.pool.conf.sticky {
        None => Bound::Free,
        Some(Sticky::Source) => Bound::Source,
        Some(Sticky::Cookie(name)) => {
            Bound::Cookie(token(request.head.fields.all(request.bytes, Known::Cookie), name))
        }
    };
    Binding { key: key(hit, identity, request, target), source: identity.key, kind }
}

/// What algorithms hash the request by: as the pool says, or by the client's address where the request has no such
/// part.
fn key(hit: &Hit, identity: &Identity, request: &Request<'_>, target: &Target<'_>) -> u64 {
    let part = match &hit.pool.conf.division.hash {
        HashBy::Source => None,
        HashBy::Path => Some(target.path.as_bytes()),
        HashBy::Header(name) => request.head.fields.find(request.bytes, name),
        HashBy::Cookie(name) => cookies(request.head.fields.all(request.bytes, Known::Cookie), name)
            .find(|value| !value.is_empty()),
        HashBy::Query(name) => parameter(request.head.query.of(request.bytes), name),
    };
    part.map_or(identity.key, hash64)
}

/// The value of the first parameter of this name in a query.
fn parameter<'r>(query: &'r [u8], name: &str) -> Option<&'r [u8]> {
    let query = query.strip_prefix(b"?").unwrap_or(query);
    let mut pairs = query.split(|b| *b == b'&');
    pairs.find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// Picks a backend that was not tried and takes a place in it. `None` when no backend is eligible.
/// Neither locks nor allocates.
pub(super) fn pick(hit: &Hit, binding: &Binding, tried: &Tried, exchange: &mut Exchange) -> Option<Picked> {
    // The clock read at the beginning is young enough to decide by, except after a failed attempt.
    let now = if tried.is_empty() { exchange.started } else { clock::now() };
    if let Some(picked) = bound(hit, binding, tried, exchange, now) {
        return Some(picked);
    }
    let ask = Ask::any(now, binding.key, tried);
    // A backend can leave between pick and take; every other one is left to be picked again.
    for _ in 0..=hit.pool.backends.len() {
        let picked = Worker::with(|worker| worker.pick(hit, &ask))?;
        if let Some(place) = Place::take_picked(&hit.pool, picked, exchange.client.worker, now) {
            exchange.attempts += 1;
            let bind = matches!(binding.kind, Bound::Cookie(_));
            return Some(Picked { place: place.by(hit.rule), index: picked.0.index, bind });
        }
    }
    None
}

/// True when a backend that was not tried could be picked now.
pub(super) fn has_other(hit: &Hit, tried: &Tried) -> bool {
    let now = clock::now();
    hit.pool.loads.iter().enumerate().any(|(index, load)| !tried.contains(index) && load.eligible(now))
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
        Bound::Source => sticky::by_source(loads, binding.source, now, tried),
        Bound::Cookie(Some(token)) => sticky::by_token(loads, token, now, tried),
    }?;
    let place = Place::take(&hit.pool, index, exchange.client.worker, now, true)?;
    if place.backend().load.honours_sticky() {
        place.backend().bound_request(now);
    }
    exchange.attempts += 1;
    Some(Picked { place: place.by(hit.rule), index, bind: false })
}

/// The first readable token in a cookie of this name; other cookies may hold any bytes.
fn token<'r>(fields: impl Iterator<Item = &'r [u8]>, name: &str) -> Option<u64> {
    cookies(fields, name).find_map(sticky::decode)
}

/// The values of all cookies of this name.
fn cookies<'r>(fields: impl Iterator<Item = &'r [u8]>, name: &str) -> impl Iterator<Item = &'r [u8]> {
    let pairs = fields.flat_map(|field| field.split(|b| *b == b';')).map(<[u8]>::trim_ascii);
    pairs.filter_map(move |pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let hex = String::from_utf8(sticky::encode(42).to_vec()).unwrap();
        let second = format!("b=2; aya={hex}; c=3");
        let fields = || [b"a=1".as_slice(), second.as_bytes()].into_iter();

        assert_eq!(token(fields(), "aya"), Some(42));
        assert_eq!(token(fields(), "ay"), None);
        assert_eq!(token(fields(), "b"), None);

        let field = [b"name=Jos\xc3\xa9; aya=stale; aya=", hex.as_bytes()].concat();
        assert_eq!(token([field.as_slice()].into_iter(), "aya"), Some(42));
    }
}
