//! `health` of a pool: which check, what it asks, and how often.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::OneOrMany;
use super::format::{Method, Period, SecretRef, Status, Target};
use super::tls::PoolTls;

/// An active health check.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// "tcp" connects (and shakes hands, with `tls`), "tls" looks at the certificate as well, "http" asks for a page,
    /// "grpc" calls grpc.health.v1, "postgres", "mysql" and "redis" begin a session, "icmp" sends an echo request,
    /// "command" runs a program, "none" trusts traffic alone. Default: "tcp", or the one kind that has a key that is set.
    pub kind: Option<HealthKind>,
    /// Path that is asked for. Default: "/". Only with kind "http".
    pub path: Option<Target>,
    /// Method that is used. Default: "GET". Only with kind "http".
    pub method: Option<Method>,
    /// `Host` or `:authority` that is sent. Default: the address of the backend. Only with kinds "http" and "grpc".
    pub host: Option<String>,
    /// Status codes that pass: a code 204, a class "2xx", a range "200-399", or a list of these. Default:
    /// "200-399", so that a redirect to a login page counts as alive. Only with kind "http".
    pub status: Option<OneOrMany<StatusEntry>>,
    /// Text that must occur in the first 64 KiB of the answer. Default: none. Only with kind "http".
    pub body: Option<String>,
    /// Service that is asked about, e.g. "shop.v1.Shop". Default: "", the server as a whole. Only with kind "grpc".
    pub service: Option<String>,
    /// How long a certificate must still be good, e.g. "14d". Default: not looked at. Only with kind "tls".
    pub min_valid: Option<Period>,
    /// The program with its arguments; no shell reads them. `{backend}`, `{pool}`, `{address}`, `{host}` and `{port}` in
    /// them stand for those of the backend, as do `AYA_BACKEND` and so on in its environment. Exit status 0 passes, and
    /// otherwise the first line of output is the cause. At the timeout it is killed with all it has started. Required with
    /// kind "command", only there.
    pub command: Option<Vec<String>>,
    /// Environment of the program, besides `PATH` and the `AYA_` variables; nothing else of ayad's own is there. Default:
    /// none. Only with kind "command".
    pub env: Option<BTreeMap<String, String>>,
    /// Who is said to log in. Being turned away is an answer like any other, so nobody of that name need exist. Default:
    /// "ayad". Only with kinds "postgres" and "mysql", and with "redis" beside `password`.
    pub user: Option<String>,
    /// Password, as `file:PATH` or `env:NAME`; read when this file is. Default: none, and a server that wants one counts as
    /// alive. Only with kind "redis".
    pub password: Option<SecretRef>,
    /// What the server must be, "master" or "replica". Default: not asked. Only with kind "redis".
    pub role: Option<RedisRole>,
    /// TLS for checks alone, with the keys of a pool's `tls`. Default: what the pool has; of kind "tls" all defaults.
    /// Not with kinds "command", "icmp" and "none".
    pub tls: Option<PoolTls>,
    /// Time between two checks of one backend; half of it while it is warming. Default: "2s". Shorter finds failures sooner and costs more.
    pub interval: Option<Period>,
    /// Longest time for one check; at most the interval. Default: "1s", or the interval if that is shorter.
    pub timeout: Option<Period>,
    /// Checks that must pass in a row before a failed backend gets traffic again. Default: 2.
    #[schemars(range(min = 1, max = 100))]
    pub rise: Option<u32>,
    /// Checks that must fail in a row before a backend loses its traffic. Default: 3; 1 is nervous.
    #[schemars(range(min = 1, max = 100))]
    pub fall: Option<u32>,
    /// Share of the interval by which each wait is varied, 0 to 1, so that checks of many backends spread
    /// out. Default: 0.1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub jitter: Option<f64>,
    /// What a backend is taken for before its first check: "unknown" (the default) and "up" get traffic,
    /// "down" gets none until a check passed.
    pub start: Option<HealthStart>,
}

/// What a health check does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "a kind of health check")]
pub enum HealthKind {
    /// Connects.
    Tcp,
    /// Shakes hands and looks at the certificate.
    Tls,
    /// Sends a request and looks at the answer.
    Http,
    /// Calls the health service of a gRPC server.
    Grpc,
    /// Begins a session with PostgreSQL.
    Postgres,
    /// Begins a session with MySQL or MariaDB.
    Mysql,
    /// Pings Redis, or what speaks like it.
    Redis,
    /// Sends an ICMP echo request.
    Icmp,
    /// Runs a program.
    Command,
    /// Is switched off.
    None,
}

impl HealthKind {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Redis => "redis",
            Self::Icmp => "icmp",
            Self::Command => "command",
            Self::None => "none",
        }
    }
}

/// What a Redis server is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "a role of a Redis server")]
pub enum RedisRole {
    /// It takes writes.
    Master,
    /// It copies a master.
    Replica,
}

/// What a backend is taken for before its first check.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "a state to start in")]
pub enum HealthStart {
    /// Not known; gets traffic.
    Unknown,
    /// Up; gets traffic.
    Up,
    /// Down; gets none.
    Down,
}

/// Status codes that pass.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StatusEntry {
    /// One code.
    Code(#[schemars(range(min = 100, max = 599))] u16),
    /// A class or range.
    Text(Status),
}
