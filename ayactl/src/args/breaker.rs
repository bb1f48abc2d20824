//! `ayactl breaker`.

use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;

use super::{ChangeArgs, Selection};
use crate::complete;

/// `ayactl breaker`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
#[command(
    after_help = "An order stands beside what a breaker has learned: when it is released, the breaker goes on where \
                        it was.\n\nExamples:\n  ayactl breaker list\n  \
                        ayactl breaker open shop/web-1 --for 10m --reason \"bad release\"\n  \
                        ayactl breaker release shop/web-1"
)]
pub struct BreakerArgs {
    /// List or change.
    #[command(subcommand)]
    pub verb: BreakerVerb,
}

/// Verbs of `ayactl breaker`.
#[derive(Debug, Subcommand)]
pub enum BreakerVerb {
    /// List breakers, orders about them, and how backends stand among the others
    #[command(after_help = "Examples:\n  ayactl breaker list\n  ayactl breaker list shop -o json")]
    List {
        /// Pools or backends; "*" and "?" stand for any characters
        #[arg(value_name = "POOL|POOL/BACKEND", add = ArgValueCompleter::new(complete::pools_and_backends))]
        names: Vec<String>,
    },
    /// Force breakers open: nothing passes, whatever they have learned
    #[command(after_help = "Examples:\n  ayactl breaker open shop/web-1\n  \
                            ayactl breaker open 'shop/*-2' --for 10m --reason \"bad release\"")]
    Open(OrderArgs),
    /// Force breakers closed: everything passes, whatever they have learned
    #[command(after_help = "Examples:\n  ayactl breaker close shop/web-1 --for 5m")]
    Close(OrderArgs),
    /// Keep breakers as they are: open ones do not try, closed ones do not open
    #[command(after_help = "Examples:\n  ayactl breaker hold 'shop/*' --for 1h --reason \"failover drill\"")]
    Hold(OrderArgs),
    /// Release breakers: they go on by what they have learned
    #[command(after_help = "Examples:\n  ayactl breaker release shop/web-1")]
    Release(OrderArgs),
    /// Forget what breakers and outlier detection have learned: closed, nothing counted, not ejected
    #[command(after_help = "Examples:\n  ayactl breaker reset shop/web-1 --reason \"rolled back\"")]
    Reset(OrderArgs),
}

/// Which, and how.
#[derive(Args, Debug)]
pub struct OrderArgs {
    /// Which.
    #[command(flatten)]
    pub selection: Selection,
    /// How.
    #[command(flatten)]
    pub change: ChangeArgs,
}
