//! `ayactl chaos pause`, `kill` and `restart`: the processes of practice backends.

use std::time::Duration;

use aya_api::command::notes::AddNote;
use aya_api::exit::Exit;

use crate::demo::practice::{Request, ask, told};
use crate::experiment::practice::Verb;
use crate::failure::Failure;
use crate::render;
use crate::session::Session;

/// Does it, and notes it among the events of the daemon.
pub(super) async fn run(
    session: &mut Session<'_, '_>,
    verb: Verb,
    backend: &str,
    length: Duration,
) -> Result<u8, Failure> {
    let for_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let request = Request { verb: Some(verb), backend: backend.to_owned(), for_ms };
    let done = ask(session.client.socket(), &request)?;
    let text = told(verb, backend, length);
    if let Err(error) = session.client.call(&AddNote::new(&text)).await {
        session.warn(&format!("the daemon could not note it: {error}"));
    }
    match render::document(&done, &session.view)? {
        Some(document) => session.print(&document)?,
        None => session.print(&format!("{}\n", text.trim_start_matches("fault: ")))?,
    }
    Ok(Exit::Done as u8)
}
