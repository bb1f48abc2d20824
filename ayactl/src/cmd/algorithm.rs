//! `ayactl algorithm`: how pools pick.

use aya_api::command::algorithm::SetAlgorithm;
use aya_api::command::algorithms::GetAlgorithms;
use aya_api::command::pools::GetPools;

use super::change::{make, options};
use super::get;
use crate::args::{AlgorithmArgs, AlgorithmVerb, ChangeArgs, Kind};
use crate::failure::Failure;
use crate::render;
use crate::select::pick;
use crate::session::Session;

/// Columns of `algorithm get`, unless others are asked for.
const COLUMNS: [&str; 5] = ["name", "algorithm", "configured", "sticky", "until"];

/// Runs the verb.
pub async fn run(session: &mut Session<'_, '_>, args: &AlgorithmArgs) -> Result<u8, Failure> {
    match &args.verb {
        AlgorithmVerb::List => {
            let text = get::picture(session, Kind::Algorithms, &[]).await?;
            session.print(&text)?;
            Ok(0)
        }
        AlgorithmVerb::Get { names } => {
            let pools = pick(session.client.call(&GetPools).await?, names, "pool", |p| &p.name)?;
            let mut view = session.view.clone();
            view.columns = view.columns.or_else(|| Some(COLUMNS.map(str::to_owned).to_vec()));
            let text = render::list(pools, &view)?;
            session.print(&text)?;
            Ok(0)
        }
        AlgorithmVerb::Set { pool, algorithm, params, change } => {
            set(session, pool, algorithm, params, change).await
        }
    }
}

/// Checks both names against the daemon first, so that a slip of the finger gets a suggestion.
async fn set(
    session: &mut Session<'_, '_>,
    pool: &str,
    algorithm: &str,
    params: &[String],
    change: &ChangeArgs,
) -> Result<u8, Failure> {
    let pools = session.client.call(&GetPools).await?;
    if !pools.iter().any(|known| known.name == pool) {
        return Err(Failure::not_found("pool", pool, pools.iter().map(|known| known.name.as_str())));
    }
    let algorithms = session.client.call(&GetAlgorithms).await?;
    if !algorithms.iter().any(|known| known.name == algorithm) {
        let known = algorithms.iter().map(|known| known.name.as_str());
        return Err(Failure::not_found("algorithm", algorithm, known));
    }
    let choice = std::iter::once(algorithm).chain(params.iter().map(String::as_str));
    let calls = [SetAlgorithm::new(pool, &choice.collect::<Vec<_>>().join(" "))];
    make(session, &calls, &options(change, 1)?).await?.finish()
}
