//! What a fault does. To add a kind: a variant of [`Fault`], a line in [`KINDS`], and in `aya-core` a file and a line of
//! its table `FAULTS`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::axis::BreakerOrder;

/// How a random latency is spread around its mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Anywhere between mean - jitter and mean + jitter, all alike.
    #[default]
    Uniform,
    /// A bell: jitter is its standard deviation.
    Normal,
    /// A long tail: exponential beyond mean - jitter, with a standard deviation of jitter.
    Exponential,
    /// A very long tail: Pareto with the shape 2.5, shifted to the mean; jitter is its scale.
    Pareto,
}

/// What a lying health check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LyingHealth {
    /// Checks pass whatever the backend says.
    Up,
    /// Checks fail whatever the backend says.
    Down,
}

/// When a connection is reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Before the answer: the backend has not seen the request.
    #[default]
    Before,
    /// Inside the answer: its first bytes have come.
    Inside,
}

/// What becomes of the process of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessState {
    /// It is stopped (SIGSTOP), and goes on at the end.
    Paused,
    /// It is killed (SIGKILL), and started again at the end.
    Killed,
}

/// What is done. Latencies, resets and the like happen between the proxy and its backend, so that retries, breakers
/// and outlier detection see them as if the backend had done it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// Attempts begin later.
    Latency {
        /// How much later, on average, in milliseconds.
        mean_ms: f64,
        /// How much that varies, in milliseconds; see [`Distribution`].
        #[serde(default)]
        jitter_ms: f64,
        /// How it varies.
        #[serde(default)]
        distribution: Distribution,
    },
    /// An answer that no backend gave.
    Error {
        /// Its status, 200 to 599.
        status: u16,
        /// Its body.
        #[serde(default)]
        body: String,
        /// Its headers, as `name: value`.
        #[serde(default)]
        headers: Vec<String>,
    },
    /// The connection to the backend is reset.
    Reset {
        /// When.
        #[serde(default)]
        phase: Phase,
        /// Inside the answer: after so many of its bytes.
        #[serde(default)]
        after_bytes: u64,
    },
    /// No byte comes, and none goes, until the fault ends or somebody's patience does.
    Hang {},
    /// The backend refuses the connection.
    Refuse {},
    /// Bytes pass no faster than this.
    Bandwidth {
        /// Bytes a second to the backend; absent for no limit.
        #[serde(default)]
        up: Option<u64>,
        /// Bytes a second from the backend; absent for no limit.
        #[serde(default)]
        down: Option<u64>,
    },
    /// The end of an answer, or of a TCP connection, comes later.
    SlowClose {
        /// How much later, in milliseconds.
        delay_ms: f64,
    },
    /// Answers come in small pieces with a pause before each.
    Slice {
        /// Bytes of a piece.
        bytes: u64,
        /// How much that varies.
        #[serde(default)]
        spread: u64,
        /// Pause before each, in microseconds.
        #[serde(default)]
        pause_us: u64,
    },
    /// The answer ends early, as if the backend had closed in the middle of it.
    Truncate {
        /// After so many bytes, head included.
        after_bytes: u64,
    },
    /// Bytes of answers are changed: of the body alone, so that it is the client who has to notice.
    Corrupt {
        /// One byte of so many is changed, on average.
        one_in: u64,
    },
    /// The first attempts of each target are refused; then all is well.
    DropFirst {
        /// How many.
        count: u64,
    },
    /// The backend comes and goes: it refuses connections in a part of every period.
    Flap {
        /// Length of a period in milliseconds.
        period_ms: u64,
        /// Part of it in which it is away, 0 to 1.
        #[serde(default = "half")]
        away: f64,
    },
    /// Health checks lie.
    HealthLie {
        /// What they say.
        says: LyingHealth,
    },
    /// A breaker is forced.
    Breaker {
        /// `open`, `closed`, or `held`.
        order: BreakerOrder,
    },
    /// Backends cannot be reached at all, neither by requests nor by checks: connections to them are left hanging.
    Partition {},
    /// So many more requests seem to be in flight at each backend: pickers and limits see them, backends do not.
    Load {
        /// How many, at each backend.
        in_flight: u32,
    },
    /// The process of a backend is paused or killed. Whoever started it does that, and undoes it when this ends; the
    /// daemon touches no process, and keeps who, why and until when.
    Process {
        /// What becomes of it.
        state: ProcessState,
    },
}

fn half() -> f64 {
    0.5
}

/// One kind of fault, as data: for help, completions and documents.
#[derive(Clone, Copy, Debug)]
pub struct FaultKind {
    /// Its name, also on the wire.
    pub name: &'static str,
    /// What it does, in one sentence without a period.
    pub summary: &'static str,
    /// For what it is.
    pub plane: Plane,
}

/// For what a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    /// Requests, and TCP connections.
    Both,
    /// Requests alone.
    Http,
    /// What the daemon thinks of backends: there is no share of it.
    Backend,
    /// Processes of practice backends: `ayactl chaos pause` and `kill`.
    Process,
}

const fn kind(name: &'static str, plane: Plane, summary: &'static str) -> FaultKind {
    FaultKind { name, summary, plane }
}

/// Every kind. The order is that of help.
pub const KINDS: &[FaultKind] = &[
    kind("latency", Plane::Both, "Attempts begin later"),
    kind("error", Plane::Http, "An answer that no backend gave"),
    kind("reset", Plane::Both, "Connections are reset, before the answer or inside it"),
    kind("hang", Plane::Both, "No byte comes and none goes"),
    kind("refuse", Plane::Both, "Backends refuse connections"),
    kind("bandwidth", Plane::Both, "Bytes pass no faster than a limit"),
    kind("slow-close", Plane::Both, "The end of an answer comes later"),
    kind("slice", Plane::Both, "Answers come in small pieces with pauses"),
    kind("truncate", Plane::Both, "Answers end early"),
    kind("corrupt", Plane::Both, "Bytes of answers are changed"),
    kind("drop-first", Plane::Both, "The first attempts are refused, then all is well"),
    kind("flap", Plane::Both, "Backends come and go"),
    kind("health-lie", Plane::Backend, "Health checks lie"),
    kind("breaker", Plane::Backend, "Breakers are forced"),
    kind("partition", Plane::Both, "Backends cannot be reached at all, not even by checks"),
    kind("load", Plane::Backend, "More requests seem to be in flight than are"),
    kind("process", Plane::Process, "Processes of practice backends are paused or killed"),
];

impl Fault {
    /// Its line in [`KINDS`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Error { .. } => "error",
            Self::Reset { .. } => "reset",
            Self::Hang {} => "hang",
            Self::Refuse {} => "refuse",
            Self::Bandwidth { .. } => "bandwidth",
            Self::SlowClose { .. } => "slow-close",
            Self::Slice { .. } => "slice",
            Self::Truncate { .. } => "truncate",
            Self::Corrupt { .. } => "corrupt",
            Self::DropFirst { .. } => "drop-first",
            Self::Flap { .. } => "flap",
            Self::HealthLie { .. } => "health-lie",
            Self::Breaker { .. } => "breaker",
            Self::Partition {} => "partition",
            Self::Load { .. } => "load",
            Self::Process { .. } => "process",
        }
    }

    /// Whether it hits a share of what comes; else it is for a backend as a whole, and nothing is counted.
    pub fn has_share(&self) -> bool {
        matches!(self.plane(), Plane::Both | Plane::Http)
    }

    /// For what it is.
    pub fn plane(&self) -> Plane {
        KINDS.iter().find(|kind| kind.name == self.kind()).map_or(Plane::Both, |kind| kind.plane)
    }
}

/// The kind with its figures, for tables: `latency 200 ms ± 50 ms uniform`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Self::Latency { mean_ms, jitter_ms, distribution } => {
                write!(f, " {mean_ms} ms")?;
                if *jitter_ms > 0.0 {
                    let shape = match distribution {
                        Distribution::Uniform => "uniform",
                        Distribution::Normal => "normal",
                        Distribution::Exponential => "exponential",
                        Distribution::Pareto => "pareto",
                    };
                    write!(f, " ± {jitter_ms} ms {shape}")?;
                }
                Ok(())
            }
            Self::Error { status, .. } => write!(f, " {status}"),
            Self::Reset { phase: Phase::Before, .. } => f.write_str(" before the answer"),
            Self::Reset { phase: Phase::Inside, after_bytes } => write!(f, " after {after_bytes} B"),
            Self::Hang {} | Self::Refuse {} | Self::Partition {} => Ok(()),
            Self::Bandwidth { up, down } => {
                let mut write = |name, limit: &Option<u64>| match limit {
                    Some(limit) => write!(f, " {name} {limit} B/s"),
                    None => Ok(()),
                };
                write("up", up)?;
                write("down", down)
            }
            Self::SlowClose { delay_ms } => write!(f, " by {delay_ms} ms"),
            Self::Slice { bytes, pause_us, .. } => write!(f, " {bytes} B, {pause_us} µs apart"),
            Self::Truncate { after_bytes } => write!(f, " to {after_bytes} B"),
            Self::Corrupt { one_in } => write!(f, " one byte in {one_in}"),
            Self::DropFirst { count } => write!(f, " {count}"),
            Self::Flap { period_ms, away } => write!(f, " {:.0} % of every {period_ms} ms", away * 100.0),
            Self::HealthLie { says: LyingHealth::Up } => f.write_str(" up"),
            Self::HealthLie { says: LyingHealth::Down } => f.write_str(" down"),
            Self::Breaker { order } => write!(f, " {order}"),
            Self::Load { in_flight } => write!(f, " {in_flight} in flight"),
            Self::Process { state: ProcessState::Paused } => f.write_str(" paused"),
            Self::Process { state: ProcessState::Killed } => f.write_str(" killed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_as_it_is_named() {
        for kind in KINDS {
            let text = serde_json::json!({
                "latency": {"kind": "latency", "mean_ms": 5.0},
                "error": {"kind": "error", "status": 503},
                "reset": {"kind": "reset"},
                "hang": {"kind": "hang"},
                "refuse": {"kind": "refuse"},
                "bandwidth": {"kind": "bandwidth", "down": 1000},
                "slow-close": {"kind": "slow-close", "delay_ms": 100.0},
                "slice": {"kind": "slice", "bytes": 10},
                "truncate": {"kind": "truncate", "after_bytes": 10},
                "corrupt": {"kind": "corrupt", "one_in": 100},
                "drop-first": {"kind": "drop-first", "count": 2},
                "flap": {"kind": "flap", "period_ms": 1000},
                "health-lie": {"kind": "health-lie", "says": "down"},
                "breaker": {"kind": "breaker", "order": "open"},
                "partition": {"kind": "partition"},
                "load": {"kind": "load", "in_flight": 5},
                "process": {"kind": "process", "state": "paused"},
            });
            let fault: Fault = serde_json::from_value(text[kind.name].clone()).expect(kind.name);
            assert_eq!(fault.kind(), kind.name);
            assert_eq!(fault.plane(), kind.plane);
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let wrong = serde_json::json!({"kind": "latency", "mean_ms": 5.0, "jiter_ms": 1.0});
        let error = serde_json::from_value::<Fault>(wrong).expect_err("a misspelt parameter");
        assert!(error.to_string().contains("jiter_ms"), "{error}");
    }
}
