//! `--watch`: the same picture again and again.

use std::time::Duration;

use aya_api::exit::Exit;
use tokio::time::{MissedTickBehavior, interval};

use crate::args::Format;
use crate::failure::Failure;
use crate::session::Session;

/// Shows what `picture` returns, once or every so often. On a terminal a table is redrawn in place; anything
/// else is appended. Once it has worked, a daemon that goes away is waited for.
pub(super) async fn repeat(
    session: &mut Session<'_, '_>,
    every: Option<Duration>,
    mut picture: impl AsyncFnMut(&mut Session<'_, '_>) -> Result<String, Failure>,
) -> Result<u8, Failure> {
    let first = picture(session).await?;
    let Some(every) = every else {
        session.print(&first)?;
        return Ok(Exit::Done as u8);
    };
    session.endless();
    let people = matches!(session.view.format, Format::Table | Format::Wide);
    let in_place = session.console.facts.stdout_tty && people;
    session.print(&if in_place { format!("\u{1b}[2J{}", redrawn(&first)) } else { first })?;
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        session.refresh_clock();
        match picture(session).await {
            Ok(next) if in_place => session.print(&redrawn(&next))?,
            Ok(next) if people => session.print(&format!("\n{next}"))?,
            Ok(next) => session.print(&next)?,
            Err(failure) if failure.status == Exit::Unreachable as u8 => {
                session.note(&format!("{}; trying again", failure.message));
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Draws over what is there, line by line, so that nothing flickers.
fn redrawn(picture: &str) -> String {
    let lines = picture.replace('\n', "\u{1b}[K\r\n");
    format!("\u{1b}[H{lines}\u{1b}[J")
}
