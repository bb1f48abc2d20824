//! One source of one pool: who it has, since when it is as it is, and why.

use aya_api::event::Severity;
use aya_api::view::{DiscoveryView, Freshness};
use aya_core::discovery::{Changes, Roster};

use super::named;
use crate::clock;
use crate::config::{Backend, Discover, Source};
use crate::discovery::{Answer, Outcome};

/// Names in an event; more are counted.
const NAMES_TOLD: usize = 8;

/// A source and what it has.
#[derive(Clone, Debug)]
pub(in crate::control) struct Found {
    pub(in crate::control) discover: Discover,
    pub(in crate::control) roster: Roster<Backend>,
    state: Freshness,
    since_ms: u64,
    cause: Option<String>,
    looked_ms: Option<u64>,
    changed_ms: Option<u64>,
    looks: u64,
    failures: u64,
    left_out: usize,
}

/// What a look changed.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Among the members.
    pub(super) changes: Option<Changes>,
    /// Of the state of the source.
    pub(super) told: Option<Told>,
}

/// A change of the state of a source, for people.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) severity: Severity,
    pub(super) cause: String,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

impl Found {
    pub(super) fn new(discover: Discover, roster: Roster<Backend>) -> Self {
        let is_said = discover.source == Source::Api;
        Self {
            discover,
            roster,
            // What operators say needs no look.
            state: if is_said { Freshness::Fresh } else { Freshness::Waiting },
            since_ms: clock::wall_ms(),
            cause: None,
            looked_ms: None,
            changed_ms: None,
            looks: 0,
            failures: 0,
            left_out: 0,
        }
    }

    /// The same source with other settings.
    pub(super) fn with(&self, discover: Discover) -> Self {
        Self { discover, ..self.clone() }
    }

    /// True until its first good answer.
    pub(super) fn is_waiting(&self) -> bool {
        self.state == Freshness::Waiting
    }

    /// Takes note of a look.
    pub(super) fn take(&mut self, outcome: Outcome, at_ms: u64) -> Taken {
        self.looked_ms = Some(at_ms);
        self.looks += 1;
        match outcome {
            // What the last answer was holds on, good or not.
            Outcome::Same => Taken::default(),
            Outcome::Failed(cause) => self.fail(cause, at_ms),
            Outcome::Found(answer) => self.answer(answer, at_ms),
        }
    }

    fn answer(&mut self, answer: Answer, at_ms: u64) -> Taken {
        let Answer { backends, is_whole, ttl: _, left_out } = answer;
        let members = backends.into_iter().map(named).collect();
        let Some(changes) = self.roster.take(members, is_whole, self.discover.linger) else {
            return self.fail("the answer is empty".to_owned(), at_ms);
        };
        let is_more = left_out > self.left_out;
        self.left_out = left_out;
        let mut told = self.turn(Freshness::Fresh, None, at_ms);
        if is_more && told.is_none() {
            let most = self.discover.max_backends;
            let cause = format!("{left_out} backends are left out: max_backends is {most}");
            told = Some(Told { severity: Severity::Warning, cause, from: "fresh", to: "fresh" });
        }
        if !changes.is_none() {
            self.changed_ms = Some(at_ms);
        }
        Taken { changes: (!changes.is_none()).then_some(changes), told }
    }

    fn fail(&mut self, cause: String, at_ms: u64) -> Taken {
        self.failures += 1;
        Taken { changes: None, told: self.turn(Freshness::Stale, Some(cause), at_ms) }
    }

    /// Goes to another state; a change is told once.
    fn turn(&mut self, state: Freshness, cause: Option<String>, at_ms: u64) -> Option<Told> {
        self.cause = cause;
        let from = std::mem::replace(&mut self.state, state);
        if from == state {
            return None;
        }
        self.since_ms = at_ms;
        if from == Freshness::Waiting && self.cause.is_none() {
            // Who has come is told, and that is the better story.
            return None;
        }
        let kept = match self.roster.len() {
            0 => "there are no backends yet".to_owned(),
            1 => "the last good set of 1 backend is kept".to_owned(),
            count => format!("the last good set of {count} backends is kept"),
        };
        let (severity, words) = match &self.cause {
            Some(cause) => (Severity::Warning, format!("{cause}; {kept}")),
            None => (Severity::Info, "it answers".to_owned()),
        };
        Some(Told { severity, cause: words, from: from.as_str(), to: state.as_str() })
    }

    /// An operator says who there is.
    pub(super) fn set(&mut self, name: &str, member: Option<Backend>, at_ms: u64) {
        match member {
            Some(member) => self.roster.put(name.to_owned(), member),
            None => {
                self.roster.remove(name);
            }
        }
        self.changed_ms = Some(at_ms);
    }

    /// For people.
    pub(super) fn view(&self) -> DiscoveryView {
        DiscoveryView {
            source: self.discover.source.to_string(),
            state: self.state,
            since_ms: self.since_ms,
            cause: self.cause.clone(),
            looked_ms: self.looked_ms,
            changed_ms: self.changed_ms,
            looks: self.looks,
            failures: self.failures,
            backends: self.roster.len() as u32,
            missing: self.roster.missing().map(str::to_owned).collect(),
            left_out: self.left_out as u32,
        }
    }
}

/// What changed, in words: `+10.0.0.3:80 -10.0.0.1:80`.
pub(super) fn words(changes: &Changes) -> String {
    let signed =
        |sign: char, names: &[String]| names.iter().map(|name| format!("{sign}{name}")).collect::<Vec<_>>();
    let mut all = signed('+', &changes.added);
    all.extend(signed('-', &changes.removed));
    all.extend(signed('~', &changes.altered));
    let more = all.len().saturating_sub(NAMES_TOLD);
    all.truncate(NAMES_TOLD);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", all.join(" "))
}
