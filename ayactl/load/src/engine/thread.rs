//! One thread of the generator: its runtime, its pacer, its connections and its records.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use http::HeaderMap;
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::{Instant, interval, sleep_until};

use super::due::Due;
use super::lane::{Given, Lane, Slot, Work};
use super::pace::Timer;
use super::part::Outcome;
use super::shard::{Last, Partial, Shard};
use super::wire::{Shared, Wire};
use super::{Control, Outgoing, Requests, slot};
use crate::arrivals::Schedule;
use crate::input::Rng;
use crate::plan::{Model, Plan, Protocol};
use crate::profile::Profile;

/// A request that is given out so long after it may have been is late by this generator's own fault.
const LATE: Duration = Duration::from_micros(100);
/// Longest sleep of the pacer: so soon it sees that the rate was changed or the test was stopped.
const NAP: Duration = Duration::from_millis(50);
/// When the next request is due so soon, the pacer does not sleep: by the time a processor had gone to sleep and woken, the
/// moment would be over. Requests at constant gaps are so close from 50,000 a second on each thread on.
const TOO_SHORT: Duration = Duration::from_micros(20);
/// Requests that are given out in a row before connections get their turn.
const IN_A_ROW: u32 = 16;
/// How often requests that take too long are looked for.
const SWEEP: Duration = Duration::from_millis(100);
/// A thread that looks later than this by so much stood still.
const STILL: Duration = Duration::from_millis(500);
/// How long requests under way may take after a test was stopped early.
const LAST_CALL: Duration = Duration::from_secs(1);
/// Tasks that run between two looks at the system: few, because a moment that is missed is lag.
const EVENT_INTERVAL: u32 = 13;
/// Keeps the coin between two targets apart from other draws.
const COIN: u64 = 0xC0;

/// What a thread begins with.
pub(super) struct Setup {
    pub(super) plan: Plan,
    pub(super) profile: Option<Arc<Profile>>,
    pub(super) requests: Arc<dyn Requests>,
    pub(super) wire: Arc<Wire>,
    pub(super) control: Arc<Control>,
    pub(super) started: Instant,
    pub(super) thread: u32,
    pub(super) cut: u32,
    pub(super) to: Sender<Partial>,
}

/// What the tasks of a thread share.
pub(super) struct Worker {
    pub(super) lanes: Vec<Lane>,
    pub(super) wire: Arc<Wire>,
    pub(super) wants_timing: bool,
    requests: Arc<dyn Requests>,
    shard: RefCell<Shard>,
    started: Instant,
    timeout: Duration,
    warmup: Duration,
    in_flight: Cell<u64>,
    open: Cell<u64>,
    is_over: Cell<bool>,
    closed: Option<Closed>,
}

/// The loop of a test in which the target sets the pace.
struct Closed {
    next: Cell<u64>,
    step: u64,
    most: u64,
    ends: Duration,
}

/// Runs a thread to its end.
pub(super) fn run(setup: &Setup) -> Last {
    let built = Builder::new_current_thread().enable_all().event_interval(EVENT_INTERVAL).build();
    // The other threads have their runtime, or fail alike: then nothing was sent, and the report says so.
    let Ok(runtime) = built else { return Last::default() };
    let worker = Rc::new(Worker::new(setup));
    let local = LocalSet::new();
    local.block_on(&runtime, drive(Rc::clone(&worker), setup));
    drop(local);
    worker.shard.borrow_mut().tick(worker.now(), true);
    std::mem::take(&mut worker.shard.borrow_mut().last)
}

async fn drive(worker: Rc<Worker>, setup: &Setup) {
    sleep_until(setup.started).await;
    let tend = spawn_local(tend(Rc::clone(&worker)));
    match due(setup) {
        Some(due) => {
            // Without a timer there is no pace: what was not offered is seen in the report.
            let _ = pace(&worker, setup, due).await;
        }
        None => loop_closed(&worker, setup).await,
    }
    let patience = if setup.control.is_stopped() { LAST_CALL.min(worker.timeout) } else { worker.timeout };
    let ends = Instant::now() + patience + SWEEP;
    worker.finish();
    while worker.in_flight.get() > 0 && Instant::now() < ends {
        tokio::time::sleep(Duration::from_millis(1)).await;
        worker.relieve(worker.now());
        // Stopped while the last answers are waited for.
        if setup.control.is_stopped() && Instant::now() + LAST_CALL < ends {
            break;
        }
    }
    worker.unfinished();
    tend.abort();
}

/// Who says when requests are due; nobody in a closed loop.
fn due(setup: &Setup) -> Option<Due<'_>> {
    let (plan, thread) = (&setup.plan, setup.thread);
    if let Some(moments) = setup.requests.moments(thread) {
        return Some(Due::Replayed(moments));
    }
    let profile = setup.profile.as_deref()?;
    Some(Due::Planned(Schedule::new(profile, plan.arrivals, plan.seed, plan.lot(thread))))
}

/// Gives out requests at their moments.
async fn pace(worker: &Rc<Worker>, setup: &Setup, mut due: Due<'_>) -> std::io::Result<()> {
    let timer = Timer::new()?;
    let plan = &setup.plan;
    let most = plan.requests.unwrap_or(u64::MAX);
    let mut coin = plan.overhead.as_ref().map(|_| Rng::new(plan.seed, COIN + u64::from(setup.thread)));
    let mut factor = 1.0;
    let mut in_a_row = 0;
    let slack = Duration::from_micros(plan.slack_us);
    let mut woke = setup.started;
    while let Some((number, at)) = due.next().await {
        if number >= most {
            break;
        }
        let planned = Duration::from_secs_f64(at);
        let moment = setup.started + planned;
        let now = loop {
            if setup.control.is_stopped() {
                return Ok(());
            }
            let now = Instant::now();
            if now >= moment {
                break now;
            }
            in_a_row = 0;
            if moment - now <= TOO_SHORT {
                worker.relieve(now - setup.started);
                yield_now().await;
                continue;
            }
            let wake = moment.max(woke + slack).min(now + NAP);
            timer.until(worker.relief().map_or(wake, |relief| wake.min(setup.started + relief))).await?;
            woke = Instant::now();
            worker.relieve(woke - setup.started);
        };
        let lane = coin.as_mut().map_or(0, |coin| (coin.bits() & 1) as usize);
        let is_late = now - moment > slack + LATE;
        worker.give(Work { number, lane, planned, sent: planned }, is_late, now - setup.started);
        in_a_row += 1;
        if in_a_row >= IN_A_ROW {
            in_a_row = 0;
            yield_now().await;
            worker.relieve(worker.now());
        }
        let wanted = setup.control.factor();
        if wanted.to_bits() != f64::to_bits(factor) {
            factor = wanted;
            due.rescale(factor);
        }
    }
    Ok(())
}

/// Begins all connections of a closed loop, and waits for its end.
async fn loop_closed(worker: &Rc<Worker>, setup: &Setup) {
    let Some(closed) = &worker.closed else { return };
    for lane in &worker.lanes {
        for _ in 0..lane.cap {
            match closed.take(worker, lane.index, worker.now()) {
                Some(work) => worker.give(work, false, work.planned),
                None => break,
            }
        }
    }
    while !setup.control.is_stopped() && closed.has_more() {
        let left = closed.ends.saturating_sub(worker.now());
        if left.is_zero() {
            break;
        }
        tokio::time::sleep(left.min(NAP)).await;
    }
}

/// Looks for what takes too long, and hands over what is whole.
async fn tend(worker: Rc<Worker>) {
    let mut looks = interval(SWEEP.min(worker.timeout / 10).max(Duration::from_millis(1)));
    let mut before = worker.now();
    loop {
        looks.tick().await;
        let now = worker.now();
        let gap = now.saturating_sub(before);
        if gap >= STILL {
            worker.shard.borrow_mut().last.still += gap;
        }
        before = now;
        for lane in &worker.lanes {
            lane.sweep(now, false);
        }
        worker.shard.borrow_mut().tick(now, false);
    }
}

impl Closed {
    /// The next request, which is planned for `now`.
    fn take(&self, worker: &Worker, lane: usize, now: Duration) -> Option<Work> {
        let number = self.next.get();
        if number >= self.most || now >= self.ends || worker.is_over.get() {
            return None;
        }
        self.next.set(number + self.step);
        Some(Work { number, lane, planned: now, sent: now })
    }

    fn has_more(&self) -> bool {
        self.next.get() < self.most
    }
}

impl Worker {
    fn new(setup: &Setup) -> Self {
        let Setup { plan, thread, started, .. } = setup;
        let streams = if plan.protocol == Protocol::Http2 { plan.streams.max(1) } else { 1 };
        let connections = share(plan.connections, *thread, plan.threads);
        let targets = std::iter::once(&plan.target).chain(&plan.overhead).enumerate();
        let lanes = targets.map(|(index, target)| {
            let host = http::HeaderValue::try_from(target.host.as_str());
            let host = host.unwrap_or_else(|_| http::HeaderValue::from_static("localhost"));
            let shared = (0..connections.max(1)).map(|_| Shared::default()).collect();
            Lane::new(index, host, (connections.max(1) * streams) as usize, shared)
        });
        let closed = (plan.model == Model::Closed).then(|| Closed {
            next: Cell::new(plan.lot(*thread).0),
            step: plan.lot(*thread).1,
            most: plan.requests.unwrap_or(u64::MAX),
            ends: Duration::from_millis(plan.length_ms),
        });
        Self {
            lanes: lanes.collect(),
            wire: Arc::clone(&setup.wire),
            wants_timing: plan.load_id.is_some(),
            requests: Arc::clone(&setup.requests),
            shard: RefCell::new(Shard::new(*thread, setup.cut, setup.to.clone(), plan.overhead.is_some())),
            started: *started,
            timeout: Duration::from_millis(plan.timeout_ms.max(1)),
            warmup: Duration::from_millis(plan.warmup_ms),
            in_flight: Cell::new(0),
            open: Cell::new(0),
            is_over: Cell::new(false),
            closed,
        }
    }

    /// Time since the beginning.
    pub(super) fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.started)
    }

    /// True once no further request is given out.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    fn counts(&self, work: &Work) -> bool {
        work.planned >= self.warmup
    }

    /// A request is given out at `now`; `is_late` when that is this generator's fault.
    fn give(self: &Rc<Self>, work: Work, is_late: bool, now: Duration) {
        self.in_flight.set(self.in_flight.get() + 1);
        if self.counts(&work) {
            let mut shard = self.shard.borrow_mut();
            shard.offered(work.planned);
            shard.under_way(self.in_flight.get());
        }
        match self.lanes[work.lane].give(work, is_late, now) {
            Given::Taken | Given::Soon => {}
            Given::New(index, slot) => self.begin_slot(work.lane, index, slot),
            Given::Waits => {
                if self.counts(&work) {
                    self.shard.borrow_mut().waited(work.planned, now);
                }
            }
        }
    }

    /// When requests that wait will have waited too long.
    fn relief(&self) -> Option<Duration> {
        self.lanes.iter().filter_map(Lane::relief).min()
    }

    /// Opens connections for requests that have waited too long at `now` for those that are in use.
    fn relieve(self: &Rc<Self>, now: Duration) {
        for lane in &self.lanes {
            while let Some((index, slot)) = lane.relieve(now) {
                self.begin_slot(lane.index, index, slot);
            }
        }
    }

    fn begin_slot(self: &Rc<Self>, lane: usize, index: usize, slot: Rc<Slot>) {
        // In a box of its own: the runtime would move these kilobytes six times.
        spawn_local(Box::pin(slot::run(Rc::clone(self), lane, index, slot)));
    }

    /// A new slot of a lane has its connection, or cannot have one.
    pub(super) fn settled(self: &Rc<Self>, lane: usize) {
        if let Some((index, slot)) = self.lanes[lane].settled() {
            self.begin_slot(lane, index, slot);
        }
    }

    /// The next request for a slot that is done with its last at `now`.
    pub(super) fn take(&self, lane: usize, index: usize, now: Duration) -> Option<Work> {
        let Some(closed) = &self.closed else { return self.lanes[lane].take(index) };
        let work = closed.take(self, lane, now)?;
        self.in_flight.set(self.in_flight.get() + 1);
        if self.counts(&work) {
            let mut shard = self.shard.borrow_mut();
            shard.offered(work.planned);
            shard.under_way(self.in_flight.get());
        }
        Some(work)
    }

    /// A slot begins to send a request: at `now`.
    pub(super) fn begin(&self, mut work: Work, slot: &Slot, now: Duration) -> Work {
        work.sent = now;
        slot.deadline.set(Some(now + self.timeout));
        if self.counts(&work) {
            self.shard.borrow_mut().sent(&work);
        }
        work
    }

    /// The request with this number.
    pub(super) fn request(&self, number: u64, lane: &Lane, room: HeaderMap) -> Outgoing {
        self.requests.request(number, &lane.host, room)
    }

    /// A request ended: at `now`.
    pub(super) fn ended(&self, work: &Work, outcome: &Outcome, now: Duration) {
        self.requests.forget(work.number);
        self.in_flight.set(self.in_flight.get() - 1);
        if self.counts(work) {
            let mut shard = self.shard.borrow_mut();
            shard.tick(now, false);
            shard.ended(work, now, outcome);
        }
    }

    /// A connection was made.
    pub(super) fn opened(&self) {
        self.open.set(self.open.get() + 1);
        let mut shard = self.shard.borrow_mut();
        shard.last.connections += 1;
        shard.last.most_open = shard.last.most_open.max(self.open.get());
    }

    /// A connection is over.
    pub(super) fn closed(&self) {
        self.open.set(self.open.get().saturating_sub(1));
    }

    /// No further request is given out: whoever is free may go. What waits is sent all the same, by those who are not.
    fn finish(&self) {
        self.is_over.set(true);
        let now = self.now();
        self.lanes.iter().for_each(|lane| lane.sweep(now, true));
    }

    /// What is still under way has no answer in this test.
    fn unfinished(&self) {
        let waiting: usize = self.lanes.iter().map(|lane| lane.give_up().len()).sum();
        let left = self.in_flight.replace(0).max(waiting as u64);
        let now = self.now();
        let mut shard = self.shard.borrow_mut();
        shard.tick(now, false);
        shard.last.unfinished = left;
    }
}

/// The part of thread `thread` of `threads` of something that is divided among them.
fn share(all: u32, thread: u32, threads: u32) -> u32 {
    let threads = threads.max(1);
    all / threads + u32::from(thread < all % threads)
}
