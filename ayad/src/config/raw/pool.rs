//! `[pool.NAME]`: backends that serve the same thing, and how they are treated.

use schemars::JsonSchema;
use serde::Deserialize;

use super::OneOrMany;
use super::algorithm::Algorithm;
use super::discover::Discover;
use super::division::{HashKey, Zones};
use super::format::{Address, CookieName, Name, Period, PeriodLimit, Share};
use super::guard::{Breaker, Outliers, SlowStart};
use super::health::Health;
use super::retry::{Hedge, Retry};
use super::signals::Signals;
use super::tls::PoolTls;

/// A pool: backends that serve the same thing.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// How a backend is picked for each request. Default: "hot-cold". `ayactl algorithm list` says when to
    /// choose which. A table tunes it: { name = "hot-cold", quantile = 0.7 }. "auto" chooses by itself.
    pub algorithm: Option<Algorithm>,
    /// The backends: addresses, or tables with a name, weight, zone and tags. At least one, unless there is `discover`.
    pub backends: Option<Vec<BackendEntry>>,
    /// Where more backends come from: a source, or a list of them. Those in `backends` stay whatever a source says, and
    /// win when a name is the same. Default: nowhere.
    pub discover: Option<OneOrMany<Discover>>,
    /// What the backends speak: "http/1.1" (the default), or "h2" for HTTP/2 without asking, as gRPC servers do. Checks
    /// of kind "http" speak HTTP/1.1 in any case; gRPC servers are best checked by "grpc".
    pub protocol: Option<BackendProtocol>,
    /// How backends are checked. Default: { kind = "tcp" }.
    pub health: Option<Health>,
    /// When a backend that answers but fails is left alone for a while. Default: no breaker.
    pub breaker: Option<Breaker>,
    /// What is done about a backend that fails more often than the others, or is slower. Default: it gets less, then
    /// nothing for some seconds, at thresholds that ordinary traffic does not reach; never when all are alike.
    pub outliers: Option<Outliers>,
    /// How a backend that comes into traffic gets its share: "30s", or a table. Default: all of it at once. Backends that
    /// are there when the daemon starts do not begin slowly.
    pub slow_start: Option<SlowStart>,
    /// What binds a client to the backend it had before. Default: nothing.
    pub sticky: Option<Sticky>,
    /// When a request that failed goes to another backend. Default: only what was never sent does, up to 3 backends.
    pub retry: Option<Retry>,
    /// When a request that waits long is also sent to a second backend. Default: never.
    pub hedge: Option<Hedge>,
    /// Short for `attempts` in `retry`: most backends tried for one request. Default: 3; 1 never tries another.
    #[schemars(range(min = 1, max = 8))]
    pub attempts: Option<u32>,
    /// How long backends may take.
    pub timeouts: Option<PoolTimeouts>,
    /// Which connections to backends are kept for the next request.
    pub keepalive: Option<Keepalive>,
    /// Begins each connection to a backend with the PROXY protocol, "v1" or "v2", to tell who the client is. Such a
    /// connection belongs to one client and is not kept for others. Checks say that they are nobody (`LOCAL`,
    /// `UNKNOWN`). Default: not spoken; a backend that does not expect it cannot read what follows.
    pub proxy_protocol: Option<ProxyVersion>,
    /// TLS to the backends; `{}` switches it on with all defaults. Default: none.
    pub tls: Option<PoolTls>,
    /// What algorithms with keys hash by: "source" (the default, the address of the client), "path", or
    /// { header = "x-user" }, { cookie = "sid" }, { query = "user" }.
    pub hash: Option<HashKey>,
    /// Most load of one backend in relation to the mean of all, under any algorithm: 1.25 lets it have a quarter more.
    /// Default: no bound. Use it with hashing, where a few keys may be asked for by everybody.
    #[schemars(range(min = 1.0, max = 100.0))]
    pub bounded_load: Option<f64>,
    /// Share of healthy backends below which health is ignored, because sending everything to the few that are left
    /// would break them too, and a check that fails for most may itself be wrong. Default: "0%", never.
    pub panic: Option<Share>,
    /// Most backends that this daemon uses of the pool (of each priority), chosen by a hash so that many daemons spread
    /// evenly. Default: all. Use it when hundreds of daemons face hundreds of backends.
    #[schemars(range(min = 1, max = 65_536))]
    pub subset: Option<u32>,
    /// Whether requests stay in the zone of this daemon. Default: they do, where the daemon and backends have zones.
    pub zones: Option<Zones>,
    /// Numbers about backends from outside their traffic: what they report, what monitors know. Default: fields of answers
    /// that report load are read.
    pub signals: Option<Signals>,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "a version of the PROXY protocol")]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary; names the host a TLS client asked for, too.
    V2,
}

impl Pool {
    /// A pool with nothing but its backends.
    pub fn of(backends: Vec<BackendEntry>) -> Self {
        Self {
            algorithm: None,
            backends: Some(backends),
            discover: None,
            protocol: None,
            health: None,
            breaker: None,
            outliers: None,
            slow_start: None,
            sticky: None,
            retry: None,
            hedge: None,
            attempts: None,
            timeouts: None,
            keepalive: None,
            proxy_protocol: None,
            tls: None,
            signals: None,
            hash: None,
            bounded_load: None,
            panic: None,
            subset: None,
            zones: None,
        }
    }
}

/// What backends speak.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(title = "a protocol of this version")]
pub enum BackendProtocol {
    /// HTTP/1.1.
    #[serde(rename = "http/1.1")]
    Http1,
    /// HTTP/2.
    #[serde(rename = "h2")]
    Http2,
}

/// A backend: its address, or a table with more.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BackendEntry {
    /// An address, which is also the name.
    Address(Address),
    /// A table.
    Full(Backend),
}

/// One server of a pool.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// Its name in the pool; orders and metrics use it. Default: its address.
    pub name: Option<Name>,
    /// Where it is, as HOST:PORT or `unix:/PATH`. A host name is resolved once, when the file is loaded. Required.
    pub address: Address,
    /// Its share in relation to the others under algorithms that use weights. Default: 1; 0 gets nothing new.
    #[schemars(range(max = 1000))]
    pub weight: Option<u32>,
    /// Zone it stands in. Default: none. Daemons prefer backends of their own zone.
    pub zone: Option<String>,
    /// Priority group: the backends of the lowest number serve alone while at least five of seven of them are healthy;
    /// below that the next group takes what they cannot. Default: 0.
    pub priority: Option<u8>,
    /// Words to select backends by. Default: none.
    pub tags: Option<Vec<String>>,
}

/// Whether something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "a mode of this version")]
pub enum Mode {
    /// It is done.
    Enforce,
    /// It is not.
    Off,
}

/// What binds a client to a backend: exactly one of the keys.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sticky {
    /// A cookie of this name, inserted by the proxy. For browsers.
    pub cookie: Option<CookieName>,
    /// The address of the client. For clients without cookies; moves everybody behind one NAT together.
    pub source: Option<bool>,
}

/// How long backends may take.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolTimeouts {
    /// Longest time to connect. Default: "2s". Short is good: another backend is tried next.
    pub connect: Option<Period>,
    /// Longest time from the sent request to the first byte of the answer. Default: "30s".
    pub first_byte: Option<Period>,
    /// Longest silence inside an answer. Default: "30s". Raise it for event streams.
    pub idle: Option<Period>,
    /// Longest silence of both sides after a switch to another protocol, such as WebSocket. Default: "1h".
    pub tunnel: Option<Period>,
    /// Longest time for the whole request, body included. Default: "none".
    pub request: Option<PeriodLimit>,
}

/// Which connections to backends are kept, for each worker and backend.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keepalive {
    /// Most idle connections kept. Default: 128; 0 closes each after its answer.
    #[schemars(range(max = 65_536))]
    pub max_idle: Option<u32>,
    /// Longest time a connection stays idle. Default: "30s". Keep it below what the backends use.
    pub idle: Option<Period>,
    /// Longest life of a connection, so that traffic follows changes behind the address. Default: "10m".
    pub age: Option<Period>,
}
