//! `ayactl explain`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use crate::complete;

/// `ayactl explain`.
#[derive(Args, Debug)]
#[command(
    after_help = "Requests that failed or were tried again are kept for a while, and of the others a sample\n\
                        (explain_sample in [daemon]); `ayactl explain requests` lists them.\n\n\
                        Examples:\n  ayactl explain pick shop\n  ayactl explain pick shop --key alice\n  ayactl explain pick shop --rule 2\n  \
                        ayactl explain shop/web-1\n  ayactl explain requests\n  ayactl explain requests shop --failed\n  \
                        ayactl explain request 4f1c0e1d8a3b5c7d9e0f1a2b3c4d5e6f\n  \
                        ayactl explain pick shop -o json | jq '.candidates[] | select(.excluded)'"
)]
pub struct ExplainArgs {
    /// "pick", "request", "requests", or a backend as POOL/BACKEND
    #[arg(value_name = "WHAT|POOL/BACKEND", add = ArgValueCompleter::new(complete::explained))]
    pub what: String,

    /// The pool of the pick or of the requests, or the id of the request
    #[arg(value_name = "POOL|ID", add = ArgValueCompleter::new(complete::pools))]
    pub name: Option<String>,

    /// What an algorithm with keys would hash: the value of the pool's header, cookie or parameter, or a client's
    /// address (pick)
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,

    /// Only requests that failed (requests)
    #[arg(long)]
    pub failed: bool,

    /// A rule for some requests, by its number in `ayactl describe POOL`: the pick is for one of those (pick)
    #[arg(long, value_name = "NUMBER")]
    pub rule: Option<u8>,
}
