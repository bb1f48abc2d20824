//! What surrounds a configuration: environment and flags, gathered by the caller as plain values.
//!
//! Nothing here reads the environment; the same values give the same configuration, also on reload.

use std::path::{Path, PathBuf};

/// Surroundings of the daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env {
    /// `XDG_RUNTIME_DIR`.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub xdg_state_home: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// True for the user root, whose state belongs to the machine.
    pub is_root: bool,
    /// Name of this machine.
    pub host: String,
    /// Cores this process may use; 0 counts as 1.
    pub cores: usize,
    /// What flags say instead of the file.
    pub overrides: Overrides,
}

/// Flags that go before the file, at the start and on every reload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--control`.
    pub control: Option<PathBuf>,
    /// `--state-dir`.
    pub state_dir: Option<PathBuf>,
    /// `--workers`, at least 1.
    pub workers: Option<usize>,
}

impl Env {
    /// Control socket when neither flag nor file names one.
    pub fn default_control(&self) -> PathBuf {
        match &self.xdg_runtime_dir {
            Some(folder) => folder.join("ayad.sock"),
            None => PathBuf::from("/run/ayad/control.sock"),
        }
    }

    /// State folder when neither flag nor file names one.
    pub fn default_state_dir(&self) -> PathBuf {
        let machine = || PathBuf::from("/var/lib/ayad");
        let person = |home: &PathBuf| home.join(".local/state/ayad");
        match &self.xdg_state_home {
            Some(folder) => folder.join("ayad"),
            None if self.is_root => machine(),
            None => self.home.as_ref().map_or_else(machine, person),
        }
    }

    /// Worker threads when neither flag nor file says how many.
    pub fn default_workers(&self) -> usize {
        self.cores.max(1)
    }
}

/// Longest path of a Unix socket in bytes; the kernel's field holds one more, for the end.
pub const MAX_SOCKET_PATH: usize = 107;

/// Whether the kernel can bind a Unix socket at this path.
pub fn is_socket_path(path: &Path) -> bool {
    (1..=MAX_SOCKET_PATH).contains(&path.as_os_str().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_xdg_then_the_machine() {
        let person = Env { home: Some("/home/ada".into()), ..Env::default() };
        assert_eq!(person.default_control(), Path::new("/run/ayad/control.sock"));
        assert_eq!(person.default_state_dir(), Path::new("/home/ada/.local/state/ayad"));

        let session = Env { xdg_runtime_dir: Some("/run/user/7".into()), ..person.clone() };
        assert_eq!(session.default_control(), Path::new("/run/user/7/ayad.sock"));

        let root = Env { is_root: true, ..person };
        assert_eq!(root.default_state_dir(), Path::new("/var/lib/ayad"));
        let told = Env { xdg_state_home: Some("/s".into()), ..root };
        assert_eq!(told.default_state_dir(), Path::new("/s/ayad"));
    }

    #[test]
    fn a_machine_of_unknown_size_gets_one_worker() {
        assert_eq!(Env::default().default_workers(), 1);
    }
}
