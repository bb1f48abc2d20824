//! `retry` and `hedge` of a pool: when a request is sent more than once.

use schemars::JsonSchema;
use serde::Deserialize;

use super::format::{Percentile, Period, RetryOn, Share, Size, Wait};
use super::pool::Mode;

/// When a request that failed goes to another backend. Only requests that are safe to repeat do: those with an
/// idempotent method or an `Idempotency-Key`, whose body is still there; and always those that were never sent.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Most backends tried for one request, the first included. Default: 3; 1 never tries another.
    #[schemars(range(min = 1, max = 8))]
    pub attempts: Option<u32>,
    /// What is retried: "connect-failure", "reset" (the connection ended before an answer), "timeout" (the answer
    /// did not begin in time), status codes 503, "502-504" or "5xx". Default: "connect-failure" alone.
    pub on: Option<Vec<RetryCause>>,
    /// Longest time for one attempt, from its start to the head of the answer. Default: what timeouts allow.
    pub per_try: Option<Period>,
    /// Upper end of the first wait after a status code; the wait is drawn at random and its bound doubles with each
    /// attempt, up to ten times this. Default: "25ms". After failed connections there is no wait.
    pub backoff: Option<Period>,
    /// Longest `Retry-After` of a backend that is waited for; an answer that asks for more goes to the client.
    /// Default: "1s".
    pub retry_after: Option<Wait>,
    /// Share of the pool's active requests that may be retries and hedges at one time, so that trouble is not
    /// multiplied. Default: "20%". Failed connects count, but are not refused: they add no load.
    pub budget: Option<Share>,
    /// Retries and hedges allowed besides, so that a quiet pool can retry at all. Default: 3.
    #[schemars(range(max = 10_000))]
    pub budget_least: Option<u32>,
    /// How much of a request's body is kept to be sent again; longer ones are not retried once sent. Default:
    /// "64KiB", kept only where `on` or a hedge can need it; at most "16MiB".
    pub body: Option<Size>,
    /// "enforce" (the default), or "off" to keep the settings and try one backend only.
    pub mode: Option<Mode>,
}

/// Something that is retried.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RetryCause {
    /// One status code.
    Code(#[schemars(range(min = 400, max = 599))] u16),
    /// A cause by name, or status codes.
    Text(RetryOn),
}

/// When a request that waits long is also sent to a second backend; the first answer counts. Takes from the
/// same budget as retries, and repeats only what they would.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hedge {
    /// Percentile of the pool's latencies over the last while after which the second copy goes out. Default: "p95",
    /// which costs about 5 % more requests.
    pub after: Option<Percentile>,
    /// Shortest delay, whatever the percentile. Default: "10ms".
    pub min: Option<Period>,
    /// "enforce" (the default), or "off" to keep the settings without hedging.
    pub mode: Option<Mode>,
}
