//! What a valid configuration says about health checks.

use std::time::Duration;

use aya_core::health::{HealthRules, Start};

use super::raw::health::HealthKind;
pub use super::raw::health::RedisRole;
use super::secret::Secret;
use super::{PoolTls, ProxyVersion};

/// An active health check.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What is done.
    pub probe: Probe,
    /// TLS for it alone; absent for what its pool has.
    pub tls: Option<PoolTls>,
    /// What begins its connection, naming nobody.
    pub proxy_protocol: Option<ProxyVersion>,
    /// Time between two checks of one backend.
    pub interval: Duration,
    /// Longest time for one check.
    pub timeout: Duration,
    /// Share of the interval by which each wait is varied, 0 to 1.
    pub jitter: f64,
    /// How many in a row change the verdict.
    pub rules: HealthRules,
    /// What a backend is taken for before its first check.
    pub start: Start,
}

/// What an active health check does; its kind names its line in the table of probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Connects.
    Tcp,
    /// Shakes hands, and wants the certificate to be good for this long.
    Tls(Option<Duration>),
    /// Sends a request and looks at the answer.
    Http(HttpProbe),
    /// Calls grpc.health.v1.
    Grpc(GrpcProbe),
    /// Begins a session with PostgreSQL as this user.
    Postgres(String),
    /// Begins a session with MySQL as this user.
    Mysql(String),
    /// Pings Redis.
    Redis(RedisProbe),
    /// Sends an ICMP echo request.
    Icmp,
    /// Runs a program.
    Command(CommandProbe),
}

impl Probe {
    /// Its `kind` in the configuration.
    pub fn kind(&self) -> HealthKind {
        match self {
            Self::Tcp => HealthKind::Tcp,
            Self::Tls(_) => HealthKind::Tls,
            Self::Http(_) => HealthKind::Http,
            Self::Grpc(_) => HealthKind::Grpc,
            Self::Postgres(_) => HealthKind::Postgres,
            Self::Mysql(_) => HealthKind::Mysql,
            Self::Redis(_) => HealthKind::Redis,
            Self::Icmp => HealthKind::Icmp,
            Self::Command(_) => HealthKind::Command,
        }
    }
}

/// What the HTTP probe asks and expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// Method.
    pub method: http::Method,
    /// Path with query.
    pub path: String,
    /// `Host`; the backend's address when absent.
    pub host: Option<String>,
    /// Expected status codes, as inclusive ranges.
    pub status: Vec<(u16, u16)>,
    /// Text the body must contain.
    pub body: Option<String>,
}

/// What the gRPC probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcProbe {
    /// The service that is asked about; empty for the server as a whole.
    pub service: String,
    /// `:authority`; the backend's address when absent.
    pub host: Option<String>,
}

/// What the Redis probe says and expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisProbe {
    /// Who logs in, with a name where the server has names.
    pub login: Option<(Option<String>, Secret)>,
    /// What the server must be.
    pub role: Option<RedisRole>,
}

/// What the command probe runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandProbe {
    /// The program, as a path or as a name that `PATH` knows.
    pub program: String,
    /// Its arguments, with the names of [`CommandProbe::FACTS`] in braces.
    pub args: Vec<String>,
    /// All of its environment but what depends on the backend.
    pub env: Vec<(String, String)>,
}

impl CommandProbe {
    /// What it is told of the backend: by these names in braces in arguments, in capitals after `AYA_` in the environment.
    pub const FACTS: [&str; 5] = ["backend", "pool", "address", "host", "port"];
}
