//! Step 4: who asks.
//!
//! A peer listed in `trusted_proxies` speaks for its own clients, by `Forwarded` or `X-Forwarded-For`;
//! everybody else speaks for themselves, whatever their headers say.

use std::net::IpAddr;

use aya_core::hash::address_key;

use super::between::{Identity, Request};
use super::client::Client;
use crate::h1::Known;

/// Finds the client behind the connection.
pub(super) fn identify(client: &Client, request: &Request<'_>) -> Identity {
    let own = Identity { address: client.peer.ip().to_canonical(), key: client.key };
    if !client.trusted {
        return own;
    }
    let chain = request.head.fields.all(request.bytes, Known::ForwardedFor);
    believed(chain, |ip| client.listener.conf.trusted_proxies.iter().any(|net| net.contains(ip)))
        .map_or(own, |address| Identity { address, key: address_key(address) })
}

/// The last address in the chain that is not itself a trusted proxy; the one before it is hearsay.
fn believed<'r>(
    fields: impl DoubleEndedIterator<Item = &'r [u8]>,
    is_trusted: impl Fn(&IpAddr) -> bool,
) -> Option<IpAddr> {
    let chain = fields.rev().filter_map(|v| std::str::from_utf8(v).ok()).flat_map(|v| v.rsplit(','));
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
            assert_eq!(
                believed(values.iter().map(|v| v.as_bytes()), is_ten),
                client.map(|c| c.parse().unwrap()),
                "{values:?}"
            );
        }
    }
}
