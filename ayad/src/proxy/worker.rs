//! What belongs to one worker thread: its view of the snapshot, its choosers, its generator, its connections.
//!
//! It lives in a thread-local because the tasks of a worker never leave their thread, while the runtime
//! still asks for `Send` futures. Nothing in it is shared, so nothing in it is locked.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use arc_swap::cache::Cache;
use aya_core::pick::{Ask, Chooser, Explanation, Pick, Tried};
use aya_core::rng::Rng;
use aya_core::time::Tick;

use super::between::Hit;
use super::client::Client;
use super::shadow::Shadows;
use super::trace::{LookId, Looks};
use crate::clock;
use crate::state::{ListenerCell, Pool, Snapshot};

/// How often a want is told.
const TELL_WANT_EVERY: Duration = Duration::from_secs(1);

thread_local! {
    static WORKER: OnceCell<Worker> = const { OnceCell::new() };
}

/// One worker.
pub struct Worker {
    /// Its number, from 0.
    pub index: usize,
    seed: u64,
    snapshot: RefCell<Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>>,
    choosers: RefCell<Vec<Option<Kept>>>,
    rng: RefCell<Rng>,
    looks: RefCell<Looks>,
    clients: RefCell<Clients>,
    lingering: Cell<usize>,
    wanted: Cell<Option<Tick>>,
}

struct Kept {
    pool_uid: u64,
    chooser: Box<Chooser>,
    /// Those of arms that pick by rules for some requests, each with its arm; made when they are first needed.
    ruled: Vec<(usize, Chooser)>,
    shadows: Option<Shadows>,
}

/// The connections of a worker, in places that are used again.
#[derive(Default)]
struct Clients {
    all: Vec<Weak<Client>>,
    free: Vec<usize>,
}

/// The place of one connection among those that its worker knows.
#[derive(Debug)]
pub struct Registered(usize);

impl Drop for Registered {
    fn drop(&mut self) {
        let left = WORKER.try_with(|cell| {
            let Some(worker) = cell.get() else { return };
            let mut clients = worker.clients.borrow_mut();
            clients.all[self.0] = Weak::new();
            clients.free.push(self.0);
            if clients.free.len() == clients.all.len() {
                // The memory of a burst is not kept.
                *clients = Clients::default();
            }
        });
        if left.is_err() {
            tracing::trace!("a connection outlived its worker");
        }
    }
}

/// The place of one connection that is turned away and waited for, until it has read why.
#[derive(Debug)]
pub struct Lingering(());

impl Drop for Lingering {
    fn drop(&mut self) {
        let left = WORKER.try_with(|cell| {
            let Some(worker) = cell.get() else { return };
            worker.lingering.set(worker.lingering.get().saturating_sub(1));
        });
        if left.is_err() {
            tracing::trace!("a connection outlived its worker");
        }
    }
}

impl Worker {
    /// Makes this thread worker `index`. To be called once, before its first connection.
    pub fn install(index: usize, seed: u64, snapshot: Arc<ArcSwap<Snapshot>>) {
        let worker = Self {
            index,
            seed,
            snapshot: RefCell::new(Cache::new(snapshot)),
            choosers: RefCell::default(),
            rng: RefCell::new(Rng::seeded(seed)),
            looks: RefCell::default(),
            clients: RefCell::default(),
            lingering: Cell::new(0),
            wanted: Cell::new(None),
        };
        WORKER.with(|cell| assert!(cell.set(worker).is_ok(), "a thread is one worker, once"));
    }

    /// Calls `f` with this thread's worker.
    pub fn with<R>(f: impl FnOnce(&Self) -> R) -> R {
        WORKER.with(|cell| f(cell.get().expect("requests are served on worker threads alone")))
    }

    /// Calls `f` with the snapshot in force. Costs a comparison of pointers while it stays the same.
    pub fn snapshot<R>(&self, f: impl FnOnce(&Arc<Snapshot>) -> R) -> R {
        f(self.snapshot.borrow_mut().load())
    }

    /// Picks for a request. Makes a chooser when the pool is new or has changed; otherwise it neither locks nor allocates.
    pub(super) fn pick(&self, hit: &Hit, ask: &Ask<'_>) -> Option<(Pick, LookId)> {
        let Hit { pool, position, prefer, rule, .. } = hit;
        let prefer = *prefer;
        if let Some(rule) = *rule {
            return self.pick_by_rule(pool, *position, ask, prefer, rule);
        }
        self.kept(pool, *position, |Kept { chooser, shadows, .. }| {
            let picked = chooser.pick(&pool.loads, ask, prefer, &mut self.rng.borrow_mut())?;
            if pool.auto.is_some() {
                Shadows::ask(shadows, pool, ask, prefer, Some(picked), self.seed);
            }
            let look = self.looks.borrow_mut().take_down(chooser, pool, ask, picked.index);
            Some((picked, look))
        })
    }

    /// As [`Worker::pick`] for a request that a rule of the pool is for. Its arm has a chooser of its own, and the other
    /// arms are not asked.
    fn pick_by_rule(
        &self,
        pool: &Pool,
        position: usize,
        ask: &Ask<'_>,
        prefer: u64,
        rule: u8,
    ) -> Option<(Pick, LookId)> {
        self.kept(pool, position, |kept| {
            let chooser = kept.by(pool, rule, self.seed);
            let picked = chooser.pick(&pool.loads, ask, prefer, &mut self.rng.borrow_mut())?;
            if let Some(auto) = &pool.auto {
                auto.ruled(rule);
            }
            let look = self.looks.borrow_mut().take_down(chooser, pool, ask, picked.index);
            Some((picked, look))
        })
    }

    /// What the next pick would see, of a request that this rule of the pool is for, or none.
    pub fn explain(&self, pool: &Pool, position: usize, key: u64, rule: Option<u8>) -> Explanation {
        let tried = Tried::new();
        let ask = Ask::any(clock::now(), key, &tried);
        self.kept(pool, position, |kept| match rule {
            Some(rule) => kept.by(pool, rule, self.seed).explain(&pool.loads, &ask, 0),
            None => kept.chooser.explain(&pool.loads, &ask, 0),
        })
    }

    /// Calls `f` with what was taken down of the last picks.
    pub fn looks<R>(&self, f: impl FnOnce(&Looks) -> R) -> R {
        f(&self.looks.borrow())
    }

    /// True for the share of requests that is kept to be explained though nothing is wrong with them.
    pub fn samples_request(&self) -> bool {
        let share = self.snapshot(|snapshot| snapshot.daemon.explain_sample);
        share > 0.0 && self.rng.borrow_mut().unit() < share
    }

    fn kept<R>(&self, pool: &Pool, position: usize, f: impl FnOnce(&mut Kept) -> R) -> R {
        let mut choosers = self.choosers.borrow_mut();
        if choosers.len() <= position {
            choosers.resize_with(position + 1, || None);
        }
        let kept = &mut choosers[position];
        let known = kept.take().filter(|kept| kept.pool_uid == pool.uid);
        let kept = kept.insert(known.unwrap_or_else(|| {
            let chooser = Chooser::new(&pool.algorithm, Arc::clone(&pool.plan), self.seed, &pool.loads);
            Kept { pool_uid: pool.uid, chooser: Box::new(chooser), ruled: Vec::new(), shadows: None }
        }));
        f(kept)
    }

    /// 128 random bits, for request ids.
    pub fn random(&self) -> [u64; 2] {
        let mut rng = self.rng.borrow_mut();
        [rng.next_u64(), rng.next_u64()]
    }

    /// Remembers a connection until the result is dropped, so that it can be woken when the daemon stops or its
    /// listener goes.
    pub fn register(&self, client: &Arc<Client>) -> Registered {
        let mut clients = self.clients.borrow_mut();
        let place = clients.free.pop().unwrap_or_else(|| {
            clients.all.push(Weak::new());
            clients.all.len() - 1
        });
        clients.all[place] = Arc::downgrade(client);
        Registered(place)
    }

    /// A place to wait in for a connection that is turned away; `None` when `most` are taken. Each holds a descriptor
    /// that nobody has counted for it.
    pub fn linger(&self, most: usize) -> Option<Lingering> {
        let taken = self.lingering.get();
        (taken < most).then(|| {
            self.lingering.set(taken + 1);
            Lingering(())
        })
    }

    /// True when it is time to tell that this process lacks something, which every request then finds out: once a
    /// second.
    pub fn tells_want(&self, now: Tick) -> bool {
        let is_due = self.wanted.get().is_none_or(|told| now.since(told) >= TELL_WANT_EVERY);
        if is_due {
            self.wanted.set(Some(now));
        }
        is_due
    }

    /// Tells the connections of a listener, or all, to end after the request they serve.
    pub fn close_clients(&self, of: Option<&Arc<ListenerCell>>) {
        let clients: Vec<_> = self.clients.borrow().all.iter().filter_map(Weak::upgrade).collect();
        for client in clients {
            if of.is_none_or(|cell| Arc::ptr_eq(cell, &client.listener.cell)) {
                client.close();
            }
        }
    }

    /// Calls `f` with this worker's generator.
    pub fn chance<R>(&self, f: impl FnOnce(&mut Rng) -> R) -> R {
        f(&mut self.rng.borrow_mut())
    }
}

impl Kept {
    /// The chooser that picks by a rule.
    fn by(&mut self, pool: &Pool, rule: u8, seed: u64) -> &mut Chooser {
        let Some(arm) = pool.arm_of(rule) else { return &mut self.chooser };
        let known = self.ruled.iter().position(|(of, _)| *of == arm);
        let at = known.unwrap_or_else(|| {
            let chooser = Chooser::new(pool.picks(Some(rule)), Arc::clone(&pool.plan), seed, &pool.loads);
            self.ruled.push((arm, chooser));
            self.ruled.len() - 1
        });
        &mut self.ruled[at].1
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("index", &self.index).finish_non_exhaustive()
    }
}
