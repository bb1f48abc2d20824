//! What a load test and the daemon tell each other while it runs: the daemon shows it to everybody, and says what happens.
//!
//! All of it is on a thread of its own: a daemon that does not answer must not disturb the load. What it cannot be told, or
//! does not tell, is missing from its pictures and from the marks of the report, and nothing else.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use aya_api::client::{Client, Events};
use aya_api::command::runs::PutRun;
use aya_api::event::{Event, StreamItem};
use aya_api::run::RunBody;
use tokio::runtime::Builder;
use tokio::sync::mpsc;

use crate::failure::Failure;

/// Longest a call may take.
const CALL: Duration = Duration::from_secs(2);
/// Kinds of events that are marks on the time axis.
const KINDS: &[&str] = &[
    "admin",
    "algorithm",
    "breaker",
    "breaker-order",
    "fault",
    "health",
    "note",
    "outlier",
    "panic",
    "reload",
    "upgrade",
    "weight",
];
/// Most marks that are kept.
const MOST_MARKS: usize = 2_000;

/// The connection to the daemon, while a test runs.
pub struct Link {
    to: Option<mpsc::UnboundedSender<RunBody>>,
    marks: Arc<Mutex<Vec<Event>>>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// Begins to tell the daemon at `socket` of the run `id`, and to listen.
    pub fn start(socket: &Path, id: &str) -> Result<Self, Failure> {
        let client = Client::new(socket, CALL)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (to, from) = mpsc::unbounded_channel();
        let marks = Arc::new(Mutex::new(Vec::new()));
        let (id, kept) = (id.to_owned(), Arc::clone(&marks));
        let thread = std::thread::Builder::new()
            .name("link".into())
            .spawn(move || runtime.block_on(talk(client, id, from, kept)))?;
        Ok(Self { to: Some(to), marks, thread: Some(thread) })
    }

    /// Tells how the run is.
    pub fn tell(&self, run: RunBody) {
        if let Some(to) = &self.to {
            // The thread ends before its end only when it panicked, which is told already.
            let _ = to.send(run);
        }
    }

    /// Tells the last word, and returns what the daemon said meanwhile.
    pub fn finish(mut self, last: RunBody) -> Vec<Event> {
        self.tell(last);
        self.end();
        std::mem::take(&mut *self.marks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn end(&mut self) {
        self.to = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.end();
    }
}

async fn talk(
    client: Client,
    id: String,
    mut from: mpsc::UnboundedReceiver<RunBody>,
    marks: Arc<Mutex<Vec<Event>>>,
) {
    let mut events = client.stream(None).await.ok();
    loop {
        tokio::select! {
            run = from.recv() => match run {
                Some(mut run) => {
                    // Of several that wait only the last says how it is now.
                    while let Ok(newer) = from.try_recv() {
                        run = newer;
                    }
                    let _ = client.call(&PutRun::new(&id, run)).await;
                }
                None => return,
            },
            event = next(&mut events) => match event {
                Some(event) => {
                    let mut marks = marks.lock().unwrap_or_else(PoisonError::into_inner);
                    if KINDS.contains(&event.kind.as_str()) && marks.len() < MOST_MARKS {
                        marks.push(event);
                    }
                }
                None => events = None,
            },
        }
    }
}

/// The next event; `None` when the stream is over, and never when there is none.
async fn next(events: &mut Option<Events>) -> Option<Event> {
    let Some(stream) = events else { return std::future::pending().await };
    loop {
        match stream.next().await {
            Ok(Some(StreamItem::Event(event))) => return Some(event),
            Ok(Some(StreamItem::Gap { .. } | StreamItem::Idle { .. })) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}
