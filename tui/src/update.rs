//! The only place where state changes: a model and a message give a model and effects.
//!
//! Pure: no IO and no clock, so every situation an operator can get into is a unit test. Two promises are kept
//! here and nowhere else: nothing is changed without a confirmation on the screen, and nothing is changed from
//! a picture that may be old.

mod act;
mod dialog;
mod hear;
mod point;

use crossterm::event::{KeyEvent, KeyEventKind};

use crate::keymap::{self, Scope};
use crate::message::{Effect, Message, Request, Watch};
use crate::model::{Asked, Dialog, Model};
use crate::screen::ScreenId;
use crate::theme::Tone;

/// Lets `message` happen to `model` and returns what the loop must do.
pub fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    let mut effects = Vec::new();
    match message {
        Message::Tick { now_ms } => model.now_ms = now_ms,
        Message::Key(event) => press(model, event, &mut effects),
        Message::Mouse(event) => point::point(model, event),
        Message::Resize { width, height } => {
            model.size = (width, height);
            if model.is_tiny() {
                // What nobody can see nobody may answer.
                model.dialog = None;
            }
        }
        Message::Status(status) => hear::status(model, status, &mut effects),
        Message::Lost { cause, hint, retry_in_ms } => hear::lost(model, cause, hint, retry_in_ms),
        Message::Event(event) => hear::event(model, event),
        Message::Gap { missed } => hear::gap(model, missed),
        Message::Detail(detail) => hear::detail(model, detail),
        Message::DetailLost { id, cause } => hear::detail_lost(model, &id, cause),
        Message::Why { id, came } => hear::why(model, &id, came),
        Message::Pick { pool, came } => hear::pick(model, &pool, came),
        Message::Requests { pool, only_failed, came } => {
            hear::requests(model, &Watch::Requests { pool, only_failed }, came);
        }
        Message::Algorithms(algorithms) => model.algorithms = algorithms,
        Message::Done(change) => hear::done(model, &change),
        Message::Told { tone, text } => model.say(tone, text),
        Message::Refused { order, refusal } => {
            let verb = if refusal.conflict { "somebody was faster, nothing was changed" } else { "not done" };
            let subject = order.wish.subject();
            model.say(Tone::Bad, format!("{subject}: {verb}: {}; {}", refusal.cause, refusal.hint));
        }
    }
    model.settle_selection();
    watch(model, &mut effects);
    effects
}

/// Where keys go now.
pub fn scope(model: &Model) -> Scope {
    match &model.dialog {
        None => Scope::Screen(model.screen),
        Some(Dialog::Filter { .. }) => Scope::Filter,
        Some(Dialog::Weight { .. }) => Scope::Weight,
        Some(Dialog::Algorithm { .. }) => Scope::Choose,
        Some(Dialog::Confirm { .. }) => Scope::Confirm,
    }
}

fn press(model: &mut Model, event: KeyEvent, effects: &mut Vec<Effect>) {
    if event.kind == KeyEventKind::Release {
        return;
    }
    match keymap::action(scope(model), event) {
        Some(action) => act::act(model, action, effects),
        None => {
            if let Some(typed) = keymap::typed(event) {
                dialog::insert(model, typed);
            }
        }
    }
}

/// The feed reads what the screen on show wants, and nothing while that wants nothing.
fn watch(model: &mut Model, effects: &mut Vec<Effect>) {
    let wanted = wanted(model);
    if wanted == model.watching {
        return;
    }
    if let Watch::Backend(backend) = &wanted {
        let was = model.detail.as_ref().map(|detail| detail.backend.id.as_str());
        if was != Some(backend.id().as_str()) {
            forget_backend(model);
        }
    }
    if let Watch::Pool(pool) = &wanted
        && model.page.asked.answer.as_ref().is_none_or(|pick| pick.pool != *pool)
    {
        model.page.asked = Asked::default();
    }
    model.watching.clone_from(&wanted);
    effects.push(Effect::Ask(Request::Watch(wanted)));
}

fn wanted(model: &Model) -> Watch {
    let (only_failed, pool) = (model.requests.only_failed, model.requests.pool.clone());
    match model.screen {
        ScreenId::Backend => model.selected_ref().map_or(Watch::Nothing, Watch::Backend),
        ScreenId::Pool => model.page_pool().map_or(Watch::Nothing, |pool| Watch::Pool(pool.name.clone())),
        ScreenId::Requests if model.requests.open.is_none() => Watch::Requests { pool, only_failed },
        ScreenId::Requests
        | ScreenId::Overview
        | ScreenId::Events
        | ScreenId::Listeners
        | ScreenId::Chaos
        | ScreenId::Runs
        | ScreenId::Help => Watch::Nothing,
    }
}

fn forget_backend(model: &mut Model) {
    model.detail = None;
    model.detail_error = None;
    model.detail_scroll = 0;
    model.why.asked = Asked::default();
    model.why.scroll = 0;
}
