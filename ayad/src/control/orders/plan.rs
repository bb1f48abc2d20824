//! What an order would do, before anything of it is done: the values before and after, the way back, and what whoever
//! orders it should know. Reads the state and changes nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use aya_api::axis::Admin as AdminWord;
use aya_api::change::ChangeOptions;
use aya_api::command::weight::MAX_WEIGHT;
use aya_api::error::{ApiError, ErrorCode};
use aya_core::axis::Admin;
use aya_core::pick::{Choice, ChoiceError};

use super::Order;
use crate::clock;
use crate::config::raw::auto::AUTO;
use crate::control::{Control, suggest};
use crate::state::{Backend, Pool};

/// What an order would do.
pub(in crate::control) struct Plan {
    pub(in crate::control) target: Target,
    pub(in crate::control) field: &'static str,
    pub(in crate::control) before: String,
    pub(in crate::control) after: String,
    pub(in crate::control) configured: String,
    pub(in crate::control) rev: u64,
    pub(in crate::control) undo: String,
    pub(in crate::control) back: Order,
    pub(in crate::control) warnings: Vec<String>,
}

/// What it is about.
pub(in crate::control) enum Target {
    Backend(Arc<Backend>),
    /// A backend that may not be there.
    Member(String),
    Pool(Arc<Pool>),
}

impl Control {
    /// As [`Control::plan`], where it matters how the change is to be made.
    pub(super) fn plan_for(&self, order: &Order, options: &ChangeOptions) -> Result<Plan, ApiError> {
        match order {
            Order::Reset { id } => self.plan_reset(id, options.for_ms.is_some()),
            _ => self.plan(order),
        }
    }

    pub(in crate::control) fn plan(&self, order: &Order) -> Result<Plan, ApiError> {
        match order {
            Order::Admin { id, state, .. } => self.plan_admin(id, *state),
            Order::Weight { id, weight } => self.plan_weight(id, *weight),
            Order::Member { id, pool, member } => self.plan_member(id, pool, member.as_deref()),
            Order::Breaker { id, order } => self.plan_breaker(id, *order),
            Order::Reset { id } => self.plan_reset(id, false),
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
        let is_held = self.is_auto_held(&pool);
        let (before, configured) = match &pool.auto {
            Some(_) if is_held => (pool.algorithm.to_string(), AUTO.to_owned()),
            Some(_) => (AUTO.to_owned(), AUTO.to_owned()),
            None => (pool.algorithm.to_string(), pool.conf.algorithm.to_string()),
        };
        Ok(Plan {
            field: "algorithm",
            after: ordered(&pool, algorithm)?,
            configured,
            rev: pool.rev,
            undo: format!("ayactl algorithm set {name} {before}"),
            back: Order::Algorithm { pool: name.to_owned(), name: before.clone() },
            warnings: warn_algorithm(&pool, algorithm),
            target: Target::Pool(pool),
            before,
        })
    }

    fn warn_admin(&self, backend: &Arc<Backend>, state: AdminWord) -> Vec<String> {
        if state == AdminWord::Ready { Vec::new() } else { self.warn_left(backend) }
    }

    /// What to know when a backend gets nothing any more.
    pub(super) fn warn_left(&self, backend: &Arc<Backend>) -> Vec<String> {
        let now = clock::now();
        let snapshot = self.state.snapshot.load();
        let others = snapshot.pool(&backend.pool).into_iter().flat_map(|p| &p.backends);
        let others = others.filter(|b| !Arc::ptr_eq(b, backend) && b.load.eligible(now)).count();
        if others > 0 {
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
        if !pool.algorithm.spec.weighted && weight != 0 {
            warnings.push(format!("{} looks only at whether a weight is 0", pool.algorithm.spec.name));
        }
        let others = pool.backends.iter().filter(|b| !Arc::ptr_eq(b, backend));
        if weight == 0 && others.map(|b| b.load.weight()).sum::<u32>() == 0 {
            warnings.push(format!(
                "every weight of pool {} is 0: its requests will get 503 no-backend",
                pool.name
            ));
        }
        warnings
    }
}

impl Plan {
    /// The value before.
    pub(in crate::control) fn before(&self) -> &str {
        &self.before
    }

    /// What it is about.
    pub(in crate::control) fn subject(&self) -> &str {
        match &self.target {
            Target::Backend(backend) => &backend.id,
            Target::Member(id) => id,
            Target::Pool(pool) => &pool.name,
        }
    }
}

/// An algorithm as it was ordered, in its one spelling; `auto` where the configuration has the arms for it.
fn ordered(pool: &Pool, algorithm: &str) -> Result<String, ApiError> {
    if algorithm == AUTO {
        let message = format!("the configuration of pool {} does not say among what to choose", pool.name);
        let hint = "write algorithm = \"auto\" there, then reload";
        let refused = || ApiError::new(ErrorCode::BadValue, message, hint);
        return pool.auto.as_ref().map(|_| AUTO.to_owned()).ok_or_else(refused);
    }
    let choice = algorithm.parse::<Choice>().map_err(|error| {
        let hint = match &error {
            ChoiceError::Value { name, accepted, .. } => format!("write {name}=VALUE with {accepted}"),
            other => suggest(other.written(), other.known().into_iter()),
        };
        ApiError::new(ErrorCode::BadValue, error.to_string(), hint)
    })?;
    Ok(choice.to_string())
}

fn warn_algorithm(pool: &Pool, algorithm: &str) -> Vec<String> {
    let is_over = pool.auto.is_some() && algorithm != AUTO;
    let warning =
        || format!("pool {0} does not choose by itself until `ayactl algorithm set {0} auto`", pool.name);
    is_over.then(warning).into_iter().collect()
}
