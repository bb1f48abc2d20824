//! What is said between `ayactl chaos pause` and the demo that plays the practice backends: one JSON line each way, over a
//! Unix socket beside that of the daemon.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aya_api::exit::Exit;
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader as AsyncReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::backend;
use super::crew::Crew;
use crate::args::PracticeBackendArgs;
use crate::console::Console;
use crate::experiment::practice::Verb;
use crate::failure::Failure;

/// Longest time for one conversation.
const LIMIT: Duration = Duration::from_secs(5);
/// Longest line, in bytes.
const LINE: u64 = 4096;

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// What is to be done; absent to let it go on, or start it again, at once.
    pub verb: Option<Verb>,
    /// `pool/backend`.
    pub backend: String,
    /// For how long, in milliseconds.
    pub for_ms: u64,
    /// The fault by which the daemon knows of it: it is undone when that has ended.
    #[serde(default)]
    pub fault: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// `pool/backend`.
    pub backend: String,
    /// `plays`, `paused` or `killed`.
    pub state: String,
    /// Its process.
    pub pid: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Reply {
    Done(Told),
    Refused { error: String },
}

/// The socket beside that of a daemon.
pub(crate) fn socket(control: &Path) -> PathBuf {
    control.with_file_name("practice.sock")
}

/// Answers one caller. One that says nothing, or nonsense, is let go.
pub(super) async fn converse(stream: UnixStream, obey: impl AsyncFnOnce(Request) -> Result<Told, String>) {
    let talk = async {
        let (read, mut write) = stream.into_split();
        let mut line = String::new();
        AsyncReader::new(read.take(LINE)).read_line(&mut line).await?;
        let reply = match serde_json::from_str(&line) {
            Ok(request) => obey(request).await.map_or_else(|error| Reply::Refused { error }, Reply::Done),
            Err(error) => Reply::Refused { error: format!("that cannot be read: {error}") },
        };
        let mut text = serde_json::to_string(&reply)?;
        text.push('\n');
        write.write_all(text.as_bytes()).await
    };
    // Whoever left before the answer does not want it.
    let _ = timeout(LIMIT, talk).await;
}

/// Asks the demo beside a daemon. It blocks, for some seconds at most.
pub(crate) fn ask(control: &Path, request: &Request) -> Result<Told, Failure> {
    let path = socket(control);
    let hint = "only backends that `ayactl demo` plays can be paused, killed or restarted; name its socket with --socket";
    let stream = StdStream::connect(&path).map_err(|error| {
        let message = match error.kind() {
            ErrorKind::NotFound => format!("nobody plays practice backends beside {}", control.display()),
            _ => format!("{}: {error}", path.display()),
        };
        Failure::new(Exit::NotFound, "no-practice", message, hint)
    })?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut text = serde_json::to_string(request).map_err(std::io::Error::from)?;
    text.push('\n');
    (&stream).write_all(text.as_bytes())?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    match serde_json::from_str(&line) {
        Ok(Reply::Done(told)) => Ok(told),
        Ok(Reply::Refused { error }) => {
            let (message, hint) = error.split_once("; ").unwrap_or((&error, ""));
            let missing = message.starts_with("there is no");
            let (exit, code) =
                if missing { (Exit::NotFound, "not-found") } else { (Exit::Conflict, "conflict") };
            Err(Failure::new(exit, code, message, hint))
        }
        Err(_) => Err(Failure::new(Exit::Error, "protocol", "the demo gave no answer", "does it still run?")),
    }
}

/// Plays one backend until its standard input ends or its parent dies.
pub(crate) fn play(args: &PracticeBackendArgs, console: &mut Console<'_>) -> Result<u8, Failure> {
    // While it is stopped it cannot see that its input ended; then the system ends it.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(std::io::Error::from)?;
    let listener = TcpListener::bind(args.address)?;
    listener.set_nonblocking(true)?;
    writeln!(console.out, "{}", listener.local_addr()?)?;
    console.out.flush()?;
    let (part, seed) = (args.part, args.seed);
    let crew = Crew::start("backend", move |stop| backend::play(listener, part, seed, stop))?;
    let mut nothing = [0; 64];
    while console.input.read(&mut nothing)? > 0 {}
    drop(crew);
    Ok(Exit::Done as u8)
}
