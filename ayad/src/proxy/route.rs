//! Step 3: which pool serves the request.

use std::net::IpAddr;
use std::sync::Arc;

use aya_core::auto::Request as Asking;
use aya_core::reason::Reason;
use aya_core::route::{Country, Facts, Field, Found};

use super::between::{Hit, Request, RouteId, Target};
use super::body::{Body, may_be_json};
use super::client::Client;
use super::worker::Worker;
use crate::geo::Geo;
use crate::h1::Known;

/// Why a request was not routed.
pub(super) enum Unrouted {
    /// No route takes it.
    Refuse(Reason),
    /// A route depends on its body, of which at most so many bytes may be read.
    Read(usize),
}

/// Finds the most specific route. Neither locks nor allocates, but for what a body is asked. `who` finds the client's
/// address, which is asked only when a route depends on it.
pub(super) fn route(
    client: &Client,
    request: &Request<'_>,
    target: &Target<'_>,
    who: &dyn Fn() -> IpAddr,
    body: &Body,
) -> Result<Hit, Unrouted> {
    Worker::with(|worker| {
        worker.snapshot(|snapshot| {
            let (snapshot, listener) = snapshot.of(&client.listener);
            let limit = snapshot.daemon.body_limit;
            let geo = snapshot.geo.as_deref();
            let mut facts = Asked { request, who, geo, address: None, country: Place::Unasked, body, limit };
            let method = std::str::from_utf8(request.method()).unwrap_or_default();
            let path = if target.path == "*" { "/" } else { target.path };
            let host = target.host;
            match snapshot.router.find_by(listener, host, path, method, &mut facts) {
                Found::Route(index) => {
                    let target = &snapshot.targets[index];
                    target.matched();
                    let position = target.pool;
                    let route = RouteId { generation: snapshot.generation, index };
                    let asked = &mut Asking { host, path, method, facts: &mut facts };
                    let rule = snapshot.pools[position].rule_for(target.rules, asked);
                    let country = if let Place::Asked(country) = facts.country { country } else { None };
                    let pool = Arc::clone(&snapshot.pools[position]);
                    let prefer = target.zones.as_deref().map_or(0, |zones| pool.prefer(zones));
                    Ok(Hit { pool, position, prefer, route, rule, country })
                }
                Found::NoHost | Found::NoPath => Err(Unrouted::Refuse(Reason::NoRoute)),
                Found::NoMethod => Err(Unrouted::Refuse(Reason::NoMethod)),
                Found::Unread => Err(Unrouted::Read(limit)),
            }
        })
    })
}

/// In which country a client is.
#[derive(Clone, Copy)]
enum Place {
    /// No route depends on it, so far.
    Unasked,
    /// What the database says.
    Asked(Option<Country>),
}

/// What routes ask of a request; what takes a search is found once.
struct Asked<'q, 'r> {
    request: &'q Request<'r>,
    who: &'q dyn Fn() -> IpAddr,
    geo: Option<&'q Geo>,
    address: Option<IpAddr>,
    country: Place,
    body: &'q Body,
    limit: usize,
}

impl Facts for Asked<'_, '_> {
    fn header(&mut self, name: &str) -> Option<&[u8]> {
        self.request.head.fields.find(self.request.bytes, name)
    }

    fn address(&mut self) -> Option<IpAddr> {
        Some(*self.address.get_or_insert_with(self.who))
    }

    fn country(&mut self) -> Option<Country> {
        let address = self.address()?;
        if let Place::Asked(country) = self.country {
            return country;
        }
        let country = self.geo.and_then(|geo| geo.country(address));
        self.country = Place::Asked(country);
        country
    }

    fn cookie(&mut self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let fields = self.request.head.fields.all(self.request.bytes, Known::Cookie);
        let pairs = fields.flat_map(|field| field.split(|b| *b == b';')).map(<[u8]>::trim_ascii);
        let mut values = pairs.filter_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        values.any(test)
    }

    fn query(&mut self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let query = self.request.head.query.of(self.request.bytes);
        let mut pairs = query.strip_prefix(b"?").unwrap_or(query).split(|b| *b == b'&');
        pairs.any(|pair| {
            let (key, value) = pair
                .iter()
                .position(|b| *b == b'=')
                .map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
            unescaped(key).eq(name.bytes())
                && (if is_plain(value) { test(value) } else { test(&unescaped(value).collect::<Vec<_>>()) })
        })
    }

    fn field(&mut self, way: &[String]) -> Field<'_> {
        match self.body {
            Body::Unread if may_be_json(self.request, self.limit) => Field::Unread,
            Body::Unread => Field::Absent,
            Body::Read(json) => json.field(way).map_or(Field::Absent, Field::Text),
        }
    }
}

fn is_plain(text: &[u8]) -> bool {
    !text.iter().any(|b| matches!(b, b'%' | b'+'))
}

/// A part of a query as a form means it: `+` is a space, `%41` is `A`, and what is no escape stays.
fn unescaped(text: &[u8]) -> impl Iterator<Item = u8> {
    let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *text.get(at)?;
        let escape = (byte == b'%').then(|| digit(text.get(at + 1)).zip(digit(text.get(at + 2)))).flatten();
        at += if escape.is_some() { 3 } else { 1 };
        Some(match escape {
            Some((high, low)) => (high * 16 + low) as u8,
            None if byte == b'+' => b' ',
            None => byte,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::unescaped;

    #[test]
    fn escapes_of_a_query_are_undone() {
        let read = |text: &str| String::from_utf8(unescaped(text.as_bytes()).collect()).unwrap();

        assert_eq!(read("a+b%41%2f%zz%4"), "a bA/%zz%4");
    }
}
