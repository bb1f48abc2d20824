//! Orders of operators: admin state, weight, algorithm. One way for all of them: plan, write down, apply.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aya_api::SCHEMA_VERSION;
use aya_api::axis::{Admin as AdminWord, StickyDrain};
use aya_api::change::{Change, ChangeOptions, Operation};
use aya_api::command::weight::MAX_WEIGHT;
use aya_api::error::{ApiError, ErrorCode};
use aya_api::event::Severity;
use aya_core::axis::Admin;
use aya_core::pick::{self, PICKERS, PickerSpec};

use super::Control;
use super::journal::Record;
use super::peer::Actor;
use crate::clock;
use crate::state::{AdminOrder, Backend, NewEvent, PastEntry, Pool};

/// Longest lease.
const LONGEST_LEASE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Longest reason, in bytes.
const LONGEST_REASON: usize = 500;

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
    /// Algorithm of a pool.
    Algorithm {
        /// The pool.
        pool: String,
        /// Its name in the table.
        name: String,
    },
}

/// What an order would do.
pub(super) struct Plan {
    target: Target,
    pub(super) field: &'static str,
    before: String,
    after: String,
    configured: String,
    rev: u64,
    undo: String,
    pub(super) back: Order,
    warnings: Vec<String>,
}

enum Target {
    Backend(Arc<Backend>),
    Pool(Arc<Pool>),
}

impl Order {
    /// Field and subject as the journal names them.
    pub fn key(&self) -> (&'static str, &str) {
        match self {
            Self::Admin { id, .. } => ("admin", id),
            Self::Weight { id, .. } => ("weight", id),
            Self::Algorithm { pool, .. } => ("algorithm", pool),
        }
    }

    /// The value as the journal writes it.
    pub fn value(&self) -> String {
        match self {
            Self::Admin { state, .. } => state.as_str().to_owned(),
            Self::Weight { weight, .. } => weight.to_string(),
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
            "algorithm" => Some(Self::Algorithm { pool: subject.clone(), name: after.clone() }),
            _ => None,
        }
    }
}

impl Control {
    /// Carries out an order, or says why not.
    pub fn order(&mut self, order: &Order, by: &Actor, options: &ChangeOptions) -> Result<Change, ApiError> {
        self.check_in_charge()?;
        let plan = self.plan(order)?;
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
            undo: changed.then(|| plan.undo.clone()),
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
        self.lease(&plan, options.for_ms);
        change.op = Some(record.operation.op);
        Ok(change)
    }

    /// Appends to the journal. What else went wrong there is an event.
    pub(super) fn write_down(&mut self, record: Record) -> io::Result<()> {
        let written = self.journal.append(record);
        self.tell_troubles();
        written
    }

    pub(super) fn plan(&self, order: &Order) -> Result<Plan, ApiError> {
        match order {
            Order::Admin { id, state, .. } => self.plan_admin(id, *state),
            Order::Weight { id, weight } => self.plan_weight(id, *weight),
            Order::Algorithm { pool, name } => self.plan_algorithm(pool, name),
        }
    }

    fn plan_admin(&self, id: &str, state: AdminWord) -> Result<Plan, ApiError> {
        let backend = self.find_backend(id)?;
        if state == AdminWord::Drained {
            let hint = "order `draining`; it becomes `drained` when nothing is in flight";
            return Err(ApiError::new(ErrorCode::BadValue, "\"drained\" cannot be ordered", hint));
        }
        let now = backend.load.admin();
        let before = now.as_str().to_owned();
        let already = now == Admin::Drained && state == AdminWord::Draining;
        let after = if already { before.clone() } else { state.as_str().to_owned() };
        let back = match now {
            Admin::Ready => AdminWord::Ready,
            Admin::Draining | Admin::Drained => AdminWord::Draining,
            Admin::Maint => AdminWord::Maint,
        };
        let verb = if back == AdminWord::Draining { "drain" } else { back.as_str() };
        let sticky = backend.past().admin.sticky;
        Ok(Plan {
            field: "admin",
            configured: AdminWord::Ready.as_str().to_owned(),
            rev: backend.rev.load(Ordering::Relaxed),
            undo: format!("ayactl {verb} {id}"),
            back: Order::Admin { id: id.to_owned(), state: back, sticky },
            warnings: self.warn_admin(&backend, state),
            target: Target::Backend(backend),
            before,
            after,
        })
    }

    fn plan_weight(&self, id: &str, weight: u32) -> Result<Plan, ApiError> {
        let backend = self.find_backend(id)?;
        if weight > MAX_WEIGHT {
            let message = format!("weight {weight} is over {MAX_WEIGHT}");
            let hint = "weights are relative: only their ratio counts";
            return Err(ApiError::new(ErrorCode::BadValue, message, hint));
        }
        let before = backend.load.weight();
        let configured = backend.past().configured_weight.to_string();
        Ok(Plan {
            field: "weight",
            before: before.to_string(),
            after: weight.to_string(),
            configured,
            rev: backend.rev.load(Ordering::Relaxed),
            undo: format!("ayactl weight set {id}={before}"),
            back: Order::Weight { id: id.to_owned(), weight: before },
            warnings: self.warn_weight(&backend, weight),
            target: Target::Backend(backend),
        })
    }

    fn plan_algorithm(&self, name: &str, algorithm: &str) -> Result<Plan, ApiError> {
        let pool = self.find_pool(name)?;
        if pick::find(algorithm).is_none() {
            let names = PICKERS.iter().map(|p| p.name);
            let message = format!("\"{algorithm}\" is no algorithm");
            return Err(ApiError::new(ErrorCode::BadValue, message, super::suggest(algorithm, names)));
        }
        let before = pool.algorithm.name.to_owned();
        Ok(Plan {
            field: "algorithm",
            after: algorithm.to_owned(),
            configured: pool.conf.algorithm.name.to_owned(),
            rev: pool.rev,
            undo: format!("ayactl algorithm set {name} {before}"),
            back: Order::Algorithm { pool: name.to_owned(), name: before.clone() },
            warnings: Vec::new(),
            target: Target::Pool(pool),
            before,
        })
    }

    fn warn_admin(&self, backend: &Arc<Backend>, state: AdminWord) -> Vec<String> {
        let now = clock::now();
        let snapshot = self.state.snapshot.load();
        let others = snapshot.pool(&backend.pool).into_iter().flat_map(|p| &p.backends);
        let others = others.filter(|b| !Arc::ptr_eq(b, backend) && b.load.eligible(now)).count();
        if state == AdminWord::Ready || others > 0 {
            return Vec::new();
        }
        vec![format!(
            "no other backend of pool {} is eligible: its requests will get 503 no-backend",
            backend.pool
        )]
    }

    fn warn_weight(&self, backend: &Arc<Backend>, weight: u32) -> Vec<String> {
        let snapshot = self.state.snapshot.load();
        let Some(pool) = snapshot.pool(&backend.pool) else { return Vec::new() };
        let mut warnings = Vec::new();
        if !pool.algorithm.weighted {
            warnings.push(format!("{} does not look at weights", pool.algorithm.name));
        }
        let others = pool.backends.iter().filter(|b| !Arc::ptr_eq(b, backend));
        if pool.algorithm.weighted && weight == 0 && others.map(|b| b.load.weight()).sum::<u32>() == 0 {
            warnings.push(format!(
                "every weight of pool {} is 0: its requests will get 503 no-backend",
                pool.name
            ));
        }
        warnings
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
            Order::Admin { .. } | Order::Weight { .. } | Order::Algorithm { .. } => None,
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
                Order::Weight { .. } | Order::Algorithm { .. } => None,
            }),
            clears: plan.after == plan.configured && until_ms.is_none(),
        }
    }

    /// Makes an order hold, and returns the new revision of its subject.
    pub(super) fn apply(&mut self, order: &Order, record: &Record, restored: bool) -> u64 {
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

    /// Orders that nobody would write down are refused: another process has, or is about to have, the journal.
    pub(super) fn check_in_charge(&self) -> Result<(), ApiError> {
        if self.upgrades.is_frozen() {
            let hint = "repeat it in a moment: the new process answers at the same socket";
            return Err(ApiError::new(ErrorCode::Unavailable, "another process is taking over", hint));
        }
        Ok(())
    }

    /// Makes an order hold and tells nobody.
    pub(super) fn enforce(&mut self, order: &Order, record: &Record, restored: bool) -> u64 {
        match order {
            Order::Admin { id, state, .. } => self.apply_admin(id, *state, record, restored),
            Order::Weight { id, weight } => self.apply_weight(id, *weight, record, restored),
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

    fn apply_algorithm(&mut self, name: &str, algorithm: &str, record: &Record, restored: bool) -> u64 {
        let Some(spec) = pick::find(algorithm) else { return 0 };
        let rev = self.state.next_rev();
        let before = self.state.snapshot.load_full();
        let mut snapshot = (*before).clone();
        for pool in snapshot.pools.iter_mut().filter(|p| p.name == name) {
            *pool = Arc::new(pool.with_algorithm(spec, rev));
        }
        self.state.snapshot.store(Arc::new(snapshot));
        let note = super::AlgorithmOrder { until_ms: record.operation.until_ms, restored };
        self.algorithm_orders.insert(name.to_owned(), note);
        rev
    }

    /// The algorithms ordered for pools, while those orders are in force.
    pub fn ordered_algorithms(&self) -> HashMap<String, &'static PickerSpec> {
        let orders = self.journal.in_force().into_iter();
        let orders = orders.filter(|r| r.operation.field == "algorithm" && !r.clears);
        orders.filter_map(|r| Some((r.operation.subject, pick::find(&r.operation.after)?))).collect()
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

impl Plan {
    /// The value before.
    pub(super) fn before(&self) -> &str {
        &self.before
    }

    /// What it is about.
    pub(super) fn subject(&self) -> &str {
        match &self.target {
            Target::Backend(backend) => &backend.id,
            Target::Pool(pool) => &pool.name,
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
