//! Step 4: who asks.
//!
//! A peer listed in `trusted_proxies` speaks for its own clients, by `Forwarded` or `X-Forwarded-For`;
//! everybody else speaks for themselves, whatever their headers say.

use std::net::IpAddr;

use http::HeaderMap;

use super::between::Identity;
use super::client::{Client, address_key};

/// Finds the client behind the connection.
pub(super) fn identify(client: &Client, headers: &HeaderMap) -> Identity {
    let own = Identity { address: client.peer.ip().to_canonical(), key: client.key };
    if !client.trusted {
        return own;
    }
    believed(headers, |ip| client.listener.conf.trusted_proxies.iter().any(|net| net.contains(ip)))
        .map_or(own, |address| Identity { address, key: address_key(address) })
}

/// The last address in the chain that is not itself a trusted proxy; the one before it is hearsay.
fn believed(headers: &HeaderMap, is_trusted: impl Fn(&IpAddr) -> bool) -> Option<IpAddr> {
    let fields = headers.get_all("x-forwarded-for");
    let chain = fields.iter().rev().filter_map(|v| v.to_str().ok()).flat_map(|v| v.rsplit(','));
    let mut last = None;
    for hop in chain.map_while(|hop| hop.trim().parse::<IpAddr>().ok()) {
        last = Some(hop.to_canonical());
        if !is_trusted(&hop.to_canonical()) {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|v| (http::HeaderName::from_static("x-forwarded-for"), v.parse().unwrap()))
            .collect()
    }

    fn is_ten(ip: &IpAddr) -> bool {
        matches!(ip, IpAddr::V4(v4) if v4.octets()[0] == 10)
    }

    #[test]
    fn the_last_untrusted_hop_is_the_client() {
        for (values, client) in [
            (&["1.1.1.1, 2.2.2.2, 10.0.0.1"][..], Some("2.2.2.2")),
            (&["1.1.1.1", "2.2.2.2"], Some("2.2.2.2")),
            (&["10.0.0.1, 10.0.0.2"], Some("10.0.0.1")),
            (&["1.1.1.1, garbage"], None),
            (&["1.1.1.1, garbage, 10.0.0.2"], Some("10.0.0.2")),
            (&[], None),
        ] {
            assert_eq!(believed(&chain(values), is_ten), client.map(|c| c.parse().unwrap()), "{values:?}");
        }
    }
}
