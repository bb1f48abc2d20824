//! One connection to each target, before anything is sent: what cannot work is told with its reason, and not by a report of
//! a thousand failures.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::wire::{NoConnection, Opened, Wire};
use crate::plan::{Plan, Protocol, Target};

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Files or names for TLS cannot be used.
    #[error("{0}")]
    Conf(String),
    /// The target takes no connection.
    #[error("{address} does not take connections: {error}")]
    Tcp {
        /// The target.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// It does, and TLS does not come about.
    #[error("TLS with {target} does not come about: {error}")]
    Tls {
        /// The name that its certificate is to have, and its address.
        target: String,
        /// What is wrong.
        error: io::Error,
    },
    /// It speaks TLS, and no HTTP/2.
    #[error("{address} does not agree to HTTP/2")]
    NoHttp2 {
        /// The target.
        address: String,
    },
}

/// Connects to each target of a plan once, and closes what it opened. Waits up to `patience` for each; blocks.
pub fn probe(plan: &Plan, patience: Duration) -> Result<(), ProbeError> {
    let wire = Wire::new(plan).map_err(ProbeError::Conf)?;
    let targets = || std::iter::once(&plan.target).chain(&plan.overhead).enumerate();
    let system = |error: io::Error| ProbeError::Tcp { address: plan.target.address.clone(), error };
    // On a thread of its own: whoever calls may have a runtime.
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let runtime = Builder::new_current_thread().enable_all().build().map_err(system)?;
            runtime.block_on(async {
                for (lane, target) in targets() {
                    let opened = match timeout(patience, wire.connect(lane)).await {
                        Ok(opened) => opened,
                        Err(_) => Err(late(target, patience).await),
                    };
                    judge(opened, target, plan.protocol)?;
                }
                Ok(())
            })
        });
        asking.join().unwrap_or_else(|_| Err(system(io::Error::other("the thread that asks panicked"))))
    })
}

/// What a target does not do in time: take connections, or answer the hello of TLS.
async fn late(target: &Target, patience: Duration) -> NoConnection {
    if target.tls && matches!(timeout(patience, TcpStream::connect(&target.address)).await, Ok(Ok(_))) {
        let silent = "it takes connections, and does not answer the hello of TLS";
        return NoConnection::Tls(io::Error::new(io::ErrorKind::TimedOut, silent));
    }
    NoConnection::Tcp(io::Error::from(io::ErrorKind::TimedOut))
}

fn judge(
    opened: Result<Opened, NoConnection>,
    target: &Target,
    protocol: Protocol,
) -> Result<(), ProbeError> {
    let address = target.address.clone();
    match opened {
        Err(NoConnection::Tcp(error)) => Err(ProbeError::Tcp { address, error }),
        Err(NoConnection::Tls(error)) => {
            let at = if target.host == address { String::new() } else { format!(" ({address})") };
            Err(ProbeError::Tls { target: format!("{}{at}", target.host), error })
        }
        Ok(Opened::Tls(stream)) if protocol == Protocol::Http2 && !super::wire::is_http2(&stream) => {
            Err(ProbeError::NoHttp2 { address })
        }
        Ok(_) => Ok(()),
    }
}
