//! Orders of operators: admin state, weight, algorithm. One way for all of them: plan, write down, apply.

mod apply;
pub(super) mod breaker;
mod plan;

use std::io;
use std::time::Duration;

use aya_api::SCHEMA_VERSION;
use aya_api::axis::{Admin as AdminWord, BreakerOrder, StickyDrain};
use aya_api::change::{Change, ChangeOptions, Operation};
use aya_api::error::{ApiError, ErrorCode};

pub(super) use self::plan::{Plan, Target};
use super::journal::Record;
use super::peer::Actor;
use super::{Control, members};
use crate::clock;
use crate::config::Backend;

/// Longest lease.
const LONGEST_LEASE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Longest reason, in bytes.
pub(super) const LONGEST_REASON: usize = 500;

/// What is ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Admin state of a backend.
    Admin {
        /// `pool/backend`.
        id: String,
        /// The state.
        state: AdminWord,
        /// What happens to bound clients while draining.
        sticky: Option<StickyDrain>,
    },
    /// Weight of a backend.
    Weight {
        /// `pool/backend`.
        id: String,
        /// The weight.
        weight: u32,
    },
    /// A backend that operators added to a pool.
    Member {
        /// `pool/backend`.
        id: String,
        /// The pool.
        pool: String,
        /// What is known of it; nobody when it is taken out.
        member: Option<Box<Backend>>,
    },
    /// What people make of the breaker of a backend.
    Breaker {
        /// `pool/backend`.
        id: String,
        /// The order.
        order: BreakerOrder,
    },
    /// Forgetting what breaker and outlier detection learned of a backend: once, so it is never in force.
    Reset {
        /// `pool/backend`.
        id: String,
    },
    /// Algorithm of a pool.
    Algorithm {
        /// The pool.
        pool: String,
        /// Its name in the table.
        name: String,
    },
}

impl Order {
    /// Field and subject as the journal names them.
    pub fn key(&self) -> (&'static str, &str) {
        match self {
            Self::Admin { id, .. } => ("admin", id),
            Self::Weight { id, .. } => ("weight", id),
            Self::Member { id, .. } => (members::FIELD, id),
            Self::Breaker { id, .. } => ("breaker-order", id),
            Self::Reset { id } => ("learned", id),
            Self::Algorithm { pool, .. } => ("algorithm", pool),
        }
    }

    /// The value as the journal writes it.
    pub fn value(&self) -> String {
        match self {
            Self::Admin { state, .. } => state.as_str().to_owned(),
            Self::Weight { weight, .. } => weight.to_string(),
            Self::Member { member, .. } => members::text(member.as_deref()),
            Self::Breaker { order, .. } => order.as_str().to_owned(),
            Self::Reset { .. } => "nothing".to_owned(),
            Self::Algorithm { name, .. } => name.clone(),
        }
    }

    /// The order that a record of the journal stands for; `None` for fields of newer versions.
    pub fn of(record: &Record) -> Option<Self> {
        let Operation { subject, field, after, .. } = &record.operation;
        match field.as_str() {
            "admin" => {
                let state = after.parse().ok()?;
                let state = if state == AdminWord::Drained { AdminWord::Draining } else { state };
                Some(Self::Admin { id: subject.clone(), state, sticky: record.sticky })
            }
            "weight" => Some(Self::Weight { id: subject.clone(), weight: after.parse().ok()? }),
            members::FIELD => members::order(subject, after),
            "breaker-order" => Some(Self::Breaker { id: subject.clone(), order: after.parse().ok()? }),
            "algorithm" => Some(Self::Algorithm { pool: subject.clone(), name: after.clone() }),
            _ => None,
        }
    }
}

impl Control {
    /// Carries out an order, or says why not.
    pub fn order(&mut self, order: &Order, by: &Actor, options: &ChangeOptions) -> Result<Change, ApiError> {
        self.check_in_charge()?;
        let plan = self.plan_for(order, options)?;
        check_options(options, &plan, || self.who_changed(&plan))?;
        let leased = self.is_leased(plan.subject(), plan.field);
        let changed = plan.before != plan.after || options.for_ms.is_some() || leased;
        let until_ms = options.for_ms.filter(|_| changed).map(|ms| clock::wall_ms().saturating_add(ms));
        let mut change = Change {
            schema_version: SCHEMA_VERSION,
            op: None,
            changed,
            dry_run: options.dry_run,
            subject: plan.subject().to_owned(),
            field: plan.field.to_owned(),
            before: plan.before.clone(),
            after: plan.after.clone(),
            undo: (changed && !plan.undo.is_empty()).then(|| plan.undo.clone()),
            until_ms,
            rev: plan.rev,
            warnings: plan.warnings.clone(),
        };
        if !changed || options.dry_run {
            return Ok(change);
        }
        let record = self.record(&plan, order, by, options, until_ms);
        self.write_down(record.clone()).map_err(|error| {
            let message = format!("the journal cannot be written: {error}; nothing was changed");
            ApiError::new(ErrorCode::Unavailable, message, journal_hint(&error))
        })?;
        change.rev = self.apply(order, &record, false);
        self.lease(&plan, options);
        change.op = Some(record.operation.op);
        Ok(change)
    }

    /// Appends to the journal. What else went wrong there is an event.
    pub(super) fn write_down(&mut self, record: Record) -> io::Result<()> {
        let written = self.journal.append(record);
        self.tell_troubles();
        written
    }

    pub(super) fn record(
        &self,
        plan: &Plan,
        order: &Order,
        by: &Actor,
        options: &ChangeOptions,
        until_ms: Option<u64>,
    ) -> Record {
        let sticky = match order {
            Order::Admin { state: AdminWord::Draining, sticky, .. } => sticky.or(Some(StickyDrain::Honour)),
            _ => None,
        };
        let back = until_ms.map(|_| self.back_from(plan));
        Record {
            operation: Operation {
                op: self.journal.next_op(),
                at_ms: clock::wall_ms(),
                by: by.name.clone(),
                reason: options.reason.clone(),
                subject: plan.subject().to_owned(),
                field: plan.field.to_owned(),
                before: plan.before.clone(),
                after: plan.after.clone(),
                until_ms,
            },
            sticky,
            back: back.as_ref().map(Order::value),
            back_sticky: back.and_then(|back| match back {
                Order::Admin { sticky, .. } => sticky,
                _ => None,
            }),
            clears: plan.after == plan.configured && until_ms.is_none(),
        }
    }

    /// Orders that nobody would write down are refused: another process has, or is about to have, the journal.
    pub(super) fn check_in_charge(&self) -> Result<(), ApiError> {
        if self.upgrades.is_frozen() {
            let hint = "repeat it in a moment: the new process answers at the same socket";
            return Err(ApiError::new(ErrorCode::Unavailable, "another process is taking over", hint));
        }
        Ok(())
    }

    fn who_changed(&self, plan: &Plan) -> String {
        match self.journal.newest_of(plan.subject()) {
            Some(Record { operation: o, .. }) => {
                format!("{} changed {} from {} to {} ({})", o.by, o.field, o.before, o.after, o.op)
            }
            None => "the configuration changed it".to_owned(),
        }
    }
}

fn journal_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the disk of state_dir",
        io::ErrorKind::PermissionDenied => "check the owner of state_dir",
        _ => "check state_dir and the disk it is on",
    }
}

fn check_options(options: &ChangeOptions, plan: &Plan, who: impl Fn() -> String) -> Result<(), ApiError> {
    if options.if_rev.is_some_and(|rev| rev != plan.rev) {
        let message = format!("{} is at revision {} now: {}", plan.subject(), plan.rev, who());
        return Err(ApiError::new(ErrorCode::Conflict, message, "look at it again, then repeat the change"));
    }
    if options.for_ms.is_some_and(|ms| ms == 0 || u128::from(ms) > LONGEST_LEASE.as_millis()) {
        let message = format!("a lease of {} ms is not possible", options.for_ms.unwrap_or_default());
        return Err(ApiError::new(ErrorCode::BadValue, message, "leases last from 1 ms to 30 days"));
    }
    if options.reason.as_ref().is_some_and(|r| r.len() > LONGEST_REASON) {
        let message = format!("the reason has over {LONGEST_REASON} bytes");
        return Err(ApiError::new(ErrorCode::BadValue, message, "put the story into a ticket and name that"));
    }
    Ok(())
}
