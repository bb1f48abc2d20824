//! What surrounds a configuration: environment and flags, gathered by the caller as plain values.
//!
//! Nothing here reads the environment; the same values give the same configuration, also on reload.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where programs are looked for when the environment of the daemon does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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
    /// Everything else, by name; see [`Env::variable`].
    pub variables: Variables,
    /// What flags say instead of the file.
    pub overrides: Overrides,
}

/// Variables of the environment. Some are secrets, so none is shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(Arc<BTreeMap<String, String>>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} variables", self.0.len())
    }
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
    /// The same surroundings with these variables.
    #[must_use]
    pub fn with_variables(self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: Variables(Arc::new(variables.into_iter().collect())), ..self }
    }

    /// A variable, as it was when the daemon was started.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.0.get(name).map(String::as_str)
    }

    /// Where programs without a path are looked for, and the `PATH` they get.
    pub fn path(&self) -> &str {
        self.variable("PATH").unwrap_or(PATH)
    }

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
