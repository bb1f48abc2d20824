//! What is: read-only shapes of the daemon and its objects.
//!
//! Every duration and time carries its unit in its name; times are wall-clock milliseconds since 1970. A
//! figure that is not known is absent (`null`), never zero.

mod algorithm;
mod auto;
mod discovery;
mod explain;
mod guard;
mod listener;
mod signal;
mod tls;
mod upstream;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::axis::{Admin, Breaker, Health, StickyDrain};
use crate::fault::ChaosView;
use crate::run::RunView;

pub use algorithm::{AlgorithmInfo, AlgorithmView, ParamInfo};
pub use auto::{AutoArm, AutoRuleView, AutoView};
pub use discovery::{DiscoveryView, Freshness};
pub use explain::{
    AttemptView, BackendExplanation, Candidate, DivisionView, PartView, PickExplanation, RequestExplanation,
    SCORE_CLASSES, Scored, ZoneView, classes_in_words,
};
pub use guard::{BreakerOrderView, BreakerSettings, BreakerWindow, StandingView};
pub use listener::{ListenerLimits, ListenerView};
pub use signal::{AgentView, SignalView, SourceTrouble, SourceView};
pub use tls::{AcmeView, CertificateStanding, CertificateView, TlsView, end_of_life};
pub use upstream::{
    HedgeSettings, KeepaliveSettings, RetrySettings, UpstreamTimeouts, UpstreamTlsView, UpstreamView,
};

/// Width of the window over which rates, shares, errors and latencies are taken, in seconds.
pub const WINDOW_S: u32 = 10;

/// Number of one-second points in [`BackendView::spark`].
pub const SPARK_POINTS: usize = 60;

/// Everything an operator sees first: the daemon, its listeners, its pools with their backends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// See [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// When this picture was taken.
    pub at_ms: u64,
    /// Sequence number of the newest event in this picture; resume the stream from here.
    pub seq: u64,
    /// The process.
    pub daemon: DaemonView,
    /// Where it accepts connections.
    pub listeners: Vec<ListenerView>,
    /// Its pools, in order of name, each with its backends in the order of the configuration.
    pub pools: Vec<PoolView>,
    /// Faults that are injected, and what limits them.
    #[serde(default)]
    pub chaos: ChaosView,
    /// Load tests, experiments and game days that were told of lately, newest first.
    #[serde(default)]
    pub runs: Vec<RunView>,
}

/// The daemon as a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DaemonView {
    /// Version of the binary.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// When it started.
    pub started_ms: u64,
    /// When the first process of its line started: the same before and after an upgrade, another one after a restart.
    pub serving_since_ms: u64,
    /// The upgrade in which it took over; absent when it was started afresh.
    pub upgraded: Option<UpgradeView>,
    /// Configuration file, absent when started with `--listen` and `--backend`.
    pub config: Option<String>,
    /// Counts the configurations applied since [`Self::serving_since_ms`]; 1 is the first. An upgrade applies one: the
    /// new process reads the file as it is then.
    pub generation: u64,
    /// When the running configuration was applied.
    pub loaded_ms: u64,
    /// Why the last reload was refused, when it was; the running configuration stayed.
    pub last_reload_error: Option<String>,
    /// Why the last upgrade did not come about, when it did not; this process went on. A dry run does not count.
    pub last_upgrade_error: Option<String>,
    /// Worker threads of the data plane.
    pub workers: u32,
    /// `running`, or `stopping` while the last requests finish.
    pub state: String,
    /// Requests answered since the start, by status class: index 0 is 1xx, 4 is 5xx.
    pub responses: [u64; 5],
    /// Requests refused or failed by the proxy itself since the start, by reason code.
    pub reasons: Vec<Count>,
    /// Resident memory in bytes, where the system tells.
    pub resident_bytes: Option<u64>,
    /// The database of countries; absent when the configuration names none.
    #[serde(default)]
    pub geo: Option<GeoView>,
}

/// The database that says which country an address is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GeoView {
    /// Its file.
    pub path: String,
    /// Why the file as it is now is not in force, when it is not; then the database read before is.
    pub trouble: Option<String>,
}

/// How a process took over from the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpgradeView {
    /// When it took over.
    pub at_ms: u64,
    /// Process id of the one before.
    pub from_pid: u32,
    /// Version of the one before; absent when that was too old to say.
    pub from_version: Option<String>,
}

/// A counter with its label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Count {
    /// The label, e.g. a reason code.
    pub name: String,
    /// How often, since the start.
    pub count: u64,
}

/// One route, in the order in which routes are tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RouteView {
    /// Its name in the configuration.
    pub name: String,
    /// Changes whenever this object does.
    pub rev: u64,
    /// Listeners it serves.
    pub listeners: Vec<String>,
    /// Host it matches: exact, `*.example.com`, or `*`.
    pub host: String,
    /// Path it matches: exact, with `{parameters}`, or a prefix ending in `/*`.
    pub path: String,
    /// Methods it matches; empty means all.
    pub methods: Vec<String>,
    /// Header values it asks for, as `name=value`.
    pub headers: Vec<String>,
    /// What else it asks for, in words: `country=DE`, `cookie plan=gold`, `body model=gpt-*`.
    #[serde(default)]
    pub conditions: Vec<String>,
    /// Where its requests go.
    pub pool: String,
    /// Zones in which they are preferably served; empty for the zone of the daemon.
    #[serde(default)]
    pub zones: Vec<String>,
    /// Position: 1 is tried first.
    pub rank: u32,
    /// Requests it matched since the start.
    pub requests: u64,
}

/// Latencies of the last [`WINDOW_S`] seconds, from the request's arrival to the last byte of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Median in milliseconds.
    pub p50_ms: f64,
    /// 90th percentile in milliseconds.
    pub p90_ms: f64,
    /// 99th percentile in milliseconds.
    pub p99_ms: f64,
    /// Slowest in milliseconds.
    pub max_ms: f64,
}

/// Traffic over the last [`WINDOW_S`] seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Traffic {
    /// Requests per second.
    pub rate: f64,
    /// Share of requests that failed (no answer, or 5xx), 0 to 1; absent without requests.
    pub error_share: Option<f64>,
    /// Latencies; absent without requests.
    pub latency: Option<Latency>,
    /// Requests in flight now.
    pub in_flight: u64,
    /// Requests since the start.
    pub requests: u64,
    /// Failed requests since the start.
    pub failures: u64,
}

/// One pool with its backends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PoolView {
    /// Its name.
    pub name: String,
    /// Changes whenever configuration or orders change this pool.
    pub rev: u64,
    /// How it picks.
    pub algorithm: AlgorithmView,
    /// What goes through it.
    pub traffic: Traffic,
    /// Requests a second in each of the last [`SPARK_POINTS`] seconds, oldest first.
    pub spark: Vec<u32>,
    /// Its health check in words, e.g. `http GET /healthz every 2s`, or `none`.
    pub check: String,
    /// The breaker of each backend; absent when there is none.
    pub breaker: Option<BreakerSettings>,
    /// What is done about backends that do worse than the others: `enforce`, `shadow` or `off`.
    pub outliers: Option<String>,
    /// How long a backend that comes into traffic takes to get all of its share, in milliseconds; absent for at once.
    pub slow_start_ms: Option<u64>,
    /// When a request is sent once more.
    pub retry: RetrySettings,
    /// When a request that waits is also sent to a second backend; absent when never.
    pub hedge: Option<HedgeSettings>,
    /// How its backends are talked to.
    pub upstream: UpstreamView,
    /// How it is divided, and how that stands now; absent when every request may go to every backend.
    #[serde(default)]
    pub division: Option<DivisionView>,
    /// Backends that can get a new request now.
    pub eligible: u32,
    /// Its backends, in the order of the configuration; those that were found come last.
    pub backends: Vec<BackendView>,
    /// Where backends come from that the configuration does not name.
    #[serde(default)]
    pub discovery: Vec<DiscoveryView>,
    /// So few backends of a priority group of it are healthy that health is ignored there.
    #[serde(default)]
    pub in_panic: bool,
}

/// What people ordered for a backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdminView {
    /// The state.
    pub state: Admin,
    /// Since when.
    pub since_ms: u64,
    /// Who ordered it; absent for what the configuration says.
    pub by: Option<String>,
    /// Why, in their words.
    pub reason: Option<String>,
    /// When it reverts itself.
    pub until_ms: Option<u64>,
    /// True when it was read back from the journal after a restart.
    pub restored: bool,
    /// While draining: what happens to bound clients.
    pub sticky: Option<StickyDrain>,
}

/// What checks and traffic say about a backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthView {
    /// The state.
    pub state: Health,
    /// Since when.
    pub since_ms: u64,
    /// Why: `passed`, `refused`, `timed out`, `status 503`, `body`, `closed early`, `not checked`, …
    pub cause: String,
    /// When the last check ended; absent when none has.
    pub checked_ms: Option<u64>,
}

/// State of a backend's circuit breaker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BreakerView {
    /// The state.
    pub state: Breaker,
    /// Since when.
    pub since_ms: u64,
    /// What opened it.
    pub cause: Option<String>,
    /// When the next request is let through to try.
    pub retry_ms: Option<u64>,
    /// The order in force, which holds instead of the state; absent when there is none.
    pub order: Option<BreakerOrderView>,
    /// What is in its window; absent where no share opens it.
    pub window: Option<BreakerWindow>,
}

/// One backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackendView {
    /// `pool/backend`.
    pub id: String,
    /// Its pool.
    pub pool: String,
    /// Its name in the pool.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// Changes whenever configuration or orders change this backend.
    pub rev: u64,
    /// First axis: what people ordered.
    pub admin: AdminView,
    /// Second axis: what checks and traffic say.
    pub health: HealthView,
    /// Third axis: the circuit breaker.
    pub breaker: BreakerView,
    /// How it stands among the others; absent when it is like them.
    pub standing: Option<StandingView>,
    /// The part of its weight that slow start, its standing and signals leave it, 0 to 1; absent when that is all.
    pub ease: Option<f64>,
    /// True when it can get a new request now.
    pub eligible: bool,
    /// Weight in force.
    pub weight: u32,
    /// Weight in the configuration.
    pub configured_weight: u32,
    /// When a changed weight reverts itself.
    pub weight_until_ms: Option<u64>,
    /// True when a changed weight was read back from the journal after a restart.
    pub weight_restored: bool,
    /// Share of the pool's requests the algorithm means it to get, 0 to 1; absent when it adapts.
    pub share_expected: Option<f64>,
    /// Share it got in the last [`WINDOW_S`] seconds, 0 to 1; absent without requests.
    pub share_actual: Option<f64>,
    /// What goes through it.
    pub traffic: Traffic,
    /// Requests a second in each of the last [`SPARK_POINTS`] seconds, oldest first.
    pub spark: Vec<u32>,
    /// Upstream connections open now, in use and idle.
    pub connections: u64,
    /// Upstream connections waiting in keep-alive pools now.
    pub idle_connections: u64,
    /// How long making a connection takes of late, in milliseconds, TLS included; absent before the first.
    #[serde(default)]
    pub connect_ms: Option<f64>,
    /// Share of its weight that signals and its agent leave it, 0 to 1.
    #[serde(default = "whole")]
    pub signal_factor: f64,
    /// What is known about it from outside its traffic.
    #[serde(default)]
    pub signals: Vec<SignalView>,
    /// Where that comes from, and how well that goes.
    #[serde(default)]
    pub signal_sources: Vec<SourceView>,
    /// What its agent wants; absent when none has answered.
    #[serde(default)]
    pub agent: Option<AgentView>,
    /// Zone in the configuration.
    pub zone: Option<String>,
    /// Tags in the configuration.
    pub tags: Vec<String>,
}

/// A factor that changes nothing, for daemons that know none.
fn whole() -> f64 {
    1.0
}

/// One backend with its past.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackendDetail {
    /// See [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// When this picture was taken.
    pub at_ms: u64,
    /// The backend now.
    pub backend: BackendView,
    /// Changes of state on all three axes, newest first.
    pub history: Vec<Transition>,
    /// The last checks, newest first.
    pub checks: Vec<CheckView>,
    /// Latencies of the last 60 seconds, as non-empty buckets in rising order.
    pub histogram: Vec<Bucket>,
    /// Where the configuration defines it, as `file:line`.
    pub defined: Option<String>,
}

/// One change of state on one axis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transition {
    /// When.
    pub at_ms: u64,
    /// `admin`, `health`, `breaker`, `breaker-order`, `outlier`, `weight`.
    pub axis: String,
    /// Before.
    pub from: String,
    /// After.
    pub to: String,
    /// Why.
    pub cause: String,
    /// Who, for orders.
    pub by: Option<String>,
}

/// One finished check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckView {
    /// When it ended.
    pub at_ms: u64,
    /// Whether it passed.
    pub passed: bool,
    /// Why, see [`HealthView::cause`].
    pub cause: String,
    /// How long it took, in microseconds.
    pub took_us: u64,
}

/// One bucket of a latency histogram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bucket {
    /// Lower edge in milliseconds, inclusive.
    pub from_ms: f64,
    /// Upper edge in milliseconds, exclusive.
    pub to_ms: f64,
    /// Requests in it.
    pub count: u64,
}
