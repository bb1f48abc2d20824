//! What all changes share: making them one after the other, and saying what changed and how to undo it.

use std::fmt::Write as _;

use aya_api::change::{Change, ChangeOptions};
use aya_api::command::Call;
use aya_api::exit::Exit;

use crate::args::{ChangeArgs, Format};
use crate::failure::Failure;
use crate::render;
use crate::render::View;
use crate::render::cell::visible;
use crate::session::Session;
use crate::time;

/// What came of several changes.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// The answers, in the order of the calls.
    pub changes: Vec<Change>,
    /// The first thing that went wrong, with what else did; the others were tried all the same.
    pub failure: Option<Failure>,
}

impl Made {
    /// The exit status: that of the first failure, else success.
    pub(super) fn finish(self) -> Result<u8, Failure> {
        self.failure.map_or(Ok(Exit::Done as u8), Err)
    }
}

/// The options of a change for the wire. `--if-rev` speaks about one object, so it needs exactly one.
pub(super) fn options(args: &ChangeArgs, objects: usize) -> Result<ChangeOptions, Failure> {
    if args.if_rev.is_some() && objects != 1 {
        let message = format!("--if-rev is about one object, and {objects} are meant");
        return Err(Failure::usage(message, "name one object"));
    }
    Ok(ChangeOptions {
        dry_run: args.dry_run,
        reason: args.reason.clone(),
        for_ms: args.lease.map(|lease| u64::try_from(lease.as_millis()).unwrap_or(u64::MAX)),
        run: None,
        if_rev: args.if_rev,
        idempotency_key: None,
    })
}

/// Makes the changes one after the other. One that is refused does not stop the rest; a daemon that does not
/// answer does. People see each line as it happens, machines get one list at the end, unless nothing worked.
pub(super) async fn make<C: Call<Reply = Change>>(
    session: &mut Session<'_, '_>,
    calls: &[C],
    options: &ChangeOptions,
) -> Result<Made, Failure> {
    let people = matches!(session.view.format, Format::Table | Format::Wide);
    let mut made = Made::default();
    for call in calls {
        let failure = match session.client.change(call, options).await {
            Ok(change) => {
                if people {
                    session.print(&(sentence(&change, &session.view) + "\n"))?;
                }
                for warning in &change.warnings {
                    session.warn(&visible(warning.clone()));
                }
                made.changes.push(change);
                continue;
            }
            Err(error) => Failure::from(error),
        };
        let gone = failure.status == Exit::Unreachable as u8;
        match &mut made.failure {
            Some(first) => first.also.push(failure),
            none => *none = Some(failure),
        }
        if gone {
            break;
        }
    }
    if !people && (made.failure.is_none() || !made.changes.is_empty()) {
        let list = render::list(made.changes.clone(), &session.view)?;
        session.print(&list)?;
    }
    Ok(made)
}

/// What changed, in one line: `shop/web-1 admin ready → draining · op 7f3a · undo: ayactl ready shop/web-1`.
fn sentence(change: &Change, view: &View) -> String {
    let Change { subject, field, before, after, .. } = change;
    if !change.changed {
        let would = if change.dry_run { " (dry run)" } else { "" };
        return visible(match field.as_str() {
            "admin" => format!("{subject} already {after}{would}"),
            "config" => format!("{subject} config unchanged{would}"),
            _ => format!("{subject} {field} already {after}{would}"),
        });
    }
    let mut line = format!("{subject} {field} {before} → {after}");
    if change.dry_run {
        line = format!("would change: {line}");
    }
    if let Some(at_ms) = change.until_ms {
        let (when, left) = (time::clock(at_ms), time::until(view.now_ms, at_ms));
        let _ = write!(line, " · until {when} UTC ({left})");
    }
    if let Some(op) = &change.op {
        let _ = write!(line, " · op {op}");
    }
    if let Some(undo) = &change.undo {
        let _ = write!(line, " · undo: {undo}");
    }
    visible(line)
}
