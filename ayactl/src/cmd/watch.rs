//! `ayactl watch`: events as they happen, across lost connections and restarts of the daemon.
//!
//! After a lost connection it resumes behind the last event it saw, also when another process has taken over meanwhile.
//! A daemon that was restarted counts from one again, which shows in since when it serves; then its events are shown
//! from its start. Whatever is missing is said on stderr, never passed over.

use std::time::Duration;

use aya_api::client::Events;
use aya_api::command::status::GetStatus;
use aya_api::event::{Event, Severity, StreamItem};
use aya_api::exit::Exit;
use aya_api::view::Status;
use tokio::time::sleep;

use crate::args::{Format, WatchArgs};
use crate::failure::Failure;
use crate::render;
use crate::render::View;
use crate::render::cell::{Tone, visible};
use crate::render::table::paint;
use crate::select::any_matches;
use crate::session::Session;
use crate::time;

/// First and longest pause between attempts to reach a daemon that went away.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Runs the verb.
pub async fn run(session: &mut Session<'_, '_>, args: &WatchArgs) -> Result<u8, Failure> {
    let mut filter: &[String] = &args.subjects;
    // `ayactl watch events` reads naturally, and events are what there is to watch.
    if let [first, rest @ ..] = filter
        && first == "events"
    {
        filter = rest;
    }
    let status = session.client.call(&GetStatus).await?;
    session.endless();
    let mut place = Place {
        since_ms: status.daemon.serving_since_ms,
        pid: status.daemon.pid,
        seq: args.since.unwrap_or(status.seq),
    };
    let mut left = args.count.unwrap_or(u64::MAX);
    let mut stream = session.client.stream(Some(place.seq)).await?;
    while left > 0 {
        let item = match stream.next().await {
            Ok(Some(item)) => item,
            Ok(None) => {
                session.note("ayad closed the stream; trying again");
                stream = reconnect(session, &mut place).await?;
                continue;
            }
            Err(error) => {
                session.note(&format!("lost the stream ({error}); trying again"));
                stream = reconnect(session, &mut place).await?;
                continue;
            }
        };
        match item {
            StreamItem::Event(event) => {
                place.seq = event.seq;
                if any_matches(filter, &event.subject) {
                    let text = line(&event, &session.view)?;
                    session.print(&text)?;
                    left -= 1;
                }
            }
            StreamItem::Gap { missed, next } => {
                session.warn(&format!("{missed} events before number {next} are no longer kept"));
                place.seq = next.saturating_sub(1);
            }
            StreamItem::Idle { .. } => {}
        }
    }
    Ok(Exit::Done as u8)
}

/// How far this reader has come, and in which life of the daemon.
struct Place {
    since_ms: u64,
    pid: u32,
    seq: u64,
}

impl Place {
    /// Moves to the beginning when the daemon was restarted, and says what has become of it.
    fn follow(&mut self, status: &Status) -> String {
        let daemon = &status.daemon;
        let (was_restarted, was_upgraded) =
            (daemon.serving_since_ms != self.since_ms, daemon.pid != self.pid);
        let seq = if was_restarted { 0 } else { self.seq };
        *self = Self { since_ms: daemon.serving_since_ms, pid: daemon.pid, seq };
        if was_restarted {
            "ayad was restarted; showing what happened since its start".to_owned()
        } else if was_upgraded {
            let version = visible(daemon.version.clone());
            format!("ayad was upgraded: process {}, version {version}; going on after event {seq}", self.pid)
        } else {
            format!("ayad is back; going on after event {seq}")
        }
    }
}

/// Tries until the daemon answers again, and says why it does not, once for each reason. A daemon that is
/// there but does not permit this or does not know it is not waited for.
async fn reconnect(session: &mut Session<'_, '_>, place: &mut Place) -> Result<Events, Failure> {
    let (mut pause, longest) = PAUSE;
    let mut said = String::new();
    loop {
        let attempt = async {
            let status = session.client.call(&GetStatus).await?;
            let fate = place.follow(&status);
            Ok::<_, aya_api::client::ClientError>((session.client.stream(Some(place.seq)).await?, fate))
        };
        match attempt.await {
            Ok((stream, fate)) => {
                session.note(&fate);
                return Ok(stream);
            }
            Err(error) if error.exit() == Exit::Unreachable || error.exit() == Exit::Error => {
                let why = error.to_string();
                if why != said {
                    session.note(&why);
                    said = why;
                }
                sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// One event, in the format asked for.
fn line(event: &Event, view: &View) -> Result<String, Failure> {
    match view.format {
        Format::Table if view.columns.is_none() => Ok(sentence(event, view)),
        Format::Table
        | Format::Wide
        | Format::Json
        | Format::Jsonl
        | Format::Yaml
        | Format::Csv
        | Format::Name => render::item(event, view),
    }
}

/// `14:02:11 warning health shop/web-1 up → down: refused (by ops)`
fn sentence(event: &Event, view: &View) -> String {
    let (word, tone) = match event.severity {
        Severity::Info => ("info", Tone::Dim),
        Severity::Warning => ("warning", Tone::Warn),
        Severity::Error => ("error", Tone::Bad),
    };
    let mut line = visible(format!("{} {}", event.kind, event.subject));
    match (&event.from, &event.to) {
        (Some(from), Some(to)) => line.push_str(&visible(format!(" {from} → {to}"))),
        (None, Some(to)) => line.push_str(&visible(format!(" {to}"))),
        (Some(_) | None, None) => {}
    }
    if !event.cause.is_empty() {
        line.push_str(&visible(format!(": {}", event.cause)));
    }
    if let Some(by) = &event.by {
        line.push_str(&visible(format!(" (by {by})")));
    }
    format!("{} {} {line}\n", time::clock(event.at_ms), paint(&format!("{word:<7}"), tone, view))
}
