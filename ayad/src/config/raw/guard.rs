//! `breaker`, `outliers` and `slow_start` of a pool: what keeps traffic from backends that do badly, and brings it back.

use schemars::JsonSchema;
use serde::Deserialize;

use super::format::{Period, Share};
use super::pool::Mode;

/// A circuit breaker for each backend of the pool. Whichever of its rules holds first opens it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// Requests that must fail in a row before the backend is left alone. Default: 5; 0 for never.
    #[schemars(range(max = 10_000))]
    pub failures: Option<u32>,
    /// Share of failed requests in the window from which on it is left alone. Default: never by a share.
    pub error_share: Option<Share>,
    /// An answer that takes at least this long is slow. Needed by `slow_share`.
    pub slow: Option<Period>,
    /// Share of slow answers in the window from which on it is left alone. Default, where `slow` is given: "100%".
    pub slow_share: Option<Share>,
    /// Over what time shares are taken. Default: "10s".
    pub window: Option<Period>,
    /// Fewest requests in the window that a share is believed of. Default: 20.
    #[schemars(range(min = 1, max = 10_000))]
    pub min_calls: Option<u32>,
    /// How long it is left alone before requests are let through to try. Default: "5s".
    pub open: Option<Period>,
    /// Each time that trying fails it is left alone twice as long, up to this. Default: six times `open`.
    pub open_max: Option<Period>,
    /// Up to this share of the time is added by chance, so that several daemons do not try together. Default: "10%".
    pub jitter: Option<Share>,
    /// Requests let through to try, all of which must succeed. Default: 1.
    #[schemars(range(min = 1, max = 63))]
    pub trials: Option<u32>,
    /// "enforce" (the default), or "off" to keep the settings without the breaker.
    pub mode: Option<Mode>,
}

/// What is done about backends that do worse than the others of their pool.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outliers {
    /// "enforce" (the default), "shadow" to tell only what would be done, or "off".
    pub mode: Option<OutlierMode>,
    /// Failures in a row that eject at once; more are needed where the others fail too. Default: 5; 0 for never.
    #[schemars(range(max = 10_000))]
    pub failures: Option<u32>,
    /// Fewest requests in the last seconds that a backend is judged by. Default: 20.
    #[schemars(range(min = 1, max = 10_000))]
    pub min_calls: Option<u32>,
    /// How far from the median of the pool is odd, in standard deviations (of the median absolute deviation).
    /// Default: 3.5.
    #[schemars(range(min = 1.0, max = 100.0))]
    pub deviations: Option<f64>,
    /// A share of failures is odd only from this much above the median. Default: "5%".
    pub excess: Option<Share>,
    /// A backend this many times slower than the median gets less. Default: 2; 0 for never.
    #[schemars(range(min = 0.0, max = 1_000.0))]
    pub slower: Option<f64>,
    /// A backend this many times slower than the median gets nothing for a while. Default: 10; 0 for never.
    #[schemars(range(min = 0.0, max = 1_000.0))]
    pub slower_ejects: Option<f64>,
    /// Less than this share of the backends in service gets nothing at one time, and one always stays. Default: "50%".
    pub max_ejected: Option<Share>,
    /// How long a backend gets nothing the first time. Default: "1s".
    pub eject: Option<Period>,
    /// Each further time it is twice as long, up to this. Default: four times `eject`. Trials cost one request each, so
    /// short times lose little and notice a cure soon.
    pub eject_max: Option<Period>,
}

/// What is done about outliers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "a mode")]
pub enum OutlierMode {
    /// Something.
    Enforce,
    /// It is told what would be.
    Shadow,
    /// Nothing.
    Off,
}

/// How a backend that comes into traffic gets its share.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SlowStart {
    /// For how long, growing evenly from a tenth.
    Window(Period),
    /// The same with its shape.
    Table(SlowStartTable),
}

/// How a backend that comes into traffic gets its share: max(min, (age / window) ^ (1 / aggression)).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowStartTable {
    /// How long it takes until it gets all of its share.
    pub window: Period,
    /// Shape of the curve: 1 grows evenly, more grows fast at first, less slowly at first. Default: 1.
    #[schemars(range(min = 0.1, max = 10.0))]
    pub aggression: Option<f64>,
    /// Share of its weight to begin with. Default: "10%".
    pub min: Option<Share>,
}
