//! How a pool talks to its backends, and what it does when that fails: settings as they are in force, defaults filled in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CertificateView;

/// How the backends of a pool are talked to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpstreamView {
    /// What they speak: `http/1.1`, `h2`.
    pub protocol: String,
    /// TLS to them; absent without.
    pub tls: Option<UpstreamTlsView>,
    /// The version of the PROXY protocol that begins each connection: `v1`, `v2`; absent when none does.
    pub proxy_protocol: Option<String>,
    /// How long they may take.
    pub timeouts: UpstreamTimeouts,
    /// Which connections are kept for the next request.
    pub keepalive: KeepaliveSettings,
}

/// TLS to the backends of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpstreamTlsView {
    /// Whether their certificates are verified.
    pub verify: bool,
    /// File of the authorities that are trusted; absent for those of the system.
    pub ca: Option<String>,
    /// Name that is asked for and verified (SNI); absent for the host in each address.
    pub server_name: Option<String>,
    /// The certificate that is shown to them; absent when none is.
    pub client_certificate: Option<CertificateView>,
}

/// How long backends may take, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpstreamTimeouts {
    /// To connect, with the TLS handshake.
    pub connect_ms: u64,
    /// From the sent request to the first byte of the answer.
    pub first_byte_ms: u64,
    /// Longest silence inside an answer.
    pub idle_ms: u64,
    /// Longest silence of a connection that carries another protocol.
    pub tunnel_ms: u64,
    /// For the whole request; absent for no limit.
    pub request_ms: Option<u64>,
}

/// Which connections are kept for the next request, for each worker and backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeepaliveSettings {
    /// Most that are kept; 0 closes each after its answer.
    pub max_idle: u64,
    /// Longest time one is kept, in milliseconds.
    pub idle_ms: u64,
    /// Longest life of one, in milliseconds.
    pub age_ms: u64,
}

/// When a request is sent once more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RetrySettings {
    /// Causes: `connect-failure`, `reset`, `timeout`, and status codes such as `502` or `502-504`; empty for never.
    pub on: Vec<String>,
    /// Most attempts for one request, the first included.
    pub attempts: u32,
    /// Longest time for one attempt, in milliseconds; absent for that of the request.
    pub per_try_ms: Option<u64>,
    /// Longest first wait after a status code, in milliseconds; doubles with each attempt.
    pub backoff_ms: u64,
    /// Longest wait, in milliseconds.
    pub max_backoff_ms: u64,
    /// Longest `Retry-After` that is waited for, in milliseconds.
    pub max_retry_after_ms: u64,
    /// Most bytes of a body that are kept to be sent again.
    pub body_bytes: u64,
    /// Retries and hedges at once for each active request, 0 to 1.
    pub budget_share: f64,
    /// Retries and hedges at once that are allowed besides.
    pub budget_least: u32,
}

/// When a request that waits is also sent to a second backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HedgeSettings {
    /// Share of answers, 0 to 1, that are faster than the wait: 0.95 for p95.
    pub quantile: f64,
    /// Least wait, in milliseconds.
    pub min_ms: u64,
    /// The wait now, in milliseconds; absent while too few answers were measured, and then nothing is hedged.
    pub delay_ms: Option<f64>,
}
