//! `algorithm = { name = "auto", … }`: the arms, how they are judged, and rules.

use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::OneOrMany;
use super::format::Period;
use super::route::Match;

/// The name under which algorithms are chosen by themselves.
pub const AUTO: &str = "auto";

/// The keys of `auto`, in the table of an algorithm.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct AutoKeys {
    /// With auto: the algorithms to choose from, two to eight, as `ayactl algorithm set` takes them: "hot-cold",
    /// "peak-ewma decay=5s". Default: "hot-cold", "peak-ewma" and "least-connections".
    pub arms: Option<Vec<String>>,
    /// With auto: the one that steers first. Default: the first of the arms.
    pub start: Option<String>,
    /// With auto: the time between two decisions, "30s" to "60s" as a rule. Default: "45s".
    pub epoch: Option<Period>,
    /// With auto: what is to be low: "p99" or "mean" of the latency, failures counted as slow, or "errors", the share
    /// of requests that fail. Default: "p99".
    pub objective: Option<AutoObjective>,
    /// With auto: by what part an arm must be better before it gets to steer, and how much worse it may be then.
    /// Default: 0.05.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub margin: Option<f64>,
    /// With auto: "enforce" (the default), or "shadow" to only say in events what would be done.
    pub mode: Option<AutoMode>,
    /// With auto: algorithms for times of the day, levels of traffic and some of the requests; the first rule that holds
    /// for a request wins over what is learned. Default: none.
    pub rules: Option<Vec<AutoRule>>,
    /// With auto: how far the times of rules are ahead of UTC, such as "+02:00". Default: "UTC".
    pub time_zone: Option<String>,
}

/// What is to be low.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "an objective of this version")]
pub enum AutoObjective {
    /// The latency that 99 of 100 requests stay below.
    P99,
    /// The mean latency.
    Mean,
    /// The share of failed requests.
    Errors,
}

/// Whether a choice is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "a mode of this version")]
pub enum AutoMode {
    /// It is.
    Enforce,
    /// It is only told.
    Shadow,
}

/// An algorithm for a time of the day, a level of traffic, or some of the requests.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AutoRule {
    /// When it holds: when all that is written here does. Required.
    pub when: AutoWhen,
    /// The algorithm that steers then, or picks for these requests alone; with its parameters. Required.
    #[serde(rename = "use")]
    pub arm: String,
}

/// When a rule holds; at least one of the keys.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AutoWhen {
    /// A time of the day, "22:00-06:00", in `time_zone`.
    pub time: Option<String>,
    /// From this many requests per second of the pool; until there are less than 80 % of that.
    #[schemars(range(min = 0.0))]
    pub rate_over: Option<f64>,
    /// Up to this many requests per second of the pool; until there are over 125 % of that.
    #[schemars(range(min = 0.0))]
    pub rate_under: Option<f64>,
    /// Requests of this route to the pool, or of one of these; the others go on under what steers the pool.
    pub route: Option<OneOrMany<String>>,
    /// Requests that match, by the keys that routes have: { path = "/reports/*", method = "POST" }; `body` is not one of
    /// them. The others go on under what steers the pool.
    #[serde(rename = "match")]
    pub matches: Option<Match>,
}

impl AutoKeys {
    /// The first of them that is written.
    pub fn first_written(&self) -> Option<&'static str> {
        // Taken apart, so that a new key cannot be forgotten here.
        let Self { arms, start, epoch, objective, margin, mode, rules, time_zone } = self;
        let written = [
            ("arms", arms.is_some()),
            ("start", start.is_some()),
            ("epoch", epoch.is_some()),
            ("objective", objective.is_some()),
            ("margin", margin.is_some()),
            ("mode", mode.is_some()),
            ("rules", rules.is_some()),
            ("time_zone", time_zone.is_some()),
        ];
        written.into_iter().find_map(|(key, is_written)| is_written.then_some(key))
    }

    /// Adds the keys to those of the table of an algorithm.
    pub(super) fn add_to(properties: &mut Map<String, Value>, generator: &mut SchemaGenerator) {
        let mut own = <Self as JsonSchema>::json_schema(generator).to_value();
        if let Some(Value::Object(own)) = own.get_mut("properties").map(Value::take) {
            properties.extend(own);
        }
    }
}
