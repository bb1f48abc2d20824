//! What keys do outside of dialogs' own text.

use aya_api::axis::Admin;

use super::dialog;
use crate::column;
use crate::keymap::{Action, Motion};
use crate::message::{Effect, Request};
use crate::model::{Dialog, Frozen, Model};
use crate::plan;
use crate::rows;
use crate::screen::{self, ScreenId, Way};
use crate::theme::Tone;

/// Does what `action` says.
pub(super) fn act(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::Move(motion) => go(model, motion),
        Action::Show(id) => show(model, id),
        Action::NextScreen => show(model, screen::neighbour(model.screen, Way::Next)),
        Action::PreviousScreen => show(model, screen::neighbour(model.screen, Way::Previous)),
        Action::Open => open(model),
        Action::Back => back(model),
        Action::Filter if model.reads_one() => {}
        Action::Filter => {
            let before = filter_text(model).clone();
            model.dialog = Some(Dialog::Filter { before });
        }
        Action::Sort => sort(model),
        Action::Reverse => model.table.reversed = !model.table.reversed,
        Action::Order(state) => order(model, state),
        Action::WeightBy(step) => weight_by(model, step),
        Action::WeightType => weight_type(model),
        Action::Algorithm => algorithm(model, effects),
        Action::Explain => model.why.in_full = !model.why.in_full,
        Action::Pool(way) => another_pool(model, way),
        Action::OnlyFailed | Action::OnlyPool if model.requests.open.is_some() => {}
        Action::OnlyFailed => {
            model.requests.only_failed = !model.requests.only_failed;
            model.requests.ask_again();
        }
        Action::OnlyPool => only_pool(model),
        Action::StopFault => stop_fault(model),
        Action::Panic => panic(model, effects),
        Action::Freeze => freeze(model),
        Action::Mouse => {
            model.mouse = !model.mouse;
            effects.push(Effect::Mouse { capture: model.mouse });
            let text = if model.mouse { "mouse on" } else { "mouse off: the terminal can select text" };
            model.say(Tone::Plain, text);
        }
        Action::Other => dialog::other(model),
        Action::Confirm => dialog::confirm(model, effects),
        Action::Accept => dialog::accept(model, effects),
        Action::Erase => dialog::erase(model),
        Action::Suspend => effects.push(Effect::Suspend),
        Action::Quit => effects.push(Effect::Quit),
    }
}

/// The filter of the screen on show.
pub(super) fn filter_text(model: &mut Model) -> &mut String {
    match model.screen {
        ScreenId::Events => &mut model.journal.filter.text,
        ScreenId::Listeners => &mut model.wiring.filter.text,
        ScreenId::Requests => &mut model.requests.filter.text,
        ScreenId::Overview
        | ScreenId::Backend
        | ScreenId::Pool
        | ScreenId::Chaos
        | ScreenId::Runs
        | ScreenId::Help => &mut model.table.filter.text,
    }
}

/// Moves the selection of the overview to the row `position`, as far as there is one.
pub(super) fn select(model: &mut Model, position: usize) {
    let ids = rows::backend_ids(model);
    if let Some(id) = ids.get(position.min(ids.len().saturating_sub(1))) {
        model.table.selected = Some(id.clone());
    }
}

fn go(model: &mut Model, motion: Motion) {
    if let Some(Dialog::Algorithm { position, .. }) = &mut model.dialog {
        *position = moved(*position, motion, model.algorithms.len(), 5);
        return;
    }
    let page = usize::from(screen::body_height(model)).saturating_sub(2).max(1);
    match model.screen {
        ScreenId::Overview => {
            let count = rows::backend_ids(model).len();
            select(model, moved(model.table.position, motion, count, page));
        }
        ScreenId::Backend if model.why.in_full => {
            let (lines, room) = screen::backend::explained(model);
            model.why.scroll = moved(model.why.scroll, motion, (lines + 1).saturating_sub(room), page);
        }
        ScreenId::Backend => {
            let lines = screen::backend::past_len(model);
            model.detail_scroll = moved(model.detail_scroll, motion, lines, page);
        }
        ScreenId::Pool => {
            let top = furthest(model, screen::pool::height(model));
            model.page.scroll = moved(model.page.scroll, motion, top, page);
        }
        ScreenId::Requests if model.requests.open.is_some() => {
            let top = furthest(model, screen::requests::open_height(model));
            model.requests.open_scroll = moved(model.requests.open_scroll, motion, top, page);
        }
        ScreenId::Requests => {
            let count = model.requests.shown().len();
            model.requests.select(moved(model.requests.position, motion, count, page));
        }
        ScreenId::Events if model.journal.open.is_some() => {
            let top = furthest(model, screen::events::open_height(model));
            model.journal.open_scroll = moved(model.journal.open_scroll, motion, top, page);
        }
        ScreenId::Events => {
            let count = model.journal.shown().len();
            let from_top = count.saturating_sub(1).saturating_sub(model.journal.below);
            model.journal.below =
                count.saturating_sub(1).saturating_sub(moved(from_top, motion, count, page));
        }
        ScreenId::Listeners => {
            let top = furthest(model, screen::listeners::height(model));
            model.wiring.scroll = moved(model.wiring.scroll, motion, top, page);
        }
        ScreenId::Chaos => go_faults(model, motion, page),
        ScreenId::Runs => {
            let runs = model.status.as_ref().map_or(&[][..], |status| &status.runs);
            if let Some(at) = model.runs.position(runs) {
                model.runs.select(runs, moved(at, motion, runs.len(), page));
            }
        }
        ScreenId::Help => {
            let top = furthest(model, screen::help::height(model));
            model.help_scroll = moved(model.help_scroll, motion, top, page);
        }
    }
}

/// From fault to fault; past the last one the page goes on with those that ended.
fn go_faults(model: &mut Model, motion: Motion, page: usize) {
    let (lines, room) = screen::chaos::height(model);
    let faults = model.status.as_ref().map_or(&[][..], |status| &status.chaos.faults);
    let at = model.chaos.position(faults);
    let next = at.map(|at| moved(at, motion, faults.len(), page));
    match next.filter(|next| Some(*next) != at) {
        Some(next) => model.chaos.select(faults, next),
        None => {
            model.chaos.scroll = moved(model.chaos.scroll, motion, (lines + 1).saturating_sub(room), page);
        }
    }
}

/// Furthest that a page of `lines` lines scrolls.
fn furthest(model: &Model, lines: usize) -> usize {
    (lines + 1).saturating_sub(usize::from(screen::body_height(model)))
}

fn moved(position: usize, motion: Motion, count: usize, page: usize) -> usize {
    let last = count.saturating_sub(1);
    match motion {
        Motion::Up => position.saturating_sub(1),
        Motion::Down => (position + 1).min(last),
        Motion::PageUp => position.saturating_sub(page),
        Motion::PageDown => (position + page).min(last),
        Motion::First => 0,
        Motion::Last => last,
    }
}

fn show(model: &mut Model, id: ScreenId) {
    if id == ScreenId::Help && model.screen != ScreenId::Help {
        model.back_to = model.screen;
        model.help_scroll = 0;
    }
    if id == ScreenId::Pool && model.screen != ScreenId::Pool {
        let selected = model.selected().map(|(pool, _)| pool).or_else(|| model.pools().first());
        let name = selected.map(|pool| pool.name.clone());
        turn_to(model, name);
    }
    model.screen = id;
}

/// Shows another pool on its screen, from its first line on.
fn turn_to(model: &mut Model, name: Option<String>) {
    if model.page.name != name {
        model.page.scroll = 0;
    }
    model.page.name = name;
}

/// Goes round all pools, those without backends too.
fn another_pool(model: &mut Model, way: Way) {
    let names: Vec<String> = model.pools().iter().map(|pool| pool.name.clone()).collect();
    let at = names.iter().position(|name| model.page.name.as_ref() == Some(name));
    let next = match (at, way) {
        (None, _) => 0,
        (Some(at), Way::Next) => (at + 1) % names.len(),
        (Some(at), Way::Previous) => (at + names.len() - 1) % names.len(),
    };
    turn_to(model, names.into_iter().nth(next));
}

fn only_pool(model: &mut Model) {
    let requests = &mut model.requests;
    let focused = requests.focused();
    let pool = focused.and_then(|request| request.pool.clone());
    if requests.pool.is_none() && pool.is_none() {
        let text =
            if focused.is_some() { "the selected request came to no pool" } else { "no request is selected" };
        return model.say(Tone::Warn, text);
    }
    requests.pool = if requests.pool.is_some() { None } else { pool };
    requests.ask_again();
}

fn open(model: &mut Model) {
    if model.screen == ScreenId::Requests {
        let requests = &mut model.requests;
        let chosen = requests.focused().map(|request| Box::new(request.clone()));
        if requests.open.is_none() {
            (requests.open, requests.open_scroll) = (chosen, 0);
        }
    } else if model.screen == ScreenId::Events {
        let journal = &mut model.journal;
        if journal.open.is_none() {
            (journal.open, journal.open_scroll) = (journal.focused().cloned(), 0);
        }
    } else if model.selected().is_some() {
        show(model, ScreenId::Backend);
    }
}

fn back(model: &mut Model) {
    if model.dialog.is_some() {
        dialog::cancel(model);
        return;
    }
    match model.screen {
        ScreenId::Overview => {
            // One press undoes one thing, the most recent habit first: filter, then sorting, then the pool.
            if !model.table.filter.text.is_empty() {
                model.table.filter.text.clear();
            } else if model.table.sort.is_some() || model.table.reversed {
                model.table.sort = None;
                model.table.reversed = false;
            } else {
                model.table.pool = None;
            }
            model.notice = None;
        }
        ScreenId::Events if model.journal.open.is_some() => model.journal.open = None,
        ScreenId::Events if !model.journal.filter.text.is_empty() => {
            model.journal.filter.text.clear();
            model.journal.clamp();
        }
        ScreenId::Listeners if !model.wiring.filter.is_empty() => model.wiring.filter.text.clear(),
        ScreenId::Requests if model.requests.open.is_some() => model.requests.open = None,
        ScreenId::Requests if !model.requests.filter.is_empty() => model.requests.filter.text.clear(),
        ScreenId::Requests if model.requests.pool.is_some() || model.requests.only_failed => {
            (model.requests.pool, model.requests.only_failed) = (None, false);
            model.requests.ask_again();
        }
        ScreenId::Backend if model.why.in_full => model.why.in_full = false,
        ScreenId::Backend
        | ScreenId::Events
        | ScreenId::Listeners
        | ScreenId::Pool
        | ScreenId::Requests
        | ScreenId::Chaos
        | ScreenId::Runs => model.screen = ScreenId::Overview,
        ScreenId::Help => model.screen = model.back_to,
    }
}

fn sort(model: &mut Model) {
    let shown = screen::overview::columns(model);
    let next = match model.table.sort {
        None => shown.first(),
        Some(id) => shown.iter().skip_while(|placed| placed.column.id != id).nth(1),
    };
    model.table.sort = next.map(|placed| placed.column.id);
    let text = match model.table.sort {
        Some(id) => format!("sorted by {}", column::name(id)),
        None => "in the order of the configuration".into(),
    };
    model.say(Tone::Plain, text);
}

fn freeze(model: &mut Model) {
    match model.frozen.take() {
        None => model.frozen = Some(Frozen { at_ms: model.now_ms, newest: None }),
        Some(frozen) => {
            if frozen.newest.is_some() {
                model.status = frozen.newest;
            }
        }
    }
}

/// True when changes are possible now; otherwise says why not.
pub(super) fn may_change(model: &mut Model) -> bool {
    match model.inert_because() {
        None => true,
        Some(why) => {
            model.say(Tone::Warn, why);
            false
        }
    }
}

/// Opens the confirmation, or says why there is nothing to confirm.
pub(super) fn propose(model: &mut Model, planned: Result<plan::Plan, plan::Refusal>) {
    match planned {
        Ok(plan) => model.dialog = Some(Dialog::Confirm { plan: Box::new(plan), yes: false }),
        Err(why) => {
            model.dialog = None;
            model.say(Tone::Warn, why);
        }
    }
}

/// Stops the selected fault, once that is confirmed.
fn stop_fault(model: &mut Model) {
    if !may_change(model) {
        return;
    }
    let planned = match screen::chaos::selected(model) {
        Some(fault) => Ok(plan::plan_stop(fault)),
        None => Err("no fault is injected: there is nothing to stop".into()),
    };
    propose(model, planned);
}

/// Asked nothing, and asked for even where the picture is old: it only makes things safer.
fn panic(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.read_only {
        return model.say(Tone::Warn, "read-only: `ayactl chaos panic` stops all faults");
    }
    model.dialog = None;
    model.say(Tone::Plain, "PANIC: asked ayad to stop all faults and to lock, waiting for the answer");
    effects.push(Effect::Ask(Request::Panic));
}

fn order(model: &mut Model, state: Admin) {
    if !may_change(model) {
        return;
    }
    let planned = match model.selected() {
        Some((pool, backend)) => plan::plan_admin(pool, backend, state),
        None => Err("no backend is selected".into()),
    };
    propose(model, planned);
}

fn weight_by(model: &mut Model, step: i32) {
    if !may_change(model) {
        return;
    }
    let planned = match model.selected() {
        Some((pool, backend)) => {
            let wanted = backend.weight.saturating_add_signed(step);
            let wanted = wanted.min(aya_api::command::weight::MAX_WEIGHT);
            plan::plan_weight(pool, backend, wanted, &model.algorithms)
        }
        None => Err("no backend is selected".into()),
    };
    propose(model, planned);
}

fn weight_type(model: &mut Model) {
    if !may_change(model) {
        return;
    }
    match model.selected_ref() {
        Some(target) => model.dialog = Some(Dialog::Weight { target, text: String::new() }),
        None => model.say(Tone::Warn, "no backend is selected"),
    }
}

fn algorithm(model: &mut Model, effects: &mut Vec<Effect>) {
    if !may_change(model) {
        return;
    }
    let Some(pool) = model.selected().map(|(pool, _)| pool) else {
        return model.say(Tone::Warn, "no pool is selected");
    };
    let position = model.algorithms.iter().position(|a| a.name == plan::choice(pool)).unwrap_or(0);
    model.dialog = Some(Dialog::Algorithm { pool: pool.name.clone(), position });
    if model.algorithms.is_empty() {
        effects.push(Effect::Ask(Request::Algorithms));
    }
}
