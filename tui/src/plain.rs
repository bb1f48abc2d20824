//! For pipes and screen readers: first a spoken summary, then one line for every change, the most important
//! words first. No colour, no cursor, no repetition: silence means that nothing changed.

mod narrator;

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

pub use self::narrator::Narrator;
use crate::feed::Feed;
use crate::{Error, Options, clock};

/// Longest time until a signal is noticed.
const LOOK: Duration = Duration::from_millis(250);

/// Writes changes to `out` until it is closed or a signal comes.
///
/// A closed pipe is a normal end; a signal is reported as [`Error::Signal`].
pub fn plain(options: Options, out: &mut dyn Write) -> Result<(), Error> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(Error::Terminal)?;
    let feed = Feed::start(&options.socket)?;
    let mut narrator = Narrator::new(options.pool);
    loop {
        for message in feed.wait(LOOK) {
            for line in narrator.hear(&message, clock::now_ms()) {
                match say(out, &line) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                    Err(error) => return Err(Error::Terminal(error)),
                }
            }
        }
        if let Some(signal) = signals.pending().next() {
            return Err(Error::Signal(signal));
        }
        if !feed.is_alive() {
            return Err(Error::Feed("it ended by itself".into()));
        }
    }
}

/// Names and causes come from outside and may hold anything; a terminal must not obey them.
fn say(out: &mut dyn Write, line: &str) -> io::Result<()> {
    let clean: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    writeln!(out, "{clean}")?;
    out.flush()
}
