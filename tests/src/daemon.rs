//! A real `ayad` with a folder of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use aya_api::change::{Change, ChangeOptions};
use aya_api::command::daemon::GetDaemon;
use aya_api::command::upgrade::Upgrade;
use tempfile::TempDir;

use crate::control::Control;
use crate::{binary, wait};

/// What a daemon is started with.
#[derive(Debug)]
pub struct Setup {
    folder: Arc<TempDir>,
    text: String,
    daemon_keys: String,
    workers: usize,
    socket: PathBuf,
    flags: Option<Vec<String>>,
    limits: String,
    network: Option<String>,
}

/// A running daemon. It is killed when it is dropped.
#[derive(Debug)]
pub struct Daemon {
    /// Calls it.
    pub control: Control,
    setup: Setup,
    child: Child,
    /// The process that has taken over, after an upgrade.
    successor: Option<u32>,
    log: Arc<Mutex<String>>,
}

/// How a daemon that should have run ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code; `None` when a signal killed it.
    pub code: Option<i32>,
    /// What it wrote to standard error.
    pub log: String,
}

impl Setup {
    /// A configuration file with this text; the version and `[daemon]` are added to it.
    pub fn new(text: &str) -> Self {
        let folder =
            tempfile::Builder::new().prefix("ayad-").tempdir().expect("a temporary folder can be made");
        let socket = folder.path().join("control.sock");
        Self {
            folder: Arc::new(folder),
            text: text.to_owned(),
            daemon_keys: String::new(),
            workers: 1,
            socket,
            flags: None,
            limits: String::new(),
            network: None,
        }
    }

    /// The same with another text in its file, for texts that name its folder.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        Self { text: text.to_owned(), ..self }
    }

    /// No file: these flags instead, besides those for the socket and the state folder.
    pub fn flags(flags: &[&str]) -> Self {
        let flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        Self { flags: Some(flags), ..Self::new("") }
    }

    /// Runs this many workers instead of one.
    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    /// Adds lines to `[daemon]`.
    #[must_use]
    pub fn daemon(mut self, keys: &str) -> Self {
        self.daemon_keys.push_str(keys);
        self.daemon_keys.push('\n');
        self
    }

    /// Serves the control API elsewhere.
    #[must_use]
    pub fn socket(self, socket: &Path) -> Self {
        Self { socket: socket.to_owned(), ..self }
    }

    /// Runs it under what the shell's `ulimit` does with these words, `-n 256` for example; may be said again.
    #[must_use]
    pub fn limit(mut self, words: &str) -> Self {
        self.limits.extend(["ulimit ", words, " && "]);
        self
    }

    /// Runs it in a network of its own, in which nothing but these words of a shell were said before. The control socket
    /// reaches it there; see [`has_networks`].
    #[must_use]
    pub fn in_network(self, words: &str) -> Self {
        Self { network: Some(words.to_owned()), ..self }
    }

    /// Its folder, for files beside the configuration.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where its journal is.
    pub fn journal(&self) -> PathBuf {
        self.folder().join("state/journal.jsonl")
    }

    fn file(&self) -> PathBuf {
        self.folder().join("ayad.toml")
    }

    fn write(&self) {
        let (socket, state) = (self.socket.display(), self.folder().join("state"));
        let config = format!(
            "aya = 1\n{}\n[daemon]\ncontrol = \"{socket}\"\nstate_dir = \"{}\"\nworkers = {}\n{}",
            self.text,
            state.display(),
            self.workers,
            self.daemon_keys,
        );
        fs::write(self.file(), config).expect("the folder can be written to");
    }

    /// The binary, or a shell that limits itself and becomes the binary.
    fn program(&self) -> Command {
        if let Some(words) = &self.network {
            let mut unshare = Command::new("unshare");
            unshare.args(["-rn", "sh", "-c"]).arg(format!("{words} && exec \"$0\" \"$@\""));
            unshare.arg(binary::ayad());
            return unshare;
        }
        if self.limits.is_empty() {
            return Command::new(binary::ayad());
        }
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{}exec \"$0\" \"$@\"", self.limits)).arg(binary::ayad());
        shell
    }

    fn command(&self) -> Command {
        let mut command = self.program();
        match &self.flags {
            None => {
                self.write();
                command.arg("--config").arg(self.file());
            }
            Some(flags) => {
                command.args(flags).arg("--control").arg(&self.socket);
                command.arg("--state-dir").arg(self.folder().join("state"));
                command.arg("--workers").arg(self.workers.to_string());
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts the daemon and waits until it answers.
    pub fn start(self) -> Daemon {
        self.try_start().unwrap_or_else(|ended| panic!("ayad did not start: {:?}\n{}", ended.code, ended.log))
    }

    /// Starts the daemon and waits until it answers or has ended.
    pub fn try_start(self) -> Result<Daemon, Ended> {
        let mut child = self.command().spawn().expect("ayad can be started");
        let log = Arc::new(Mutex::new(String::new()));
        collect(child.stderr.take(), &log);
        let control = Control::at(&self.socket);
        let pid = child.id();
        let is_up = wait::until("ayad answers or has ended", || match child.try_wait() {
            Ok(Some(_)) => Some(false),
            _ => answers_as(&control, pid).then_some(true),
        });
        let daemon = Daemon { control, setup: self, child, successor: None, log };
        if is_up { Ok(daemon) } else { Err(daemon.ended()) }
    }

    /// Starts the daemon where it must not come up, and says how it ended.
    pub fn fail(self) -> Ended {
        match self.try_start() {
            Err(ended) => ended,
            Ok(daemon) => panic!("ayad started in spite of everything:\n{}", daemon.log()),
        }
    }
}

/// True when it is this very process that answers, not another one at the same socket.
fn answers_as(control: &Control, pid: u32) -> bool {
    let daemon = control.try_call(&GetDaemon, &ChangeOptions::default());
    daemon.is_ok_and(|daemon| daemon.pid == pid)
}

impl Daemon {
    /// Starts a daemon with a configuration file of this text.
    pub fn start(text: &str) -> Self {
        Setup::new(text).start()
    }

    /// Starts a daemon with listener `main` on a free port and pool `main` of these backends, without
    /// checks; `keys` are further keys of the pool.
    pub fn balancing(backends: &[(&str, SocketAddr)], keys: &str) -> Self {
        Self::start(&pool(backends, keys))
    }

    /// Where its first listener accepts.
    pub fn address(&self) -> SocketAddr {
        bound(&self.control, None)
    }

    /// Where a listener accepts.
    pub fn address_of(&self, listener: &str) -> SocketAddr {
        bound(&self.control, Some(listener))
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.setup.folder()
    }

    /// Where its journal is.
    pub fn journal(&self) -> PathBuf {
        self.setup.journal()
    }

    /// Its control socket.
    pub fn socket(&self) -> &Path {
        &self.setup.socket
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.successor.unwrap_or_else(|| self.child.id())
    }

    /// Has a new process take over, and goes on with that one.
    pub fn upgrade(&mut self) -> Change {
        let change = self.control.call(&Upgrade::default());
        self.follow();
        change
    }

    /// Goes on with the process that has taken over since.
    pub fn follow(&mut self) {
        let old = self.pid();
        let pid = wait::until("another process answers", || {
            let daemon = self.control.again().try_call(&GetDaemon, &ChangeOptions::default());
            daemon.ok().map(|daemon| daemon.pid).filter(|pid| *pid != old)
        });
        self.successor = Some(pid);
        self.control = self.control.again();
    }

    /// Waits until the process that was started first has ended, after an upgrade.
    pub fn expect_first_ended(&mut self) -> Option<i32> {
        wait::until("the first process ends", || self.child.try_wait().ok().flatten()).code()
    }

    /// What it wrote to standard error so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes another text to its file; nothing happens until a reload.
    pub fn rewrite(&mut self, text: &str) {
        text.clone_into(&mut self.setup.text);
        self.setup.write();
    }

    /// Writes another text to its file and reloads it.
    pub fn reconfigure(&mut self, text: &str) -> Change {
        self.rewrite(text);
        self.control.reload()
    }

    /// Sends it a signal, by name without `SIG`.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits until it has ended.
    pub fn ended(mut self) -> Ended {
        let status = wait::until("ayad ends", || self.child.try_wait().ok().flatten());
        // Its last words may still be in the pipe.
        wait::until_true("ayad's last words are read", || Arc::strong_count(&self.log) == 1);
        Ended { code: status.code(), log: self.log() }
    }

    /// Asks it to stop and waits for it.
    pub fn stop(self) -> Ended {
        self.signal("TERM");
        self.ended()
    }

    /// Stops it with this signal and starts it again in the same folder.
    #[must_use]
    pub fn restart(self, name: &str) -> Self {
        let setup = self.keep_setup();
        self.signal(name);
        self.ended();
        setup.start()
    }

    /// What it was started with, for another daemon in the same folder.
    #[must_use]
    pub fn keep_setup(&self) -> Setup {
        let Setup { folder, text, daemon_keys, workers, socket, flags, limits, network } = &self.setup;
        Setup {
            folder: Arc::clone(folder),
            text: text.clone(),
            daemon_keys: daemon_keys.clone(),
            workers: *workers,
            socket: socket.clone(),
            flags: flags.clone(),
            limits: limits.clone(),
            network: network.clone(),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(pid) = self.successor {
            // Nobody's child any more; it may have ended already.
            drop(Command::new("sh").arg("-c").arg(format!("kill -s KILL {pid} 2>/dev/null")).status());
        }
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            // What a failed test shows.
            print_log(&self.log());
        }
    }
}

#[expect(clippy::print_stderr, reason = "the test harness shows it beside the failure")]
fn print_log(log: &str) {
    eprintln!("--- ayad's log ---\n{log}");
}

/// Whether a test may make networks here.
pub fn has_networks() -> bool {
    let mut unshare = Command::new("unshare");
    let up = unshare.args(["-rn", "ip", "link", "set", "lo", "up"]).stderr(Stdio::null()).status();
    up.is_ok_and(|status| status.success())
}

/// Sends a signal to a process that a test started.
pub fn signal(pid: u32, name: &str) {
    let script = format!("kill -s {name} {pid}");
    let status = Command::new("sh").arg("-c").arg(script).status().expect("there is a shell");
    assert!(status.success(), "SIG{name} does not reach process {pid}");
}

/// Listener `main` on a free port and pool `main` of these backends, without checks; `keys` are further keys
/// of the pool.
pub fn pool(backends: &[(&str, SocketAddr)], keys: &str) -> String {
    let health = if keys.contains("health") { "" } else { "health = { kind = \"none\" }\n" };
    format!("{LISTEN}[pool.main]\nbackends = {}\n{health}{keys}\n{ROUTE}", members(backends))
}

/// A listener `main` on a free port.
pub const LISTEN: &str = "[listen.main]\nbind = \"127.0.0.1:0\"\n";
/// A route that sends everything to the pool `main`.
pub const ROUTE: &str = "[route.main]\npool = \"main\"\n";

/// Backends as the file lists them.
pub fn members(backends: &[(&str, SocketAddr)]) -> String {
    let each =
        backends.iter().map(|(name, address)| format!("{{ name = \"{name}\", address = \"{address}\" }}"));
    format!("[{}]", each.collect::<Vec<_>>().join(", "))
}

fn bound(control: &Control, name: Option<&str>) -> SocketAddr {
    let listeners = control.listeners();
    let listener = listeners.iter().find(|listener| name.is_none_or(|name| listener.name == name));
    listener.expect("there is such a listener").bind[0].parse().expect("a listener has a bound address")
}

fn collect(pipe: Option<impl Read + Send + 'static>, log: &Arc<Mutex<String>>) {
    let (pipe, log) = (BufReader::new(pipe.expect("the pipe was asked for")), Arc::clone(log));
    thread::spawn(move || {
        for line in pipe.lines().map_while(Result::ok) {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&line);
            log.push('\n');
        }
    });
}
