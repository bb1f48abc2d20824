//! The configuration: what the daemon runs on once every mistake is out.
//!
//! A file becomes a [`Config`] in three steps that never mix: [`raw`] says what may be written (its types
//! also make the JSON Schema), [`check`] turns all of it into the values below or into *all* problems at
//! once, and [`report`] shows problems with file, line and caret. A [`Config`] that exists is valid: names
//! resolve, addresses parse, durations are durations. Nothing here touches the running daemon.

mod chaos;
pub mod check;
pub mod describe;
mod discover;
mod division;
pub mod env;
pub mod include;
pub mod marks;
mod pipe;
mod probe;
pub mod raw;
pub mod report;
pub mod secret;
pub mod sections;
pub mod shape;
pub mod signals;
pub mod source;
pub mod tls;
pub mod unit;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aya_core::auto::AutoRules;
use aya_core::breaker::BreakerRules;
use aya_core::hedge::HedgeRules;
use aya_core::load::SlowStart;
use aya_core::outlier::OutlierRules;
use aya_core::pace::Least;
use aya_core::pick::Choice;
use aya_core::retry::RetryRules;
use aya_core::route::{RouteSpec, Router};
use ipnet::IpNet;

pub use chaos::{Chaos, Loadtest};
pub use describe::{describe, describe_json};
pub use discover::{Discover, Source};
pub use division::{Division, HashBy};
pub use env::{Env, Overrides};
pub use probe::{Check, CommandProbe, GrpcProbe, HttpProbe, Probe, RedisProbe, RedisRole};
pub use report::{Problem, Problems};
pub use sections::Kept;
pub use signals::Signals;
pub use tls::{
    Acme, AcmeChallenge, Alpn, CertificateFiles, ClientAuth, Covered, CoveredBy, ListenerTls, PoolTls,
    TlsVersion,
};

pub use crate::proxy_protocol::Version as ProxyVersion;
pub use crate::stream::Endpoint;

/// Reads a file and everything it includes. Blocks on the disk, and on DNS for backends with host names.
pub fn load(path: &Path, env: &Env) -> Result<Config, Problems> {
    load_again(path, env, &Kept::default())
}

/// As [`load`], for files that are read again and again: most of a large file is read once. Says the same.
pub fn load_again(path: &Path, env: &Env, kept: &Kept) -> Result<Config, Problems> {
    let mut problems = Vec::new();
    let documents = include::read(path, kept, &mut problems);
    check::check(documents, env, Some(path.to_owned()), &path.display().to_string(), problems)
}

/// Builds what `--listen` and `--backend` ask for: a listener, a pool and a route, each named `main`.
pub fn from_flags(
    listen: &[String],
    backends: &[String],
    control: Option<&Path>,
    env: &Env,
) -> Result<Config, Problems> {
    // Problems need a text to point at: the command line as it was typed.
    let mut text = "ayad".to_owned();
    let mut spans = |flag: &str, values: &[String]| -> Vec<_> {
        let append = |value: &String| {
            text.push_str(flag);
            let start = text.len();
            text.push_str(value);
            start..text.len()
        };
        values.iter().map(append).collect()
    };
    let (listen, backends) = (spans(" --listen ", listen), spans(" --backend ", backends));
    let source = source::Source::new(COMMAND_LINE, text);
    let mut problems = Vec::new();
    let document = shape::read_flags(&Arc::new(source), &listen, &backends, &mut problems);
    let mut env = env.clone();
    env.overrides.control = control.map(Path::to_owned).or(env.overrides.control);
    check::check(vec![document], &env, None, COMMAND_LINE, problems)
}

/// What problems in flags are problems in.
const COMMAND_LINE: &str = "command line";

/// The JSON Schema of the file: what `ayad schema` prints.
pub fn schema() -> serde_json::Value {
    shape::schema::SCHEMA.clone()
}

/// A valid configuration.
#[derive(Debug)]
pub struct Config {
    /// File it came from; absent when it was built from `--listen` and `--backend`.
    pub file: Option<PathBuf>,
    /// The process.
    pub daemon: Daemon,
    /// Limits of faults and load tests.
    pub chaos: Chaos,
    /// Listeners, in order of name.
    pub listeners: Vec<Listener>,
    /// Pools, in order of name.
    pub pools: Vec<Pool>,
    /// Routes, in order of name.
    pub routes: Vec<Route>,
    /// Matcher over [`Config::routes`], by the same indices; listeners by index in [`Config::listeners`].
    pub router: Router,
    /// What the listeners that speak TLS answer with, by the same indices as [`Config::listeners`].
    pub covered: Vec<Vec<Covered>>,
    /// What is valid but probably not meant, in the order of files and lines.
    pub warnings: Vec<Problem>,
}

/// Settings of the process.
#[derive(Clone, Debug, PartialEq)]
pub struct Daemon {
    /// Control socket.
    pub control: PathBuf,
    /// Folder of the journal.
    pub state_dir: PathBuf,
    /// Worker threads of the data plane.
    pub workers: usize,
    /// How long requests may go on after a stop was asked for.
    pub shutdown_timeout: Duration,
    /// Longest time for reading the configuration again.
    pub load_timeout: Duration,
    /// Longest time for a new process to get ready during an upgrade.
    pub upgrade_timeout: Duration,
    /// Most programs that run at once, for checks and for discovery.
    pub max_commands: usize,
    /// Where `/metrics` is also served, besides the control socket.
    pub admin_listen: Option<SocketAddr>,
    /// Where the access log goes.
    pub access_log: AccessLog,
    /// Share of requests kept to be explained, 0 to 1.
    pub explain_sample: f64,
    /// The zone it stands in.
    pub zone: Option<String>,
    /// What it is called among daemons in front of the same backends.
    pub node: String,
    /// File of the database of countries.
    pub geo: Option<PathBuf>,
    /// Most bytes of a body that are read to route by it.
    pub body_limit: usize,
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// Nowhere.
    Off,
    /// To standard output.
    Stdout,
    /// To the end of a file, which is opened again on reload.
    File(PathBuf),
}

/// Where something was written, for people: `ayad.toml:12`.
#[derive(Clone, Debug)]
pub struct Origin(pub String);

/// Always equal: a setting that only moved to another line says what it said before, so a reload must not take
/// it for a change.
impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Origin {}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP.
    Http,
    /// Bytes.
    Tcp,
}

impl Protocol {
    /// As the configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
        }
    }
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// Each connection begins with the PROXY protocol, and comes from [`Self::trusted_proxies`].
    pub proxy_protocol: bool,
    /// Addresses to bind; port 0 means any free port.
    pub bind: Vec<SocketAddr>,
    /// Most client connections at once, over all addresses and workers.
    pub max_connections: usize,
    /// Longest time for the head of a request, from its first byte (or the accept) to its last.
    pub header_timeout: Duration,
    /// Longest time a kept-alive connection waits for its next request; of TCP, longest silence both ways.
    pub idle_timeout: Duration,
    /// Longest silence of a client inside a body, sending a request or reading an answer.
    pub body_timeout: Duration,
    /// Least pace of a client that sends a body.
    pub body_pace: Least,
    /// Most bytes in the head of a request; at least 8 KiB.
    pub max_header_bytes: usize,
    /// Most header fields in a request.
    pub max_headers: usize,
    /// Most bytes in the body of a request.
    pub max_body_bytes: Option<u64>,
    /// Most requests at once on one HTTP/2 connection; `None` when HTTP/2 is switched off.
    pub max_streams: Option<u32>,
    /// Peers whose `Forwarded` and `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// TLS to clients.
    pub tls: Option<ListenerTls>,
    /// How the fields begin that only this proxy may write, on whichever listener of the configuration they are
    /// written; see [`crate::tls::is_reserved`].
    pub reserved_prefixes: Vec<String>,
    /// Where it is defined.
    pub origin: Origin,
}

/// One pool.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// How it picks.
    pub algorithm: Choice,
    /// How that changes by itself; it begins with `algorithm`.
    pub auto: Option<Arc<AutoRules>>,
    /// Stickiness on top.
    pub sticky: Option<Sticky>,
    /// Active health check; absent when switched off.
    pub check: Option<Check>,
    /// Circuit breaker of each backend.
    pub breaker: Option<BreakerRules>,
    /// What is done about backends that do worse than the others; `None` for nothing.
    pub outliers: Option<OutlierRules>,
    /// How backends that come into traffic get their share; `None` for at once.
    pub slow_start: Option<SlowStart>,
    /// When a request is sent once more.
    pub retry: Retry,
    /// When a request that waits is also sent to a second backend.
    pub hedge: Option<HedgeRules>,
    /// Longest time to connect to a backend.
    pub connect_timeout: Duration,
    /// Longest time from the sent request to the first byte of the answer.
    pub first_byte_timeout: Duration,
    /// Longest silence inside an answer.
    pub idle_timeout: Duration,
    /// Longest silence of a connection that carries another protocol.
    pub tunnel_timeout: Duration,
    /// Longest time for the whole request.
    pub request_timeout: Option<Duration>,
    /// Upstream connections kept for reuse.
    pub keepalive: Keepalive,
    /// What begins each connection to a backend.
    pub proxy_protocol: Option<ProxyVersion>,
    /// TLS to its backends.
    pub tls: Option<PoolTls>,
    /// What its backends speak.
    pub protocol: UpstreamProtocol,
    /// How it is divided, and what its requests are hashed by.
    pub division: Division,
    /// Its backends, in the order of the file; in force also those that were found, after the others.
    pub backends: Vec<Backend>,
    /// Where backends come from beside those.
    pub discover: Vec<Discover>,
    /// Where numbers about its backends come from.
    pub signals: Signals,
    /// Where it is defined.
    pub origin: Origin,
}

/// What backends speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1: a connection carries one request at a time.
    #[default]
    Http1,
    /// HTTP/2: a connection carries many.
    Http2,
}

impl UpstreamProtocol {
    /// The word for it in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2",
        }
    }
}

/// Upstream connections kept for reuse, for each worker and backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Most idle connections kept; 0 closes each after its answer.
    pub max_idle: usize,
    /// Longest time a connection stays idle.
    pub idle: Duration,
    /// Longest life of a connection.
    pub age: Duration,
}

/// When a request is sent once more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// What decides.
    pub rules: RetryRules,
    /// Most bytes of a request's body that are kept to be sent again.
    pub body: usize,
}

/// What binds a client to a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sticky {
    /// A cookie of this name, inserted by the proxy.
    Cookie(String),
    /// The client's address.
    Source,
}

/// One backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Its name in the pool.
    pub name: String,
    /// Its address as it was written.
    pub address: String,
    /// What that resolved to.
    pub resolved: Endpoint,
    /// Its weight.
    pub weight: u32,
    /// Its zone.
    pub zone: Option<String>,
    /// Its priority group; the lowest number serves first.
    pub priority: u8,
    /// Its tags.
    pub tags: Vec<String>,
    /// Where it is defined.
    pub origin: Origin,
}

/// One route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// Names of the listeners it serves.
    pub listeners: Vec<String>,
    /// What it matches.
    pub matches: RouteSpec,
    /// Host as it was written, `*` for any.
    pub host: String,
    /// Its pool, as an index in [`Config::pools`].
    pub pool: usize,
    /// Zones in which its requests are preferably served.
    pub zones: Option<Arc<[String]>>,
    /// Where it is defined.
    pub origin: Origin,
}
