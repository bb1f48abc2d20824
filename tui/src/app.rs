//! The loop: what happened becomes messages, messages change the model, the model is drawn.
//!
//! Keys wake it at once; what the feed heard waits at most one frame. It draws only when something happened
//! or a second passed, so an idle dashboard costs a few wake-ups a second and one frame.

use std::time::Duration;

use crossterm::event::{self, Event, MouseEventKind};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use crate::feed::Feed;
use crate::keyboard::{Found, Keyboard};
use crate::message::{Effect, Message};
use crate::model::{Link, Model};
use crate::term::{self, Screen};
use crate::update::update;
use crate::{Error, Options, clock};

/// Time between two looks at the feed until the first picture is there.
const FIRST_LOOK: Duration = Duration::from_millis(10);

/// Most terminal events handled between two frames, so that a pasted book cannot hold up drawing.
const MAX_EVENTS_A_FRAME: usize = 256;

/// Runs the dashboard on this terminal until the operator quits.
///
/// The terminal is restored on every way out: return, error, panic of any thread, SIGTERM, SIGINT, SIGHUP.
/// A signal is reported as [`Error::Signal`]. A daemon that does not answer never ends the dashboard.
#[expect(clippy::needless_pass_by_value, reason = "a dashboard uses its options up")]
pub fn run(options: Options) -> Result<(), Error> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGTSTP, SIGCONT]).map_err(Error::Terminal)?;
    let feed = Feed::start(&options.socket)?;
    let mut screen = Screen::take(options.mouse).map_err(Error::Terminal)?;
    let size = Screen::size().map_err(Error::Terminal)?;
    let model = Model::new(&options, size, clock::now_ms());
    let frame = Duration::from_secs(1) / u32::from(options.fps.clamp(1, 60));
    let keyboard = Keyboard::open().map_err(Error::Terminal)?;
    let mut app =
        App { model, feed, frame, is_over: false, keyboard, is_gone: false, is_dirty: true, drawn_ms: 0 };
    app.screen_loop(&mut screen, &mut signals)
}

struct App {
    model: Model,
    feed: Feed,
    frame: Duration,
    is_over: bool,
    keyboard: Keyboard,
    /// Whether the terminal has hung up.
    is_gone: bool,
    /// Whether something happened since the last frame.
    is_dirty: bool,
    /// When the last frame was drawn.
    drawn_ms: u64,
}

impl App {
    fn screen_loop(&mut self, screen: &mut Screen, signals: &mut Signals) -> Result<(), Error> {
        while !self.is_over {
            self.draw(screen)?;
            let waited = self.wait().map_err(Error::Terminal)?;
            self.model.now_ms = clock::now_ms();
            let mut happened = if waited { read_terminal().map_err(Error::Terminal)? } else { Vec::new() };
            self.obey(signals, screen)?;
            if self.is_gone {
                return Err(Error::Signal(SIGHUP));
            }
            happened.extend(self.feed.drain());
            if !self.feed.is_alive() {
                return Err(Error::Feed("it ended by itself".into()));
            }
            if happened.iter().any(|message| matches!(message, Message::Resize { .. })) {
                screen.forget().map_err(Error::Terminal)?;
            }
            self.is_dirty |= !happened.is_empty();
            for message in happened {
                for effect in update(&mut self.model, message) {
                    self.perform(effect, screen)?;
                }
            }
            let now_ms = self.model.now_ms;
            update(&mut self.model, Message::Tick { now_ms });
        }
        Ok(())
    }

    /// Waits for keys; says whether there are any. A terminal that is gone ends the dashboard like the signal
    /// that usually comes with it.
    fn wait(&mut self) -> std::io::Result<bool> {
        for limit in [Duration::ZERO, self.pause()] {
            match self.keyboard.look(limit)? {
                Found::HungUp => {
                    self.is_gone = true;
                    return Ok(false);
                }
                Found::Input => return Ok(true),
                Found::Interrupted => return Ok(false),
                Found::Nothing => {}
            }
        }
        Ok(false)
    }

    /// Until the first answer there is nothing to save and somebody waits.
    fn pause(&self) -> Duration {
        if self.model.link == Link::Connecting { FIRST_LOOK } else { self.frame }
    }

    /// Ages are shown in seconds, so a frame a second is enough when nothing happened.
    fn draw(&mut self, screen: &mut Screen) -> Result<(), Error> {
        if !self.is_dirty && self.drawn_ms / 1_000 == self.model.now_ms / 1_000 {
            return Ok(());
        }
        self.is_dirty = false;
        self.drawn_ms = self.model.now_ms;
        screen.draw(&self.model).map_err(Error::Terminal)
    }

    fn perform(&mut self, effect: Effect, screen: &mut Screen) -> Result<(), Error> {
        match effect {
            Effect::Quit => self.is_over = true,
            Effect::Suspend => self.suspend(screen)?,
            Effect::Mouse { capture } => term::capture_mouse(capture).map_err(Error::Terminal)?,
            Effect::Ask(request) => self.feed.ask(request),
        }
        Ok(())
    }

    fn obey(&mut self, signals: &mut Signals, screen: &mut Screen) -> Result<(), Error> {
        for signal in signals.pending() {
            match signal {
                SIGTSTP => self.suspend(screen)?,
                SIGCONT => self.resume(screen)?,
                other => return Err(Error::Signal(other)),
            }
        }
        Ok(())
    }

    /// Stops like any program; the shell's `fg` continues after the call.
    fn suspend(&mut self, screen: &mut Screen) -> Result<(), Error> {
        Screen::leave();
        low_level::emulate_default_handler(SIGTSTP).map_err(Error::Terminal)?;
        self.resume(screen)
    }

    /// Whoever had the terminal in between may have left anything in it.
    fn resume(&mut self, screen: &mut Screen) -> Result<(), Error> {
        screen.enter(self.model.mouse).map_err(Error::Terminal)?;
        let (width, height) = Screen::size().map_err(Error::Terminal)?;
        update(&mut self.model, Message::Resize { width, height });
        self.is_dirty = true;
        Ok(())
    }
}

fn read_terminal() -> std::io::Result<Vec<Message>> {
    let mut messages = Vec::new();
    for _ in 0..MAX_EVENTS_A_FRAME {
        match event::read()? {
            Event::Key(key) => messages.push(Message::Key(key)),
            // A hand on the mouse sends hundreds of these a second and none changes anything.
            Event::Mouse(mouse) if matches!(mouse.kind, MouseEventKind::Moved | MouseEventKind::Drag(_)) => {}
            Event::Mouse(mouse) => messages.push(Message::Mouse(mouse)),
            Event::Resize(width, height) => messages.push(Message::Resize { width, height }),
            Event::FocusGained | Event::FocusLost | Event::Paste(_) => {}
        }
        if !event::poll(Duration::ZERO)? {
            break;
        }
    }
    Ok(messages)
}
