//! One fault that is injected: whom it reaches now, what it counts, and how those that it holds learn of its end.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use aya_api::fault::{Fault, Observed, Per, Skipped};
use aya_core::chaos::target::HeadRule;
use aya_core::chaos::{cap, drop_first, interval, share};
use aya_core::time::Tick;
use ipnet::IpNet;
use tokio::sync::Notify;

use super::FaultOrder;
use super::reach::{BadTarget, Reach};
use crate::clock;
use crate::state::Padded;

/// What kept something from being hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Faults hit as large a share of the pool's requests as they may.
    MaxTraffic,
    /// The fault holds as many as it may.
    MaxHeld,
    /// Too few backends of the pool would be left.
    MinReady,
    /// It came too late, or by a protocol that does not allow it.
    NotPossible,
}

impl Cause {
    const ALL: [Self; 4] = [Self::MaxTraffic, Self::MaxHeld, Self::MinReady, Self::NotPossible];

    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MaxTraffic => "max-traffic",
            Self::MaxHeld => "max-held",
            Self::MinReady => "min-ready",
            Self::NotPossible => "not-possible",
        }
    }
}

/// A fault that is injected.
#[derive(Debug)]
pub struct Active {
    order: FaultOrder,
    /// Tells it from all others of the process.
    serial: u64,
    since: Tick,
    head: HeadRule,
    client: Option<IpNet>,
    reach: ArcSwap<Reach>,
    matched: Padded<AtomicU64>,
    hit: Padded<AtomicU64>,
    held: Padded<AtomicU64>,
    skipped: [AtomicU64; Cause::ALL.len()],
    /// Attempts so far, by backend: for a fault that is for the first ones.
    attempts: Mutex<HashMap<u64, u64>>,
    /// Since when which attempts wait because of it, with the numbers of their backends.
    waiting: Mutex<HashMap<u64, (u64, Tick)>>,
    is_over: AtomicBool,
    over: Notify,
}

impl Active {
    /// A fault that begins now.
    pub(super) fn new(order: FaultOrder, reach: Reach) -> Result<Self, BadTarget> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let client = order.target.client.as_deref().map(network).transpose()?;
        let head = HeadRule {
            method: order.target.method.clone(),
            path: order.target.path.clone(),
            header: order.target.header.as_deref().map(HeadRule::header_of),
        };
        Ok(Self {
            order,
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            since: clock::now(),
            head,
            client,
            reach: ArcSwap::from_pointee(reach),
            matched: Padded::default(),
            hit: Padded::default(),
            held: Padded::default(),
            skipped: Default::default(),
            attempts: Mutex::default(),
            waiting: Mutex::default(),
            is_over: AtomicBool::new(false),
            over: Notify::new(),
        })
    }

    /// As it was ordered.
    pub fn order(&self) -> &FaultOrder {
        &self.order
    }

    /// Since when it is injected.
    pub fn since(&self) -> Tick {
        self.since
    }

    /// Whom it reaches now.
    pub fn reach(&self) -> Arc<Reach> {
        self.reach.load_full()
    }

    /// Whom it reaches from now on.
    pub(super) fn reaches(&self, reach: Reach) {
        let reach = reach.after(&self.reach.load());
        self.reach.store(Arc::new(reach));
    }

    /// What became of what matched.
    pub fn observed(&self) -> Observed {
        // In this order, so that no more are hit than matched.
        let hit = self.hit.load(Ordering::Acquire);
        let matched = self.matched.load(Ordering::Acquire);
        let share = (matched > 0).then(|| hit as f64 / matched as f64);
        let (low, high) = interval::wilson(hit, matched);
        let skipped = Cause::ALL.iter().zip(&self.skipped).filter_map(|(cause, count)| {
            let count = count.load(Ordering::Relaxed);
            (count > 0).then(|| Skipped { cause: cause.as_str().to_owned(), count })
        });
        Observed {
            matched,
            hit,
            share,
            low: share.map(|_| low),
            high: share.map(|_| high),
            held: self.held.load(Ordering::Relaxed),
            skipped: skipped.collect(),
        }
    }

    /// Counts something that was meant to be hit and is not.
    pub fn skip(&self, cause: Cause) {
        self.skipped[cause as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// True once it has ended.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// It has ended: all that it holds goes on.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.over.notify_waiters();
    }

    /// Waits for its end. Cancel-safe.
    pub async fn over(&self) {
        let mut notified = pin!(self.over.notified());
        // From here on no end is missed.
        notified.as_mut().enable();
        if !self.is_over() {
            notified.await;
        }
    }

    /// Counts one that is hit.
    pub(super) fn count_hit(&self) {
        self.hit.fetch_add(1, Ordering::Release);
    }

    /// True when nothing but the backend decides whether it is meant.
    pub(super) fn is_for_backends_alone(&self) -> bool {
        self.head.is_empty() && self.client.is_none() && self.order.target.route.is_none()
    }

    /// Whether it is for a request with this head, of this client.
    pub(super) fn is_for(&self, head: &[u8], client: IpAddr) -> bool {
        self.client.is_none_or(|net| net.contains(&client)) && self.head.holds(head)
    }

    /// Counts a match, and decides whether it is hit. Under one seed the n-th always fares the same. Gives that n.
    pub(super) fn draw(&self, marks: &Marks) -> Option<u64> {
        match self.order.per {
            Per::Request => self.draw_next(),
            Per::Connection => {
                // Every holder leaves a whole list behind.
                let mut marks = marks.0.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(mark) = marks.iter().find(|mark| mark.serial == self.serial) {
                    return mark.drawn;
                }
                let drawn = self.draw_next();
                marks.push(Mark { serial: self.serial, drawn, is_counted: false });
                drawn
            }
        }
    }

    fn draw_next(&self) -> Option<u64> {
        let number = self.matched.fetch_add(1, Ordering::AcqRel);
        share::is_hit(self.order.seed, number, self.order.share).then_some(number)
    }

    /// True when each hit counts by itself; false when the first of a connection counts for all.
    pub(super) fn counts_each(&self) -> bool {
        self.order.per == Per::Request
    }

    /// Whether this attempt is among the first `count` at a backend.
    pub(super) fn is_among_first(&self, count: u64, token: u64) -> bool {
        // Every holder leaves a whole map behind.
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let before = attempts.entry(token).or_default();
        let is_dropped = drop_first::is_dropped(count, *before);
        *before += u64::from(is_dropped);
        is_dropped
    }

    /// Holds one more, unless it holds as many as it may.
    pub(super) fn hold(self: &Arc<Self>) -> Option<Held> {
        let is_held = cap::try_hold(&self.held, self.order.limits.max_held);
        is_held.then(|| Held { by: Arc::clone(self), waits: None })
    }

    /// The same for an attempt at the backend `token` that waits from `now` on: how long is seen by stop conditions.
    pub(super) fn hold_waiting(self: &Arc<Self>, token: u64, now: Tick) -> Option<Held> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mut held = self.hold()?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        self.waiting().insert(number, (token, now));
        held.waits = Some(number);
        Some(held)
    }

    /// How long those wait by `now` that wait at one of the backends `tokens`.
    pub(super) fn waits(&self, tokens: &[u64], now: Tick) -> Vec<Duration> {
        let waiting = self.waiting();
        let of = waiting.values().filter(|(token, _)| tokens.contains(token));
        of.map(|(_, since)| now.since(*since)).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, (u64, Tick)>> {
        // Every holder leaves a whole map behind.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its id and kind, as they are told.
    pub(super) fn note(&self, note: &mut String) {
        if !note.is_empty() {
            note.push_str(", ");
        }
        note.push_str(&self.order.id);
        note.push(' ');
        note.push_str(self.order.fault.kind());
    }

    /// What it does.
    pub(super) fn fault(&self) -> &Fault {
        &self.order.fault
    }
}

/// Something that a fault holds; it counts as held until this is dropped.
#[derive(Debug)]
pub struct Held {
    by: Arc<Active>,
    /// Its number among those that wait.
    waits: Option<u64>,
}

impl Held {
    /// By which fault.
    pub fn by(&self) -> &Arc<Active> {
        &self.by
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.by.held.fetch_sub(1, Ordering::Relaxed);
        if let Some(number) = self.waits {
            self.by.waiting().remove(&number);
        }
    }
}

/// What was decided about one client connection by faults that decide by connection.
#[derive(Debug, Default)]
pub struct Marks(Mutex<Vec<Mark>>);

#[derive(Debug)]
struct Mark {
    /// Of the fault.
    serial: u64,
    /// The number of the connection among those that matched, when it is hit.
    drawn: Option<u64>,
    is_counted: bool,
}

impl Marks {
    /// True the first time that the fault hits something of this connection.
    pub(super) fn is_new_hit(&self, active: &Active) -> bool {
        // Every holder leaves a whole list behind.
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = marks.iter_mut().find(|mark| mark.serial == active.serial);
        mark.is_some_and(|mark| !std::mem::replace(&mut mark.is_counted, true))
    }
}

fn network(written: &str) -> Result<IpNet, BadTarget> {
    let address = written.parse::<IpAddr>().map(IpNet::from);
    written.parse().or(address).map_err(|_| BadTarget::BadClient(written.to_owned()))
}
