//! What is known about a backend from outside its traffic.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PoolView;

/// One number about a backend, with its age.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SignalView {
    /// What it is: `cpu`, `memory`, `utilization`, `in-flight`, `queue`, `gpu`, `rate`, `errors` or `custom`.
    pub signal: String,
    /// Its value; of `cpu`, `memory`, `utilization` and `gpu` a share, where 1 is all there is.
    pub value: f64,
    /// How long ago it was learned, in milliseconds.
    pub age_ms: u64,
    /// True when it is older than its expiry, and so counts as absent.
    pub stale: bool,
    /// Who said it: `headers`, `agent`, `scrape`, `query` or `probe`.
    pub source: String,
}

/// How well a source of numbers does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceView {
    /// Which: `headers`, `agent`, `scrape`, `query` or `probe`.
    pub source: String,
    /// Whether its last answer could be used and believed.
    pub ok: bool,
    /// Since when.
    pub since_ms: u64,
    /// Why not, when it could not.
    pub cause: Option<String>,
    /// True when it fails for longer than what it said last counts.
    #[serde(default)]
    pub stale: bool,
}

/// What the agent of a backend wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentView {
    /// The word that keeps new traffic away: `down`, `fail`, `stopped`, `drain` or `maint`; absent when there is none.
    pub hold: Option<String>,
    /// Share of its weight that it wants, 0 to 1.
    pub weight: f64,
    /// Its description; may be empty.
    pub reason: String,
    /// Since when.
    pub since_ms: u64,
}

/// A source of numbers that fails for longer than what it said last counts, at one backend of a pool or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTrouble {
    /// Which: `headers`, `agent`, `scrape`, `query` or `probe`.
    pub source: String,
    /// The backends, by `pool/backend`.
    pub backends: Vec<String>,
    /// Since when the first of them.
    pub since_ms: u64,
    /// Why, at the first of them.
    pub cause: String,
}

impl SourceTrouble {
    /// Where and why: `scrape of shop/web-1 fails: refused`, `query fails for 3 backends of shop: timed out`.
    pub fn in_words(&self, pool: &str) -> String {
        let Self { source, backends, cause, .. } = self;
        match backends.as_slice() {
            [one] => format!("{source} of {one} fails: {cause}"),
            several => format!("{source} fails for {} backends of {pool}: {cause}", several.len()),
        }
    }
}

impl PoolView {
    /// The sources of numbers that cannot be relied on, by name; one entry for all backends of a source.
    pub fn source_troubles(&self) -> Vec<SourceTrouble> {
        let mut found = std::collections::BTreeMap::<&str, SourceTrouble>::new();
        for backend in &self.backends {
            for source in backend.signal_sources.iter().filter(|source| source.stale) {
                let trouble = found.entry(&source.source).or_insert_with(|| SourceTrouble {
                    source: source.source.clone(),
                    backends: Vec::new(),
                    since_ms: source.since_ms,
                    cause: source.cause.clone().unwrap_or_else(|| "no answer".to_owned()),
                });
                trouble.backends.push(backend.id.clone());
                trouble.since_ms = trouble.since_ms.min(source.since_ms);
            }
        }
        found.into_values().collect()
    }
}
