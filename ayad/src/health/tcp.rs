//! Connects, and says whether that worked.

use std::io;
use std::net::SocketAddr;

use aya_core::health::Cause;
use tokio::net::TcpStream;

use super::ProbeSpec;

/// Its line in the table.
pub(super) const SPEC: ProbeSpec = ProbeSpec { name: "tcp", summary: "opens a connection and closes it" };

/// Connects. Takes as long as the system does; the caller sets the limit.
pub(super) async fn probe(address: SocketAddr) -> Result<TcpStream, Cause> {
    TcpStream::connect(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => Cause::Refused,
        io::ErrorKind::TimedOut => Cause::TimedOut,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Cause::ClosedEarly,
        io::ErrorKind::HostUnreachable => Cause::Unreachable("no route to host"),
        io::ErrorKind::NetworkUnreachable => Cause::Unreachable("network unreachable"),
        _ => Cause::Unreachable("cannot connect"),
    })
}
