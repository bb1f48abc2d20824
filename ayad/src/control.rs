//! The control API: a thread and runtime of its own, the only writer of the state.
//!
//! It never waits for a task of the data plane: it reads cells, stores pointers and sends messages. So it
//! answers while the proxy is saturated. Slow things (reading and resolving a configuration) are done on yet
//! another thread.
//!
//! One file for each command, named as in `aya_api::command`; [`server`] dispatches with an exhaustive match.

mod admin;
mod algorithm;
mod algorithms;
pub mod apply;
mod auto;
mod backends;
mod breaker;
mod call;
mod changes;
mod chaos;
mod daemon;
mod discovery;
mod entrance;
mod events;
mod explain;
mod faults;
mod journal;
mod leases;
mod listeners;
mod members;
mod metrics;
mod notes;
mod openapi;
mod operations;
mod orders;
mod patience;
mod peer;
mod pools;
mod reload;
mod routes;
mod runs;
mod sampler;
mod server;
mod status;
mod stream;
mod upgrade;
mod view;
mod weight;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aya_api::error::{ApiError, ErrorCode};
use aya_api::event::Severity;
use aya_api::view::UpgradeView;
use aya_core::axis::Admin;
use aya_core::time::Tick;
use tokio::sync::{Notify, Semaphore, mpsc, watch};

pub use self::discovery::Discovered;
pub use self::entrance::Entrance;
use self::journal::Damage;
pub use self::journal::Journal;
use self::leases::Lease;
use self::sampler::Sampler;
use self::server::Door;
use self::upgrade::Upgrades;
use crate::args::Origin;
use crate::clock;
use crate::config::{Env, Kept};
use crate::discovery::Look;
use crate::handover::{Program, TakenOver};
use crate::heap::{self, Bursts};
use crate::state::{Backend, Binding, NewEvent, PastEntry, Pool, State};

/// Time between two looks at whether a drain is over.
const SOON: Duration = Duration::from_millis(25);
/// How often figures are taken and old connections closed.
const SAMPLE: Duration = Duration::from_secs(1);
/// Samples between two looks at the file of the control socket.
const SAMPLES_PER_LOOK: u32 = 2;

/// Everything the control thread starts with.
pub struct Setup {
    /// The shared state.
    pub state: Arc<State>,
    /// Where the configuration comes from.
    pub source: Origin,
    /// What was kept of reading that.
    pub kept: Arc<Kept>,
    /// Its surroundings.
    pub env: Env,
    /// The journal, opened.
    pub journal: Journal,
    /// What was wrong with it.
    pub damage: JournalDamage,
    /// Told whenever a configuration was applied.
    pub applied: watch::Sender<u64>,
    /// Told whenever backends came or went, be it by a configuration or because they were discovered.
    pub moved: watch::Sender<u64>,
    /// Signals that concern this thread.
    pub signals: mpsc::UnboundedReceiver<Signal>,
    /// Where callers come in.
    pub entrance: Entrance,
    /// How this process was started.
    pub program: Program,
    /// Addresses to accept at, once orders are in force again.
    pub opened: Vec<Arc<Binding>>,
    /// What was discovered before.
    pub discovered: Discovered,
    /// What is discovered now.
    pub looks: mpsc::Receiver<Look>,
    /// What another process handed over.
    pub taken_over: Option<TakenOver>,
    /// What seeds of faults are drawn from.
    pub seed: u64,
    /// To be told when everything serves.
    pub ready: std::sync::mpsc::SyncSender<()>,
}

/// What was wrong with the journal at the start.
pub type JournalDamage = Damage;

/// What signals ask of the control thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Read the configuration again.
    Reload,
    /// Hand over to a new process.
    Upgrade,
}

/// What the control thread knows beyond the shared state.
pub struct Control {
    state: Arc<State>,
    source: Origin,
    env: Env,
    journal: Journal,
    sampler: Sampler,
    bursts: Bursts,
    leases: Vec<Lease>,
    algorithm_orders: HashMap<String, AlgorithmOrder>,
    discovered: Discovered,
    autos: auto::Autos,
    applied: watch::Sender<u64>,
    moved: watch::Sender<u64>,
    answered: server::Answered,
    started_ms: u64,
    /// When the first process of the line started.
    serving_since_ms: u64,
    /// The upgrade in which this process took over.
    upgraded: Option<UpgradeView>,
    last_reload_error: Option<String>,
    /// Of this process: one that succeeds has another process serve.
    last_upgrade_error: Option<String>,
    reloads: reload::Reloads,
    chaos: faults::Chaos,
    runs: runs::Runs,
    /// Addresses that have ended, until nobody accepts there any more.
    ending: Vec<Arc<Binding>>,
    upgrades: Upgrades,
    /// Places of streams.
    streams: Arc<Semaphore>,
    /// A call was answered, which may have begun something that ends by itself.
    called: Rc<Notify>,
}

/// What is known about an ordered algorithm.
#[derive(Clone, Copy, Debug, Default)]
struct AlgorithmOrder {
    until_ms: Option<u64>,
    restored: bool,
}

/// The control thread's own state, shared between its tasks.
type Shared = Rc<RefCell<Control>>;

/// Serves the control API until the process ends.
pub async fn run(setup: Setup) -> std::io::Result<()> {
    let socket = setup.entrance.listener()?;
    let admin = setup.entrance.admin.as_ref().map(|(_, socket)| socket.try_clone());
    let admin = admin.transpose()?.map(tokio::net::TcpListener::from_std).transpose()?;
    let started_ms = clock::wall_ms();
    let line = setup.taken_over.as_ref().map(|before| before.line.clone()).unwrap_or_default();
    let chosen = setup.taken_over.as_ref().map_or(&[][..], |before| &before.chosen);
    let autos = auto::Autos::resume(&setup.state, chosen);
    let mut control = Control {
        state: setup.state,
        source: setup.source,
        env: setup.env,
        journal: setup.journal,
        sampler: Sampler::default(),
        bursts: Bursts::default(),
        leases: Vec::new(),
        algorithm_orders: HashMap::new(),
        discovered: setup.discovered,
        autos,
        applied: setup.applied,
        moved: setup.moved,
        answered: server::Answered::default(),
        started_ms,
        serving_since_ms: line.since_ms.unwrap_or(started_ms),
        upgraded: setup.taken_over.as_ref().map(|before| UpgradeView {
            at_ms: started_ms,
            from_pid: before.from,
            from_version: line.version,
        }),
        last_reload_error: None,
        last_upgrade_error: None,
        reloads: reload::Reloads::new(setup.kept),
        chaos: faults::Chaos::new(setup.seed),
        runs: runs::Runs::default(),
        ending: Vec::new(),
        upgrades: Upgrades::new(setup.program, setup.entrance),
        streams: Arc::new(Semaphore::new(stream::MAX_STREAMS)),
        called: Rc::new(Notify::new()),
    };
    control.tell_damage(&setup.damage);
    control.tell_kept();
    control.restore(setup.taken_over.is_none());
    if let Some(taken_over) = setup.taken_over {
        control.go_on(&taken_over);
    }
    let mut looks = setup.looks;
    control.warm_up(&mut looks).await;
    // Nobody gets a request before the orders about it hold.
    for binding in &setup.opened {
        control.state.crew.listen(binding);
    }
    let doors = control.upgrades.doors();
    let shared = Rc::new(RefCell::new(control));
    entrance::open(&shared, socket);
    if let Some(admin) = admin {
        tokio::task::spawn_local(server::serve(Rc::clone(&shared), Door::Metrics(admin), doors));
    }
    // An error means that nobody waits for the start any more.
    let _ = setup.ready.send(());
    beat(&shared, setup.signals, looks).await;
    Ok(())
}

/// Does what is due, and what signals ask for, until nobody can send signals any more. Sleeps as long as it can: on a
/// machine of one core every look takes time from requests.
async fn beat(
    shared: &Shared,
    mut signals: mpsc::UnboundedReceiver<Signal>,
    mut looks: mpsc::Receiver<Look>,
) {
    let called = Rc::clone(&shared.borrow().called);
    let mut sample_at = clock::now();
    for count in 0_u32.. {
        // Nobody but this loop ends drains and leases, and whatever begins one is a call.
        while clock::now() < sample_at {
            let wake_at = shared.borrow_mut().settle(clock::now()).map_or(sample_at, |at| at.min(sample_at));
            tokio::select! {
                () = tokio::time::sleep_until(clock::instant(wake_at)) => {}
                () = called.notified() => {}
                // Only fails when the thread that looks has ended.
                Some(look) = looks.recv() => shared.borrow_mut().looked(look),
                signal = signals.recv() => match signal {
                    Some(Signal::Reload) => reload::by_signal(shared),
                    Some(Signal::Upgrade) => upgrade::by_signal(shared),
                    None => return,
                },
            }
        }
        // After a pause of the whole machine the samples that were missed are not made up for.
        sample_at = sample_at.after(SAMPLE).max(clock::now());
        shared.borrow_mut().sample(clock::now());
        if count.is_multiple_of(SAMPLES_PER_LOOK) {
            entrance::look(shared);
        }
    }
}

impl Control {
    /// Ends leases and drains that are over. Says when to look again, if anything is under way.
    fn settle(&mut self, now: Tick) -> Option<Tick> {
        let mut next = self.look_at_runs(now);
        next = self.look_at_faults(now).into_iter().chain(next).min();
        if !self.upgrades.is_frozen() {
            self.end_leases(now);
            next = self.leases.iter().map(|lease| lease.until).chain(next).min();
        }
        let mut drains = false;
        for backend in self.state.snapshot.load_full().backends() {
            if backend.settle_drain(now) {
                self.drained(backend);
            }
            drains |= backend.load.admin() == Admin::Draining;
        }
        let soon = drains.then(|| now.after(SOON));
        next.into_iter().chain(soon).min()
    }

    /// Takes figures, and closes what was idle for too long.
    fn sample(&mut self, now: Tick) {
        self.take_held();
        let snapshot = self.state.snapshot.load_full();
        self.sampler.sample(&snapshot);
        self.sampler.set_hedge_delays(&snapshot);
        self.choose(now);
        // A connection may carry hundreds of requests.
        let clients = self.state.clients.load(std::sync::atomic::Ordering::Relaxed);
        let requests: u64 = snapshot.backends().map(|backend| u64::from(backend.load.in_flight())).sum();
        if self.bursts.is_over(clients + requests) {
            heap::give_back();
        }
        for pool in &snapshot.pools {
            for backend in &pool.backends {
                for worker in &backend.workers {
                    worker.idle.close_old(now, &pool.conf.keepalive);
                    worker.shared.close_old(now, &pool.conf.keepalive);
                }
            }
        }
    }

    /// Another process has handed over. What was drained before still is.
    fn go_on(&self, taken_over: &TakenOver) {
        let TakenOver { from, line, drained, chosen: _ } = taken_over;
        for (backend, since_ms) in drained {
            if backend.load.admin() == Admin::Draining {
                backend.load.set_admin(Admin::Drained, false);
                backend.past().admin.since_ms = *since_ms;
            }
        }
        let (version, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
        let before = line.version.as_deref().unwrap_or("unknown");
        let cause = if before == version {
            format!("process {pid} has taken over; the version is still {version}")
        } else {
            format!("process {pid} has taken over; version {before} was upgraded to {version}")
        };
        let event = NewEvent::new(Severity::Info, "upgrade", "ayad", cause);
        self.state.events.push(event.change(format!("pid {from}"), format!("pid {pid}")));
    }

    fn drained(&self, backend: &Backend) {
        let at_ms = clock::wall_ms();
        let mut past = backend.past();
        // What was drained before the restart is drained since then.
        if !past.admin.restored {
            past.admin.since_ms = at_ms;
        }
        let by = past.admin.by.clone();
        past.remember(PastEntry {
            at_ms,
            axis: "admin",
            from: "draining".to_owned(),
            to: "drained".to_owned(),
            cause: "nothing in flight".to_owned(),
            by: by.clone(),
        });
        drop(past);
        backend.close_idle();
        backend.rev.store(self.state.next_rev(), std::sync::atomic::Ordering::Relaxed);
        let event = NewEvent::new(Severity::Info, "admin", &backend.id, "nothing in flight");
        self.state.events.push(event.change("draining", "drained").ordered(by, None));
    }

    fn tell_damage(&mut self, damage: &Damage) {
        if damage.lines > 0 {
            let kept =
                damage.kept_as.as_deref().map_or_else(String::new, |p| format!("; kept as {}", p.display()));
            let cause = format!("{} damaged lines of the journal were left out{kept}", damage.lines);
            self.state.events.push(NewEvent::new(Severity::Warning, "journal", "ayad", cause));
        }
        self.tell_troubles();
    }

    fn tell_troubles(&mut self) {
        for trouble in self.journal.take_troubles() {
            self.state.events.push(NewEvent::new(Severity::Warning, "journal", "ayad", trouble));
        }
    }

    fn find_backend(&self, id: &str) -> Result<Arc<Backend>, ApiError> {
        let snapshot = self.state.snapshot.load();
        snapshot.backend_by_id(id).cloned().ok_or_else(|| {
            let hint = suggest(id, snapshot.backends().map(|b| b.id.as_str()));
            ApiError::new(ErrorCode::NotFound, format!("no backend \"{id}\""), hint)
        })
    }

    fn find_pool(&self, name: &str) -> Result<Arc<Pool>, ApiError> {
        let snapshot = self.state.snapshot.load();
        snapshot.pool(name).cloned().ok_or_else(|| {
            let hint = suggest(name, snapshot.pools.iter().map(|p| p.name.as_str()));
            ApiError::new(ErrorCode::NotFound, format!("no pool \"{name}\""), hint)
        })
    }

    fn config_file(&self) -> Option<&Path> {
        match &self.source {
            Origin::File(path) => Some(path),
            Origin::Flags { .. } => None,
        }
    }
}

/// Names the nearest of `names`, or all of them when they are few.
fn suggest<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> String {
    const FEW: usize = 12;
    let names: Vec<&str> = names.collect();
    let nearest =
        names.iter().map(|n| (strsim::jaro_winkler(wanted, n), n)).max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, name)) if likeness > 0.8 => format!("did you mean \"{name}\"?"),
        Some(_) if names.len() <= FEW => format!("there are: {}", names.join(", ")),
        Some(_) => format!("there are {} of them; list them with `ayactl get`", names.len()),
        None => "there is none".to_owned(),
    }
}
