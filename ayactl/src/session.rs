//! What every verb that talks to the daemon needs: a client, the console, and how output is to look.

use std::path::PathBuf;

use aya_api::client::Client;

use crate::args::Global;
use crate::console::Console;
use crate::failure::Failure;
use crate::render::View;

/// One command's session with one daemon.
pub struct Session<'s, 'c> {
    /// The daemon.
    pub client: Client,
    /// Where it runs.
    pub console: &'s mut Console<'c>,
    /// How output looks.
    pub view: View,
    quiet: bool,
    json: bool,
}

impl<'s, 'c> Session<'s, 'c> {
    /// Prepares a session; connects with the first call.
    pub fn new(global: &Global, console: &'s mut Console<'c>) -> Result<Self, Failure> {
        let client = Client::new(socket(global, console), global.timeout)?;
        let view = view(global, console);
        Ok(Self { client, console, view, quiet: global.quiet, json: global.output.is_json() })
    }

    /// Writes data.
    pub fn print(&mut self, data: &str) -> Result<(), Failure> {
        self.console.out.write_all(data.as_bytes())?;
        Ok(self.console.out.flush()?)
    }

    /// Keeps talking although the output is JSON: what goes on until it is stopped has no answer to wait for.
    pub fn endless(&mut self) {
        self.json = false;
    }

    /// Says something worth knowing, unless asked to be quiet. With JSON output stderr is for the one object
    /// that says what went wrong, so nothing else is said.
    pub fn note(&mut self, line: &str) {
        if !self.is_quiet() {
            self.console.say(line);
        }
    }

    /// Says something a careful operator must know; with JSON output it is in the data.
    pub fn warn(&mut self, line: &str) {
        if !self.json {
            self.console.say(&format!("warning: {line}"));
        }
    }

    /// Whether a question can be asked: not off a terminal, and not by what programs read.
    pub fn can_ask(&self) -> bool {
        self.console.can_ask() && !self.json
    }

    /// Whether progress may be redrawn on one line of stderr.
    pub fn can_redraw(&self) -> bool {
        self.console.facts.stderr_tty && !self.is_quiet()
    }

    /// Whether notes are not wanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet || self.json
    }

    /// Moves the moment from which ages are counted to now.
    pub fn refresh_clock(&mut self) {
        self.view.now_ms = (self.console.facts.now_ms)();
    }
}

/// The socket to talk to.
pub fn socket(global: &Global, console: &Console<'_>) -> PathBuf {
    global.socket.clone().unwrap_or_else(|| console.facts.socket())
}

/// How output is to look on this console.
pub fn view(global: &Global, console: &Console<'_>) -> View {
    let facts = &console.facts;
    View {
        format: global.output,
        columns: global.columns.clone(),
        headings: !global.no_headers,
        sort_by: global.sort_by.clone(),
        color: facts.color(global.color),
        width: facts.size.filter(|_| facts.stdout_tty).map(|(columns, _)| columns.into()),
        now_ms: (facts.now_ms)(),
    }
}
