//! `ayactl version`: both sides of the socket.

use aya_api::command::daemon::GetDaemon;
use aya_api::exit::Exit;
use serde::Serialize;

use crate::args::{Format, VersionArgs};
use crate::failure::Failure;
use crate::render;
use crate::session::Session;

#[derive(Serialize)]
struct Versions {
    schema_version: u32,
    client: Side,
    daemon: Option<Side>,
}

#[derive(Serialize)]
struct Side {
    version: String,
}

/// Runs the verb. Without a daemon the client's version is printed all the same, and the exit status says
/// that there was none.
pub async fn run(session: &mut Session<'_, '_>, args: &VersionArgs) -> Result<u8, Failure> {
    let client = Side { version: env!("CARGO_PKG_VERSION").into() };
    let (daemon, failure) = if args.client {
        (None, None)
    } else {
        match session.client.call(&GetDaemon).await {
            Ok(daemon) => (Some(Side { version: daemon.version }), None),
            Err(error) => (None, Some(Failure::from(error))),
        }
    };
    if daemon.as_ref().is_some_and(|daemon| daemon.version != client.version) {
        session.warn("ayactl and ayad are of different versions");
    }
    let versions = Versions { schema_version: aya_api::SCHEMA_VERSION, client, daemon };
    let text = match render::document(&versions, &session.view)? {
        Some(text) => text,
        None => lines(&versions, session.view.format),
    };
    session.print(&text)?;
    failure.map_or(Ok(Exit::Done as u8), Err)
}

fn lines(versions: &Versions, format: Format) -> String {
    let sides = [("ayactl", Some(&versions.client)), ("ayad", versions.daemon.as_ref())];
    let known = sides.into_iter().filter_map(|(name, side)| side.map(|side| (name, &side.version)));
    match format {
        Format::Csv => {
            let rows = render::lines(known.map(|(name, version)| format!("{name},{version}")));
            format!("name,version\n{rows}")
        }
        Format::Name => render::lines(known.map(|(name, _)| name)),
        Format::Table | Format::Wide | Format::Json | Format::Jsonl | Format::Yaml => {
            render::lines(known.map(|(name, version)| format!("{name:<7} {version}")))
        }
    }
}
