//! What workers tell of a pool that chooses its algorithm by itself, on its way to the control thread.
//!
//! One request in so many is told of, so few that telling costs nothing that could be measured and so many that an epoch
//! has enough; notes that find no room are counted and lost. Nobody waits.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aya_core::auto::{AutoRules, Ballot, Cell, Request};
use aya_core::hash::mix;
use aya_core::load::Load;
use aya_core::pick::Choice;
use aya_core::time::Tick;

use super::Pool;
use crate::config;

/// Most notes that wait for the control thread, which takes them each second.
const ROOM: usize = 2048;
/// Requests per second and pool that are told of, as a goal.
const WANTED: f64 = 100.0;
/// The fewest that are: one in so many.
const FEWEST: u32 = 64;

/// One thing that a worker saw.
#[derive(Clone, Copy, Debug)]
pub enum Note {
    /// Whom the arms would have picked for a request.
    Named(Ballot),
    /// What a request got.
    Served {
        /// Where it was.
        cell: Cell,
        /// How long it took.
        took: Duration,
        /// Whether it went well.
        ok: bool,
    },
}

/// Rules for some requests, as workers ask for them. Goes on while the rules of the pool stay.
#[derive(Debug)]
struct Classes {
    /// Those in force: bits by position.
    open: AtomicU32,
    /// Requests that each was for, by position.
    requests: Vec<AtomicU64>,
}

/// How a pool chooses its algorithm, and the notes for that. Goes on while both that and its backends stay.
#[derive(Debug)]
pub struct Scouted {
    /// How it chooses.
    pub rules: Arc<AutoRules>,
    classes: Arc<Classes>,
    every: AtomicU32,
    notes: SyncSender<Note>,
    taken: Mutex<Receiver<Note>>,
    lost: AtomicU64,
}

impl Scouted {
    fn new(rules: Arc<AutoRules>, classes: Option<Arc<Classes>>) -> Self {
        let (notes, taken) = sync_channel(ROOM);
        let new = || Classes {
            open: AtomicU32::new(rules.at_once()),
            requests: rules.rules.iter().map(|_| AtomicU64::new(0)).collect(),
        };
        let classes = classes.unwrap_or_else(|| Arc::new(new()));
        Self {
            rules,
            classes,
            every: AtomicU32::new(1),
            notes,
            taken: Mutex::new(taken),
            lost: AtomicU64::new(0),
        }
    }

    /// Of a pool with these backends; that of the pool before, when both are the same.
    pub(super) fn of(conf: &config::Pool, loads: &[Arc<Load>], before: Option<&Pool>) -> Option<Arc<Self>> {
        let rules = conf.auto.as_ref()?;
        let is_same = |pool: &&Pool| {
            pool.loads.len() == loads.len() && pool.loads.iter().zip(loads).all(|(a, b)| Arc::ptr_eq(a, b))
        };
        let old = before.and_then(|pool| pool.auto.as_ref()).filter(|auto| auto.rules == *rules);
        let kept = old.filter(|_| before.as_ref().is_some_and(is_same)).map(Arc::clone);
        let classes = old.map(|auto| Arc::clone(&auto.classes));
        Some(kept.unwrap_or_else(|| Arc::new(Self::new(Arc::clone(rules), classes))))
    }

    /// The rules for some requests that are in force, as bits by position.
    pub fn open(&self) -> u32 {
        self.classes.open.load(Ordering::Relaxed)
    }

    /// Sets that; requests go by it from the next one on.
    pub fn set_open(&self, open: u32) {
        if self.open() != open {
            self.classes.open.store(open, Ordering::Relaxed);
        }
    }

    /// A rule was for a request.
    pub fn ruled(&self, rule: u8) {
        if let Some(requests) = self.classes.requests.get(usize::from(rule)) {
            requests.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Requests that each rule was for, by position, since the start. Rules for all requests have none.
    pub fn requests(&self) -> impl Iterator<Item = u64> {
        self.classes.requests.iter().map(|requests| requests.load(Ordering::Relaxed))
    }

    /// One request in so many is told of.
    pub fn every(&self) -> u32 {
        self.every.load(Ordering::Relaxed)
    }

    /// Sets that, for a pool with so many requests per second.
    pub fn set_rate(&self, rate: f64) {
        self.every.store(((rate / WANTED) as u32).clamp(1, FEWEST), Ordering::Relaxed);
    }

    /// Tells something.
    pub fn note(&self, note: Note) {
        if self.notes.try_send(note).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request that came to `among` in the backend at `index` is over. Told of as often as [`Self::every`] says: the
    /// moment it ended at is chance enough.
    pub fn served(&self, now: Tick, index: usize, among: f32, took: Duration, ok: bool) {
        if mix(now.as_nanos(), index as u64).is_multiple_of(u64::from(self.every())) {
            self.note(Note::Served { cell: Cell::new(index, among), took, ok });
        }
    }

    /// Takes what was told. For the control thread alone.
    pub fn take(&self, each: impl FnMut(Note)) {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.try_iter().take(ROOM).for_each(each);
    }

    /// Notes that were lost, since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Pool {
    /// Which of the arms it learns about steers it, if it does and one of them does.
    pub fn arm(&self) -> Option<usize> {
        let rules = &self.auto.as_ref()?.rules;
        rules.position(&self.algorithm).filter(|arm| *arm < rules.learned)
    }

    /// The first of the rules in `may_be`, which are bits by position, that is in force and for a request. Costs a
    /// comparison where there are none; neither locks nor allocates.
    #[inline]
    pub fn rule_for(&self, may_be: u32, request: &mut Request<'_>) -> Option<u8> {
        if may_be == 0 {
            return None;
        }
        let auto = self.auto.as_ref()?;
        u8::try_from(auto.rules.first(may_be & auto.open(), request)?).ok()
    }

    /// The arm that picks by a rule.
    pub fn arm_of(&self, rule: u8) -> Option<usize> {
        self.auto.as_ref()?.rules.rules.get(usize::from(rule)).map(|rule| rule.arm)
    }

    /// What picks by a rule, or for requests that are under none.
    pub fn picks(&self, rule: Option<u8>) -> &Choice {
        let arm = rule.and_then(|rule| self.auto.as_ref()?.rules.arms.get(self.arm_of(rule)?));
        arm.unwrap_or(&self.algorithm)
    }
}
