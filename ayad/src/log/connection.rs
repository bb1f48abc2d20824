//! One line of the access log, of a TCP connection. Its fields are called as those of a request.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

/// One line; the field names are what people search for.
#[derive(Debug, Serialize)]
pub struct ConnectionLine<'s> {
    /// When the connection ended, wall clock.
    pub time_ms: u64,
    /// `tcp`; lines of requests have a method instead.
    pub protocol: &'static str,
    /// Where it came in.
    pub listener: &'s str,
    /// Who it is, as far as that can be believed.
    pub client: IpAddr,
    /// Who connected.
    pub peer: SocketAddr,
    /// Name the client asked for by TLS, if that was looked at.
    pub host: Option<&'s str>,
    /// Where it went.
    pub pool: Option<&'s str>,
    /// Where it went.
    pub backend: Option<&'s str>,
    /// Why it ended; none when both sides ended it themselves.
    pub reason: Option<&'static str>,
    /// Backends asked.
    pub attempts: u32,
    /// Which faults hit it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'s str>,
    /// Bytes from the client to the backend.
    pub bytes_received: u64,
    /// Bytes from the backend to the client.
    pub bytes_sent: u64,
    /// How long it took.
    pub timing_us: ConnectionTiming,
}

/// How long the steps took, in microseconds.
#[derive(Debug, Serialize)]
pub struct ConnectionTiming {
    /// From the accept to the picked backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pick: Option<u64>,
    /// Until the connection to a backend was there; failed attempts included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<u64>,
    /// From first to last.
    pub total: u64,
}
