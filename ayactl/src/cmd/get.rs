//! `ayactl get`: lists of one kind of object.

use aya_api::command::algorithms::GetAlgorithms;
use aya_api::command::backends::GetBackends;
use aya_api::command::events::GetEvents;
use aya_api::command::listeners::GetListeners;
use aya_api::command::operations::GetOperations;
use aya_api::command::pools::GetPools;
use aya_api::command::routes::GetRoutes;

use super::repeat::repeat;
use crate::args::{GetArgs, Kind};
use crate::failure::Failure;
use crate::render;
use crate::select::{any_matches, pick};
use crate::session::Session;

/// Runs the verb.
pub async fn run(session: &mut Session<'_, '_>, args: &GetArgs) -> Result<u8, Failure> {
    repeat(session, args.again.watch, async |session| picture(session, args.kind, &args.names).await).await
}

/// One list, rendered.
pub(super) async fn picture(
    session: &mut Session<'_, '_>,
    kind: Kind,
    names: &[String],
) -> Result<String, Failure> {
    let (client, view) = (&session.client, &session.view);
    match kind {
        Kind::Backends => {
            let all = client.call(&GetBackends).await?;
            render::list(pick(all, names, "backend", |b| &b.id)?, view)
        }
        Kind::Pools => {
            let all = client.call(&GetPools).await?;
            render::list(pick(all, names, "pool", |p| &p.name)?, view)
        }
        Kind::Routes => {
            let all = client.call(&GetRoutes).await?;
            render::list(pick(all, names, "route", |r| &r.name)?, view)
        }
        Kind::Listeners => {
            let all = client.call(&GetListeners).await?;
            render::list(pick(all, names, "listener", |l| &l.name)?, view)
        }
        Kind::Algorithms => {
            let all = client.call(&GetAlgorithms).await?;
            render::list(pick(all, names, "algorithm", |a| &a.name)?, view)
        }
        // Names of what happened are subjects, and nothing may have happened to a subject that exists.
        Kind::Events => {
            let mut all = client.call(&GetEvents::default()).await?;
            all.retain(|event| any_matches(names, &event.subject));
            render::list(all, view)
        }
        Kind::Operations => {
            let mut all = client.call(&GetOperations).await?;
            all.retain(|op| any_matches(names, &op.subject) || names.contains(&op.op));
            render::list(all, view)
        }
    }
}
