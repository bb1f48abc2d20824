//! Orders with a time limit, and orders that outlive the process: both are about what holds when nobody is
//! there to say so.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use aya_api::change::ChangeOptions;
use aya_api::error::ErrorCode;
use aya_api::event::Severity;
use aya_core::time::Tick;

use super::Control;
use super::journal::Record;
use super::orders::{Order, Plan};
use super::peer::Actor;
use crate::clock;
use crate::state::{Backend, NewEvent};

/// Wait until the end of a lease that could not be written down is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An order with a time limit.
#[derive(Debug)]
pub(super) struct Lease {
    subject: String,
    field: &'static str,
    back: Order,
    pub(super) until: Tick,
    /// The run that ordered it. It is not written down: runs do not outlive the process.
    run: Option<String>,
    /// Its end could not be written down, which was told.
    overdue: bool,
}

impl Control {
    /// Orders in force at the last stop are in force again. After a hand-over they never ceased to be, so nobody
    /// is told.
    pub fn restore(&mut self, is_told: bool) {
        let now = clock::wall_ms();
        // Orders may be about backends that an order added.
        self.restore_members();
        for record in self.journal.in_force() {
            let Some(order) = Order::of(&record).filter(|_| !record.clears) else { continue };
            if record.operation.until_ms.is_some_and(|until| until <= now) {
                self.end_missed_lease(&record);
                continue;
            }
            if matches!(order, Order::Member { .. }) {
                self.resume(&order, &record);
                continue;
            }
            // Told is what really changes: from what the configuration says to what was ordered.
            let Ok(plan) = self.plan(&order) else { continue };
            let mut told = record.clone();
            plan.before().clone_into(&mut told.operation.before);
            self.resume(&order, &record);
            if is_told {
                self.apply(&order, &told, true);
            } else {
                self.enforce(&order, &told, false);
            }
        }
    }

    /// The time limit of an order that is in force again goes on, if it has one.
    fn resume(&mut self, order: &Order, record: &Record) {
        let (field, subject) = order.key();
        if self.is_leased(subject, field) {
            return;
        }
        if let (Some(until), Some(back)) = (record.operation.until_ms, self.order_back(record)) {
            let left = Duration::from_millis(until.saturating_sub(clock::wall_ms()));
            let until = clock::now().after(left);
            self.leases.push(Lease {
                subject: subject.to_owned(),
                field,
                back,
                until,
                run: None,
                overdue: false,
            });
        }
    }

    /// The order that puts back what a lease goes back to.
    fn order_back(&self, lease: &Record) -> Option<Order> {
        let mut back = lease.clone();
        back.operation.after = self.journal.back_of(lease);
        back.sticky = lease.back_sticky;
        Order::of(&back)
    }

    /// Orders for backends that came with a reload, or came back, hold for them too.
    pub fn restore_missing(&mut self) {
        let snapshot = self.state.snapshot.load_full();
        let is_fresh = |b: &&Arc<Backend>| b.past().history.is_empty();
        let fresh: HashSet<&str> = snapshot.backends().filter(is_fresh).map(|b| b.id.as_str()).collect();
        for record in self.journal.in_force() {
            let Some(order) = Order::of(&record).filter(|_| !record.clears) else { continue };
            let id = match &order {
                Order::Admin { id, .. }
                | Order::Weight { id, .. }
                | Order::Breaker { id, .. }
                | Order::Reset { id } => id,
                // The snapshot was already built with it.
                Order::Member { .. } | Order::Algorithm { .. } => continue,
            };
            let is_over = record.operation.until_ms.is_some_and(|until| until <= clock::wall_ms());
            if fresh.contains(id.as_str()) && !is_over {
                self.resume(&order, &record);
                self.apply(&order, &record, true);
            }
        }
    }

    /// A lease that ran out while the daemon was down has reverted; that is written down, and what it went
    /// back to holds.
    fn end_missed_lease(&mut self, record: &Record) {
        let Some(back) = self.order_back(record) else { return };
        let by = Actor::daemon("lease ended while the daemon was down");
        match self.plan(&back).map(|plan| self.record(&plan, &back, &by, &ChangeOptions::default(), None)) {
            Ok(written) => {
                // When that fails the next start does the same again.
                if let Err(error) = self.write_down(written.clone()) {
                    tracing::error!(%error, "cannot write the end of a lease to the journal");
                }
                if !written.clears {
                    self.apply(&back, &written, true);
                }
            }
            Err(error) => tracing::info!(%error, "a lease ended for something that is gone"),
        }
    }

    /// Reverts orders whose time is over. One whose end cannot be written down is tried until it can.
    pub fn end_leases(&mut self, now: Tick) {
        let is_over = |lease: &&Lease| now >= lease.until;
        let over: Vec<Order> = self.leases.iter().filter(is_over).map(|l| l.back.clone()).collect();
        for back in over {
            let by = Actor::daemon("lease ended");
            // The order takes the lease off the list.
            let Err(error) = self.order(&back, &by, &ChangeOptions::default()) else { continue };
            let (field, subject) = back.key();
            let Some(at) = self.leases.iter().position(|l| l.subject == subject && l.field == field) else {
                continue;
            };
            let told = self.leases[at].overdue;
            if error.code == ErrorCode::Unavailable {
                self.leases[at].until = now.after(RETRY_AFTER);
                self.leases[at].overdue = true;
            } else {
                self.leases.swap_remove(at);
            }
            if !told {
                let cause = format!("the lease ended but could not be reverted: {error}");
                self.state.events.push(NewEvent::new(Severity::Error, field, subject, cause));
            }
        }
    }

    /// What a lease made now goes back to: on top of a lease, what was before both.
    pub(super) fn back_from(&self, plan: &Plan) -> Order {
        let earlier = self.leases.iter().find(|l| l.subject == plan.subject() && l.field == plan.field);
        earlier.map_or(&plan.back, |lease| &lease.back).clone()
    }

    /// Remembers the time limit of an order, in place of an earlier one.
    pub(super) fn lease(&mut self, plan: &Plan, options: &ChangeOptions) {
        let back = self.back_from(plan);
        let subject = plan.subject().to_owned();
        self.leases.retain(|l| l.subject != subject || l.field != plan.field);
        if let Some(ms) = options.for_ms {
            let until = clock::now().after(Duration::from_millis(ms));
            let run = options.run.clone();
            self.leases.push(Lease { subject, field: plan.field, back, until, run, overdue: false });
        }
    }

    /// What a run ordered for a time is over now: nobody is there any more to put it back.
    pub(super) fn end_leases_of_run(&mut self, run: &str) {
        let now = clock::now();
        for lease in self.leases.iter_mut().filter(|lease| lease.run.as_deref() == Some(run)) {
            lease.until = lease.until.min(now);
        }
    }

    /// True while this value of the subject is leased.
    pub(super) fn is_leased(&self, subject: &str, field: &str) -> bool {
        self.leases.iter().any(|l| l.subject == subject && l.field == field)
    }
}
