//! `ayactl ready` and `ayactl maint`: back into service, and out of it at once.

use aya_api::axis::Admin;
use aya_api::command::admin::SetAdmin;

use super::change::{Made, make, options};
use super::safety::confirm_removal;
use super::targets::{Targets, resolve};
use super::wait::{Condition, wait_for};
use crate::args::{ChangeArgs, MaintArgs, ReadyArgs};
use crate::failure::Failure;
use crate::session::Session;

/// Puts backends back into service.
pub async fn ready(session: &mut Session<'_, '_>, args: &ReadyArgs) -> Result<u8, Failure> {
    let targets = resolve(session, &args.selection.names).await?;
    let made = order(session, &targets, Admin::Ready, &args.change).await?;
    if let Some(limit) = args.wait.wait.filter(|_| !args.change.dry_run && made.failure.is_none()) {
        wait_for(session, &made.changes, Condition::Eligible, limit).await?;
    }
    made.finish()
}

/// Takes backends out of service at once.
pub async fn maint(session: &mut Session<'_, '_>, args: &MaintArgs) -> Result<u8, Failure> {
    let targets = resolve(session, &args.selection.names).await?;
    confirm_removal(session, &targets, &args.change)?;
    let made = order(session, &targets, Admin::Maint, &args.change).await?;
    if let Some(limit) = args.wait.wait.filter(|_| !args.change.dry_run && made.failure.is_none()) {
        wait_for(session, &made.changes, Condition::Quiet, limit).await?;
    }
    made.finish()
}

async fn order(
    session: &mut Session<'_, '_>,
    targets: &Targets,
    state: Admin,
    change: &ChangeArgs,
) -> Result<Made, Failure> {
    let calls: Vec<SetAdmin> =
        targets.chosen().map(|backend| SetAdmin::new(&backend.pool, &backend.name, state, None)).collect();
    make(session, &calls, &options(change, calls.len())?).await
}
