//! `ayactl upgrade`: hand everything over to a new process.

use std::time::Duration;

use aya_api::change::ChangeOptions;
use aya_api::client::Client;
use aya_api::command::upgrade::Upgrade;

use super::change::make;
use crate::args::UpgradeArgs;
use crate::failure::Failure;
use crate::session::Session;

/// The daemon gives up on a process that does not get ready; until then it is worth waiting.
const LIMIT: Duration = Duration::from_secs(3600);

/// Runs the verb.
pub async fn run(session: &mut Session<'_, '_>, args: &UpgradeArgs) -> Result<u8, Failure> {
    session.client = Client::new(session.client.socket(), LIMIT)?;
    session.note("waiting for the new process to get ready; the running one serves meanwhile");
    let options =
        ChangeOptions { dry_run: args.dry_run, reason: args.reason.clone(), ..ChangeOptions::default() };
    make(session, &[Upgrade::to(args.binary.clone())], &options).await?.finish()
}
