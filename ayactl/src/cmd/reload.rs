//! `ayactl reload`: apply the configuration file as it is now.

use aya_api::change::ChangeOptions;
use aya_api::command::reload::Reload;

use super::change::make;
use crate::args::ReloadArgs;
use crate::failure::Failure;
use crate::session::Session;

/// Runs the verb.
pub async fn run(session: &mut Session<'_, '_>, args: &ReloadArgs) -> Result<u8, Failure> {
    let options =
        ChangeOptions { dry_run: args.dry_run, reason: args.reason.clone(), ..ChangeOptions::default() };
    make(session, &[Reload], &options).await?.finish()
}
