//! `ayactl drain`: out of service without losing a request.

use std::time::Duration;

use aya_api::axis::{Admin, StickyDrain};
use aya_api::change::{Change, ChangeOptions};
use aya_api::command::admin::SetAdmin;
use aya_api::exit::Exit;

use super::change::{make, options};
use super::safety::confirm_removal;
use super::targets::resolve;
use super::wait::{Condition, wait_for};
use crate::args::{DrainArgs, OnDeadline, StickyChoice};
use crate::failure::Failure;
use crate::session::Session;

/// Runs the verb.
pub async fn run(session: &mut Session<'_, '_>, args: &DrainArgs) -> Result<u8, Failure> {
    let limit = wait_limit(args)?;
    let targets = resolve(session, &args.selection.names).await?;
    confirm_removal(session, &targets, &args.change)?;
    let sticky = args.sticky.map(|choice| match choice {
        StickyChoice::Honour => StickyDrain::Honour,
        StickyChoice::Move => StickyDrain::Move,
    });
    let calls: Vec<SetAdmin> =
        targets.chosen().map(|b| SetAdmin::new(&b.pool, &b.name, Admin::Draining, sticky)).collect();
    let made = make(session, &calls, &options(&args.change, calls.len())?).await?;
    let Some(limit) = limit.filter(|_| !args.change.dry_run && made.failure.is_none()) else {
        return made.finish();
    };
    match wait_for(session, &made.changes, Condition::Drained, limit).await {
        Err(failure) if failure.status == Exit::Deadline as u8 && args.on_deadline == OnDeadline::Undo => {
            undo(session, &made.changes).await?;
            Err(failure.hint("what this command drained is ready again"))
        }
        Err(failure) => Err(failure),
        Ok(()) => made.finish(),
    }
}

/// How long to wait, if at all: `--wait`, or the shorter of both limits.
fn wait_limit(args: &DrainArgs) -> Result<Option<Duration>, Failure> {
    let limit = match (args.wait.wait, args.deadline) {
        (Some(wait), Some(deadline)) => Some(wait.min(deadline)),
        (wait, deadline) => wait.or(deadline),
    };
    if limit.is_none() && args.on_deadline == OnDeadline::Undo {
        let hint = "add --wait or --deadline DURATION";
        return Err(Failure::usage("--on-deadline undo needs something to wait for", hint));
    }
    Ok(limit)
}

/// Makes ready again what this command drained and is not drained yet.
async fn undo(session: &mut Session<'_, '_>, changes: &[Change]) -> Result<(), Failure> {
    let mine = changes.iter().filter(|change| change.changed && change.before == Admin::Ready.as_str());
    let calls: Vec<SetAdmin> = mine
        .filter_map(|change| change.subject.split_once('/'))
        .map(|(pool, backend)| SetAdmin::new(pool, backend, Admin::Ready, None))
        .collect();
    let reason = Some("drain passed its deadline".to_owned());
    let options = ChangeOptions { reason, ..ChangeOptions::default() };
    for call in &calls {
        let change = session.client.change(call, &options).await?;
        session.note(&format!("{} {} → {}", change.subject, change.before, change.after));
    }
    Ok(())
}
