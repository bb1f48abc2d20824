//! Where numbers about backends come from, once every mistake is out.

use std::time::Duration;

use aya_core::exposition::{Over, Selector};
use aya_core::follow::FollowRules;
use aya_core::report::Named;
use aya_core::signal::Signal;

use super::secret::Secret;

/// Expiry of what fields of answers say.
const HEADERS_EXPIRE: Duration = Duration::from_secs(10);
/// Intervals after which what is asked for expires.
const INTERVALS: u32 = 3;

/// Where numbers about the backends of a pool come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signals {
    /// What happens to fields that report load.
    pub headers: Headers,
    /// What names in them mean.
    pub names: Vec<Named>,
    /// Expiry of everything; by source when absent.
    pub expire: Option<Duration>,
    /// Agents.
    pub agent: Option<Agent>,
    /// Pages of metrics.
    pub scrape: Option<Scrape>,
    /// Queries to Prometheus servers.
    pub queries: Vec<Query>,
    /// Questions for load.
    pub probe: Option<LoadProbe>,
    /// How weights follow.
    pub follow: Option<FollowRules>,
}

/// What happens to fields of answers that report load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Headers {
    /// They are read and taken out.
    #[default]
    Strip,
    /// They are read and passed on.
    Pass,
    /// They are passed on unread.
    Ignore,
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Source {
    /// A field of an answer.
    Headers,
    /// An agent.
    Agent,
    /// A page of metrics.
    Scrape,
    /// A query.
    Query,
    /// A question for load.
    Probe,
}

impl Source {
    /// Every one, by its number.
    pub const ALL: [Self; 5] = [Self::Headers, Self::Agent, Self::Scrape, Self::Query, Self::Probe];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Agent => "agent",
            Self::Scrape => "scrape",
            Self::Query => "query",
            Self::Probe => "probe",
        }
    }
}

impl Signals {
    /// Age up to which a value of this source counts.
    pub fn expiry(&self, source: Source, signal: Signal) -> Duration {
        let query = || self.queries.iter().find(|query| query.signal == signal).map(|query| query.interval);
        let interval = match source {
            Source::Headers => None,
            Source::Agent => self.agent.as_ref().map(|agent| agent.interval),
            Source::Scrape => self.scrape.as_ref().map(|scrape| scrape.interval),
            Source::Query => query(),
            Source::Probe => self.probe.as_ref().map(|probe| probe.interval),
        };
        self.expire.or(interval.map(|interval| interval * INTERVALS)).unwrap_or(HEADERS_EXPIRE)
    }

    /// Age from which on nothing counts any more that this source said.
    pub fn longest_expiry(&self, source: Source) -> Duration {
        let queries = self.queries.iter().filter(|_| source == Source::Query).map(|query| query.signal);
        let each = queries.map(|signal| self.expiry(source, signal));
        each.max().unwrap_or_else(|| self.expiry(source, Signal::Custom))
    }
}

/// An agent beside each backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its port.
    pub port: u16,
    /// Time between two questions.
    pub interval: Duration,
    /// Longest time for one.
    pub timeout: Duration,
    /// What is sent first.
    pub send: String,
}

/// A page of metrics of each backend.
#[derive(Clone, Debug, PartialEq)]
pub struct Scrape {
    /// Its path.
    pub path: String,
    /// Its port; that of the backend when absent.
    pub port: Option<u16>,
    /// Time between two looks.
    pub interval: Duration,
    /// Longest time for one.
    pub timeout: Duration,
    /// What is looked for. Of several with one signal the first that is there counts.
    pub metrics: Vec<Metric>,
}

/// A metric that is a signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The signal.
    pub signal: Signal,
    /// The metric.
    pub selector: Selector,
    /// How series become one.
    pub over: Over,
    /// What values are multiplied with.
    pub scale: f64,
}

/// A query to a Prometheus server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Where it is sent: the whole address without the query.
    pub url: String,
    /// The query.
    pub query: String,
    /// The label that names a backend.
    pub label: String,
    /// What the values are.
    pub signal: Signal,
    /// Time between two questions.
    pub interval: Duration,
    /// Longest time for one.
    pub timeout: Duration,
    /// Bearer token.
    pub token: Option<Secret>,
}

/// A question for the load of each backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadProbe {
    /// Path that is asked for.
    pub path: String,
    /// Port that is asked; that of the backend when absent.
    pub port: Option<u16>,
    /// Time between two questions to one backend, as the rate allows.
    pub interval: Duration,
    /// Longest time for one.
    pub timeout: Duration,
}
