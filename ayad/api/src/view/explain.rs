//! Why a request went where it went, and where the next one would go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AutoRuleView;

/// The classes a score can be compared in, in the order in which backends are picked from them, each with its meaning.
pub const SCORE_CLASSES: [(&str, &str); 4] = [
    ("due", "its turn to be tried or looked at"),
    ("swift", "busier than usual and still the faster"),
    ("cold", "not busier than usual"),
    ("hot", "busier than usual"),
];

/// The classes that occur, as a sentence for people who read scores; `None` where there are none.
pub fn classes_in_words<'a>(seen: impl Iterator<Item = Option<&'a str>>) -> Option<String> {
    let seen: Vec<&str> = seen.flatten().collect();
    let known = SCORE_CLASSES.iter().filter(|(word, _)| seen.contains(word));
    let words: Vec<String> = known.map(|(word, meaning)| format!("{word} ({meaning})")).collect();
    (!words.is_empty()).then(|| words.join(", then "))
}

/// What the next pick of a pool would see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PickExplanation {
    /// When, wall clock.
    pub at_ms: u64,
    /// The pool.
    pub pool: String,
    /// Its algorithm, with the parameters that differ from their defaults.
    pub algorithm: String,
    /// What its scores count.
    pub unit: String,
    /// Which score wins: `least`, `most`, or `chance`.
    pub wins: String,
    /// Whose view it is: `worker N`, or `daemon` when no worker answered in time; then what only a worker knows (its
    /// turn, what it saw lately) is missing.
    pub by: String,
    /// The rule that names the algorithm for the requests in question, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<u64>,
    /// Rules for some requests that are in force: other algorithms pick for those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<AutoRuleView>,
    /// A key decides, and none was given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_key: bool,
    /// What the algorithm hashes by, when one was given.
    pub key: Option<String>,
    /// Whom it would pick; absent when nobody, when chance decides, and when several are alike.
    pub next: Option<String>,
    /// The priority groups; empty for a pool that is not divided.
    pub parts: Vec<PartView>,
    /// Every backend.
    pub candidates: Vec<Candidate>,
}

impl PickExplanation {
    /// Whom it would pick, or in words why that is not one backend.
    pub fn next_in_words(&self) -> &str {
        let can_pick = self.candidates.iter().any(|candidate| candidate.excluded.is_none());
        match &self.next {
            Some(next) => next,
            None if !can_pick => "nobody can be picked",
            None if self.wins == "chance" => "chance decides",
            None if self.needs_key => "that depends on the key (--key)",
            None => "one of several that are alike",
        }
    }
}

/// How a pool is divided: rules, and how its parts stand now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DivisionView {
    /// The zone that is preferred; absent for none.
    pub zone: Option<String>,
    /// Share of its capacity in use up to which a zone keeps all of its requests, 0 to 1.
    pub spill: f64,
    /// Share of healthy backends below which health is ignored, 0 to 1; 0 for never.
    pub panic: f64,
    /// Most backends of each priority group that this daemon uses; absent for all.
    pub subset: Option<u64>,
    /// Most load of one backend in relation to the mean of all; absent for no bound.
    pub bound: Option<f64>,
    /// Its priority groups, the first one first.
    pub parts: Vec<PartView>,
}

/// A priority group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PartView {
    /// Its priority; the lowest goes first.
    pub priority: u8,
    /// Share of the pool's requests that begin here, 0 to 1.
    pub share: f64,
    /// Eligible backends.
    pub healthy: u32,
    /// Backends that people want ready.
    pub ready: u32,
    /// So few are healthy that health is ignored.
    pub in_panic: bool,
    /// Backends of it that this daemon uses.
    pub members: u32,
    /// Its zones.
    pub zones: Vec<ZoneView>,
}

/// A zone of a priority group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ZoneView {
    /// Its name; absent for backends in none.
    pub zone: Option<String>,
    /// Share of its capacity in use, 0 to 1 and above.
    pub used: f64,
    /// Share of the requests that prefer it and stay in it, 0 to 1.
    pub keeps: f64,
}

/// A backend as a pick sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// `pool/backend`.
    pub backend: String,
    /// The word for what keeps it out; absent for one that can be picked.
    pub excluded: Option<String>,
    /// The same as a sentence.
    pub why: Option<String>,
    /// Of one that can be picked all the same: what would keep it out if its part of the pool were not in panic, as a
    /// sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub despite: Option<String>,
    /// What the algorithm thinks of it.
    pub score: Option<f64>,
    /// The class its score is compared in; see [`SCORE_CLASSES`]. Absent where the algorithm has none.
    pub class: Option<String>,
    /// Requests it has from this daemon.
    pub in_flight: u32,
    /// Requests it was reported to have from others.
    pub others: f64,
    /// Its estimated latency; absent before the first result.
    pub latency_ms: Option<f64>,
    /// Its weight.
    pub weight: u32,
    /// The part of its weight that it gets, 0 to 1.
    pub ease: f64,
    /// Share the algorithm means it to get; absent where it follows what backends do.
    pub expected_share: Option<f64>,
    /// Share it got in the last [`super::WINDOW_S`] seconds; absent without requests.
    pub share: Option<f64>,
}

/// Why a backend gets the share it gets, or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackendExplanation {
    /// Everything in one sentence.
    pub verdict: String,
    /// What leads to it, one sentence each, the weightiest first.
    pub reasons: Vec<String>,
    /// The pick it stands in.
    pub pick: PickExplanation,
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestExplanation {
    /// Its id.
    pub id: String,
    /// When it began, wall clock.
    pub at_ms: u64,
    /// How long it took.
    pub took_ms: f64,
    /// The listener it came by.
    pub listener: String,
    /// Address of its client, as far as that is believed.
    pub client: String,
    /// Method, host and path; long ones are cut.
    pub request: String,
    /// The route it took.
    pub route: Option<String>,
    /// The pool it was for.
    pub pool: Option<String>,
    /// How that pool picked.
    pub algorithm: Option<String>,
    /// What the algorithm's scores count.
    pub unit: Option<String>,
    /// The rule of that pool that named the algorithm for this request, counted from 1; absent for requests that go on
    /// under the arm that steers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<u64>,
    /// Status it was answered with; 0 for none.
    pub status: u16,
    /// Why the proxy answered by itself or ended it.
    pub reason: Option<String>,
    /// More about that.
    pub detail: Option<String>,
    /// Which faults hit it, as `f7 latency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Kept because it was sampled; otherwise because it failed or was tried again.
    pub sampled: bool,
    /// Every attempt, in order.
    pub attempts: Vec<AttemptView>,
    /// When the first backend was picked, from the beginning on; only of sampled requests, as those below.
    pub picked_ms: Option<f64>,
    /// When the connection was there.
    pub connected_ms: Option<f64>,
    /// When the head of the answer was there.
    pub first_byte_ms: Option<f64>,
}

impl RequestExplanation {
    /// True when its client did not get what a backend could have said.
    pub fn is_failed(&self) -> bool {
        let is_kept_for_it = !self.sampled && self.attempts.len() <= 1;
        self.status == 0 || self.status >= 500 || self.reason.is_some() || is_kept_for_it
    }

    /// Why it was kept: `failed`, `tried again` or `sampled`.
    pub fn kept_for(&self) -> &'static str {
        if self.is_failed() {
            "failed"
        } else if self.attempts.len() > 1 {
            "tried again"
        } else {
            "sampled"
        }
    }
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptView {
    /// `pool/backend`.
    pub backend: String,
    /// The status of its answer, or why there was none.
    pub outcome: String,
    /// More about that.
    pub detail: Option<String>,
    /// When it began, from the beginning of the request on.
    pub began_ms: f64,
    /// How long it took.
    pub took_ms: f64,
    /// Requests the backend had then, this one included.
    pub in_flight: f64,
    /// What the algorithm thought of the backends at that moment; absent when that was forgotten before the request
    /// ended, and when a session bound the client.
    pub candidates: Option<Vec<Scored>>,
    /// Further candidates that were not taken down.
    pub left_out: u32,
}

/// What an algorithm thought of a backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scored {
    /// `pool/backend`.
    pub backend: String,
    /// In the unit of the algorithm; absent where it has none for this backend.
    pub score: Option<f64>,
    /// The class it was compared in; see [`SCORE_CLASSES`].
    pub class: Option<String>,
    /// Requests it had.
    pub in_flight: u32,
}
