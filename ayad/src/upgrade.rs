//! `ayad upgrade`: asks the running daemon to hand over to a new process.
//!
//! It speaks just enough HTTP for one call, so that a machine with nothing but `ayad` can be upgraded;
//! `ayactl upgrade` does the same.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use aya_api::change::Change;
use aya_api::command::upgrade::{SPEC, UpgradeBody};
use aya_api::error::ApiError;
use aya_api::exit::Exit;

/// Longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 1 << 20;

/// Why there was no upgrade.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// Nobody answers.
    #[error("no ayad answers at {socket}: {source}")]
    Unreachable {
        /// Where.
        socket: String,
        /// Why.
        source: io::Error,
    },
    /// The daemon said why not, and goes on.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// What came back is no answer.
    #[error("what answers at the socket does not speak ayad's control API")]
    Protocol,
}

impl UpgradeError {
    /// What to do about it.
    pub fn hint(&self) -> &str {
        match self {
            Self::Unreachable { .. } => {
                "name the socket of the running daemon with --socket PATH or AYA_SOCKET"
            }
            Self::Refused(error) => &error.hint,
            Self::Protocol => "are both of the same version? see `ayad --version`",
        }
    }

    /// Exit code that goes with it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Refused(error) => error.code.exit(),
            Self::Protocol => Exit::Error,
        }
    }
}

/// Asks the daemon at `socket`, and waits for as long as the daemon does: `daemon.upgrade_timeout`, at most
/// twice.
pub fn ask(socket: &Path, binary: Option<String>, dry_run: bool) -> Result<Change, UpgradeError> {
    let answer = call(socket, &UpgradeBody { binary }, dry_run)
        .map_err(|source| UpgradeError::Unreachable { socket: socket.display().to_string(), source })?;
    let (status, body) = read(&answer).ok_or(UpgradeError::Protocol)?;
    if status == 200 {
        return serde_json::from_slice(body).map_err(|_| UpgradeError::Protocol);
    }
    let error: ApiError = serde_json::from_slice(body).map_err(|_| UpgradeError::Protocol)?;
    Err(error.into())
}

fn call(socket: &Path, body: &UpgradeBody, dry_run: bool) -> io::Result<Vec<u8>> {
    let body = serde_json::to_string(body)?;
    let (method, path) = (SPEC.method.as_str(), SPEC.path);
    let query = if dry_run { "?dry_run=1" } else { "" };
    let length = body.len();
    let mut stream = UnixStream::connect(socket)?;
    write!(
        stream,
        "{method} {path}{query} HTTP/1.1\r\nhost: ayad\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(answer)
}

/// Status and body of a whole answer, which says its length.
fn read(answer: &[u8]) -> Option<(u16, &[u8])> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(end) = head.parse(answer).ok()? else { return None };
    Some((head.code?, &answer[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_status_and_a_body() {
        let answer = b"HTTP/1.1 422 Unprocessable Entity\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(read(answer), Some((422, &b"{}"[..])));
        assert_eq!(read(b"HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(read(b"\x00"), None);
    }

    #[test]
    fn a_socket_nobody_serves_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = ask(&folder.path().join("none"), None, false).unwrap_err();
        assert_eq!(error.exit(), Exit::Unreachable);
    }
}
