//! All state of the dashboard, pure: no IO, no clock, no drawing.
//!
//! What the daemon said is kept as it was said ([`Status`]); everything derived (visible rows, columns,
//! reasons) is computed from it when needed, so nothing can disagree with anything.

mod explained;
mod filter;
mod journal;
mod picked;

use std::collections::VecDeque;
use std::path::PathBuf;

use aya_api::view::{AlgorithmInfo, BackendDetail, BackendView, PoolView, Status};

pub use self::explained::{Asked, MAX_EXPLAINED, PoolPage, Requests, Why};
pub use self::filter::Filter;
pub use self::journal::{Entry, Journal, MAX_EVENTS};
pub use self::picked::{Named, Picked};
use crate::column::ColumnId;
use crate::message::{BackendRef, Watch};
use crate::plan::Plan;
use crate::screen::{self, SMALLEST, ScreenId};
use crate::theme::{Theme, Tone};
use crate::{Options, rows};

/// Samples of the daemon's counters, one a second, over which rates are taken.
const PULSE_SAMPLES: usize = 11;

/// A picture older than this is stale even when no call has failed yet.
const STALE_AFTER_MS: u64 = 3_500;

/// Everything the dashboard knows.
#[derive(Clone, Debug)]
pub struct Model {
    /// Control socket, for the header and for messages.
    pub socket: PathBuf,
    /// Name of the context.
    pub context: Option<String>,
    /// Whether changes are refused.
    pub read_only: bool,
    /// Looks.
    pub theme: Theme,
    /// Whether the mouse is captured.
    pub mouse: bool,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// The time of the last tick, in milliseconds since 1970.
    pub now_ms: u64,
    /// Whether the daemon answers.
    pub link: Link,
    /// When the daemon last answered.
    pub heard_ms: u64,
    /// The picture on the screen.
    pub status: Option<Box<Status>>,
    /// While the screen is frozen: since when, and what it hides.
    pub frozen: Option<Frozen>,
    /// Counters of the last seconds.
    pub pulse: Pulse,
    /// The algorithms pools can use; empty until they are known.
    pub algorithms: Vec<AlgorithmInfo>,
    /// What happened, oldest first.
    pub journal: Journal,
    /// The watched backend with its past.
    pub detail: Option<Box<BackendDetail>>,
    /// Why the watched backend could not be read.
    pub detail_error: Option<String>,
    /// Why the watched backend gets its share.
    pub why: Why,
    /// The pool that is looked at.
    pub page: PoolPage,
    /// The requests that can be explained.
    pub requests: Requests,
    /// What the feed was last asked to watch.
    pub watching: Watch,
    /// The screen on show.
    pub screen: ScreenId,
    /// Where Esc leads from help.
    pub back_to: ScreenId,
    /// The table of the overview.
    pub table: Table,
    /// The listeners and certificates.
    pub wiring: Wiring,
    /// The faults.
    pub chaos: Picked,
    /// The load tests, experiments and game days.
    pub runs: Picked,
    /// First line on show of the backend's past.
    pub detail_scroll: usize,
    /// First line on show of help.
    pub help_scroll: usize,
    /// What waits for an answer, over the screen.
    pub dialog: Option<Dialog>,
    /// The last thing worth saying.
    pub notice: Option<Notice>,
}

/// Whether the daemon answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Nobody has answered yet.
    Connecting,
    /// The last call was answered.
    Live,
    /// The last call was not answered.
    Lost {
        /// Why.
        cause: String,
        /// What to do about it.
        hint: String,
        /// When the next call is made.
        retry_at_ms: u64,
    },
}

/// The screen stands still while the daemon is still listened to.
#[derive(Clone, Debug)]
pub struct Frozen {
    /// Since when.
    pub at_ms: u64,
    /// The newest picture, shown again afterwards.
    pub newest: Option<Box<Status>>,
}

/// The table of the overview: what is selected, hidden and sorted.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The selected backend, `pool/backend`; it stays selected wherever its row goes.
    pub selected: Option<String>,
    /// Where the selected row was, for when its backend disappears.
    pub position: usize,
    /// First line on show.
    pub scroll: usize,
    /// Column the rows are sorted by; without one they keep the order of the configuration.
    pub sort: Option<ColumnId>,
    /// Whether the order is turned round.
    pub reversed: bool,
    /// Which rows are shown.
    pub filter: Filter,
    /// The only pool that is shown.
    pub pool: Option<String>,
}

/// The listeners and certificates: what is hidden, and what is inside the window.
#[derive(Clone, Debug, Default)]
pub struct Wiring {
    /// First line on show.
    pub scroll: usize,
    /// Which lines are shown.
    pub filter: Filter,
}

/// What waits for an answer, over the screen.
#[derive(Clone, Debug)]
pub enum Dialog {
    /// A filter is being typed.
    Filter {
        /// What it was before, for Esc.
        before: String,
    },
    /// A weight is being typed.
    Weight {
        /// For this backend.
        target: BackendRef,
        /// As typed so far, digits only.
        text: String,
    },
    /// An algorithm is being chosen.
    Algorithm {
        /// For this pool.
        pool: String,
        /// Line with the focus.
        position: usize,
    },
    /// A change waits to be confirmed.
    Confirm {
        /// What would change.
        plan: Box<Plan>,
        /// Whether the focus is on yes; it starts on no.
        yes: bool,
    },
}

/// Something worth saying, on the line above the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What.
    pub text: String,
    /// How loud.
    pub tone: Tone,
    /// When it was said.
    pub at_ms: u64,
}

/// Counters of the last seconds, to tell rates of what the API only counts.
#[derive(Clone, Debug, Default)]
pub struct Pulse {
    samples: VecDeque<(u64, [u64; 5], u64)>,
}

impl Pulse {
    /// Takes a sample; a counter that went back means another process, so older samples are worthless.
    pub fn push(&mut self, status: &Status) {
        let refused = status.daemon.reasons.iter().map(|reason| reason.count).sum();
        let went_back = |(_, old, old_refused): &(u64, [u64; 5], u64)| {
            *old_refused > refused || old.iter().zip(&status.daemon.responses).any(|(old, new)| old > new)
        };
        if self.samples.back().is_some_and(went_back) {
            self.samples.clear();
        }
        self.samples.push_back((status.at_ms, status.daemon.responses, refused));
        while self.samples.len() > PULSE_SAMPLES {
            self.samples.pop_front();
        }
    }

    /// Answers a second of status class `class` (index 4 is 5xx); `None` until two pictures were taken.
    pub fn class_rate(&self, class: usize) -> Option<f64> {
        self.rate(|sample| sample.1.get(class).copied().unwrap_or(0))
    }

    /// Requests a second the proxy itself refused or failed; `None` until two pictures were taken.
    pub fn refused_rate(&self) -> Option<f64> {
        self.rate(|sample| sample.2)
    }

    fn rate(&self, value: impl Fn(&(u64, [u64; 5], u64)) -> u64) -> Option<f64> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let span_ms = last.0.checked_sub(first.0).filter(|span| *span > 0)?;
        Some(value(last).saturating_sub(value(first)) as f64 * 1e3 / span_ms as f64)
    }
}

impl Model {
    /// A dashboard that has heard nothing yet.
    pub fn new(options: &Options, size: (u16, u16), now_ms: u64) -> Self {
        Self {
            socket: options.socket.clone(),
            context: options.context.clone(),
            read_only: options.read_only,
            theme: Theme::new(options.color, options.ascii),
            mouse: options.mouse,
            size,
            now_ms,
            link: Link::Connecting,
            heard_ms: now_ms,
            status: None,
            frozen: None,
            pulse: Pulse::default(),
            algorithms: Vec::new(),
            journal: Journal::default(),
            detail: None,
            detail_error: None,
            why: Why::default(),
            page: PoolPage::default(),
            requests: Requests::default(),
            watching: Watch::Nothing,
            screen: ScreenId::Overview,
            back_to: ScreenId::Overview,
            table: Table { pool: options.pool.clone(), ..Table::default() },
            wiring: Wiring::default(),
            chaos: Picked::default(),
            runs: Picked::default(),
            detail_scroll: 0,
            help_scroll: 0,
            dialog: None,
            notice: None,
        }
    }

    /// The time that ages on the screen are counted to: now, or when the screen was frozen.
    pub fn shown_ms(&self) -> u64 {
        self.frozen.as_ref().map_or(self.now_ms, |frozen| frozen.at_ms)
    }

    /// True when the picture may no longer be so: a call failed, or none was answered for a while.
    pub fn is_stale(&self) -> bool {
        self.link != Link::Live || self.now_ms.saturating_sub(self.heard_ms) > STALE_AFTER_MS
    }

    /// True when the terminal is too small for any screen, and so for any confirmation.
    pub fn is_tiny(&self) -> bool {
        self.size.0 < SMALLEST.0 || self.size.1 < SMALLEST.1
    }

    /// Why nothing can be changed now; `None` when something can.
    pub fn inert_because(&self) -> Option<String> {
        if self.is_tiny() {
            Some("nothing was changed: the terminal is too small to show what would change".into())
        } else if self.read_only {
            Some("read-only: this dashboard was started to look, not to change".into())
        } else if self.is_stale() {
            let socket = self.socket.display();
            Some(format!("nothing was changed: ayad does not answer at {socket}, what you see may be old"))
        } else if self.frozen.is_some() {
            Some("nothing was changed: the screen is frozen; f shows the present again".into())
        } else {
            None
        }
    }

    /// Pools in the order of the daemon; none before the first picture.
    pub fn pools(&self) -> &[PoolView] {
        self.status.as_ref().map_or(&[], |status| &status.pools)
    }

    /// The pool with this name.
    pub fn pool(&self, name: &str) -> Option<&PoolView> {
        self.pools().iter().find(|pool| pool.name == name)
    }

    /// The backend with this id, with its pool.
    pub fn backend(&self, id: &str) -> Option<(&PoolView, &BackendView)> {
        self.pools()
            .iter()
            .find_map(|pool| pool.backends.iter().find(|b| b.id == id).map(|backend| (pool, backend)))
    }

    /// The selected backend, with its pool.
    pub fn selected(&self) -> Option<(&PoolView, &BackendView)> {
        self.table.selected.as_deref().and_then(|id| self.backend(id))
    }

    /// True while one request or one event is read instead of the list of them.
    pub fn reads_one(&self) -> bool {
        match self.screen {
            ScreenId::Requests => self.requests.open.is_some(),
            ScreenId::Events => self.journal.open.is_some(),
            ScreenId::Overview
            | ScreenId::Backend
            | ScreenId::Listeners
            | ScreenId::Pool
            | ScreenId::Chaos
            | ScreenId::Runs
            | ScreenId::Help => false,
        }
    }

    /// The pool that its screen shows.
    pub fn page_pool(&self) -> Option<&PoolView> {
        self.page.name.as_deref().and_then(|name| self.pool(name))
    }

    /// Names the selected backend.
    pub fn selected_ref(&self) -> Option<BackendRef> {
        self.selected()
            .map(|(pool, backend)| BackendRef { pool: pool.name.clone(), backend: backend.name.clone() })
    }

    /// Keeps the selection on a backend that is shown, and its row inside the window.
    pub fn settle_selection(&mut self) {
        let ids = rows::backend_ids(self);
        let found = self.table.selected.as_ref().and_then(|id| ids.iter().position(|other| other == id));
        if let Some(position) = found {
            self.table.position = position;
        } else {
            self.table.position = self.table.position.min(ids.len().saturating_sub(1));
            // A daemon that has not answered yet, or a filter that hides all, must not lose the place.
            if let Some(id) = ids.into_iter().nth(self.table.position) {
                self.table.selected = Some(id);
            }
        }
        self.table.scroll = rows::scroll(self);
        let height = screen::requests::rows(self);
        self.requests.settle(height);
    }

    /// Says something on the line above the keys.
    pub fn say(&mut self, tone: Tone, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), tone, at_ms: self.now_ms });
    }
}
