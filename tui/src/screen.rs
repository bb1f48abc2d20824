//! The screens, in one table, and what surrounds them.
//!
//! ```text
//! ayad 0.1.0  /run/ayad/control.sock  up 3d 4h  config 2      the daemon
//! 1234 req/s  4xx 0.2/s  5xx 0/s                              its totals
//! ▲ 2 of 6 backends not eligible: web-3 down (refused, 12s)   alarms, or the stale banner
//!                                                             the screen
//! shop/web-1: admin ready → draining; undo: …                 the last thing worth saying, or typing
//! d drain  r ready  …                                         keys, from the keymap
//! ```
//!
//! To add a screen: one file in `screen/` that draws only from the model and has an empty state, one variant
//! of [`ScreenId`], one line in [`SCREENS`].

mod alarms;
pub(crate) mod backend;
mod candidates;
pub(crate) mod chaos;
mod chrome;
mod dialog;
pub(crate) mod events;
pub(crate) mod help;
pub(crate) mod listeners;
pub(crate) mod overview;
pub(crate) mod pool;
pub(crate) mod requests;
pub(crate) mod runs;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::model::Model;
use crate::theme::Tone;

/// Names a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScreenId {
    /// All pools with their backends.
    Overview,
    /// One backend with its past.
    Backend,
    /// What happened.
    Events,
    /// Where clients come in, and which certificates they are shown.
    Listeners,
    /// One pool: its next pick, its parts, how it chooses its algorithm.
    Pool,
    /// Requests that can be explained.
    Requests,
    /// Faults.
    Chaos,
    /// Load tests, experiments and game days.
    Runs,
    /// The keys.
    Help,
}

/// One screen.
#[derive(Debug)]
pub struct Screen {
    /// Which.
    pub id: ScreenId,
    /// Its name in the header.
    pub title: &'static str,
    /// The key that shows it.
    pub hotkey: char,
    /// Whether Tab comes by.
    pub in_tour: bool,
    /// Draws it into the area and says where the focus is.
    pub view: fn(&Model, &mut Buffer, Rect) -> Option<Position>,
}

/// Every screen, in the order Tab shows them.
pub const SCREENS: &[Screen] = &[
    Screen { id: ScreenId::Overview, title: "overview", hotkey: '1', in_tour: true, view: overview::view },
    Screen { id: ScreenId::Backend, title: "backend", hotkey: '2', in_tour: true, view: backend::view },
    Screen { id: ScreenId::Events, title: "events", hotkey: '3', in_tour: true, view: events::view },
    Screen { id: ScreenId::Listeners, title: "listeners", hotkey: '4', in_tour: true, view: listeners::view },
    Screen { id: ScreenId::Pool, title: "pool", hotkey: '5', in_tour: true, view: pool::view },
    Screen { id: ScreenId::Requests, title: "requests", hotkey: '6', in_tour: true, view: requests::view },
    Screen { id: ScreenId::Chaos, title: "chaos", hotkey: '7', in_tour: true, view: chaos::view },
    Screen { id: ScreenId::Runs, title: "load", hotkey: '8', in_tour: true, view: runs::view },
    Screen { id: ScreenId::Help, title: "help", hotkey: '?', in_tour: false, view: help::view },
];

/// Narrowest and lowest terminal in which the screens make sense and a confirmation fits whole.
pub const SMALLEST: (u16, u16) = (60, 16);

/// Lines above the screen: daemon, totals, alarms.
const HEADER: u16 = 3;

/// Lines below it: notice, keys.
const FOOTER: u16 = 2;

/// Draws everything and says where the terminal's cursor belongs: on the row or the answer with the focus,
/// so that screen readers and magnifiers follow it.
pub fn draw(model: &Model, buf: &mut Buffer) -> Option<Position> {
    let area = buf.area;
    if model.is_tiny() || area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        return chrome::tiny(model, buf);
    }
    let body = body(area);
    chrome::header(model, buf, area, chrome::tabs(model));
    let focus = if model.status.is_some() {
        (spec(model.screen).view)(model, buf, body)
    } else if model.screen == ScreenId::Help {
        help::view(model, buf, body)
    } else {
        Some(chrome::waiting(model, buf, body))
    };
    if model.is_stale() && model.status.is_some() && model.screen != ScreenId::Help {
        buf.set_style(body, model.theme.style(Tone::Stale));
    }
    let typed = chrome::footer(model, buf, area);
    dialog::view(model, buf, body).or(typed).or(focus)
}

/// Draws the overview for paper: without keys, typing and focus.
pub(crate) fn draw_picture(model: &Model, buf: &mut Buffer) {
    chrome::header(model, buf, buf.area, Vec::new());
    overview::view(model, buf, body(buf.area));
}

/// Lines of a picture that are not lines of the overview's body: header, column titles, footer.
pub(crate) const AROUND_OVERVIEW: u16 = HEADER + 1 + FOOTER;

/// Lines the screen itself has.
pub(crate) fn body_height(model: &Model) -> u16 {
    model.size.1.saturating_sub(HEADER + FOOTER)
}

/// The part of the terminal that the screen itself has.
pub(crate) fn body(area: Rect) -> Rect {
    Rect { y: area.y + HEADER, height: area.height.saturating_sub(HEADER + FOOTER), ..area }
}

/// The next screen on Tab's tour, or the one before.
pub(crate) fn neighbour(id: ScreenId, way: Way) -> ScreenId {
    let tour: Vec<ScreenId> = SCREENS.iter().filter(|s| s.in_tour).map(|s| s.id).collect();
    let at = tour.iter().position(|other| *other == id).unwrap_or(0);
    let step = match way {
        Way::Next => 1,
        Way::Previous => tour.len() - 1,
    };
    tour[(at + step) % tour.len()]
}

/// Which way Tab goes, and from pool to pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the next one.
    Next,
    /// To the one before.
    Previous,
}

fn spec(id: ScreenId) -> &'static Screen {
    SCREENS.iter().find(|screen| screen.id == id).unwrap_or(&SCREENS[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hotkeys_are_unique_and_bound() {
        use crate::keymap::{Action, Scope, bindings};

        for (at, screen) in SCREENS.iter().enumerate() {
            assert!(SCREENS[..at].iter().all(|other| other.hotkey != screen.hotkey));
            let bound = bindings(Scope::Screen(ScreenId::Overview))
                .any(|b| b.action == Action::Show(screen.id) && b.label.starts_with(screen.hotkey));
            assert!(bound, "{} has no key", screen.title);
        }
    }

    #[test]
    fn the_tour_comes_back() {
        let mut id = ScreenId::Overview;
        for _ in 0..8 {
            id = neighbour(id, Way::Next);
        }
        assert_eq!(id, ScreenId::Overview);
        assert_eq!(neighbour(ScreenId::Overview, Way::Previous), ScreenId::Runs);
    }
}
