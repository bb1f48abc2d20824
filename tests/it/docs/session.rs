//! What a reader has who types the commands of the README: a shell in a folder with nothing but a certificate in
//! it, the binaries in its path, and servers at the addresses the README names.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use aya_tests::backend::Backend;
use aya_tests::certs::Authority;
use aya_tests::{binary, wait};
use tempfile::TempDir;

/// Where the README's servers are said to be.
const NAMED: [&str; 3] = ["127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003"];

/// Why waiting for a process cannot fail.
const CHILD: &str = "it was started here";

/// The shell and what is around it. A daemon that still runs at the end is killed.
pub(crate) struct Session {
    folder: TempDir,
    binaries: PathBuf,
    servers: Vec<Backend>,
    daemon: Option<Child>,
}

impl Session {
    /// A folder with the certificate that the README takes for granted.
    pub(crate) fn new() -> Self {
        let folder =
            tempfile::Builder::new().prefix("readme-").tempdir().expect("a temporary folder can be made");
        Authority::new("readme").server(&["shop.example.com"]).write(folder.path(), "site");
        let binaries = binary::ayad().parent().expect("a binary is in a folder").to_owned();
        let servers = NAMED.iter().map(|_| Backend::saying("ok")).collect();
        Self { folder, binaries, servers, daemon: None }
    }

    /// Writes a file of the README.
    pub(crate) fn write(&mut self, name: &str, text: &str) {
        assert!(!name.is_empty(), "a file needs a name:\n{text}");
        fs::write(self.folder.path().join(name), self.with_real_addresses(text))
            .expect("the folder can be written to");
    }

    /// Runs a command, which must succeed.
    pub(crate) fn run(&mut self, command: &str) {
        let (status, output) = self.try_run(command);
        assert!(status.success(), "`{command}` ended with {status}:\n{output}");
    }

    /// Starts a command that goes on, in place of the one before, and waits until it answers.
    pub(crate) fn start_daemon(&mut self, command: &str) {
        self.stop_daemon();
        self.daemon =
            Some(self.shell(&format!("exec {command}"), "daemon").spawn().expect("bash is installed"));
        wait::until_true(&format!("`{command}` answers"), || {
            let ended = self.daemon.as_mut().and_then(|daemon| daemon.try_wait().ok().flatten());
            assert!(ended.is_none(), "`{command}` ended: {}", self.output("daemon"));
            self.try_run("ayactl status").0.success()
        });
    }

    /// Stops the daemon as a service manager would.
    pub(crate) fn stop_daemon(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        self.run(&format!("kill -TERM {}", daemon.id()));
        let status = wait::until("the daemon has stopped", || daemon.try_wait().expect(CHILD));
        assert!(status.success(), "the daemon ended with {status}:\n{}", self.output("daemon"));
    }

    fn try_run(&mut self, command: &str) -> (ExitStatus, String) {
        let command = if self.has_jq() { command } else { command.split("| jq").next().unwrap_or_default() };
        let mut child = self.shell(command, "command").spawn().expect("bash is installed");
        let status = wait::until(&format!("`{command}` has ended"), || child.try_wait().expect(CHILD));
        (status, self.output("command"))
    }

    /// Without jq the commands in front of it are still worth running.
    fn has_jq(&self) -> bool {
        self.shell("command -v jq", "jq").status().is_ok_and(|status| status.success())
    }

    fn shell(&self, command: &str, output: &str) -> Command {
        let folder = self.folder.path();
        let to =
            File::create(folder.join(output).with_extension("log")).expect("the folder can be written to");
        let line = format!("PATH={}:$PATH\n{}", self.binaries.display(), self.with_real_addresses(command));
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", &line]).current_dir(folder).stdin(Stdio::null());
        for variable in ["HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"] {
            shell.env(variable, folder);
        }
        shell.env_remove("AYA_SOCKET").stderr(to.try_clone().expect("a file can be shared")).stdout(to);
        shell
    }

    fn output(&self, of: &str) -> String {
        fs::read_to_string(self.folder.path().join(of).with_extension("log")).expect("output is kept")
    }

    fn with_real_addresses(&self, text: &str) -> String {
        let text = text.replace("127.0.0.1:8080", "127.0.0.1:0");
        let servers = NAMED.iter().zip(&self.servers);
        servers.fold(text, |text, (named, server)| text.replace(named, &server.address.to_string()))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            // Only after a failure, and then there is nothing more to say about it.
            drop(daemon.kill().and_then(|()| daemon.wait()));
        }
    }
}
