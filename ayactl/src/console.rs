//! The place a command runs in: where data and talk go, and what is known about the terminal.
//!
//! The environment and the clock are read here and nowhere else; tests build a [`Console`] from buffers and
//! [`Facts`] of their own.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use crate::args::ColorChoice;
use crate::render::cell::visible_lines;

/// Socket of a daemon that runs as a service of the system.
const SYSTEM_SOCKET: &str = "/run/ayad/control.sock";

/// Where a command reads and writes.
pub struct Console<'a> {
    /// Data.
    pub out: &'a mut dyn Write,
    /// Talk: progress, warnings, errors, questions.
    pub err: &'a mut dyn Write,
    /// Names for `-`, and answers to questions.
    pub input: &'a mut dyn BufRead,
    /// What is known about the surroundings.
    pub facts: Facts,
}

/// What is known about the surroundings of a command.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent fact")]
pub struct Facts {
    /// Whether answers can be typed.
    pub stdin_tty: bool,
    /// Whether people read stdout.
    pub stdout_tty: bool,
    /// Whether people read stderr.
    pub stderr_tty: bool,
    /// Columns and rows of the terminal at stdout; absent elsewhere.
    pub size: Option<(u16, u16)>,
    /// Colour is not wanted: `NO_COLOR`, or a terminal without it.
    pub no_color: bool,
    /// Colour is wanted even off a terminal: `CLICOLOR_FORCE`.
    pub force_color: bool,
    /// The terminal cannot move the cursor: `TERM=dumb`.
    pub dumb: bool,
    /// Socket named by `AYA_SOCKET`; one that is empty names none.
    pub named_socket: Option<PathBuf>,
    /// Folder for sockets of this user.
    pub runtime_dir: Option<PathBuf>,
    /// Folder for what programs of this user keep; absent when nobody says where the user is at home.
    pub state_dir: Option<PathBuf>,
    /// Milliseconds since 1970.
    pub now_ms: fn() -> u64,
}

impl Facts {
    /// Looks around.
    pub fn observe() -> Self {
        let stdout = io::stdout();
        let stdout_tty = stdout.is_terminal();
        let dumb = variable("TERM").as_deref() == Some("dumb");
        let size = rustix::termios::tcgetwinsize(&stdout).ok().filter(|size| size.ws_col > 0);
        Self {
            stdin_tty: io::stdin().is_terminal(),
            stdout_tty,
            stderr_tty: io::stderr().is_terminal(),
            size: size.filter(|_| stdout_tty).map(|size| (size.ws_col, size.ws_row)),
            no_color: variable("NO_COLOR").is_some() || dumb,
            force_color: variable("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
            dumb,
            named_socket: path(aya_api::SOCKET_ENV),
            runtime_dir: path("XDG_RUNTIME_DIR"),
            state_dir: path("XDG_STATE_HOME").or_else(|| path("HOME").map(|home| home.join(".local/state"))),
            now_ms: clock,
        }
    }

    /// Whether to use colour on stdout. What was asked for wins over what the environment says.
    pub fn color(&self, choice: ColorChoice) -> bool {
        match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => !self.no_color && (self.stdout_tty || self.force_color),
        }
    }

    /// The socket to use when the command line names none: that of the environment, else that of the user's
    /// own daemon, else the system's, whichever is there.
    pub fn socket(&self) -> PathBuf {
        if let Some(named) = &self.named_socket {
            return named.clone();
        }
        let system = PathBuf::from(SYSTEM_SOCKET);
        match self.runtime_dir.as_ref().map(|dir| dir.join("ayad.sock")) {
            Some(own) if own.exists() || !system.exists() => own,
            _ => system,
        }
    }
}

impl Console<'_> {
    /// Writes one line of talk. What others wrote, such as the reason of a lock, cannot move the cursor. A stderr that cannot be written to leaves nobody to tell, so failing to is
    /// not an error.
    pub fn say(&mut self, line: &str) {
        let _ = writeln!(self.err, "{}", visible_lines(line));
        let _ = self.err.flush();
    }

    /// Whether a question can be asked and answered.
    pub fn can_ask(&self) -> bool {
        self.facts.stdin_tty && self.facts.stderr_tty
    }

    /// Asks a question whose safe answer is no.
    pub fn ask(&mut self, question: &str) -> io::Result<bool> {
        write!(self.err, "{question} [y/N] ")?;
        self.err.flush()?;
        let mut answer = String::new();
        self.input.read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

/// A variable of the environment; an empty one is not set.
fn variable(name: &str) -> Option<String> {
    path(name)?.into_os_string().into_string().ok()
}

/// A variable that names a file, in any encoding. The one place of ayactl that reads the environment.
fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "the one place of ayactl that reads the clock")]
fn clock() -> u64 {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            stdin_tty: false,
            stdout_tty: false,
            stderr_tty: false,
            size: None,
            no_color: false,
            force_color: false,
            dumb: false,
            named_socket: None,
            runtime_dir: None,
            state_dir: None,
            now_ms: || 0,
        }
    }

    #[test]
    fn colour_follows_the_flag_before_the_environment() {
        let terminal = Facts { stdout_tty: true, ..facts() };
        assert!(terminal.color(ColorChoice::Auto));
        assert!(!Facts { no_color: true, ..terminal.clone() }.color(ColorChoice::Auto));
        assert!(Facts { no_color: true, ..terminal.clone() }.color(ColorChoice::Always));
        assert!(!terminal.color(ColorChoice::Never));
        assert!(!facts().color(ColorChoice::Auto));
        assert!(Facts { force_color: true, ..facts() }.color(ColorChoice::Auto));
    }

    #[test]
    fn the_users_own_socket_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ayad.sock"), "").unwrap();
        let own = Facts { runtime_dir: Some(dir.path().into()), ..facts() };
        assert_eq!(own.socket(), dir.path().join("ayad.sock"));
        assert_eq!(facts().socket(), PathBuf::from(SYSTEM_SOCKET));
    }
}
