//! The control socket and its file. Whoever has the file has the callers, so it is only ever taken from nobody: a file
//! that no daemon answers at is left over from one that was killed.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use socket2::{Domain, SockAddr, Socket, Type};

use super::BindError;

/// Mode of the control socket: its owner and its group.
const CONTROL_MODE: u32 = 0o660;

/// Which file it is, whatever its name. Systems give the number of a file that is gone to the next one, so its birth
/// counts as well, where the file system knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileId {
    device: u64,
    number: u64,
    born: Option<SystemTime>,
}

impl FileId {
    fn at(path: &Path) -> Option<Self> {
        let found = fs::symlink_metadata(path).ok()?;
        Some(Self { device: found.dev(), number: found.ino(), born: found.created().ok() })
    }
}

/// The file of the control socket, and which one is ours.
#[derive(Debug)]
pub struct ControlFile {
    path: PathBuf,
    ours: Mutex<Option<FileId>>,
}

impl ControlFile {
    /// Binds the control socket at a path where no daemon answers.
    pub fn bind(path: PathBuf) -> Result<(UnixListener, Self), BindError> {
        let socket = bind(&path)?;
        let ours = Mutex::new(FileId::at(&path));
        Ok((socket, Self { path, ours }))
    }

    /// The file of a socket that another process has bound.
    pub fn inherited(path: PathBuf, ours: Option<FileId>) -> Self {
        Self { path, ours: Mutex::new(ours) }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which file is ours.
    pub fn id(&self) -> Option<FileId> {
        *self.ours.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether callers still find our socket. One system call.
    pub fn is_ours(&self) -> bool {
        let ours = self.id();
        ours.is_some() && FileId::at(&self.path) == ours
    }

    /// Binds another socket there, unless somebody else answers or something else stands there. Never waits.
    pub fn bind_again(&self) -> Result<UnixListener, BindError> {
        let socket = bind(&self.path)?;
        *self.ours.lock().unwrap_or_else(PoisonError::into_inner) = FileId::at(&self.path);
        Ok(socket)
    }

    /// Removes the file, but not one that another daemon has made in its place.
    pub fn remove(&self) {
        if !self.is_ours() {
            tracing::debug!("the control socket was gone already");
        } else if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "the control socket cannot be removed");
        }
    }

    /// Makes the folder of a socket at the default path, which nobody was told to make. When that fails, binding says
    /// why.
    pub fn make_folder(path: &Path) {
        if let Some(folder) = path.parent()
            && let Err(error) = fs::create_dir_all(folder)
        {
            tracing::debug!(%error, folder = %folder.display(), "cannot make the folder of the control socket");
        }
    }
}

fn bind(path: &Path) -> Result<UnixListener, BindError> {
    let failed = |source| BindError::System { address: path.display().to_string(), source };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {
            if is_alive(path).map_err(failed)? {
                return Err(BindError::ControlInUse { path: path.to_owned() });
            }
            fs::remove_file(path).map_err(failed)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    // Fails when somebody was faster.
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(CONTROL_MODE)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Whether somebody listens there. Only a refusal says that nobody does: a full queue would block, and a socket of
/// another user may not permit us.
fn is_alive(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        Ok(()) | Err(_) => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(path: &Path) -> Result<(UnixListener, ControlFile), BindError> {
        ControlFile::bind(path.to_owned())
    }

    #[test]
    fn a_stale_control_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(bound(&path).unwrap());
        let live = bound(&path).unwrap();
        assert!(matches!(bound(&path), Err(BindError::ControlInUse { .. })));
        drop(live);

        let file = dir.path().join("f");
        fs::write(&file, "keep me").unwrap();
        assert!(matches!(bound(&file), Err(BindError::NotASocket { .. })));
        assert_eq!(fs::read_to_string(&file).unwrap(), "keep me");

        let nowhere = bound(&dir.path().join("no/such/folder/s"));
        assert!(nowhere.unwrap_err().hint().contains("make the folder"));
    }

    /// Removes a file, and lets nobody have its number.
    fn remove(path: &Path, kept: &str) {
        fs::hard_link(path, path.with_extension(kept)).unwrap();
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_removed_file_is_missed_and_one_of_another_daemon_is_left_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let (_first, file) = bound(&path).unwrap();
        assert!(file.is_ours());

        remove(&path, "first");
        assert!(!file.is_ours());
        let (other, others_file) = bound(&path).unwrap();
        assert!(!file.is_ours());
        assert!(matches!(file.bind_again(), Err(BindError::ControlInUse { .. })));
        file.remove();
        assert!(others_file.is_ours());

        drop(other);
        remove(&path, "other");
        let _again = file.bind_again().unwrap();
        assert!(file.is_ours() && !others_file.is_ours());
        file.remove();
        assert!(!path.exists());
    }
}
