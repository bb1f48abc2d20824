//! Keeps people from taking the last backend out by mistake.
//!
//! It looks at the daemon's picture a moment before the change; the daemon's own warnings come with the answer.

use aya_api::view::BackendView;

use super::targets::Targets;
use crate::args::ChangeArgs;
use crate::failure::Failure;
use crate::session::Session;
use aya_api::exit::Exit;

/// Asks before the chosen backends are taken out, when a pool would be left without an eligible one. Off a
/// terminal nothing is asked: `--yes` must be given.
pub(super) fn confirm_removal(
    session: &mut Session<'_, '_>,
    targets: &Targets,
    change: &ChangeArgs,
) -> Result<(), Failure> {
    confirm(session, &emptied(&targets.all, |index| targets.chosen.contains(&index)), change)
}

/// Asks before `pools` are left without an eligible backend. A dry run asks nothing; it fails as the change
/// would off a terminal.
pub(super) fn confirm(
    session: &mut Session<'_, '_>,
    pools: &[&str],
    change: &ChangeArgs,
) -> Result<(), Failure> {
    if pools.is_empty() {
        return Ok(());
    }
    let what = format!("this leaves no eligible backend in {}", pools.join(", "));
    if change.yes {
        session.warn(&what);
        return Ok(());
    }
    if change.dry_run {
        let message = format!("{what}; without --yes it is asked about, and refused off a terminal");
        return Err(Failure::usage(message, "add --yes to see what would change"));
    }
    if !session.can_ask() {
        return Err(Failure::usage(format!("{what}; refused"), "add --yes to do it all the same"));
    }
    if session.console.ask(&format!("{what}: requests will fail. Do it?"))? {
        return Ok(());
    }
    Err(Failure::new(Exit::Error, "declined", "nothing was changed", "--yes does not ask"))
}

/// Pools that have an eligible backend now, and would have none without those that `leaves` says go.
pub(super) fn emptied(all: &[BackendView], leaves: impl Fn(usize) -> bool) -> Vec<&str> {
    let mut pools: Vec<&str> = Vec::new();
    for backend in all.iter().filter(|backend| backend.eligible) {
        let mut eligible = (0..all.len()).filter(|i| all[*i].eligible && all[*i].pool == backend.pool);
        if !pools.contains(&backend.pool.as_str()) && eligible.all(&leaves) {
            pools.push(&backend.pool);
        }
    }
    pools
}
