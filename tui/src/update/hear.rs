//! What the daemon says, or fails to say.

use aya_api::change::Change;
use aya_api::event::Event;
use aya_api::view::{
    BackendDetail, BackendExplanation, DaemonView, PickExplanation, RequestExplanation, Status,
};

use crate::message::{Effect, Request, Watch};
use crate::model::{Entry, Link, Model};
use crate::theme::Tone;

/// A new picture: the daemon lives.
pub(super) fn status(model: &mut Model, status: Box<Status>, effects: &mut Vec<Effect>) {
    if let Some(old) = newest(model) {
        let (old, new) = (&old.daemon, &status.daemon);
        if old.pid != new.pid || old.started_ms != new.started_ms {
            let (text, tone) = if old.serving_since_ms == new.serving_since_ms {
                (upgraded(old, new), Tone::Good)
            } else {
                (format!("ayad was restarted: process {} is now {}", old.pid, new.pid), Tone::Warn)
            };
            model.journal.push(Entry::Note { at_ms: model.now_ms, text: text.clone() });
            model.say(tone, text);
            // Another binary may know other algorithms.
            effects.push(Effect::Ask(Request::Algorithms));
        }
    } else {
        effects.push(Effect::Ask(Request::Algorithms));
    }
    if matches!(model.link, Link::Lost { .. }) && model.status.is_some() {
        model.journal.push(Entry::Note { at_ms: model.now_ms, text: "ayad answers again".into() });
    }
    model.link = Link::Live;
    model.heard_ms = model.now_ms;
    model.pulse.push(&status);
    match &mut model.frozen {
        Some(frozen) => frozen.newest = Some(status),
        None => model.status = Some(status),
    }
}

/// Another process of the same line answers.
fn upgraded(old: &DaemonView, new: &DaemonView) -> String {
    let version = if old.version == new.version {
        format!("the version is still {}", new.version)
    } else {
        format!("from {} to {}", old.version, new.version)
    };
    format!("ayad was upgraded, {version}: process {} has taken over from {}", new.pid, old.pid)
}

/// No answer: everything stays on the screen, as old.
pub(super) fn lost(model: &mut Model, cause: String, hint: String, retry_in_ms: u64) {
    if model.link == Link::Live {
        let text = format!("ayad does not answer: {cause}");
        model.journal.push(Entry::Note { at_ms: model.now_ms, text });
    }
    model.link = Link::Lost { cause, hint, retry_at_ms: model.now_ms.saturating_add(retry_in_ms) };
}

/// Something happened.
pub(super) fn event(model: &mut Model, event: Box<Event>) {
    model.journal.push(Entry::Event(event));
}

/// Something happened that nobody can tell any more.
pub(super) fn gap(model: &mut Model, missed: u64) {
    let text = format!("{missed} events are missing here: they came faster than they could be read");
    model.journal.push(Entry::Note { at_ms: model.now_ms, text });
}

/// The past of the watched backend; that of another one came too late.
pub(super) fn detail(model: &mut Model, detail: Box<BackendDetail>) {
    if model.frozen.is_some() && model.detail.is_some() {
        return;
    }
    if model.watching.is_backend(&detail.backend.id) {
        model.detail = Some(detail);
        model.detail_error = None;
    }
}

/// The past of the watched backend cannot be read.
pub(super) fn detail_lost(model: &mut Model, id: &str, cause: String) {
    if model.watching.is_backend(id) {
        model.detail_error = Some(cause);
    }
}

/// Why the watched backend gets its share; while the screen is frozen, the first answer stays.
pub(super) fn why(model: &mut Model, id: &str, came: Result<Box<BackendExplanation>, String>) {
    let is_kept = model.frozen.is_some() && model.why.asked.answer.is_some();
    if model.watching.is_backend(id) && !is_kept {
        model.why.asked.take(came);
    }
}

/// What the next pick of the watched pool would see.
pub(super) fn pick(model: &mut Model, pool: &str, came: Result<Box<PickExplanation>, String>) {
    let is_kept = model.frozen.is_some() && model.page.asked.answer.is_some();
    if model.watching.is_pool(pool) && !is_kept {
        model.page.asked.take(came);
    }
}

/// The requests that can be explained; a list that was asked for before the wish changed is not shown.
pub(super) fn requests(model: &mut Model, of: &Watch, came: Result<Vec<RequestExplanation>, String>) {
    let is_kept = model.frozen.is_some() && model.requests.asked.answer.is_some();
    if model.watching == *of && !is_kept {
        model.requests.asked.take(came);
    }
}

/// A change was made, or was already so.
pub(super) fn done(model: &mut Model, change: &Change) {
    let mut text = if change.changed {
        let arrow = model.theme.glyphs.arrow;
        format!("{}: {} {} {arrow} {}", change.subject, change.field, change.before, change.after)
    } else {
        format!("{}: {} was already {}", change.subject, change.field, change.after)
    };
    for warning in &change.warnings {
        text.push_str("; ");
        text.push_str(warning);
    }
    if let Some(undo) = &change.undo {
        text.push_str("; undo: ");
        text.push_str(undo);
    }
    model.say(if change.warnings.is_empty() { Tone::Good } else { Tone::Warn }, text);
}

fn newest(model: &Model) -> Option<&Status> {
    let hidden = model.frozen.as_ref().and_then(|frozen| frozen.newest.as_deref());
    hidden.or(model.status.as_deref())
}
