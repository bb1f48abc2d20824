//! `ayactl backend`: who is in a pool that takes its backends from operators.

use aya_api::command::members::{AddMember, MemberBody, RemoveMember};

use super::change::{make, options};
use super::safety::confirm_removal;
use super::targets::resolve;
use crate::args::{BackendArgs, BackendVerb, ChangeArgs};
use crate::failure::Failure;
use crate::session::Session;

/// Runs the verb.
pub async fn run(session: &mut Session<'_, '_>, args: &BackendArgs) -> Result<u8, Failure> {
    match &args.verb {
        BackendVerb::Add { name, address, weight, zone, tags, priority, change } => {
            let body = MemberBody {
                address: address.clone(),
                weight: *weight,
                zone: zone.clone(),
                tags: tags.clone(),
                priority: *priority,
            };
            add(session, name, body, change).await
        }
        BackendVerb::Remove { selection, change } => {
            let targets = resolve(session, &selection.names).await?;
            confirm_removal(session, &targets, change)?;
            let calls: Vec<_> = targets.chosen().map(|b| RemoveMember::new(&b.pool, &b.name)).collect();
            make(session, &calls, &options(change, calls.len())?).await?.finish()
        }
    }
}

async fn add(
    session: &mut Session<'_, '_>,
    name: &str,
    body: MemberBody,
    change: &ChangeArgs,
) -> Result<u8, Failure> {
    let Some((pool, backend)) =
        name.split_once('/').filter(|(pool, backend)| !pool.is_empty() && !backend.is_empty())
    else {
        let message = format!("\"{name}\" is no POOL/BACKEND");
        return Err(Failure::usage(message, "write the pool and a name for the backend, like shop/web-3"));
    };
    make(session, &[AddMember::new(pool, backend, body)], &options(change, 1)?).await?.finish()
}
