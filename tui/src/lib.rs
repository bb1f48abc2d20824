//! The dashboard of AYA: what `ayactl top` shows.
//!
//! One screen answers "is it healthy, and if not, which backend and why"; every change an operator makes from
//! here is first shown, then confirmed, then sent with the revision the operator saw.
//!
//! The shape is model, message, update, view. [`update::update`] is the only place where state changes and it
//! does no IO and reads no clock; screens draw only from [`model::Model`]; `feed` owns the socket on a thread
//! of its own, so a slow daemon never delays a key. What this crate deliberately does not hold: decisions of
//! the proxy, the clock of the proxy, command-line parsing, and any state that must survive the dashboard.
//!
//! Reading order: [`model`], [`message`], [`update`], [`keymap`], [`screen`]; then `app` (the loop), `feed`
//! and `term`.

#![forbid(unsafe_code)]

pub mod keyboard;
pub mod keymap;
pub mod message;
pub mod model;
pub mod plan;
pub mod screen;
pub mod theme;
pub mod update;

mod app;
mod clock;
mod column;
mod error;
mod faults;
mod feed;
mod figure;
mod once;
mod plain;
mod rows;
mod term;
mod why;
mod widget;

use std::path::PathBuf;

pub use crate::app::run;
pub use crate::column::ColumnId;
pub use crate::error::Error;
pub use crate::once::{once, overview_text};
pub use crate::plain::{Narrator, plain};

/// What the caller decided about colours, from flags and environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// What every terminal can show: today the palette of sixteen, so that the operator's own colours stay.
    #[default]
    Auto,
    /// Exactly the palette of sixteen.
    Ansi16,
    /// No colour at all; weight and underline take its place.
    None,
}

/// How the dashboard is to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Control socket of the daemon.
    pub socket: PathBuf,
    /// Name of the context, shown in the header.
    pub context: Option<String>,
    /// Show only this pool at first.
    pub pool: Option<String>,
    /// Colours.
    pub color: Color,
    /// Refuse every change with a sentence.
    pub read_only: bool,
    /// Most frames a second, 1 to 60; 4 is plenty for figures that change once a second.
    pub fps: u8,
    /// Whether the mouse is captured at first; without it the terminal can select text.
    pub mouse: bool,
    /// Draw with ASCII only.
    pub ascii: bool,
}

impl Options {
    /// Options for a socket, with everything else as `ayactl top` has it by default.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
            context: None,
            pool: None,
            color: Color::Auto,
            read_only: false,
            fps: 4,
            mouse: true,
            ascii: false,
        }
    }
}
