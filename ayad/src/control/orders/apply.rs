//! Makes orders hold: in the cells of backends, and for algorithms in the next snapshot. What arrives here was planned
//! and written down, or read back from the journal, so nothing is refused; a subject that is gone is left alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aya_api::axis::{Admin as AdminWord, StickyDrain};
use aya_api::event::Severity;
use aya_core::axis::Admin;
use aya_core::pick::Choice;

use super::Order;
use crate::clock;
use crate::config::Backend;
use crate::config::raw::auto::AUTO;
use crate::control::journal::Record;
use crate::control::{AlgorithmOrder, Control};
use crate::state::{AdminOrder, NewEvent, PastEntry};

impl Control {
    /// Makes an order hold, and returns the new revision of its subject.
    pub(in crate::control) fn apply(&mut self, order: &Order, record: &Record, restored: bool) -> u64 {
        let operation = &record.operation;
        let cause = operation.reason.clone().unwrap_or_else(|| {
            if restored { "restored from the journal".to_owned() } else { "ordered".to_owned() }
        });
        let event = NewEvent::new(Severity::Info, order.key().0, order.key().1, cause.clone())
            .change(operation.before.as_str(), operation.after.as_str())
            .ordered(Some(operation.by.clone()), Some(operation.op.clone()));
        let rev = self.enforce(order, record, restored);
        if let Ok(backend) = self.find_backend(order.key().1) {
            backend.past().remember(PastEntry {
                at_ms: clock::wall_ms(),
                axis: order.key().0,
                from: operation.before.clone(),
                to: operation.after.clone(),
                cause,
                by: Some(operation.by.clone()),
            });
        }
        self.state.events.push(event);
        rev
    }

    /// Makes an order hold and tells nobody.
    pub(in crate::control) fn enforce(&mut self, order: &Order, record: &Record, restored: bool) -> u64 {
        match order {
            Order::Admin { id, state, .. } => self.apply_admin(id, *state, record, restored),
            Order::Weight { id, weight } => self.apply_weight(id, *weight, record, restored),
            Order::Member { id, pool, member } => self.apply_member(id, pool, member.as_deref()),
            Order::Breaker { id, order } => self.apply_breaker(id, *order, record, restored),
            Order::Reset { id } => self.apply_reset(id),
            Order::Algorithm { pool, name } => self.apply_algorithm(pool, name, record, restored),
        }
    }

    fn apply_admin(&self, id: &str, state: AdminWord, record: &Record, restored: bool) -> u64 {
        let Ok(backend) = self.find_backend(id) else { return 0 };
        let is_sticky = self.find_pool(&backend.pool).is_ok_and(|p| p.conf.sticky.is_some());
        let honour = is_sticky && record.sticky != Some(StickyDrain::Move);
        let rev = self.state.next_rev();
        let admin = match state {
            AdminWord::Ready => Admin::Ready,
            AdminWord::Draining | AdminWord::Drained => Admin::Draining,
            AdminWord::Maint => Admin::Maint,
        };
        backend.past().admin = AdminOrder {
            since_ms: record.operation.at_ms,
            by: Some(record.operation.by.clone()),
            reason: record.operation.reason.clone(),
            until_ms: record.operation.until_ms,
            restored,
            sticky: record.sticky.filter(|_| is_sticky),
        };
        // Bound clients may come from now on; the quiet time begins here.
        backend.bound_request(clock::now());
        backend.load.set_admin(admin, admin == Admin::Draining && honour);
        if admin != Admin::Ready {
            backend.close_idle();
        }
        backend.rev.store(rev, Ordering::Relaxed);
        rev
    }

    fn apply_weight(&self, id: &str, weight: u32, record: &Record, restored: bool) -> u64 {
        let Ok(backend) = self.find_backend(id) else { return 0 };
        let rev = self.state.next_rev();
        let mut past = backend.past();
        past.weight_until_ms = record.operation.until_ms;
        past.weight_restored = restored;
        drop(past);
        backend.load.set_weight(weight);
        backend.rev.store(rev, Ordering::Relaxed);
        rev
    }

    fn apply_member(&mut self, id: &str, pool: &str, member: Option<&Backend>) -> u64 {
        let name = id.split_once('/').map_or(id, |(_, name)| name);
        self.set_member(pool, name, member);
        self.find_pool(pool).map_or(0, |pool| pool.rev)
    }

    fn apply_algorithm(&mut self, name: &str, algorithm: &str, record: &Record, restored: bool) -> u64 {
        let is_auto = algorithm == AUTO;
        let steering = || self.find_pool(name).ok().and_then(|pool| self.autos.steering(&pool));
        let choice = if is_auto { steering() } else { algorithm.parse::<Choice>().ok() };
        let Some(choice) = choice else { return 0 };
        let rev = self.state.next_rev();
        let before = self.state.snapshot.load_full();
        let mut snapshot = (*before).clone();
        for pool in snapshot.pools.iter_mut().filter(|p| p.name == name) {
            *pool = Arc::new(pool.with_algorithm(choice, rev, rev));
            // What somebody orders is for all requests, and at once.
            if let Some(auto) = pool.auto.as_ref().filter(|_| !(is_auto || record.clears)) {
                auto.set_open(0);
            }
        }
        self.state.publish(&Arc::new(snapshot));
        let note = AlgorithmOrder { until_ms: record.operation.until_ms, restored };
        // What the configuration says is no order: nobody is overruled who has taken theirs back.
        if is_auto || record.clears {
            self.algorithm_orders.remove(name);
        } else {
            self.algorithm_orders.insert(name.to_owned(), note);
        }
        rev
    }

    /// The algorithms ordered for pools, while those orders are in force.
    pub fn ordered_algorithms(&self) -> HashMap<String, Choice> {
        let orders = self.journal.in_force().into_iter();
        let orders = orders.filter(|r| r.operation.field == "algorithm" && !r.clears);
        orders.filter_map(|r| Some((r.operation.subject, r.operation.after.parse().ok()?))).collect()
    }
}
