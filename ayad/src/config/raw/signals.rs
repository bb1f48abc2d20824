//! `signals` of a pool: numbers about its backends from outside their traffic.

use std::borrow::Cow;
use std::collections::BTreeMap;

use aya_core::signal::Signal;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::OneOrMany;
use super::format::{Period, SecretRef, Target};

/// Numbers about backends from outside their traffic. What is older than its expiry counts as absent; what cannot be
/// true is left out and told.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signals {
    /// What happens to the fields in which backends report load (`x-aya-load`, ORCA's `endpoint-load-metrics` and
    /// `endpoint-load-metrics-bin`): "strip" reads them and takes them out of answers (the default), "pass" reads them
    /// and passes them on, "ignore" passes them on unread. Requests never carry them to a backend.
    pub headers: Option<HeadersMode>,
    /// What names in these fields mean, beside those known: `{ "named_metrics.tokens_waiting" = "queue" }`. Default: none.
    pub names: Option<BTreeMap<String, SignalName>>,
    /// Age from which a value counts as absent. Default: "10s" for fields of answers, three intervals for what is asked.
    pub expire: Option<Period>,
    /// Asks an agent beside each backend, in the text protocol of `agent-check` of `HAProxy`. Default: none.
    pub agent: Option<Agent>,
    /// Reads a page of Prometheus metrics of each backend. Default: none.
    pub scrape: Option<Scrape>,
    /// Asks a Prometheus server, with one query or several. Default: none.
    pub query: Option<OneOrMany<Query>>,
    /// Asks each backend for its load, for pools that several proxies share. Default: none.
    pub probe: Option<LoadProbe>,
    /// Lets weights follow a signal: who reports more than the others gets less. Default: they do not.
    pub weight_by: Option<WeightBy>,
}

/// What happens to fields that report load.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "what to do with reported load")]
pub enum HeadersMode {
    /// They are read, and clients do not see them.
    Strip,
    /// They are read and passed on.
    Pass,
    /// They are passed on unread.
    Ignore,
}

/// The name of a signal.
#[derive(Clone, Debug, Deserialize)]
pub struct SignalName(pub String);

impl JsonSchema for SignalName {
    fn schema_name() -> Cow<'static, str> {
        "SignalName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = Signal::ALL.iter().map(|signal| signal.as_str()).collect();
        json_schema!({ "type": "string", "title": "a signal", "enum": names })
    }
}

/// An agent beside each backend: a small server that says `up`, `down`, `drain`, `75%` and the like.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Port of the agent, on the address of each backend. Required.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: u16,
    /// Time between two questions. Default: "2s".
    pub interval: Option<Period>,
    /// Longest time for one answer; at most the interval. Default: "1s", or the interval if that is shorter.
    pub timeout: Option<Period>,
    /// Text that is sent before the answer is read; `\n` is not added. Default: none.
    pub send: Option<String>,
}

/// A page of Prometheus metrics.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scrape {
    /// Path of the page. Default: "/metrics".
    pub path: Option<Target>,
    /// Port of the page, on the address of each backend. Default: that of the preset, or of the backend itself (then
    /// inside TLS where the pool has it).
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<u16>,
    /// Time between two looks. Default: "5s".
    pub interval: Option<Period>,
    /// Longest time for one look; at most the interval. Default: "2s", or the interval if that is shorter.
    pub timeout: Option<Period>,
    /// Metrics of a well-known exporter: "vllm", "triton" or "dcgm". Default: none. `metrics` go before it.
    pub preset: Option<Preset>,
    /// Which metric is which signal: `{ queue = "app_waiting", gpu = { metric = "gpu_util{gpu=\"0\"}", scale = 0.01 } }`.
    pub metrics: Option<BTreeMap<String, MetricEntry>>,
}

/// A well-known exporter.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "an exporter")]
pub enum Preset {
    /// vLLM: running and waiting requests, use of its cache.
    Vllm,
    /// NVIDIA Triton (port 8002): pending requests, use of GPUs and processor.
    Triton,
    /// NVIDIA's DCGM exporter (port 9400): use of GPUs.
    Dcgm,
}

/// A metric of a page.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MetricEntry {
    /// Its name, with labels it must have: `name{label="value"}`.
    Name(String),
    /// A table.
    Full(Metric),
}

/// A metric of a page, and how it becomes a value.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Its name, with labels it must have: `name{label="value"}`. Required.
    pub metric: String,
    /// How several series become one value: "sum" (the default), "max" or "mean".
    pub over: Option<Over>,
    /// What values are multiplied with, 0.01 for percent. Default: 1.
    #[schemars(range(min = 0.0, max = 1e12))]
    pub scale: Option<f64>,
}

/// How several series become one value.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "how series become one value")]
pub enum Over {
    /// All together.
    Sum,
    /// The largest.
    Max,
    /// The mean.
    Mean,
}

/// A query to a Prometheus server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Where the server is, such as `http://prometheus:9090`; a path in front of `/api/v1/query` may follow. Required.
    pub server: String,
    /// `PromQL` that gives one value for each backend. Required.
    pub query: String,
    /// Label by which values find their backends: it is the address or the name of one. Default: "instance".
    pub label: Option<String>,
    /// What the values are. Required.
    pub signal: SignalName,
    /// Time between two questions. Default: "15s".
    pub interval: Option<Period>,
    /// Longest time for one answer; at most the interval. Default: "5s", or the interval if that is shorter.
    pub timeout: Option<Period>,
    /// Where the bearer token is. Default: none is sent.
    pub token: Option<SecretRef>,
}

/// A question for the load of each backend, answered by the field `x-aya-load` (or ORCA's).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadProbe {
    /// Path that is asked for. Default: "/load".
    pub path: Option<Target>,
    /// Port that is asked, on the address of each backend. Default: that of the backend.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<u16>,
    /// Time between two questions to one backend. Default: "1s".
    pub interval: Option<Period>,
    /// Longest time for one answer; at most the interval. Default: "500ms", or the interval if that is shorter.
    pub timeout: Option<Period>,
    /// Most questions a second to all backends of the pool; intervals grow where it is too few. Default: 50.
    #[schemars(range(min = 0.1, max = 10_000.0))]
    pub rate: Option<f64>,
}

/// How weights follow a signal.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightBy {
    /// The signal. Required.
    pub signal: SignalName,
    /// Least share of its weight that a backend keeps. Default: 0.2.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub min: Option<f64>,
    /// Largest share of its weight. Default: 1.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub max: Option<f64>,
    /// The value every backend should have. Default: the median of the pool.
    #[schemars(range(min = 0.0, max = 1e12))]
    pub target: Option<f64>,
}
