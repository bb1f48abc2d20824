//! What a backend reports of its load in the head or the trailers of an answer, and what of that clients see.
//!
//! Only answers of backends come here. Requests lose these fields on their way to a backend (see [`super::hop`]), and
//! nothing reads them there: a client can never say how busy a backend is.

use std::borrow::Cow;

use aya_api::event::Severity;
use aya_core::report::{Form, read};
use aya_core::time::Tick;

use super::exchange::Place;
use crate::clock;
use crate::config::signals::{Headers, Source};
use crate::h1::{Fields, Known};
use crate::state::{NewEvent, State, Turn};

/// The fields, and what each is.
const FIELDS: [(Known, Form); 3] = [
    (Known::Load, Form::Aya),
    (Known::EndpointLoad, Form::Orca),
    (Known::EndpointLoadBinary, Form::OrcaBinary),
];

/// True when a head has a report. Costs one comparison.
#[inline]
pub(super) fn is_in(fields: &Fields) -> bool {
    fields.has_any(&[Known::Load, Known::EndpointLoad, Known::EndpointLoadBinary])
}

/// Reads the reports in a head, and lets them pass on where the pool says so.
#[cold]
pub(super) fn heard(state: &State, place: &Place, bytes: &[u8], fields: &mut Fields) {
    let headers = place.pool.conf.signals.headers;
    if headers != Headers::Ignore {
        let now = clock::now();
        for (known, form) in FIELDS {
            for value in fields.all(bytes, known) {
                take(state, place, form, value, now);
            }
        }
    }
    if headers != Headers::Strip {
        fields.disown(&FIELDS.map(|(known, _)| known));
    }
}

/// Reads the reports in trailers, given as lines, and returns what clients see of them.
pub(super) fn in_trailers<'t>(state: &State, place: Option<&Place>, lines: &'t [u8]) -> Cow<'t, [u8]> {
    let Some(place) = place.filter(|_| !lines.is_empty()) else { return Cow::Borrowed(lines) };
    let headers = place.pool.conf.signals.headers;
    let mut is_found = false;
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        if let Some((form, value)) = report_of(line) {
            is_found = true;
            if headers != Headers::Ignore {
                take(state, place, form, value, clock::now());
            }
        }
    }
    if !is_found || headers != Headers::Strip {
        return Cow::Borrowed(lines);
    }
    let kept = lines.split_inclusive(|byte| *byte == b'\n').filter(|line| report_of(line).is_none());
    Cow::Owned(kept.flatten().copied().collect())
}

fn report_of(line: &[u8]) -> Option<(Form, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let known = Known::of(&line[..colon]);
    let (_, form) = FIELDS.into_iter().find(|(field, _)| *field == known)?;
    Some((form, line[colon + 1..].trim_ascii()))
}

fn take(state: &State, place: &Place, form: Form, value: &[u8], now: Tick) {
    let backend = place.backend();
    let names = &place.pool.conf.signals.names;
    let mut wrong = None;
    let flaw = read(form, value, names, &mut |told| {
        if let Some(cause) = backend.hear(Source::Headers, told, now) {
            wrong.get_or_insert(cause);
        }
    });
    let cause = match (flaw, wrong) {
        (Err(flaw), _) => Some(flaw.as_str().to_owned()),
        (Ok(()), wrong) => wrong,
    };
    let turn = match cause {
        Some(cause) => {
            let cause = format!("{}: {cause}", form.field());
            let turn = backend.reported.fails(Source::Headers, cause.clone(), now);
            turn.map(|turn| (turn, cause))
        }
        None => backend.reported.is_well(Source::Headers, now).map(|turn| (turn, String::new())),
    };
    if let Some((turn, cause)) = turn {
        let (severity, text) = match turn {
            Turn::Failed => (Severity::Warning, format!("reported load is not believed: {cause}")),
            Turn::Recovered => (Severity::Info, "reported load is believed again".to_owned()),
        };
        state.events.push(NewEvent::new(severity, "signal", &backend.id, text));
    }
}
