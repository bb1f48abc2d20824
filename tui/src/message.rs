//! Everything that can happen to the dashboard, and everything it can ask for.
//!
//! Time is among what happens: [`Message::Tick`] carries it, so that an update gives the same result whenever
//! it runs.

use aya_api::change::Change;
use aya_api::event::Event;
use aya_api::view::{
    AlgorithmInfo, BackendDetail, BackendExplanation, PickExplanation, RequestExplanation, Status,
};
use crossterm::event::{KeyEvent, MouseEvent};

use crate::plan::Order;
use crate::theme::Tone;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Message {
    /// Time passed; milliseconds since 1970.
    Tick {
        /// The time now.
        now_ms: u64,
    },
    /// A key went down.
    Key(KeyEvent),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// The terminal has another size, in cells.
    Resize {
        /// Columns.
        width: u16,
        /// Rows.
        height: u16,
    },
    /// The daemon answered with a picture.
    Status(Box<Status>),
    /// The daemon did not answer.
    Lost {
        /// Why, in one line.
        cause: String,
        /// What to do about it.
        hint: String,
        /// When it is asked again, from now.
        retry_in_ms: u64,
    },
    /// An event of the daemon.
    Event(Box<Event>),
    /// Events that were missed.
    Gap {
        /// How many.
        missed: u64,
    },
    /// The backend that is watched, with its past.
    Detail(Box<BackendDetail>),
    /// The backend that is watched could not be read.
    DetailLost {
        /// Which one, `pool/backend`.
        id: String,
        /// Why.
        cause: String,
    },
    /// Why the backend that is watched gets its share, or why that is not known.
    Why {
        /// Which one, `pool/backend`.
        id: String,
        /// What the daemon says.
        came: Result<Box<BackendExplanation>, String>,
    },
    /// What the next pick of the pool that is watched would see, or why that is not known.
    Pick {
        /// Which one.
        pool: String,
        /// What the daemon says.
        came: Result<Box<PickExplanation>, String>,
    },
    /// The requests that can be explained, or why they are not known.
    Requests {
        /// Only those of this pool were asked for.
        pool: Option<String>,
        /// Only those were asked for that failed.
        only_failed: bool,
        /// What the daemon says.
        came: Result<Vec<RequestExplanation>, String>,
    },
    /// The algorithms pools can use.
    Algorithms(Vec<AlgorithmInfo>),
    /// A change was made.
    Done(Box<Change>),
    /// Something was done, or not, that is told in words alone.
    Told {
        /// How loud.
        tone: Tone,
        /// What.
        text: String,
    },
    /// A change was refused, or nobody knows whether it was made.
    Refused {
        /// What was ordered.
        order: Order,
        /// Why, and what to do about it.
        refusal: Refusal,
    },
}

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the daemon said.
    pub cause: String,
    /// What to do about it.
    pub hint: String,
    /// True when somebody changed the subject after the operator looked.
    pub conflict: bool,
}

/// Something for the loop to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// End the dashboard.
    Quit,
    /// Give the terminal back and stop until continued.
    Suspend,
    /// Capture the mouse, or leave it to the terminal.
    Mouse {
        /// Whether to capture it.
        capture: bool,
    },
    /// Ask the daemon.
    Ask(Request),
}

/// Something to ask the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Make a change that was confirmed.
    Change(Order),
    /// Read this from now on, together with every picture.
    Watch(Watch),
    /// Read the table of algorithms.
    Algorithms,
    /// Stop all faults, and keep others from injecting more.
    Panic,
}

/// What the view that is open wants besides pictures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    /// Nothing.
    #[default]
    Nothing,
    /// A backend with its past, and why it gets its share.
    Backend(BackendRef),
    /// What the next pick of a pool would see.
    Pool(String),
    /// The requests that can be explained.
    Requests {
        /// Only those of this pool.
        pool: Option<String>,
        /// Only those that failed.
        only_failed: bool,
    },
}

impl Watch {
    /// True when it is the backend `id`, `pool/backend`.
    pub fn is_backend(&self, id: &str) -> bool {
        matches!(self, Self::Backend(backend) if backend.id() == id)
    }

    /// True when it is the pool `name`.
    pub fn is_pool(&self, name: &str) -> bool {
        matches!(self, Self::Pool(pool) if pool == name)
    }
}

/// Names a backend.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackendRef {
    /// Its pool.
    pub pool: String,
    /// Its name in the pool.
    pub backend: String,
}

impl BackendRef {
    /// `pool/backend`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.pool, self.backend)
    }
}
