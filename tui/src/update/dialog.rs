//! What happens inside dialogs. The only place that emits a change, and only from a confirmation.

use super::act;
use crate::message::{Effect, Request};
use crate::model::{Dialog, Filter, Model};
use crate::plan;
use crate::theme::Tone;

/// Most digits of a typed weight: one more than the greatest weight has, so that too much can be said to be so.
const WEIGHT_DIGITS: usize = 5;

/// Adds a typed character.
pub(super) fn insert(model: &mut Model, typed: char) {
    match &mut model.dialog {
        Some(Dialog::Filter { .. }) => {
            let text = act::filter_text(model);
            if text.chars().count() < Filter::MAX {
                text.push(typed);
            }
            model.journal.clamp();
        }
        Some(Dialog::Weight { text, .. }) => {
            if typed.is_ascii_digit() && text.len() < WEIGHT_DIGITS {
                text.push(typed);
            }
        }
        Some(Dialog::Algorithm { .. } | Dialog::Confirm { .. }) | None => {}
    }
}

/// Erases the last character.
pub(super) fn erase(model: &mut Model) {
    match &mut model.dialog {
        Some(Dialog::Filter { .. }) => {
            act::filter_text(model).pop();
            model.journal.clamp();
        }
        Some(Dialog::Weight { text, .. }) => {
            text.pop();
        }
        Some(Dialog::Algorithm { .. } | Dialog::Confirm { .. }) | None => {}
    }
}

/// Leaves everything as it was.
pub(super) fn cancel(model: &mut Model) {
    match model.dialog.take() {
        Some(Dialog::Filter { before }) => {
            *act::filter_text(model) = before;
            model.journal.clamp();
        }
        Some(Dialog::Confirm { plan, .. }) => {
            model.say(Tone::Plain, format!("{}: nothing was changed", plan.order.wish.subject()));
        }
        Some(Dialog::Weight { .. } | Dialog::Algorithm { .. }) | None => {}
    }
}

/// Moves the focus to the other answer.
pub(super) fn other(model: &mut Model) {
    if let Some(Dialog::Confirm { yes, .. }) = &mut model.dialog {
        *yes = !*yes;
    }
}

/// Takes what has the focus.
pub(super) fn accept(model: &mut Model, effects: &mut Vec<Effect>) {
    match &model.dialog {
        Some(Dialog::Filter { .. }) => model.dialog = None,
        Some(Dialog::Weight { target, text }) => {
            let (id, parsed) = (target.id(), text.parse::<u32>());
            let planned = match (parsed, model.backend(&id)) {
                (Ok(weight), Some((pool, b))) => plan::plan_weight(pool, b, weight, &model.algorithms),
                (Err(_), _) => Err("no weight was typed".into()),
                (_, None) => Err(format!("{id} is gone")),
            };
            act::propose(model, planned);
        }
        Some(Dialog::Algorithm { pool, position }) => {
            let planned = match (model.pool(pool), model.algorithms.get(*position)) {
                (Some(pool), Some(algorithm)) => plan::plan_algorithm(pool, algorithm),
                (None, _) => Err(format!("{pool} is gone")),
                (_, None) => Err("the algorithms are not known yet".into()),
            };
            act::propose(model, planned);
        }
        Some(Dialog::Confirm { yes: true, .. }) => confirm(model, effects),
        Some(Dialog::Confirm { yes: false, .. }) => cancel(model),
        None => {}
    }
}

/// Sends the change on the screen, when the picture it was made from is not old.
pub(super) fn confirm(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some(Dialog::Confirm { plan, .. }) = model.dialog.take() else { return };
    if !act::may_change(model) {
        return;
    }
    model.say(Tone::Plain, format!("{}: asked ayad, waiting for the answer", plan.order.wish.subject()));
    effects.push(Effect::Ask(Request::Change(plan.order)));
}
