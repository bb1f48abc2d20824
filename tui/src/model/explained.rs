//! What the daemon explains of the view that is open: a backend's share, a pool's next pick, requests.

use aya_api::view::{BackendExplanation, PickExplanation, RequestExplanation};

use super::Filter;

/// Most requests that are listed.
pub const MAX_EXPLAINED: u64 = 200;

/// An answer that comes again and again, and why the last one did not.
#[derive(Clone, Debug)]
pub struct Asked<T> {
    /// The last answer.
    pub answer: Option<T>,
    /// Why there is no newer one.
    pub error: Option<String>,
}

impl<T> Default for Asked<T> {
    fn default() -> Self {
        Self { answer: None, error: None }
    }
}

impl<T> Asked<T> {
    /// Takes what came: an answer replaces the one before it, a failure stands beside it.
    pub fn take(&mut self, came: Result<T, String>) {
        match came {
            Ok(answer) => *self = Self { answer: Some(answer), error: None },
            Err(cause) => self.error = Some(cause),
        }
    }
}

/// Why a backend gets the share it gets.
#[derive(Clone, Debug, Default)]
pub struct Why {
    /// What the daemon says, of the backend that is watched.
    pub asked: Asked<Box<BackendExplanation>>,
    /// Whether it takes the place of the backend's past.
    pub in_full: bool,
    /// First line on show, in full.
    pub scroll: usize,
}

/// The screen of one pool.
#[derive(Clone, Debug, Default)]
pub struct PoolPage {
    /// Which pool.
    pub name: Option<String>,
    /// What the daemon says of its next pick.
    pub asked: Asked<Box<PickExplanation>>,
    /// First line on show.
    pub scroll: usize,
}

/// The screen of requests that can be explained.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    /// What the daemon keeps, newest first.
    pub asked: Asked<Vec<RequestExplanation>>,
    /// The only pool whose requests are asked for.
    pub pool: Option<String>,
    /// Whether only those are asked for that failed.
    pub only_failed: bool,
    /// Which of them are shown.
    pub filter: Filter,
    /// The one with the focus, by time and id; without one it is the newest.
    pub selected: Option<(u64, String)>,
    /// Where that one was, for when it is no longer kept.
    pub position: usize,
    /// First row on show.
    pub scroll: usize,
    /// The one that is read; it stays when the daemon forgets it.
    pub open: Option<Box<RequestExplanation>>,
    /// First line on show of that one.
    pub open_scroll: usize,
}

impl Requests {
    /// The request with the focus.
    pub fn focused(&self) -> Option<&RequestExplanation> {
        self.shown().get(self.position).copied()
    }

    /// Forgets what came, because something else is asked for now.
    pub fn ask_again(&mut self) {
        self.asked = Asked::default();
        self.selected = None;
        self.position = 0;
    }

    /// Those that pass the filter, newest first.
    pub fn shown(&self) -> Vec<&RequestExplanation> {
        let all = self.asked.answer.iter().flat_map(|all| all.iter());
        all.filter(|request| self.filter.passes(&searchable(request))).collect()
    }

    /// Moves the focus to the row `position`, as far as there is one; on the first row it follows the newest.
    pub fn select(&mut self, position: usize) {
        let shown = self.shown();
        let position = position.min(shown.len().saturating_sub(1));
        let selected = shown.get(position).filter(|_| position > 0).map(|request| key(request));
        (self.selected, self.position) = (selected, position);
    }

    /// Keeps the focus on the request it was on, and its row among the `height` that are on show.
    pub fn settle(&mut self, height: usize) {
        let keys: Vec<(u64, String)> = self.shown().into_iter().map(key).collect();
        if let Some(selected) = &self.selected {
            match keys.iter().position(|key| key == selected) {
                Some(position) => self.position = position,
                None => self.select(self.position),
            }
        } else {
            self.position = 0;
        }
        let lowest = (self.position + 1).saturating_sub(height.max(1));
        let greatest = keys.len().saturating_sub(height).max(lowest);
        self.scroll = self.scroll.clamp(lowest, self.position.max(lowest)).min(greatest);
    }
}

fn key(request: &RequestExplanation) -> (u64, String) {
    (request.at_ms, request.id.clone())
}

fn searchable(request: &RequestExplanation) -> String {
    let RequestExplanation { id, request: line, client, listener, status, .. } = request;
    let parts = [&request.route, &request.pool, &request.reason, &request.detail].map(|part| part.as_deref());
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    let backends: Vec<&str> = request.attempts.iter().map(|attempt| attempt.backend.as_str()).collect();
    let kept_for = request.kept_for();
    format!("{id} {line} {client} {listener} {status} {kept_for} {} {}", parts.join(" "), backends.join(" "))
}
