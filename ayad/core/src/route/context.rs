//! What a route asks about the circumstances of a request: where it comes from, its cookies, its query, its body.
//!
//! Which of two such conditions is narrower is decided here too. How the facts are found out (a database of countries,
//! a body that has to be read first) is the caller's, who is only asked once host, path, method and everything cheaper
//! match.

use std::cmp::{Ordering, Reverse};
use std::fmt;
use std::net::IpAddr;

/// A country by its ISO 3166-1 code, such as `DE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// Reads two letters in either case; `None` for anything else. Whether such a country exists is not asked.
    pub fn parse(text: &str) -> Option<Self> {
        let code: [u8; 2] = text.as_bytes().try_into().ok()?;
        code.iter().all(u8::is_ascii_alphabetic).then(|| Self(code.map(|letter| letter.to_ascii_uppercase())))
    }

    /// The code in capitals.
    pub fn as_str(&self) -> &str {
        // It is made of letters alone.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A network: the addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of an address; bits behind the prefix are cleared, and a prefix that is too long is a single
    /// address.
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let prefix = prefix.min(32);
                let kept = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                Self { address: IpAddr::V4((v4.to_bits() & kept).into()), prefix }
            }
            IpAddr::V6(v6) => {
                let prefix = prefix.min(128);
                let kept = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                Self { address: IpAddr::V6((v6.to_bits() & kept).into()), prefix }
            }
        }
    }

    /// Whether an address is in it. Addresses of the other family never are.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && Self::new(address, self.prefix).address == self.address
    }

    /// Bits that are not fixed: fewer is narrower, in both families.
    fn free(&self) -> u8 {
        let all = if self.address.is_ipv4() { 32 } else { 128 };
        all - self.prefix
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Conditions on the circumstances of a request, which must all hold; the default has none. Values are exact, or
/// end in `*` for anything that begins so.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Context {
    /// Countries, of which the client is in one; empty for all, also for clients of no known country.
    pub countries: Vec<Country>,
    /// Networks, of which the client is in one; empty for all.
    pub networks: Vec<Network>,
    /// Cookies by name, with their values.
    pub cookies: Vec<(String, String)>,
    /// Parameters of the query by name, with their values.
    pub queries: Vec<(String, String)>,
    /// Fields of a JSON body, each by its way from the root, with their values.
    pub fields: Vec<(Vec<String>, String)>,
}

impl Context {
    /// True without any condition.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// How many conditions there are: a list of countries or of networks is one.
    pub(super) fn count(&self) -> usize {
        usize::from(!self.countries.is_empty())
            + usize::from(!self.networks.is_empty())
            + self.cookies.len()
            + self.queries.len()
            + self.fields.len()
    }

    /// The same with every list in order and nothing twice, so that what means the same is the same.
    pub(super) fn sorted(&self) -> Self {
        let mut all = self.clone();
        all.countries.sort_unstable();
        all.countries.dedup();
        all.networks.sort_unstable();
        all.networks.dedup();
        all.cookies.sort();
        all.queries.sort();
        all.fields.sort();
        all
    }

    /// The narrower one first, of two with equally many conditions. Both are sorted.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        self.narrowness().cmp(&other.narrowness()).then_with(|| self.cmp(other))
    }

    /// Orders contexts: those of narrower networks, then fewer networks, then with more exact values, then with longer
    /// beginnings, then of fewer countries.
    fn narrowness(&self) -> impl Ord + use<> {
        let widest = self.networks.iter().map(Network::free).max().unwrap_or(u8::MAX);
        let exact = self.values().filter(|value| !value.ends_with('*')).count();
        let written: usize = self.values().map(str::len).sum();
        let countries = if self.countries.is_empty() { usize::MAX } else { self.countries.len() };
        (widest, self.networks.len(), Reverse(exact), Reverse(written), countries)
    }

    fn values(&self) -> impl Iterator<Item = &str> {
        let named = self.cookies.iter().chain(&self.queries).map(|(_, value)| value.as_str());
        named.chain(self.fields.iter().map(|(_, value)| value.as_str()))
    }

    /// Whether all of it holds. What is cheap is asked first, the body last.
    pub(super) fn holds(&self, facts: &mut dyn Facts) -> Answer {
        let is_near = self.networks.is_empty() || {
            let address = facts.address();
            self.networks.iter().any(|network| address.is_some_and(|address| network.contains(address)))
        };
        let holds = is_near
            && self
                .cookies
                .iter()
                .all(|(name, value)| facts.cookie(name, &mut |found| is_value(value, found)))
            && self
                .queries
                .iter()
                .all(|(name, value)| facts.query(name, &mut |found| is_value(value, found)))
            && (self.countries.is_empty()
                || facts.country().is_some_and(|country| self.countries.contains(&country)));
        if !holds {
            return Answer::No;
        }
        for (way, value) in &self.fields {
            match facts.field(way) {
                Field::Text(found) if is_value(value, found.as_bytes()) => {}
                Field::Text(_) | Field::Absent => return Answer::No,
                Field::Unread => return Answer::Unread,
            }
        }
        Answer::Yes
    }
}

/// Whether a value is the one that is asked for: exactly, or up to a final `*`.
pub(super) fn is_value(wanted: &str, found: &[u8]) -> bool {
    match wanted.strip_suffix('*') {
        Some(beginning) => found.starts_with(beginning.as_bytes()),
        None => found == wanted.as_bytes(),
    }
}

/// Whether conditions hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// That depends on a body nobody has read yet.
    Unread,
}

/// A field of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field<'f> {
    /// The body was not read yet.
    Unread,
    /// The body has no such field, or is none that has fields.
    Absent,
    /// Its value as text.
    Text(&'f str),
}

/// What is known of a request. Everything is asked only when some route depends on it; what is not provided is not
/// known, and no condition on it holds.
pub trait Facts {
    /// The value of a header by its lower-case name.
    fn header(&mut self, name: &str) -> Option<&[u8]>;

    /// The client's address, as far as it can be believed.
    fn address(&mut self) -> Option<IpAddr> {
        None
    }

    /// The client's country.
    fn country(&mut self) -> Option<Country> {
        None
    }

    /// Whether some cookie of this name has a value that `test` takes.
    fn cookie(&mut self, _name: &str, _test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    /// Whether some parameter of the query of this name has a value that `test` takes.
    fn query(&mut self, _name: &str, _test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    /// A field of the body, by its way from the root.
    fn field(&mut self, _way: &[String]) -> Field<'_> {
        Field::Absent
    }
}

/// A request of which only headers are known.
pub(super) struct Headers<'h, 'r>(pub(super) &'h mut dyn FnMut(&str) -> Option<&'r [u8]>);

impl Facts for Headers<'_, '_> {
    fn header(&mut self, name: &str) -> Option<&[u8]> {
        (self.0)(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        let (address, prefix) = text.split_once('/').unwrap();
        Network::new(address.parse().unwrap(), prefix.parse().unwrap())
    }

    #[test]
    fn a_network_has_the_addresses_that_begin_like_it() {
        for (net, inside, outside) in [
            ("10.1.2.3/8", "10.255.0.1", "11.0.0.0"),
            ("0.0.0.0/0", "255.1.1.1", "::1"),
            ("192.0.2.7/32", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.7/99", "192.0.2.7", "192.0.2.6"),
            ("2001:db8::1/32", "2001:db8:ffff::", "2001:db9::"),
            ("::/0", "ff::1", "1.2.3.4"),
            ("::1/128", "::1", "::2"),
        ] {
            assert!(network(net).contains(inside.parse().unwrap()), "{net} {inside}");
            assert!(!network(net).contains(outside.parse().unwrap()), "{net} {outside}");
        }
        assert_eq!(network("10.1.2.3/8").to_string(), "10.0.0.0/8");
    }

    #[test]
    fn a_country_is_two_letters() {
        assert_eq!(Country::parse("de").unwrap().as_str(), "DE");
        for bad in ["", "D", "DEU", "D1", "é"] {
            assert_eq!(Country::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_final_star_stands_for_anything() {
        assert!(is_value("gpt-*", b"gpt-4") && is_value("gpt-*", b"gpt-") && is_value("*", b""));
        assert!(is_value("a", b"a") && !is_value("a", b"ab") && !is_value("gpt-*", b"gpt"));
    }
}
