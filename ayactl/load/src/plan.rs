//! What a load test is to do: everything that decides which requests are sent when. The same plan and seed ask for the same.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Slack unless it is said otherwise, in microseconds: less than a processor that sleeps needs to wake on many machines.
pub const SLACK_US: u64 = 100;

/// Who decides when a request is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// The profile: requests are sent at their planned moments, however long others take, as users do.
    #[default]
    Open,
    /// The target: each connection sends its next request when it has the answer to the last one.
    Closed,
}

/// How planned moments are spread around the rate of the profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// All alike.
    #[default]
    Constant,
    /// As of many users who know nothing of each other: exponential gaps.
    Poisson,
    /// So many at the same moment.
    Burst(u32),
}

/// What is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP/1.1, one request after the other on each connection.
    #[default]
    Http1,
    /// HTTP/2, many requests at once on each connection.
    Http2,
}

/// How TLS is spoken; files are PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tls {
    /// Authorities that are believed, in place of those of the system.
    pub ca: Option<String>,
    /// Client certificate.
    pub certificate: Option<String>,
    /// Its key.
    pub key: Option<String>,
    /// Believe anybody; for loopback alone.
    pub insecure: bool,
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// The whole URL, with `http` or `https`.
    pub url: String,
    /// The address that is connected to, `127.0.0.1:8080`.
    pub address: String,
    /// The value of `Host`.
    pub host: String,
    /// Path and query of the first request; what all have unless there is a source of others.
    pub path: String,
    /// Whether TLS is spoken.
    pub tls: bool,
}

/// The file that requests were taken from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Input {
    /// `urls`, `har` or `log`.
    pub kind: String,
    /// Its name, as it was typed.
    pub file: String,
    /// Requests in it; of a log, as far as it is played.
    pub requests: u64,
    /// What of it is not sent.
    pub skipped: u64,
    /// What that is, and why; empty when there is nothing.
    pub why: String,
}

impl Input {
    /// In one line.
    pub fn in_words(&self) -> String {
        let Self { kind, file, requests, skipped, why } = self;
        let kind = match kind.as_str() {
            "urls" => "list of URLs",
            "har" => "HAR",
            _ => "access log",
        };
        let skipped = if *skipped == 0 { String::new() } else { format!(", {skipped} skipped: {why}") };
        format!("{kind} {file}, {requests} {}{skipped}", if *requests == 1 { "request" } else { "requests" })
    }
}

/// One of several generators that play one plan together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// Which, from 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

/// One load test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Where requests go.
    pub target: Target,
    /// The same requests also go there, by the flip of a seeded coin: what the proxy adds.
    #[serde(default)]
    pub overhead: Option<Target>,
    /// Method of the requests.
    pub method: String,
    /// Header fields of each request, besides `host` and `user-agent`; values of secrets are not written down.
    pub headers: Vec<(String, String)>,
    /// Bytes of the body; it is not written down.
    pub body_bytes: u64,
    /// The file that requests are taken from; absent when they are all as typed.
    #[serde(default)]
    pub input: Option<Input>,
    /// Who decides when.
    pub model: Model,
    /// The profile as it was written; empty in a closed loop.
    pub profile: String,
    /// How planned moments are spread.
    pub arrivals: Arrivals,
    /// Most connections.
    pub connections: u32,
    /// Most requests at once on one connection of HTTP/2.
    pub streams: u32,
    /// What is spoken.
    pub protocol: Protocol,
    /// How TLS is spoken.
    pub tls: Tls,
    /// How long it takes, in milliseconds.
    pub length_ms: u64,
    /// It ends after so many requests.
    pub requests: Option<u64>,
    /// What comes in this time is sent but not counted, in milliseconds.
    pub warmup_ms: u64,
    /// A request that has no whole answer after this time has failed, in milliseconds, from its actual send.
    pub timeout_ms: u64,
    /// How late requests may be sent, in microseconds, so that several go out in one wake of the processor. It is part of
    /// send lag.
    #[serde(default)]
    pub slack_us: u64,
    /// Threads of the generator.
    pub threads: u32,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// The part of the plan that this generator plays; absent when it plays all of it. Everything else here is of the whole
    /// plan, but for `connections`, `threads`, `slo` and `abort`.
    #[serde(default)]
    pub part: Option<Part>,
    /// When it begins, in milliseconds since 1970; absent for at once. A moment that is over is at once, too.
    #[serde(default)]
    pub begins_ms: Option<u64>,
    /// The run that the daemon was told of; its answers then tell the times of their parts.
    #[serde(default)]
    pub load_id: Option<String>,
    /// What must hold in the end, in the language of [`aya_api::condition`].
    pub slo: Vec<String>,
    /// What ends it early.
    pub abort: Vec<String>,
    /// The command that does the same again.
    pub command: String,
}

impl Target {
    /// A target without TLS at `address`.
    pub fn plain(address: &str, path: &str) -> Self {
        Self {
            url: format!("http://{address}{path}"),
            address: address.to_owned(),
            host: address.to_owned(),
            path: path.to_owned(),
            tls: false,
        }
    }
}

impl Part {
    /// This part of something that is divided as evenly as can be.
    pub fn share(self, all: u32) -> u32 {
        all / self.of + u32::from(self.number <= all % self.of)
    }
}

impl Plan {
    /// Which requests one of the generator's threads sends: those whose number has the first of these as its rest by the
    /// second. All threads of all parts together have each request once, also when parts have different numbers of threads.
    pub(crate) fn lot(&self, thread: u32) -> (u64, u64) {
        let (part, parts) =
            self.part.map_or((0, 1), |part| (u64::from(part.number.max(1)) - 1, u64::from(part.of.max(1))));
        (part + parts * u64::from(thread), parts * u64::from(self.threads.max(1)))
    }

    /// One thread and one connection in a closed loop, for ten seconds: what is not said otherwise.
    pub fn to(target: Target) -> Self {
        Self {
            target,
            overhead: None,
            method: "GET".to_owned(),
            headers: Vec::new(),
            body_bytes: 0,
            input: None,
            model: Model::Closed,
            profile: String::new(),
            arrivals: Arrivals::Constant,
            connections: 1,
            streams: 100,
            protocol: Protocol::Http1,
            tls: Tls::default(),
            length_ms: 10_000,
            requests: None,
            warmup_ms: 0,
            timeout_ms: 10_000,
            slack_us: SLACK_US,
            threads: 1,
            seed: 1,
            part: None,
            begins_ms: None,
            load_id: None,
            slo: Vec::new(),
            abort: Vec::new(),
            command: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_every_request_once_whatever_their_threads() {
        let mut counts = [0; 120];
        for (number, threads) in [(1, 1), (2, 4), (3, 2)] {
            let mut plan = Plan::to(Target::plain("127.0.0.1:80", "/"));
            (plan.part, plan.threads) = (Some(Part { number, of: 3 }), threads);
            for thread in 0..threads {
                let (rest, by) = plan.lot(thread);
                for count in counts.iter_mut().skip(rest as usize).step_by(by as usize) {
                    *count += 1;
                }
            }
        }
        assert!(counts.iter().all(|count| *count == 1), "{counts:?}");
        let shares: Vec<u32> = (1..=3).map(|number| Part { number, of: 3 }.share(50)).collect();
        assert_eq!(shares, [17, 17, 16]);
    }
}
