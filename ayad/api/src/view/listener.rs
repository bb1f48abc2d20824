//! Listeners: where clients connect, in which protocols, and how much one of them may take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TlsView;

/// One listener.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListenerView {
    /// Its name in the configuration.
    pub name: String,
    /// Changes whenever this object does.
    pub rev: u64,
    /// Addresses it really listens on (port 0 resolved).
    pub bind: Vec<String>,
    /// `http`, `https` inside TLS, or `tcp`.
    pub protocol: String,
    /// What clients may speak: `h2`, `http/1.1`, best first; `tcp` where bytes are passed on as they are.
    pub speaks: Vec<String>,
    /// Whether each connection begins with the PROXY protocol of a load balancer in front.
    pub proxy_protocol: bool,
    /// Networks whose word about clients is believed.
    pub trusted_proxies: Vec<String>,
    /// Client connections open now.
    pub connections: u64,
    /// Most client connections it holds at once.
    pub max_connections: u64,
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Connections turned away at the limit since the start.
    pub refused: u64,
    /// Requests that were answered or ended since the start; of `tcp`: connections.
    pub requests: u64,
    /// The same a second, over the last [`super::WINDOW_S`] seconds.
    pub rate: f64,
    /// What one client may take.
    pub limits: ListenerLimits,
    /// TLS to its clients; absent without.
    pub tls: Option<TlsView>,
}

/// What one client of a listener may take: times, sizes and counts, as they are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListenerLimits {
    /// Longest time for the head of a request, in milliseconds.
    pub header_timeout_ms: u64,
    /// Longest wait of a kept connection for its next request, in milliseconds; of `tcp`: longest silence.
    pub idle_timeout_ms: u64,
    /// Longest silence inside a body, in milliseconds.
    pub body_timeout_ms: u64,
    /// Least rate of a request's body, in bytes a second; 0 for any.
    pub body_rate: u64,
    /// Most bytes in the head of a request.
    pub header_bytes: u64,
    /// Most fields in the head of a request.
    pub headers: u64,
    /// Most bytes in the body of a request; absent for any.
    pub body_bytes: Option<u64>,
    /// Most requests at once on one HTTP/2 connection; absent where HTTP/2 is not spoken.
    pub streams: Option<u32>,
}
