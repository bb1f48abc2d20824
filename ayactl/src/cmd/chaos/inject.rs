//! Injects a fault, after a look at whom it would hit.

use std::collections::BTreeMap;

use aya_api::change::ChangeOptions;
use aya_api::command::faults::StartFault;
use aya_api::command::pools::GetPools;
use aya_api::exit::Exit;
use aya_api::fault::{FaultBody, FaultView};
use aya_api::view::PoolView;

use super::{attached, body, text};
use crate::args::chaos::{FaultArgs, FaultVerb};
use crate::failure::Failure;
use crate::render;
use crate::session::Session;

/// Part of a pool that is hit without asking.
const HALF: f64 = 0.5;

/// Runs the verb.
pub(super) async fn run(session: &mut Session<'_, '_>, verb: &FaultVerb) -> Result<u8, Failure> {
    let body = body::body_of(verb)?;
    let (_, how) = body::split(verb);
    let call = StartFault::new(body.clone());
    let options = ChangeOptions { reason: how.reason.clone(), ..ChangeOptions::default() };
    let tried = ChangeOptions { dry_run: true, ..options.clone() };
    // Also when it is meant: whatever the daemon refuses is refused before a question is asked.
    let planned = session.client.change(&call, &tried).await?;
    let pools = session.client.call(&GetPools).await?;
    let mostly = mostly(&planned, &body, &pools);
    if how.dry_run {
        show_plan(session, &planned, &pools)?;
        return tried_out(&mostly, how);
    }
    confirm(session, &mostly, how)?;
    let fault = session.client.change(&call, &options).await?;
    told(session, fault, how.attached).await
}

/// Stays with a fault that was injected when it is `attached`, else shows it and says how to end it.
pub(in crate::cmd) async fn told(
    session: &mut Session<'_, '_>,
    fault: FaultView,
    is_attached: bool,
) -> Result<u8, Failure> {
    if is_attached {
        return attached::stay(session, fault).await;
    }
    let id = fault.id.clone();
    session.refresh_clock();
    let text = render::list(vec![fault], &session.view)?;
    session.print(&text)?;
    session.note(&format!("end it with: ayactl chaos stop {id}"));
    Ok(Exit::Done as u8)
}

/// Pools of which more than half would be hit.
fn mostly(planned: &FaultView, body: &FaultBody, pools: &[PoolView]) -> Vec<String> {
    let reached = per_pool(planned);
    let is_mostly = |pool: &&PoolView| {
        let hit = reached.get(pool.name.as_str()).copied().unwrap_or(0) as f64;
        hit * body.share / pool.backends.len().max(1) as f64 > HALF
    };
    pools.iter().filter(is_mostly).map(|pool| pool.name.clone()).collect()
}

/// How many backends of each pool a fault is for.
fn per_pool(fault: &FaultView) -> BTreeMap<&str, usize> {
    let mut count = BTreeMap::new();
    for (pool, _) in fault.backends.iter().filter_map(|id| id.split_once('/')) {
        *count.entry(pool).or_default() += 1;
    }
    count
}

/// How a dry run ends: it asks nothing, and fails as the fault would off a terminal.
fn tried_out(pools: &[String], how: &FaultArgs) -> Result<u8, Failure> {
    if pools.is_empty() || how.yes {
        return Ok(Exit::Done as u8);
    }
    let what = format!("this is for more than half of {}", pools.join(", "));
    let message = format!("{what}; without --yes it is asked about, and refused off a terminal");
    Err(Failure::usage(message, "add --yes to do it all the same, or hit less with --percent"))
}

/// Asks before more than half of `pools` is hit. Off a terminal nothing is asked: `--yes` must be given.
fn confirm(session: &mut Session<'_, '_>, pools: &[String], how: &FaultArgs) -> Result<(), Failure> {
    if pools.is_empty() || how.yes {
        return Ok(());
    }
    let what = format!("this is for more than half of {}", pools.join(", "));
    if !session.can_ask() {
        let hint = "add --yes to do it all the same, or hit less with --percent";
        return Err(Failure::usage(format!("{what}; refused without --yes"), hint));
    }
    if session.console.ask(&format!("{what}. Do it?"))? {
        return Ok(());
    }
    Err(Failure::new(Exit::Error, "declined", "nothing was injected", "--yes does not ask"))
}

/// Whom it would hit, and how much of each pool that is.
fn show_plan(session: &mut Session<'_, '_>, planned: &FaultView, pools: &[PoolView]) -> Result<(), Failure> {
    session.refresh_clock();
    let text = match render::document(planned, &session.view)? {
        Some(text) => text,
        None => text::plan(planned, &per_pool(planned), pools, &session.view)?,
    };
    session.print(&text)?;
    session.note("nothing was injected (dry run)");
    Ok(())
}
