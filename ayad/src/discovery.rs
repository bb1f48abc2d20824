//! Discovery: sources of backends are looked at here, on a thread of their own; what an answer means is decided in
//! `aya-core`, and the control thread makes it hold.
//!
//! Each source of each pool has one task. It looks, tells the control thread what it found or why it found nothing, and
//! waits: as long as the answer holds, within the limits of the source. So a source that hangs holds up itself alone.
//!
//! What it deliberately does not do: change anything. A look is a message; see `ayad/src/control/discovery.rs`.

mod dns;
mod list;
mod watched;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use aya_core::health::jittered;
use aya_core::rng::Rng;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::clock;
use crate::command::{self, Hearing, Slots};
use crate::config::{Backend, Discover, Source};
use crate::state::State;

pub use list::{entry, literal};

/// Looks on their way to the control thread; a source waits when there are more.
pub const LOOKS_QUEUED: usize = 256;
/// Share by which each wait is varied, so that the sources of many pools spread out.
const JITTER: f64 = 0.1;

/// One look at one source.
#[derive(Debug)]
pub struct Look {
    /// The pool.
    pub pool: String,
    /// The source, in the words of [`Source`].
    pub source: String,
    /// When it was over, wall clock.
    pub at_ms: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a look.
#[derive(Debug)]
pub enum Outcome {
    /// An answer.
    Found(Answer),
    /// The answer of the last look still holds.
    Same,
    /// No answer, and why.
    Failed(String),
}

/// What a source answered.
#[derive(Debug, Default)]
pub struct Answer {
    /// Backends, no name twice.
    pub backends: Vec<Backend>,
    /// False when a part of it could not be had.
    pub is_whole: bool,
    /// How long it holds, if it says so.
    pub ttl: Option<Duration>,
    /// Backends that are beyond the limit of the source, and not among them.
    pub left_out: usize,
}

/// Looks at the sources of the configuration in force until the process ends, and then ends the commands that it has
/// started. `applied` changes whenever a configuration was applied.
pub async fn run(
    state: Arc<State>,
    looks: mpsc::Sender<Look>,
    mut applied: watch::Receiver<u64>,
    slots: Slots,
    seed: u64,
) {
    // Whoever ends the process waits for this to be dropped.
    let mut cut = state.cut.subscribe();
    let mut lookers = Lookers { state, looks, running: HashMap::new(), slots, seed };
    loop {
        lookers.reconcile();
        tokio::select! {
            _ = cut.wait_for(|cut| *cut) => break,
            changed = applied.changed() => if changed.is_err() { break },
        }
    }
    lookers.end().await;
}

/// The tasks that look, by pool and source.
struct Lookers {
    state: Arc<State>,
    looks: mpsc::Sender<Look>,
    running: HashMap<(String, String), Running>,
    slots: Slots,
    seed: u64,
}

struct Running {
    discover: Discover,
    task: JoinHandle<()>,
}

impl Lookers {
    /// Starts, keeps and ends tasks so that they are those of the snapshot in force.
    fn reconcile(&mut self) {
        let snapshot = self.state.snapshot.load_full();
        let mut before = std::mem::take(&mut self.running);
        for pool in &snapshot.pools {
            for discover in pool.conf.discover.iter().filter(|discover| discover.source != Source::Api) {
                let key = (pool.name.clone(), discover.source.to_string());
                let running = match before.remove(&key) {
                    Some(running) if running.discover == *discover => running,
                    other => {
                        if let Some(other) = other {
                            other.task.abort();
                        }
                        self.start(&key, discover)
                    }
                };
                self.running.insert(key, running);
            }
        }
        for gone in before.into_values() {
            gone.task.abort();
        }
    }

    /// Ends all tasks, and with them the commands that they have started.
    async fn end(&mut self) {
        let tasks: Vec<_> = self.running.drain().map(|(_, running)| running.task).collect();
        self.slots.end(tasks).await;
    }

    fn start(&mut self, (pool, source): &(String, String), discover: &Discover) -> Running {
        self.seed = self.seed.wrapping_add(1);
        let looker = Looker {
            pool: pool.clone(),
            source: source.clone(),
            discover: discover.clone(),
            looks: self.looks.clone(),
            slots: self.slots.clone(),
            rng: Rng::seeded(self.seed),
        };
        Running { discover: discover.clone(), task: tokio::spawn(looker.keep_looking()) }
    }
}

/// One task.
struct Looker {
    pool: String,
    source: String,
    discover: Discover,
    looks: mpsc::Sender<Look>,
    slots: Slots,
    rng: Rng,
}

impl Looker {
    async fn keep_looking(mut self) {
        let mut file = watched::Watched::default();
        let mut failures = 0_u32;
        loop {
            let found = self.look_in_time(&mut file).await;
            failures = if found.is_ok() { 0 } else { failures.saturating_add(1) };
            let ttl = found.as_ref().ok().and_then(|answer| answer.as_ref()?.ttl);
            let pace = &self.discover.pace;
            let wait = if failures > 0 { pace.after_failure(failures) } else { pace.after_answer(ttl) };
            let outcome = match found {
                Ok(Some(answer)) => Outcome::Found(answer),
                Ok(None) => Outcome::Same,
                Err(cause) => Outcome::Failed(cause),
            };
            let (pool, source) = (self.pool.clone(), self.source.clone());
            if self.looks.send(Look { pool, source, at_ms: clock::wall_ms(), outcome }).await.is_err() {
                return;
            }
            tokio::time::sleep(jittered(wait, JITTER, &mut self.rng)).await;
        }
    }

    async fn look_in_time(&self, file: &mut watched::Watched) -> Result<Option<Answer>, String> {
        let Discover { source, timeout, max_backends, .. } = &self.discover;
        // A command waits for a slot first, and its own time is over before that of the look: it was killed, which is
        // the better story. What it printed may name hosts, whose addresses take their time too.
        let whole = if matches!(source, Source::Command { .. }) { *timeout * 3 } else { *timeout };
        let found = match tokio::time::timeout(whole, self.look(file)).await {
            Ok(found) => found,
            Err(_) => Err(format!("no answer within {} s", whole.as_secs_f64())),
        };
        let found = match found {
            Ok(Some(answer)) if answer.backends.is_empty() => Err("the answer is empty".to_owned()),
            other => other,
        };
        if found.is_err() {
            // What was wrong once is read again until it is right.
            file.forget();
        }
        found.map(|answer| {
            answer.map(|mut answer| {
                answer.left_out += answer.backends.len().saturating_sub(*max_backends);
                answer.backends.truncate(*max_backends);
                answer
            })
        })
    }

    /// `None` when the last answer still holds.
    async fn look(&self, file: &mut watched::Watched) -> Result<Option<Answer>, String> {
        let most = self.discover.max_backends;
        match &self.discover.source {
            Source::Dns { host, port, servers } => {
                let names = dns::Names::new(servers, self.discover.timeout)?;
                names.addresses_of(host, *port, &self.source).await.map(Some)
            }
            Source::Srv { name, servers } => {
                let names = dns::Names::new(servers, self.discover.timeout)?;
                names.servers_of(name, most, &self.source).await.map(Some)
            }
            Source::File(path) => match file.look(path).await? {
                Some((bytes, format)) => list::answer(&bytes, format, &self.source).await.map(Some),
                None => Ok(None),
            },
            Source::Command { argv, env } => {
                let bytes = self.printed(argv, env).await?;
                list::answer(&bytes, list::Format::Json, &self.source).await.map(Some)
            }
            // Operators say it themselves.
            Source::Api => Ok(None),
        }
    }

    /// What the command prints.
    async fn printed(&self, argv: &[String], env: &BTreeMap<String, String>) -> Result<Vec<u8>, String> {
        let timeout = self.discover.timeout;
        let slot =
            self.slots.take(timeout).await.map_err(|error| format!("the command was not run: {error}"))?;
        let (program, args) = argv.split_first().ok_or("the command is empty")?;
        let command = command::command(program, args, env);
        let ended = command::run(command, Hearing::Answer, timeout, Some(slot)).await;
        ended.and_then(command::Ended::successful).map_err(|error| format!("the command {error}"))
    }
}
