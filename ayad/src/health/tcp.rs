//! Connects, and says whether that worked.

use std::io;

use aya_core::health::Cause;

use tokio::io::AsyncWriteExt;

use super::{NoPass, ProbeSpec};
use crate::proxy_protocol::{Facts, Version, write_header};
use crate::stream::{Endpoint, Plain};
use crate::upstream::is_our_own_want;

/// Its line in the table.
pub(super) const SPEC: ProbeSpec = ProbeSpec {
    name: "tcp",
    summary: "opens a connection, shakes hands where the pool has TLS, and closes it",
};

/// Why nothing can be sent there, besides that it is refused.
pub(super) const UNREACHABLE: [&str; 3] = [NO_ROUTE, NO_NETWORK, NO_CONNECTION];
const NO_ROUTE: &str = "no route to host";
const NO_NETWORK: &str = "network unreachable";
const NO_CONNECTION: &str = "cannot connect";

/// Connects, and says who it is where backends want to know: nobody. Takes as long as the system does; the caller
/// sets the limit.
pub(super) async fn probe(address: &Endpoint, introduced: Option<Version>) -> Result<Plain, NoPass> {
    connect(address, introduced).await.map_err(|error| {
        if is_our_own_want(&error) { NoPass::Unmade(error) } else { NoPass::Failed(cause_of(&error)) }
    })
}

async fn connect(address: &Endpoint, introduced: Option<Version>) -> io::Result<Plain> {
    let mut stream = address.connect().await?;
    if let Some(version) = introduced {
        let mut header = Vec::new();
        write_header(version, None, &Facts::default(), &mut header);
        stream.write_all(&header).await?;
    }
    Ok(stream)
}

/// What it means that nothing can be sent there.
pub(super) fn cause_of(error: &io::Error) -> Cause {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Cause::Refused,
        io::ErrorKind::TimedOut => Cause::TimedOut,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Cause::ClosedEarly,
        io::ErrorKind::HostUnreachable => Cause::Unreachable(NO_ROUTE),
        io::ErrorKind::NetworkUnreachable => Cause::Unreachable(NO_NETWORK),
        _ => Cause::Unreachable(NO_CONNECTION),
    }
}
