//! `ayactl breaker`: list breakers, and force, hold, release and reset them.

use aya_api::axis::BreakerOrder;
use aya_api::command::breaker::{OrderBreaker, ResetBreaker};

use super::change::{make, options};
use super::safety::confirm_removal;
use super::targets::resolve;
use super::weight::list;
use crate::args::{BreakerArgs, BreakerVerb, OrderArgs};
use crate::failure::Failure;
use crate::session::Session;

/// Columns of `breaker list`, unless others are asked for.
const COLUMNS: [&str; 6] = ["name", "breaker", "order", "window", "standing", "ease"];

/// Runs the verb.
pub async fn run(session: &mut Session<'_, '_>, args: &BreakerArgs) -> Result<u8, Failure> {
    match &args.verb {
        BreakerVerb::List { names } => list(session, names, &COLUMNS).await,
        BreakerVerb::Open(args) => order(session, args, BreakerOrder::Open).await,
        BreakerVerb::Close(args) => order(session, args, BreakerOrder::Closed).await,
        BreakerVerb::Hold(args) => order(session, args, BreakerOrder::Held).await,
        BreakerVerb::Release(args) => order(session, args, BreakerOrder::None).await,
        BreakerVerb::Reset(args) => reset(session, args).await,
    }
}

async fn order(session: &mut Session<'_, '_>, args: &OrderArgs, order: BreakerOrder) -> Result<u8, Failure> {
    let targets = resolve(session, &args.selection.names).await?;
    if order == BreakerOrder::Open {
        confirm_removal(session, &targets, &args.change)?;
    }
    let calls: Vec<OrderBreaker> =
        targets.chosen().map(|backend| OrderBreaker::new(&backend.pool, &backend.name, order)).collect();
    make(session, &calls, &options(&args.change, calls.len())?).await?.finish()
}

async fn reset(session: &mut Session<'_, '_>, args: &OrderArgs) -> Result<u8, Failure> {
    let targets = resolve(session, &args.selection.names).await?;
    let calls: Vec<ResetBreaker> =
        targets.chosen().map(|backend| ResetBreaker::new(&backend.pool, &backend.name)).collect();
    make(session, &calls, &options(&args.change, calls.len())?).await?.finish()
}
