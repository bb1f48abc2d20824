//! `POST /v1/notes`.

use aya_api::command::notes::{LONGEST_NOTE, NoteBody};
use aya_api::error::{ApiError, ErrorCode};
use aya_api::event::Severity;

use super::Control;
use super::call::Call;
use super::server::Reply;
use crate::state::NewEvent;

/// Adds a note, as an event.
pub(super) fn add(control: &mut Control, call: &Call) -> Result<Reply, ApiError> {
    let NoteBody { text, run } = call.parse()?;
    let text = text.trim();
    if text.contains(|c: char| c.is_control() && c != '\n') {
        let hint = "leave them out: they would move the cursor of whoever reads it";
        return Err(ApiError::new(ErrorCode::BadValue, "the note has control characters", hint));
    }
    if text.is_empty() || text.len() > LONGEST_NOTE {
        let message = format!("the note is not 1 to {LONGEST_NOTE} bytes of text");
        return Err(ApiError::new(ErrorCode::BadValue, message, "say it in fewer words"));
    }
    if let Some(run) = &run {
        control.runs.find(run)?;
    }
    control.check_in_charge()?;
    let subject = run.as_deref().unwrap_or("ayad");
    let event =
        NewEvent::new(Severity::Info, "note", subject, text).ordered(Some(call.by.name.clone()), None);
    Reply::json(&control.state.events.push(event), None)
}
