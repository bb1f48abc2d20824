//! What a load test saw, second by second and in all. Everything a report says is computed from this.

use std::collections::BTreeMap;

use aya_api::event::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hist::Hist;
use crate::plan::Plan;

/// Version of this shape.
pub const RECORDING_VERSION: u32 = 1;

/// Why a request has no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The target refused the connection.
    Refused,
    /// The connection was reset.
    Reset,
    /// The connection was closed before the answer was whole.
    ClosedEarly,
    /// It took longer than it may.
    Timeout,
    /// What came was no HTTP.
    Garbage,
    /// TLS did not come about.
    Tls,
    /// No address was left to connect from (`EADDRNOTAVAIL`).
    OutOfPorts,
    /// No descriptor was left (`EMFILE`, `ENFILE`).
    OutOfDescriptors,
    /// Any other failure to connect.
    Connect,
    /// The test ended before the answer came; counted apart, for the target is not to blame.
    Unfinished,
}

impl ErrorKind {
    /// Its word on the wire and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::ClosedEarly => "closed-early",
            Self::Timeout => "timeout",
            Self::Garbage => "garbage",
            Self::Tls => "tls",
            Self::OutOfPorts => "out-of-ports",
            Self::OutOfDescriptors => "out-of-descriptors",
            Self::Connect => "connect",
            Self::Unfinished => "unfinished",
        }
    }

    /// What it means, for people.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Refused => "the target refused the connection",
            Self::Reset => "the connection was reset",
            Self::ClosedEarly => "the connection was closed before the answer was whole",
            Self::Timeout => "it took longer than --request-timeout",
            Self::Garbage => "what came was no HTTP",
            Self::Tls => "TLS did not come about",
            Self::OutOfPorts => "no port was left on this machine; take fewer connections (-c)",
            Self::OutOfDescriptors => "no descriptor was left for this process; raise `ulimit -n`",
            Self::Connect => "a connection could not be made",
            Self::Unfinished => "the test ended before the answer came",
        }
    }

    /// True when the generator or its machine is to blame, not the target.
    pub const fn is_own(self) -> bool {
        matches!(self, Self::OutOfPorts | Self::OutOfDescriptors | Self::Unfinished)
    }
}

/// What was seen of some requests. An answer counts in the second in which it was whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Seen {
    /// Requests that were planned.
    pub offered: u64,
    /// Requests that were sent.
    pub sent: u64,
    /// Whole answers, whatever their status.
    pub answered: u64,
    /// Answers of 5xx, and requests without a whole answer.
    pub failed: u64,
    /// Requests that were given out when they were due, and waited because every connection was in use and no more were
    /// allowed.
    pub waited: u64,
    /// Bytes of bodies received.
    pub bytes: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without a whole answer, by kind.
    pub errors: BTreeMap<ErrorKind, u64>,
    /// From the planned moment to the last byte; in a closed loop the same as service time. Failures without an answer
    /// count with the time until they failed.
    pub response: Hist,
    /// The part of it that is of requests which failed.
    #[serde(default)]
    pub failures: Hist,
    /// From the actual send to the last byte.
    pub service: Hist,
    /// From the planned moment to the actual send.
    pub lag: Hist,
}

impl Seen {
    /// Adds what others saw.
    pub fn merge(&mut self, other: &Self) {
        self.offered += other.offered;
        self.sent += other.sent;
        self.answered += other.answered;
        self.failed += other.failed;
        self.waited += other.waited;
        self.bytes += other.bytes;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (kind, count) in &other.errors {
            *self.errors.entry(*kind).or_default() += count;
        }
        self.response.merge(&other.response);
        self.failures.merge(&other.failures);
        self.service.merge(&other.service);
        self.lag.merge(&other.lag);
    }

    /// Takes less room; what was seen stays.
    pub fn pack(&mut self) {
        for hist in [&mut self.response, &mut self.failures, &mut self.service, &mut self.lag] {
            hist.pack();
        }
    }

    /// Requests that came to an end, with an answer or without.
    pub fn ended(&self) -> u64 {
        let unanswered: u64 = self
            .errors
            .iter()
            .filter(|(kind, _)| **kind != ErrorKind::Unfinished)
            .map(|(_, count)| count)
            .sum();
        self.answered + unanswered
    }

    /// Share of those that failed, 0 to 1; `None` before the first.
    pub fn error_share(&self) -> Option<f64> {
        let ended = self.ended();
        (ended > 0).then(|| self.failed as f64 / ended as f64)
    }
}

/// One second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Second {
    /// Its number since the start, warm-up included.
    pub at: u32,
    /// Most requests under way at once.
    pub in_flight: u64,
    /// What was seen in it.
    #[serde(flatten)]
    pub seen: Seen,
}

/// Answers of one status, apart from all others: slow failures must not make successes look slow, nor fast ones fast.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OfStatus {
    /// Response time.
    pub response: Hist,
    /// Service time.
    pub service: Hist,
}

impl OfStatus {
    /// None yet, ready for many.
    #[must_use]
    pub fn opened() -> Self {
        Self { response: Hist::default().opened(), service: Hist::default().opened() }
    }

    /// Adds what others saw.
    pub fn merge(&mut self, other: &Self) {
        self.response.merge(&other.response);
        self.service.merge(&other.service);
    }
}

/// What the proxy told about requests that one backend answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OfBackend {
    /// Until a backend was picked.
    pub queue: Hist,
    /// Attempts that failed, with the waits between them.
    pub retries: Hist,
    /// The last attempt, until the head of its answer.
    pub backend: Hist,
    /// Response time of the same requests, as the generator saw it.
    pub response: Hist,
    /// Send lag of the same requests.
    pub lag: Hist,
    /// Answers of 5xx.
    pub failed: u64,
}

impl OfBackend {
    /// Adds what others saw.
    pub fn merge(&mut self, other: &Self) {
        self.queue.merge(&other.queue);
        self.retries.merge(&other.retries);
        self.backend.merge(&other.backend);
        self.response.merge(&other.response);
        self.lag.merge(&other.lag);
        self.failed += other.failed;
    }
}

/// The same request direct and through the proxy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Overhead {
    /// Service times in each second through the proxy.
    pub proxied: Vec<Hist>,
    /// Service times in the same seconds direct to the backend.
    pub direct: Vec<Hist>,
}

impl Overhead {
    /// Adds what others saw in the same seconds.
    pub fn merge(&mut self, other: &Self) {
        for (own, others) in [(&mut self.proxied, &other.proxied), (&mut self.direct, &other.direct)] {
            if own.len() < others.len() {
                own.resize_with(others.len(), Hist::default);
            }
            for (own, other) in own.iter_mut().zip(others) {
                own.merge(other);
                own.pack();
            }
        }
    }
}

/// How the generator fared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Generator {
    /// Its threads.
    pub threads: u32,
    /// Processor time it used, user and system, in seconds.
    pub cpu_s: f64,
    /// Time it ran, in seconds.
    pub wall_s: f64,
    /// Connections it opened.
    pub connections: u64,
    /// Most connections open at once.
    pub most_open: u64,
    /// Requests that waited because all allowed connections were in use.
    pub cap_waits: u64,
    /// How long it stood still, in seconds: stopped, asleep with its machine, or without a processor. Moments shorter than
    /// half a second do not count.
    #[serde(default)]
    pub still_s: f64,
}

/// Why it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// All of it was done.
    #[default]
    Done,
    /// Somebody ended it early: what is there is whole, but less.
    Interrupted,
    /// One of its conditions ended it.
    Aborted(String),
    /// What it was to send could not be read to the end, for this reason.
    Cut(String),
}

/// Everything that was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recording {
    /// See [`RECORDING_VERSION`].
    pub schema_version: u32,
    /// What it was to do.
    pub plan: Plan,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Why it ended.
    pub ended: Ended,
    /// Its seconds, warm-up left out.
    pub seconds: Vec<Second>,
    /// All of them.
    pub total: Seen,
    /// Answers by status.
    pub by_status: BTreeMap<u16, OfStatus>,
    /// Answers by backend, where the proxy told; empty otherwise.
    pub by_backend: BTreeMap<String, OfBackend>,
    /// What the proxy adds, where that was asked for.
    pub overhead: Option<Overhead>,
    /// What happened at the daemon meanwhile.
    pub marks: Vec<Event>,
    /// How the generator fared.
    pub generator: Generator,
}
