//! Orders with a time limit, and orders that outlive the process: both are about what holds when nobody is
//! there to say so.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use aya_api::change::ChangeOptions;
use aya_api::event::Severity;
use aya_core::time::Tick;

use super::Control;
use super::journal::Record;
use super::orders::{Order, Plan};
use super::peer::Actor;
use crate::clock;
use crate::state::{Backend, NewEvent};

/// An order with a time limit.
#[derive(Debug)]
pub(super) struct Lease {
    subject: String,
    field: &'static str,
    back: Order,
    until: Tick,
}

impl Control {
    /// Orders in force at the last stop are in force again.
    pub fn restore(&mut self) {
        let now = clock::wall_ms();
        for record in self.journal.in_force() {
            let Some(order) = Order::of(&record).filter(|_| !record.clears) else { continue };
            if record.operation.until_ms.is_some_and(|until| until <= now) {
                self.end_missed_lease(&record);
                continue;
            }
            // Told is what really changes: from what the configuration says to what was ordered.
            let Ok(plan) = self.plan(&order) else { continue };
            let mut told = record.clone();
            plan.before().clone_into(&mut told.operation.before);
            if let (Some(until), Some(back)) = (record.operation.until_ms, back_of(&record)) {
                let until = clock::now().after(Duration::from_millis(until - now));
                let (field, subject) = order.key();
                self.leases.push(Lease { subject: subject.to_owned(), field, back, until });
            }
            self.apply(&order, &told, true);
        }
    }

    /// Orders for backends that came with a reload, or came back, hold for them too.
    pub fn restore_missing(&mut self) {
        let snapshot = self.state.snapshot.load_full();
        let is_fresh = |b: &&Arc<Backend>| b.past().history.is_empty();
        let fresh: HashSet<&str> = snapshot.backends().filter(is_fresh).map(|b| b.id.as_str()).collect();
        for record in self.journal.in_force() {
            let Some(order) = Order::of(&record).filter(|_| !record.clears) else { continue };
            let id = match &order {
                Order::Admin { id, .. } | Order::Weight { id, .. } => id,
                // The snapshot was already built with it.
                Order::Algorithm { .. } => continue,
            };
            let is_over = record.operation.until_ms.is_some_and(|until| until <= clock::wall_ms());
            if fresh.contains(id.as_str()) && !is_over {
                self.apply(&order, &record, true);
            }
        }
    }

    /// A lease that ran out while the daemon was down has reverted; that is written down, and what it went
    /// back to holds.
    fn end_missed_lease(&mut self, record: &Record) {
        let Some(back) = back_of(record) else { return };
        let by = Actor::daemon("lease ended while the daemon was down");
        match self.plan(&back).map(|plan| self.record(&plan, &back, &by, &ChangeOptions::default(), None)) {
            Ok(written) => {
                if let Err(error) = self.journal.append(written.clone()) {
                    tracing::error!(%error, "cannot write the end of a lease to the journal");
                }
                if !written.clears {
                    self.apply(&back, &written, true);
                }
            }
            Err(error) => tracing::info!(%error, "a lease ended for something that is gone"),
        }
    }

    /// Reverts orders whose time is over.
    pub fn end_leases(&mut self, now: Tick) {
        let (over, going) = std::mem::take(&mut self.leases).into_iter().partition(|l| now >= l.until);
        self.leases = going;
        let over: Vec<Lease> = over;
        for lease in over {
            let by = Actor::daemon("lease ended");
            if let Err(error) = self.order(&lease.back, &by, &ChangeOptions::default()) {
                let cause = format!("the lease ended but could not be reverted: {error}");
                self.state.events.push(NewEvent::new(Severity::Error, lease.field, lease.subject, cause));
            }
        }
    }

    /// Remembers the time limit of an order, in place of an earlier one.
    pub(super) fn lease(&mut self, plan: &Plan, for_ms: Option<u64>) {
        let subject = plan.subject().to_owned();
        let earlier = self.leases.iter().position(|l| l.subject == subject && l.field == plan.field);
        // A lease on top of a lease goes back to what was before both.
        let back = earlier.map_or_else(|| plan.back.clone(), |i| self.leases.swap_remove(i).back);
        if let Some(ms) = for_ms {
            let until = clock::now().after(Duration::from_millis(ms));
            self.leases.push(Lease { subject, field: plan.field, back, until });
        }
    }

    /// True while this value of the subject is leased.
    pub(super) fn is_leased(&self, subject: &str, field: &str) -> bool {
        self.leases.iter().any(|l| l.subject == subject && l.field == field)
    }
}

/// The order that puts back what was before a record.
fn back_of(record: &Record) -> Option<Order> {
    let mut before = record.clone();
    before.operation.after.clone_from(&record.operation.before);
    Order::of(&before)
}
