//! Why the dashboard ended other than by `q`.

use std::io;

use aya_api::client::ClientError;
use thiserror::Error;

/// Why the dashboard ended.
///
/// A daemon that does not answer is no reason: the dashboard waits for it. Only [`once`](crate::once()), which has
/// nothing to show without it, gives that up.
#[derive(Debug, Error)]
pub enum Error {
    /// The terminal, or the place output goes to, does not work.
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[source] io::Error),
    /// The thread that talks to the daemon could not start or is gone.
    #[error("the connection thread failed: {0}")]
    Feed(String),
    /// The daemon did not answer.
    #[error(transparent)]
    Daemon(#[from] ClientError),
    /// A signal ended it, the terminal restored; the caller exits with 128 plus the number and says nothing.
    #[error("ended by signal {0}")]
    Signal(i32),
}
