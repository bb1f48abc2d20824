//! Signals: asks agents, pages of metrics, Prometheus servers and backends themselves, on a thread of its own, and lets
//! weights follow. What the numbers mean is decided in `aya-core`; fields of answers are read by the proxy.
//!
//! Each backend of a pool with a source has one task for it, each query one. A source that cannot be reached, is late or
//! says what cannot be true changes nothing: its last value ages and counts as absent after its expiry, traffic goes on,
//! and it is told once, with the cause, and once when it is over.

mod agent;
mod fetch;
mod follow;
mod probe;
mod query;
mod scrape;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aya_api::event::Severity;
use aya_core::axis::Admin;
use aya_core::health::jittered;
use aya_core::rng::Rng;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::clock;
use crate::config::signals::{Agent, LoadProbe, Query, Scrape, Source};
use crate::state::{Backend, NewEvent, Pool, State, Turn};
use crate::tls::ClientTls;

/// Share of the interval by which each wait is varied, so that questions to many backends spread out.
const JITTER: f64 = 0.1;
/// Time between two looks at weights that follow.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

/// Asks until the process ends. `applied` changes whenever a configuration was applied.
pub async fn run(state: Arc<State>, mut applied: watch::Receiver<u64>, seed: u64) {
    let mut askers = Askers { state: Arc::clone(&state), running: HashMap::new(), seed };
    askers.reconcile();
    let mut followers = follow::Followers::default();
    let mut ticks = tokio::time::interval(FOLLOW_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            changed = applied.changed() => match changed {
                Ok(()) => askers.reconcile(),
                Err(_) => return,
            },
            _ = ticks.tick() => followers.look(&state),
        }
    }
}

/// What one task asks.
#[derive(Clone, PartialEq)]
enum Job {
    Agent(Agent),
    Scrape(Scrape),
    Probe(LoadProbe),
    /// For a whole pool, by its name.
    Query(String, Query),
}

impl Job {
    fn source(&self) -> Source {
        match self {
            Self::Agent(_) => Source::Agent,
            Self::Scrape(_) => Source::Scrape,
            Self::Probe(_) => Source::Probe,
            Self::Query(..) => Source::Query,
        }
    }
}

/// Whom a task asks about: a backend by the address of its cell, or a query of a pool by its place.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Backend(usize, u8),
    Pool(String, usize),
}

struct Running {
    job: Job,
    /// Held, so that no other backend gets the address by which this one is known.
    backend: Option<Arc<Backend>>,
    tls: Option<Arc<ClientTls>>,
    task: AbortHandle,
}

struct Askers {
    state: Arc<State>,
    running: HashMap<Key, Running>,
    seed: u64,
}

impl Askers {
    /// Starts, keeps and ends tasks so that they are those of the snapshot in force.
    fn reconcile(&mut self) {
        let snapshot = self.state.snapshot.load_full();
        let mut before = std::mem::take(&mut self.running);
        for pool in &snapshot.pools {
            let wanted = pool.backends.iter().flat_map(|backend| of_backend(pool, backend));
            for (key, job, backend) in wanted.chain(of_pool(pool)).collect::<Vec<_>>() {
                let same = before.remove(&key).filter(|running| {
                    let is_kept = running.job == job && is_same_tls(running.tls.as_ref(), pool.tls.as_ref());
                    if !is_kept {
                        running.task.abort();
                    }
                    is_kept
                });
                let running = same.unwrap_or_else(|| self.start(pool, job, backend));
                self.running.insert(key, running);
            }
        }
        for gone in before.into_values() {
            gone.task.abort();
            if let Some(backend) = gone.backend {
                backend.reported.forget(gone.job.source());
                if gone.job.source() == Source::Agent {
                    agent::release(&self.state, &backend);
                }
            }
        }
    }

    fn start(&mut self, pool: &Pool, job: Job, backend: Option<Arc<Backend>>) -> Running {
        self.seed = self.seed.wrapping_add(1);
        let rng = Rng::seeded(self.seed);
        let (state, tls) = (Arc::clone(&self.state), pool.tls.clone());
        let task = match (&job, &backend) {
            (Job::Query(pool, query), _) => {
                tokio::spawn(query::keep_asking(state, pool.clone(), query.clone(), rng))
            }
            (_, None) => unreachable!("only queries are about a whole pool"),
            (Job::Agent(agent), Some(backend)) => {
                tokio::spawn(agent::keep_asking(state, Arc::clone(backend), agent.clone(), rng))
            }
            (Job::Scrape(scrape), Some(backend)) => {
                let about = About { state, backend: Arc::clone(backend), tls };
                tokio::spawn(scrape::keep_looking(about, scrape.clone(), rng))
            }
            (Job::Probe(probe), Some(backend)) => {
                let about = About { state, backend: Arc::clone(backend), tls };
                tokio::spawn(probe::keep_asking(about, probe.clone(), rng))
            }
        };
        Running { job, backend, tls: pool.tls.clone(), task: task.abort_handle() }
    }
}

fn is_same_tls(a: Option<&Arc<ClientTls>>, b: Option<&Arc<ClientTls>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

type Wanted = (Key, Job, Option<Arc<Backend>>);

fn of_backend(pool: &Pool, backend: &Arc<Backend>) -> impl Iterator<Item = Wanted> {
    let signals = &pool.conf.signals;
    let jobs = [
        signals.agent.clone().map(Job::Agent),
        signals.scrape.clone().map(Job::Scrape),
        signals.probe.clone().map(Job::Probe),
    ];
    let backend = Arc::clone(backend);
    jobs.into_iter().flatten().map(move |job| {
        let key = Key::Backend(Arc::as_ptr(&backend) as usize, job.source() as u8);
        (key, job, Some(Arc::clone(&backend)))
    })
}

fn of_pool(pool: &Pool) -> impl Iterator<Item = Wanted> {
    pool.conf.signals.queries.iter().enumerate().map(|(index, query)| {
        (Key::Pool(pool.name.clone(), index), Job::Query(pool.name.clone(), query.clone()), None)
    })
}

/// Whom a task asks, and how.
struct About {
    state: Arc<State>,
    backend: Arc<Backend>,
    tls: Option<Arc<ClientTls>>,
}

/// Waits before the first question: a part of the interval, so that many backends are not asked at once.
async fn first_wait(interval: Duration, rng: &mut Rng) {
    tokio::time::sleep(interval.mul_f64(JITTER * rng.unit())).await;
}

async fn next_wait(interval: Duration, rng: &mut Rng) {
    tokio::time::sleep(jittered(interval, JITTER, rng)).await;
}

/// Whether a backend is asked at all: not while people have it out of service.
fn is_asked(backend: &Backend) -> bool {
    backend.load.admin() != Admin::Maint
}

/// Takes note of how a question went; what is news is told.
fn told(state: &State, backend: &Backend, source: Source, outcome: Result<(), String>) {
    let now = clock::now();
    let news = match outcome {
        Ok(()) => backend.reported.is_well(source, now).map(|turn| (turn, String::new())),
        Err(cause) => backend.reported.fails(source, cause.clone(), now).map(|turn| (turn, cause)),
    };
    let Some((turn, cause)) = news else { return };
    let word = source.as_str();
    let (severity, text) = match turn {
        Turn::Failed => {
            (Severity::Warning, format!("{word} fails: {cause}; what it said last expires, traffic goes on"))
        }
        Turn::Recovered => (Severity::Info, format!("{word} works again")),
    };
    state.events.push(NewEvent::new(severity, "signal", &backend.id, text));
}
