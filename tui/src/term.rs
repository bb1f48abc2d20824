//! The terminal: taken in one place, given back on every way out.
//!
//! Given back by `Drop`, by the panic hook of any thread (before the panic's text is printed, so that it can
//! be read), and before the process stops for Ctrl-Z. Giving back twice is harmless: a flag says whether
//! the terminal is ours.

use std::io::{self, Stdout, Write};
use std::mem::ManuallyDrop;
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::Show;
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};

use crate::model::Model;
use crate::screen;

/// Whether the terminal is ours. Sequentially consistent because the panic hook of any thread reads it and
/// nothing here is hot.
static TAKEN: AtomicBool = AtomicBool::new(false);

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

/// The terminal while it is ours.
pub(crate) struct Screen {
    /// Never dropped: its drop complains on standard error when the terminal is gone, and panics when that is
    /// gone too. What it would restore, [`give_back`] restores.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
    previous: Arc<Hook>,
}

impl Screen {
    /// Takes the terminal: raw keys, the other screen, the mouse when wanted.
    pub(crate) fn take(mouse: bool) -> io::Result<Self> {
        let previous: Arc<Hook> = Arc::from(panic::take_hook());
        let after = Arc::clone(&previous);
        panic::set_hook(Box::new(move |info| {
            give_back();
            after(info);
        }));
        // Built before entering, so that its drop restores whatever part of entering has worked.
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()));
        let mut screen = match terminal {
            Ok(terminal) => Self { terminal: ManuallyDrop::new(terminal), previous },
            Err(error) => {
                reinstall(previous);
                return Err(error);
            }
        };
        screen.enter(mouse)?;
        Ok(screen)
    }

    /// Takes the terminal again, after [`Screen::leave`] or after somebody else has used it.
    pub(crate) fn enter(&mut self, mouse: bool) -> io::Result<()> {
        TAKEN.store(true, Ordering::SeqCst);
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen)?;
        capture_mouse(mouse)?;
        self.forget()
    }

    /// Forgets what is on the terminal, so that the next frame draws all of it. Also for a resize that ends at
    /// the old size: the terminal may have dropped what did not fit in between.
    pub(crate) fn forget(&mut self) -> io::Result<()> {
        // `clear` would ask the terminal where its cursor is, and wait for an answer that a slow line delays.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))
    }

    /// Gives the terminal back for a while.
    pub(crate) fn leave() {
        give_back();
    }

    /// Columns and rows.
    pub(crate) fn size() -> io::Result<(u16, u16)> {
        size()
    }

    /// Draws the model; writes only the cells that differ from the last frame.
    pub(crate) fn draw(&mut self, model: &Model) -> io::Result<()> {
        self.terminal.draw(|frame| {
            if let Some(position) = screen::draw(model, frame.buffer_mut()) {
                frame.set_cursor_position(position);
            }
        })?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
        // A panicking thread may not touch the hook; the process is ending, with the terminal restored.
        if !std::thread::panicking() {
            reinstall(Arc::clone(&self.previous));
        }
    }
}

/// Captures the mouse, or leaves it to the terminal for selecting text.
pub(crate) fn capture_mouse(capture: bool) -> io::Result<()> {
    if capture {
        execute!(io::stdout(), EnableMouseCapture)
    } else {
        execute!(io::stdout(), DisableMouseCapture)
    }
}

fn reinstall(hook: Arc<Hook>) {
    drop(panic::take_hook());
    panic::set_hook(Box::new(move |info| hook(info)));
}

/// Every step is tried even when one fails: the terminal may be gone, and then nobody is there to be told.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let shown = queue!(out, DisableMouseCapture, LeaveAlternateScreen, Show).and_then(|()| out.flush());
    drop(shown);
    drop(disable_raw_mode());
}
