//! A program in a pseudo-terminal: what it shows, what it is typed, and how it leaves the terminal.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, SlavePty, native_pty_system};

use crate::{daemon, wait};

/// A terminal with one program in it. The program is killed when this is dropped.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    // As long as this end is open, the settings of the terminal outlive the program.
    _slave: Box<dyn SlavePty + Send>,
    child: Box<dyn Child + Send + Sync>,
    typing: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    settings_before: String,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

impl Terminal {
    /// Starts a program in a terminal of 80 columns and 24 rows, or as large as `size` (columns, rows) says.
    pub fn run(program: &Path, arguments: &[&str], size: (u16, u16)) -> Self {
        let pair = native_pty_system().openpty(pty_size(size)).expect("there are pseudo-terminals");
        let settings_before = settings(&*pair.master);
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        let child = pair.slave.spawn_command(command).expect("the program can be started");
        let screen = vt100::Parser::new(cells(size.1), cells(size.0), 0);
        let screen = Arc::new(Mutex::new(screen));
        show(pair.master.try_clone_reader().expect("a terminal can be read"), &screen);
        let typing = pair.master.take_writer().expect("a terminal can be typed into");
        Self { master: pair.master, _slave: pair.slave, child, typing, screen, settings_before }
    }

    /// What is on the screen.
    pub fn text(&self) -> String {
        self.screen().screen().contents()
    }

    /// True while the program has taken over the whole screen.
    pub fn is_taken_over(&self) -> bool {
        self.screen().screen().alternate_screen()
    }

    /// Waits until `word` is on the screen.
    pub fn expect(&self, word: &str) {
        self.expect_that(&format!("\"{word}\" is on the screen"), |text| text.contains(word));
    }

    /// Waits until `word` is not on the screen.
    pub fn expect_gone(&self, word: &str) {
        self.expect_that(&format!("\"{word}\" is gone"), |text| !text.contains(word));
    }

    /// Waits until what is on the screen is as wanted.
    pub fn expect_that(&self, what: &str, holds: impl Fn(&str) -> bool) {
        wait::until_true(what, || holds(&self.text()));
    }

    /// Types keys.
    pub fn press(&mut self, keys: &str) {
        self.typing.write_all(keys.as_bytes()).expect("the program reads its keys");
    }

    /// Makes the terminal another size: columns, rows.
    pub fn resize(&self, size: (u16, u16)) {
        self.screen().screen_mut().set_size(cells(size.1), cells(size.0));
        self.master.resize(pty_size(size)).expect("a terminal can be resized");
    }

    /// Sends the program a signal, by name without `SIG`.
    pub fn signal(&self, name: &str) {
        daemon::signal(self.child.process_id().expect("the program has a process"), name);
    }

    /// Waits until the program has ended; true when it ended well.
    pub fn expect_end(&mut self) -> bool {
        let ended = || self.child.try_wait().ok().flatten();
        wait::until("the program ends", ended).success()
    }

    /// Panics unless the terminal is as it was before the program: cooked, on its main screen, with a cursor,
    /// without a mouse.
    pub fn expect_restored(&self) {
        wait::until_true("the main screen is back", || !self.is_taken_over());
        assert_eq!(settings(&*self.master), self.settings_before, "the settings of the terminal are others");
        let parser = self.screen();
        assert!(!parser.screen().hide_cursor(), "the cursor is gone");
        assert_eq!(
            parser.screen().mouse_protocol_mode(),
            vt100::MouseProtocolMode::None,
            "the mouse is captured"
        );
    }

    fn screen(&self) -> MutexGuard<'_, vt100::Parser> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if thread::panicking() {
            // What a failed test shows; a killed program would have cleared it.
            print_screen(&self.text());
        }
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[expect(clippy::print_stderr, reason = "the test harness shows it beside the failure")]
fn print_screen(text: &str) {
    eprintln!("--- the screen ---\n{text}");
}

fn show(mut output: Box<dyn Read + Send>, screen: &Arc<Mutex<vt100::Parser>>) {
    let screen = Arc::clone(screen);
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = output.read(&mut bytes) {
            screen.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..count]);
        }
    });
}

fn settings(master: &(dyn MasterPty + Send)) -> String {
    format!("{:?}", master.get_termios())
}

fn pty_size((cols, rows): (u16, u16)) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a terminal has rows and columns")
}
