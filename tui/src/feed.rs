//! The socket, on a thread of its own: pictures once a second, events as they happen, changes when confirmed.
//!
//! Nothing here waits for the screen and the screen never waits for this: they meet in a [`Mailbox`] where the
//! newest picture replaces an older one that nobody has seen. Errors are messages like everything else; a
//! daemon that is gone is asked again forever, at most [`MAX_BACKOFF`] apart.

mod mailbox;
mod order;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use aya_api::client::{Client, ClientError, Events};
use aya_api::command::algorithms::GetAlgorithms;
use aya_api::command::backends::GetBackend;
use aya_api::command::events::GetEvents;
use aya_api::command::explain::{ExplainBackend, ExplainPick, GetRequests};
use aya_api::command::status::GetStatus;
use aya_api::event::StreamItem;
use aya_api::view::Status;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use self::mailbox::Mailbox;
use crate::Error;
use crate::message::{BackendRef, Message, Refusal, Request, Watch};
use crate::model::MAX_EXPLAINED;

/// Time between two pictures.
const POLL: Duration = Duration::from_secs(1);

/// Longest a call may take; the daemon promises 100 ms.
const CALL_LIMIT: Duration = Duration::from_secs(2);

/// Time before the first retry; it doubles up to [`MAX_BACKOFF`].
const MIN_BACKOFF: Duration = Duration::from_millis(250);

/// Longest time between two retries.
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// How long a quitting dashboard waits for the answer to a change it has sent.
const FAREWELL: Duration = Duration::from_secs(1);

/// Most requests that wait for the feed.
const MAX_REQUESTS: usize = 32;

/// The running feed; dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Feed {
    requests: mpsc::Sender<Request>,
    mailbox: Arc<Mailbox>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    /// Starts to ask the daemon at `socket`.
    pub(crate) fn start(socket: &Path) -> Result<Self, Error> {
        let client = Client::new(socket, CALL_LIMIT)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::Feed(error.to_string()))?;
        let (requests, incoming) = mpsc::channel(MAX_REQUESTS);
        let (stop, stopped) = oneshot::channel();
        let mailbox = Arc::new(Mailbox::default());
        let line = Line::new(client, Arc::clone(&mailbox), incoming);
        let thread = std::thread::Builder::new()
            .name("feed".into())
            .spawn(move || runtime.block_on(line.serve(stopped)))
            .map_err(|error| Error::Feed(error.to_string()))?;
        Ok(Self { requests, mailbox, stop: Some(stop), thread: Some(thread) })
    }

    /// Asks for something; when too much is waiting already, a change is answered with a refusal.
    pub(crate) fn ask(&self, request: Request) {
        if let Err(error) = self.requests.try_send(request)
            && let Request::Change(order) = error.into_inner()
        {
            let refusal = Refusal {
                cause: "too many changes are waiting for ayad".into(),
                hint: "try again in a moment".into(),
                conflict: false,
            };
            self.mailbox.push(Message::Refused { order, refusal });
        }
    }

    /// Takes everything that was heard since the last time.
    pub(crate) fn drain(&self) -> Vec<Message> {
        self.mailbox.drain()
    }

    /// Like [`Feed::drain`], but waits up to `limit` for something to come.
    pub(crate) fn wait(&self, limit: Duration) -> Vec<Message> {
        self.mailbox.wait(limit)
    }

    /// False when the thread is gone, which only a defect of it can cause.
    pub(crate) fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // The thread sees the closed channel; it may already be gone, then there is nobody to tell.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the feed was reported by the panic hook when it happened.
            drop(thread.join());
        }
    }
}

/// The feed's side: one daemon, asked over and over.
struct Line {
    client: Client,
    mailbox: Arc<Mailbox>,
    requests: mpsc::Receiver<Request>,
    /// Changes under way.
    changes: JoinSet<()>,
    watched: Watch,
    events: Option<Events>,
    /// Newest event that was passed on.
    seq: u64,
    /// The daemon process that answered last: its id and start.
    process: Option<(u32, u64)>,
    /// Since when its line of processes serves.
    since_ms: Option<u64>,
    backoff: Duration,
}

impl Line {
    fn new(client: Client, mailbox: Arc<Mailbox>, requests: mpsc::Receiver<Request>) -> Self {
        Self {
            client,
            mailbox,
            requests,
            changes: JoinSet::new(),
            watched: Watch::Nothing,
            events: None,
            seq: 0,
            process: None,
            since_ms: None,
            backoff: MIN_BACKOFF,
        }
    }

    async fn serve(mut self, stopped: oneshot::Receiver<()>) {
        tokio::select! {
            // Quitting must not wait for whatever else is ready.
            biased;
            _ = stopped => {}
            () = self.run() => {}
        }
        let finish = async { while self.changes.join_next().await.is_some() {} };
        // A change that is still not answered was sent; what came of it is in the journal of the daemon.
        drop(tokio::time::timeout(FAREWELL, finish).await);
    }

    /// Polls, and between two polls listens. Returns when nobody can ask any more.
    async fn run(&mut self) {
        loop {
            let pause = tokio::time::sleep(self.poll().await);
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = &mut pause => break,
                    Some(_) = self.changes.join_next() => break,
                    request = self.requests.recv() => match request {
                        Some(request) => if self.accept(request).await { break },
                        None => return,
                    },
                    item = next(&mut self.events) => self.hear(item),
                }
            }
        }
    }

    /// Asks for a picture and returns how long to wait before the next.
    async fn poll(&mut self) -> Duration {
        match self.client.call(&GetStatus).await {
            Ok(status) => {
                self.backoff = MIN_BACKOFF;
                self.greet(&status);
                self.mailbox.push(Message::Status(Box::new(status)));
                self.look().await;
                if self.events.is_none() {
                    self.listen().await;
                }
                POLL
            }
            Err(error) => {
                let pause = self.backoff;
                self.backoff = (self.backoff * 2).min(MAX_BACKOFF);
                self.events = None;
                self.mailbox.push(Message::Lost {
                    cause: cause(&error),
                    hint: error.hint(),
                    retry_in_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                });
                pause
            }
        }
    }

    /// Another process has streams of its own. It goes on counting events where an upgrade has left off, and counts
    /// from the start after a restart.
    fn greet(&mut self, status: &Status) {
        let daemon = &status.daemon;
        let process = (daemon.pid, daemon.started_ms);
        if self.process.replace(process).is_some_and(|old| old != process) {
            self.events = None;
        }
        if self.since_ms.replace(daemon.serving_since_ms).is_some_and(|old| old != daemon.serving_since_ms) {
            self.seq = 0;
        }
    }

    /// Reads what the view that is open wants; nothing else is ever asked for.
    async fn look(&self) {
        match self.watched.clone() {
            Watch::Nothing => {}
            Watch::Backend(watched) => self.look_at_backend(watched).await,
            Watch::Pool(pool) => {
                let came = self.client.call(&ExplainPick { pool: pool.clone(), key: None, rule: None }).await;
                let came = came.map(Box::new).map_err(|error| cause(&error));
                self.mailbox.push(Message::Pick { pool, came });
            }
            Watch::Requests { pool, only_failed } => {
                let limit = Some(MAX_EXPLAINED);
                let call = GetRequests { pool: pool.clone(), failed: only_failed, limit };
                let came = self.client.call(&call).await.map_err(|error| cause(&error));
                self.mailbox.push(Message::Requests { pool, only_failed, came });
            }
        }
    }

    async fn look_at_backend(&self, watched: BackendRef) {
        let id = watched.id();
        let BackendRef { pool, backend } = watched;
        let call = GetBackend { pool: pool.clone(), backend: backend.clone() };
        self.mailbox.push(match self.client.call(&call).await {
            Ok(detail) => Message::Detail(Box::new(detail)),
            Err(error) => Message::DetailLost { id: id.clone(), cause: cause(&error) },
        });
        let came = self.client.call(&ExplainBackend { pool, backend }).await;
        let came = came.map(Box::new).map_err(|error| cause(&error));
        self.mailbox.push(Message::Why { id, came });
    }

    /// Reads the events still kept, then opens the stream after the newest. A failure is not said: the next
    /// picture tells whether the daemon is gone, and the stream is opened again after it.
    async fn listen(&mut self) {
        let Ok(kept) = self.client.call(&GetEvents { since: self.seq }).await else { return };
        for event in kept {
            self.seq = self.seq.max(event.seq);
            self.mailbox.push(Message::Event(Box::new(event)));
        }
        self.events = self.client.stream(Some(self.seq)).await.ok();
    }

    fn hear(&mut self, item: Result<Option<StreamItem>, ClientError>) {
        match item {
            Ok(Some(StreamItem::Event(event))) => {
                // After a reconnect the same event may come twice.
                if event.seq > self.seq {
                    self.seq = event.seq;
                    self.mailbox.push(Message::Event(Box::new(event)));
                }
            }
            Ok(Some(StreamItem::Gap { missed, next })) => {
                self.seq = self.seq.max(next.saturating_sub(1));
                self.mailbox.push(Message::Gap { missed });
            }
            Ok(Some(StreamItem::Idle { .. })) => {}
            Ok(None) | Err(_) => self.events = None,
        }
    }

    /// Starts what was asked for; true when the next picture should come at once.
    async fn accept(&mut self, request: Request) -> bool {
        match request {
            Request::Change(order) => {
                self.changes.spawn(order::change(self.client.clone(), Arc::clone(&self.mailbox), order));
                false
            }
            Request::Watch(watched) => {
                self.watched = watched;
                self.look().await;
                false
            }
            Request::Panic => {
                self.changes.spawn(order::panic(self.client.clone(), Arc::clone(&self.mailbox)));
                false
            }
            Request::Algorithms => {
                // Without the table a plan says less; it is asked for again when the chooser opens.
                if let Ok(algorithms) = self.client.call(&GetAlgorithms).await {
                    self.mailbox.push(Message::Algorithms(algorithms));
                }
                false
            }
        }
    }
}

/// The next item, or never when there is no stream. Cancel-safe as [`Events::next`] is.
async fn next(events: &mut Option<Events>) -> Result<Option<StreamItem>, ClientError> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

/// The cause alone: the screen already names the socket.
fn cause(error: &ClientError) -> String {
    match error {
        ClientError::Unreachable { cause, .. } => without_number(cause).to_lowercase(),
        ClientError::TimedOut { limit, .. } => format!("no answer within {}s", limit.as_secs()),
        ClientError::Refused(error) => error.message.clone(),
        ClientError::Protocol(_) => error.to_string(),
    }
}

/// `Connection refused (os error 111)` without what only a programmer reads.
fn without_number(cause: &str) -> &str {
    cause.split(" (os error").next().unwrap_or(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_read_by_people() {
        let error = ClientError::Unreachable {
            socket: "/run/ayad.sock".into(),
            cause: "Connection refused (os error 111)".into(),
        };
        assert_eq!(cause(&error), "connection refused");
    }

    #[test]
    fn a_missing_daemon_is_a_message_and_the_feed_ends_when_dropped() {
        let folder = std::env::temp_dir().join(format!("aya-tui-{}-nothing.sock", std::process::id()));
        let feed = Feed::start(&folder).unwrap();

        let heard = feed.wait(Duration::from_secs(10));

        assert!(heard.iter().any(|message| matches!(message, Message::Lost { .. })), "{heard:?}");
        assert!(feed.is_alive());
        drop(feed);
    }
}
