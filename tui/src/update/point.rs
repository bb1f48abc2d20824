//! What the mouse does: select a row, open it, sort by a title, scroll. It never changes anything of the
//! daemon and never answers a dialog: a slip of the hand must not drain a backend.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::act;
use crate::keymap::{Action, Motion};
use crate::model::Model;
use crate::screen::ScreenId;
use crate::screen::overview::{self, Hit};

/// Lines a notch of the wheel moves.
const WHEEL_LINES: usize = 3;

/// Lets the mouse do something.
pub(super) fn point(model: &mut Model, event: MouseEvent) {
    if model.dialog.is_some() || !model.mouse {
        return;
    }
    match event.kind {
        MouseEventKind::ScrollUp => wheel(model, Motion::Up),
        MouseEventKind::ScrollDown => wheel(model, Motion::Down),
        MouseEventKind::Down(MouseButton::Left) if model.screen == ScreenId::Overview => {
            click(model, event.column, event.row);
        }
        _ => {}
    }
}

fn wheel(model: &mut Model, motion: Motion) {
    for _ in 0..WHEEL_LINES {
        // Moving the focus has no effect outside of the model.
        act::act(model, Action::Move(motion), &mut Vec::new());
        model.settle_selection();
    }
}

fn click(model: &mut Model, column: u16, row: u16) {
    match overview::hit(model, column, row) {
        Some(Hit::Title(id)) => {
            if model.table.sort == Some(id) {
                model.table.reversed = !model.table.reversed;
            } else {
                model.table.sort = Some(id);
                model.table.reversed = false;
            }
        }
        Some(Hit::Backend(id)) => {
            if model.table.selected.as_ref() == Some(&id) {
                act::act(model, Action::Open, &mut Vec::new());
            } else {
                model.table.selected = Some(id);
            }
        }
        None => {}
    }
}
