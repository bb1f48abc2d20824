//! Sockets the daemon listens on, bound before anything else changes: what cannot be bound is an error with
//! a remedy, never half a start.

mod control;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use socket2::{Domain, Protocol, Socket, Type};

pub use control::{ControlFile, FileId};

/// Connections that wait to be accepted, for each socket.
const BACKLOG: i32 = 4096;

/// Why a socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error("{address} is already in use")]
    InUse {
        /// Where.
        address: String,
    },
    /// A daemon answers at the control socket.
    #[error("another ayad answers at {}", path.display())]
    ControlInUse {
        /// Where.
        path: PathBuf,
    },
    /// There is something else at the path of the control socket.
    #[error("{} exists and is not a socket", path.display())]
    NotASocket {
        /// Where.
        path: PathBuf,
    },
    /// The system said no.
    #[error("cannot listen on {address}: {source}")]
    System {
        /// Where.
        address: String,
        /// Why.
        source: io::Error,
    },
}

impl BindError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::InUse { address } => {
                let port = address.rsplit(':').next().unwrap_or(address);
                format!("find out who has it with `ss -ltnp 'sport = :{port}'`, or listen elsewhere")
            }
            Self::ControlInUse { .. } => {
                "stop that daemon first, or give this one a socket of its own with --control PATH".into()
            }
            Self::NotASocket { .. } => "move it away, or name another path with --control PATH".into(),
            Self::System { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => {
                    "use a port above 1023, run with the right to bind it, or check the folder's owner".into()
                }
                io::ErrorKind::NotFound => {
                    "make the folder first, or name another path with --control PATH".into()
                }
                io::ErrorKind::AddrNotAvailable => {
                    "is that an address of this machine? see `ip address`".into()
                }
                _ => "see the system's message".into(),
            },
        }
    }
}

/// Binds one address once for each worker, so that the kernel spreads connections over them. `shared` says
/// that this process already listens there.
pub fn bind(address: SocketAddr, workers: usize, shared: bool) -> Result<Vec<TcpListener>, BindError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address: address.to_string() },
        _ => BindError::System { address: address.to_string(), source },
    };
    if !shared && address.port() != 0 {
        // Sockets that share a port would also share it with another ayad of the same user, silently.
        listener(address, false).map_err(failed)?;
    }
    let first = listener(address, true).map_err(failed)?;
    let bound = first.local_addr().map_err(failed)?;
    let mut all = vec![first];
    for _ in 1..workers {
        all.push(listener(bound, true).map_err(failed)?);
    }
    Ok(all)
}

fn listener(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of a daemon that was just stopped must not keep the next one from starting.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_gets_a_socket_on_the_same_port() {
        let sockets = bind("127.0.0.1:0".parse().unwrap(), 3, false).unwrap();
        let ports: Vec<u16> = sockets.iter().map(|s| s.local_addr().unwrap().port()).collect();
        assert_eq!(ports, [ports[0]; 3]);
    }

    #[test]
    fn a_port_that_somebody_shares_is_still_in_use() {
        let sockets = bind("127.0.0.1:0".parse().unwrap(), 1, false).unwrap();
        let address = sockets[0].local_addr().unwrap();
        assert!(matches!(bind(address, 1, false), Err(BindError::InUse { .. })));
        assert!(bind(address, 1, true).is_ok());
    }
}
