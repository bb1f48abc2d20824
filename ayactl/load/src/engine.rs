//! Sends the requests of a plan and records what comes of them.
//!
//! One thread with a runtime of its own for each core, and nothing shared between them while they run: each has its part of
//! the requests, its connections and its records, which it hands over once a second, or more often for those who watch. On a thread a pacer wakes at each
//! planned moment and gives the request to a connection that is free, or opens one; it never waits for an answer. In a
//! closed loop there is no pacer: every connection takes the next request when it is done with the last.

mod common;
mod due;
mod exchange;
mod fixed;
mod lane;
mod made;
mod pace;
mod part;
mod probe;
mod replayed;
mod shard;
mod slot;
mod thread;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use tokio::time::Instant;

pub use self::common::{AGENT, LOAD_FIELD, has_body};
pub use self::due::Moments;
pub use self::fixed::Fixed;
pub use self::made::Made;
pub use self::probe::{ProbeError, probe};
pub use self::replayed::Replayed;
use self::shard::{Last, Partial};
use self::thread::Setup;
use self::wire::Wire;
use crate::clock;
use crate::plan::Plan;
use crate::profile::Profile;
use crate::record::{
    Ended, ErrorKind, Generator, OfBackend, OfStatus, Overhead, RECORDING_VERSION, Recording, Second, Seen,
};

/// Most parts of a second.
const MOST_PARTS: u32 = 20;
/// Seconds of which the parts are kept: threads may be late.
const KEPT: u32 = 3;
/// How long all threads take at most to be there, in milliseconds.
const TOGETHER_MS: u64 = 20;

/// A request as it goes out.
pub type Outgoing = http::Request<Full<Bytes>>;

/// Which requests are sent.
pub trait Requests: Send + Sync {
    /// Request number `number`, for `host`. The same number gives the same request. `room` is an empty map from an earlier
    /// answer: what is already allocated is used again.
    fn request(&self, number: u64, host: &http::HeaderValue, room: http::HeaderMap) -> Outgoing;

    /// When those of thread `thread` are due, where the requests themselves know it; it is asked for once. `None` when a
    /// profile says so, or the target sets the pace.
    fn moments(&self, thread: u32) -> Option<Moments> {
        let _ = thread;
        None
    }

    /// Request number `number` has ended, sent or not.
    fn forget(&self, number: u64) {
        let _ = number;
    }

    /// Why there were fewer requests than there should have been.
    fn failed(&self) -> Option<String> {
        None
    }
}

/// What the engine needs to begin.
pub struct Job {
    /// What is to be done.
    pub plan: Plan,
    /// When requests are due; absent in a closed loop, and where the requests know their moments.
    pub profile: Option<Profile>,
    /// Which requests.
    pub requests: Arc<dyn Requests>,
    /// Into how many parts each second is cut for those who watch; 1, or a few for those who look more often.
    pub parts: u32,
}

/// Why nothing was begun.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file of TLS cannot be used.
    #[error("{0}")]
    Tls(String),
    /// The system gives no thread or timer.
    #[error("the generator cannot start: {0}")]
    System(#[from] std::io::Error),
}

/// What others may change while it runs.
#[derive(Debug)]
pub struct Control {
    stop: AtomicBool,
    factor: AtomicU64,
}

impl Control {
    fn new() -> Self {
        Self { stop: AtomicBool::new(false), factor: AtomicU64::new(1.0_f64.to_bits()) }
    }

    /// No further request is sent; what is under way has a moment to end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// True once it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// From now on the profile's rate is multiplied by this.
    pub fn scale(&self, factor: f64) {
        self.factor.store(factor.clamp(0.01, 100.0).to_bits(), Ordering::Relaxed);
    }

    /// By what it is multiplied.
    pub fn factor(&self) -> f64 {
        f64::from_bits(self.factor.load(Ordering::Relaxed))
    }
}

/// A load test that runs.
pub struct Running {
    plan: Plan,
    requests: Arc<dyn Requests>,
    control: Arc<Control>,
    started: Instant,
    started_ms: u64,
    cpu_before: Duration,
    parts: mpsc::Receiver<Partial>,
    threads: Vec<JoinHandle<Last>>,
    /// Seconds that are not whole yet are among them.
    seconds: BTreeMap<u32, Second>,
    /// Into how many parts each second is cut.
    cut: u32,
    /// The last of these parts, by their number since the start; what was seen in them only where seconds are cut.
    recent: BTreeMap<u32, Second>,
    /// The part of a second that each thread has reached.
    reached: Vec<u32>,
    /// Answers by status, since the beginning.
    by_status: BTreeMap<u16, OfStatus>,
    told: Option<u32>,
}

/// What was seen in the last second, or since the beginning when that was later.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// What was seen.
    pub seen: Seen,
    /// Most requests under way at once.
    pub in_flight: u64,
    /// How long it is, in seconds.
    pub seconds: f64,
}

/// What [`Running::next`] came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A second is whole, or a part of one where the job asks for parts: its number.
    Part(u32),
    /// Nothing new yet.
    Waiting,
    /// All threads have ended.
    Over,
}

/// Starts the threads.
pub fn start(job: Job) -> Result<Running, StartError> {
    let Job { plan, profile, requests, parts: cut } = job;
    let cut = cut.clamp(1, MOST_PARTS);
    let wire = Arc::new(Wire::new(&plan).map_err(StartError::Tls)?);
    let control = Arc::new(Control::new());
    let (to, parts) = mpsc::channel();
    let cpu_before = clock::cpu();
    // Everybody begins at the same moment, when all of them are there.
    let (now_ms, now) = (clock::wall_ms(), Instant::now());
    let started_ms = plan.begins_ms.unwrap_or(0).max(now_ms + TOGETHER_MS);
    let started = now + Duration::from_millis(started_ms - now_ms);
    let profile = profile.map(Arc::new);
    let mut threads = Vec::new();
    for thread in 0..plan.threads.max(1) {
        let setup = Setup {
            plan: plan.clone(),
            profile: profile.clone(),
            requests: Arc::clone(&requests),
            wire: Arc::clone(&wire),
            control: Arc::clone(&control),
            started,
            thread,
            cut,
            to: to.clone(),
        };
        let spawned =
            std::thread::Builder::new().name(format!("load-{thread}")).spawn(move || thread::run(&setup));
        match spawned {
            Ok(handle) => threads.push(handle),
            Err(error) => {
                control.stop();
                return Err(error.into());
            }
        }
    }
    let reached = vec![0; threads.len()];
    Ok(Running {
        plan,
        requests,
        control,
        started,
        started_ms,
        cpu_before,
        parts,
        threads,
        seconds: BTreeMap::new(),
        cut,
        recent: BTreeMap::new(),
        reached,
        by_status: BTreeMap::new(),
        told: None,
    })
}

impl Running {
    /// What may be changed while it runs.
    pub fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control)
    }

    /// What it does.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Since when, in milliseconds since 1970.
    pub fn started_ms(&self) -> u64 {
        self.started_ms
    }

    /// The seconds so far, the last ones perhaps not whole.
    pub fn seconds(&self) -> impl DoubleEndedIterator<Item = &Second> {
        self.seconds.values()
    }

    /// What was seen in the last second, up to the last part that is whole.
    pub fn window(&self) -> Window {
        let ends = self.told.unwrap_or(0);
        let begins = (ends + 1).saturating_sub(self.cut);
        let mut window =
            Window { seconds: f64::from(ends + 1 - begins) / f64::from(self.cut), ..Window::default() };
        let parts = if self.cut > 1 { &self.recent } else { &self.seconds };
        for part in parts.range(begins..=ends).map(|(_, part)| part) {
            window.seen.merge(&part.seen);
            window.in_flight = window.in_flight.max(part.in_flight);
        }
        window
    }

    /// Waits up to `limit` for the next whole second, or part of one.
    pub fn next(&mut self, limit: Duration) -> Step {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.parts.recv_timeout(left) {
                Ok(part) => {
                    self.take(part);
                    let reached = self.reached.iter().copied().min().filter(|reached| *reached != u32::MAX);
                    let whole = reached.and_then(|reached| reached.checked_sub(1));
                    if whole > self.told
                        && let Some(part) = whole
                    {
                        self.told = whole;
                        return Step::Part(part);
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => return Step::Waiting,
                Err(mpsc::RecvTimeoutError::Disconnected) => return Step::Over,
            }
        }
    }

    fn take(&mut self, part: Partial) {
        let Partial { thread, reached, parts } = part;
        for part in parts {
            let (at, in_flight) = (part.at, part.in_flight);
            let (seen, answers) = part.settled();
            for (status, of) in answers {
                self.by_status.entry(status).or_insert_with(OfStatus::opened).merge(&of);
            }
            let part = self.recent.entry(at).or_insert_with(|| Second { at, ..Second::default() });
            part.in_flight += in_flight;
            let most = part.in_flight;
            // A second that is not cut is itself what those who watch are told.
            if self.cut > 1 {
                part.seen.merge(&seen);
            }
            let at = at / self.cut;
            let second = self.seconds.entry(at).or_insert_with(|| Second { at, ..Second::default() });
            second.in_flight = second.in_flight.max(most);
            second.seen.merge(&seen);
        }
        while self.recent.len() > (self.cut * KEPT) as usize {
            self.recent.pop_first();
        }
        if let Some(own) = self.reached.get_mut(thread as usize) {
            *own = reached;
        }
    }

    /// Waits for the end of all threads and puts together what they saw. A thread that panicked is a defect; what the others
    /// saw is there all the same.
    pub fn finish(mut self, ended: Ended) -> Recording {
        let ended = match self.requests.failed() {
            Some(why) if ended == Ended::Done => Ended::Cut(why),
            _ => ended,
        };
        while let Ok(part) = self.parts.recv() {
            self.take(part);
        }
        let took = Instant::now().saturating_duration_since(self.started);
        let mut total = Seen::default();
        self.seconds.values().for_each(|second| total.merge(&second.seen));
        let mut by_backend: BTreeMap<String, OfBackend> = BTreeMap::new();
        let mut overhead = self.plan.overhead.is_some().then(Overhead::default);
        let mut generator = Generator { threads: self.plan.threads, ..Generator::default() };
        for handle in self.threads {
            let Ok(last) = handle.join() else { continue };
            unanswered(&mut total, last.unfinished, &ended, self.plan.timeout_ms);
            for (backend, of) in last.by_backend {
                by_backend.entry(backend).or_default().merge(&of);
            }
            if let (Some(all), Some(own)) = (&mut overhead, last.overhead) {
                all.merge(&own);
            }
            generator.connections += last.connections;
            generator.most_open += last.most_open;
            generator.still_s = generator.still_s.max(last.still.as_secs_f64());
        }
        generator.cap_waits = total.waited;
        generator.cpu_s = clock::cpu().saturating_sub(self.cpu_before).as_secs_f64();
        generator.wall_s = took.as_secs_f64();
        let warm = u32::try_from(self.plan.warmup_ms / 1000).unwrap_or(u32::MAX);
        Recording {
            schema_version: RECORDING_VERSION,
            plan: self.plan,
            started_ms: self.started_ms,
            took_ms: took.as_millis() as u64,
            ended,
            seconds: self.seconds.into_values().filter(|second| second.at >= warm).collect(),
            total,
            by_status: self.by_status,
            by_backend,
            overhead,
            marks: Vec::new(),
            generator,
        }
    }
}

/// Counts requests that had no answer at the end: in a test that was ended early the target is not to blame, else they have
/// waited for as long as they may.
fn unanswered(total: &mut Seen, count: u64, ended: &Ended, timeout_ms: u64) {
    if count == 0 {
        return;
    }
    if matches!(ended, Ended::Interrupted | Ended::Aborted(_)) {
        *total.errors.entry(ErrorKind::Unfinished).or_default() += count;
        return;
    }
    *total.errors.entry(ErrorKind::Timeout).or_default() += count;
    total.failed += count;
    total.response.record_n(timeout_ms * 1000, count);
    total.failures.record_n(timeout_ms * 1000, count);
}
