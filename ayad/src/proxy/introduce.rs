//! Who a connection is from, in the words of a load balancer in front: the PROXY protocol, for listeners that require it.

use std::io;
use std::net::SocketAddr;

use aya_core::reason::Reason;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::proxy_protocol::{self, Addresses};
use crate::state::Listener;

/// Reads the header with which a connection to `listener` has to begin, and nothing beyond it. `None` when it names
/// nobody: then it is the peer's own. The peer has to be one that may speak for others, and be done by `limit`.
pub(super) async fn introduce(
    listener: &Listener,
    stream: &TcpStream,
    peer: SocketAddr,
    limit: Instant,
) -> Result<Option<Addresses>, Reason> {
    let peer = peer.ip().to_canonical();
    if !listener.conf.trusted_proxies.iter().any(|net| net.contains(&peer)) {
        return Err(Reason::UntrustedPeer);
    }
    let read = tokio::time::timeout_at(limit, proxy_protocol::read_header(stream)).await;
    read.map_err(|_| Reason::HeaderTimeout)?.map_err(|error| {
        tracing::debug!(%peer, %error, "no PROXY protocol");
        if error.kind() == io::ErrorKind::InvalidData { Reason::BadProxyHeader } else { Reason::ClientGone }
    })
}
