//! What a change would do, worked out before anybody confirms it.
//!
//! A plan is made from the picture the operator looks at, and carries that picture's revision: when somebody
//! was faster, the daemon refuses. It predicts shares only where weights decide them; an algorithm that adapts
//! has no share to promise, and the plan says so.

use aya_api::axis::{Admin, Breaker, Health};
use aya_api::command::weight::MAX_WEIGHT;
use aya_api::fault::FaultView;
use aya_api::view::{AlgorithmInfo, BackendView, PoolView};

use crate::figure;
use crate::message::BackendRef;
use crate::theme::Tone;

/// The name that lets a pool choose by itself.
const AUTO: &str = "auto";

/// Most backends whose shares a plan lists.
const MAX_SHARES: usize = 8;

/// A change that was ordered: what, and the revision the operator saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What is to become of what.
    pub wish: Wish,
    /// Revision of the subject on the operator's screen.
    pub if_rev: u64,
}

/// What is to become of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A backend gets another admin state.
    Admin {
        /// The backend.
        target: BackendRef,
        /// The state to go to.
        state: Admin,
    },
    /// A backend gets another weight.
    Weight {
        /// The backend.
        target: BackendRef,
        /// The weight to set.
        weight: u32,
    },
    /// A fault ends.
    StopFault {
        /// Its id.
        id: String,
    },
    /// A pool gets another algorithm.
    Algorithm {
        /// The pool.
        pool: String,
        /// The algorithm's name.
        name: String,
    },
}

impl Wish {
    /// What it is about: `pool/backend` or a pool.
    pub fn subject(&self) -> String {
        match self {
            Self::Admin { target, .. } | Self::Weight { target, .. } => target.id(),
            Self::StopFault { id } => id.clone(),
            Self::Algorithm { pool, .. } => pool.clone(),
        }
    }

    /// The command that does the same.
    pub fn command(&self) -> String {
        match self {
            Self::Admin { target, state } => {
                let verb = match state {
                    Admin::Ready => "ready",
                    Admin::Draining | Admin::Drained => "drain",
                    Admin::Maint => "maint",
                };
                format!("ayactl {verb} {}", target.id())
            }
            Self::Weight { target, weight } => format!("ayactl weight set {}={weight}", target.id()),
            Self::StopFault { id } => format!("ayactl chaos stop {id}"),
            Self::Algorithm { pool, name } => format!("ayactl algorithm set {pool} {name}"),
        }
    }
}

/// What would change, for people to confirm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What is sent when it is confirmed.
    pub order: Order,
    /// The question.
    pub title: String,
    /// The value that changes: its name, before, after.
    pub change: (String, String, String),
    /// What follows from it, most important first.
    pub effects: Vec<(Tone, String)>,
    /// Expected shares: backend, before, after.
    pub shares: Vec<(String, String, String)>,
}

/// What cannot be planned, and why, in a sentence for the operator.
pub type Refusal = String;

/// Plans another admin state for a backend.
pub fn plan_admin(pool: &PoolView, backend: &BackendView, state: Admin) -> Result<Plan, Refusal> {
    let before = backend.admin.state;
    if before == state || (state == Admin::Draining && before == Admin::Drained) {
        return Err(format!("{} is already {before}", backend.id));
    }
    let title = match state {
        Admin::Ready => format!("Make {} ready?", backend.id),
        Admin::Draining | Admin::Drained => format!("Drain {}?", backend.id),
        Admin::Maint => format!("Take {} out of service?", backend.id),
    };
    let will_serve = state == Admin::Ready
        && backend.health.state == Health::Up
        && matches!(backend.breaker.state, Breaker::Off | Breaker::Closed)
        && backend.breaker.order.is_none()
        && backend.standing.is_none();
    let after = eligible_after(pool, backend, will_serve);
    let mut effects = vec![eligible_effect(pool, after)];
    let in_flight = backend.traffic.in_flight as usize;
    match state {
        Admin::Draining | Admin::Drained if in_flight > 0 => {
            let what = figure::plural(in_flight, "request");
            effects.push((Tone::Plain, format!("{what} in flight will finish first")));
        }
        Admin::Maint => effects.push((Tone::Plain, "health checks stop until it is made ready".into())),
        Admin::Ready if !will_serve => {
            effects
                .push((Tone::Warn, "gets nothing yet: health, breaker or traffic still hold it back".into()));
        }
        Admin::Ready | Admin::Draining | Admin::Drained => {}
    }
    if let Some(by) = &backend.admin.by {
        let reason = backend.admin.reason.as_ref().map_or(String::new(), |why| format!(": \"{why}\""));
        effects.push((Tone::Plain, format!("{before} was ordered by {by}{reason}")));
    }
    let target = target(pool, backend);
    Ok(Plan {
        title,
        order: Order { wish: Wish::Admin { target, state }, if_rev: backend.rev },
        change: ("admin".into(), before.to_string(), state.to_string()),
        effects,
        shares: Vec::new(),
    })
}

/// Plans another weight for a backend. `algorithms` tells whether weights decide shares, when it is known.
pub fn plan_weight(
    pool: &PoolView,
    backend: &BackendView,
    weight: u32,
    algorithms: &[AlgorithmInfo],
) -> Result<Plan, Refusal> {
    if weight > MAX_WEIGHT {
        return Err(format!("a weight is at most {MAX_WEIGHT}, not {weight}"));
    }
    if backend.weight == weight {
        return Err(format!("{} already has weight {weight}", backend.id));
    }
    let by_weight = algorithms.iter().find(|a| a.name == kind(pool)).map(|a| a.share.as_str());
    let mut effects = Vec::new();
    let mut shares = Vec::new();
    match by_weight {
        Some("weight") => {
            shares = weight_shares(pool, &backend.name, weight);
            if weight == 0 {
                effects.push((Tone::Warn, "gets no new requests with weight 0".into()));
            }
        }
        Some("equal") => effects.push((Tone::Warn, format!("{} ignores weights", pool.algorithm.name))),
        Some(_) => {
            let text = format!("{} adapts: no share can be promised", pool.algorithm.name);
            effects.push((Tone::Plain, text));
        }
        None => effects.push((Tone::Plain, "how far this moves traffic is not known".into())),
    }
    if backend.configured_weight == weight {
        effects.push((Tone::Plain, "this is the weight of the configuration".into()));
    }
    Ok(Plan {
        title: format!("Change the weight of {}?", backend.id),
        order: Order { wish: Wish::Weight { target: target(pool, backend), weight }, if_rev: backend.rev },
        change: ("weight".into(), backend.weight.to_string(), weight.to_string()),
        effects,
        shares,
    })
}

/// Plans the end of a fault.
pub fn plan_stop(fault: &FaultView) -> Plan {
    let held = usize::try_from(fault.observed.held).unwrap_or(usize::MAX);
    let mut effects = vec![(Tone::Plain, format!("{} at {} ends at once", fault.fault, fault.target))];
    if held > 0 {
        effects.push((Tone::Plain, format!("{} held by it go on", figure::plural(held, "request"))));
    }
    if let Some(run) = &fault.run {
        effects.push((Tone::Warn, format!("{run} goes on without it, and may fail for that")));
    }
    Plan {
        title: format!("Stop fault {}?", fault.id),
        order: Order { wish: Wish::StopFault { id: fault.id.clone() }, if_rev: 0 },
        change: ("fault".into(), "injected".into(), "ended".into()),
        effects,
        shares: Vec::new(),
    }
}

/// Plans another algorithm for a pool.
pub fn plan_algorithm(pool: &PoolView, algorithm: &AlgorithmInfo) -> Result<Plan, Refusal> {
    let chooses = pool.algorithm.is_chosen();
    if chooses && algorithm.name == AUTO {
        return Err(format!("{} already chooses its algorithm by itself", pool.name));
    }
    if pool.algorithm.name == algorithm.name && !chooses {
        return Err(format!("{} already uses {}", pool.name, algorithm.name));
    }
    let shares = match algorithm.share.as_str() {
        "weight" => "shares will follow the weights",
        "equal" => "every eligible backend will get the same share",
        _ => "shares will adapt to what the backends can take",
    };
    let mut effects = vec![(Tone::Plain, algorithm.summary.clone()), (Tone::Plain, shares.to_owned())];
    if let Some(sticky) = &pool.algorithm.sticky {
        effects.push((Tone::Plain, format!("clients bound by {sticky} stay where they are")));
    }
    if chooses {
        let back = format!("`ayactl algorithm set {} auto` gives the choice back", pool.name);
        effects.push((Tone::Plain, format!("the pool no longer chooses by itself; {back}")));
    }
    let before =
        if chooses { format!("auto ({})", pool.algorithm.name) } else { pool.algorithm.name.clone() };
    let wish = Wish::Algorithm { pool: pool.name.clone(), name: algorithm.name.clone() };
    Ok(Plan {
        title: format!("Change the algorithm of {}?", pool.name),
        order: Order { wish, if_rev: pool.rev },
        change: ("algorithm".into(), before, algorithm.name.clone()),
        effects,
        shares: Vec::new(),
    })
}

/// The algorithm of a pool without its parameters.
fn kind(pool: &PoolView) -> &str {
    pool.algorithm.name.split_whitespace().next().unwrap_or_default()
}

/// What somebody would have to choose for a pool to leave it as it is.
pub(crate) fn choice(pool: &PoolView) -> &str {
    if pool.algorithm.is_chosen() { AUTO } else { kind(pool) }
}

fn target(pool: &PoolView, backend: &BackendView) -> BackendRef {
    BackendRef { pool: pool.name.clone(), backend: backend.name.clone() }
}

fn eligible_after(pool: &PoolView, backend: &BackendView, will_serve: bool) -> u32 {
    let others = pool.eligible.saturating_sub(u32::from(backend.eligible));
    others + u32::from(will_serve)
}

fn eligible_effect(pool: &PoolView, after: u32) -> (Tone, String) {
    let all = pool.backends.len();
    if after == 0 {
        return (Tone::Bad, format!("leaves no eligible backend in {}: its requests will fail", pool.name));
    }
    let verb = if after < pool.eligible { "leaves" } else { "makes" };
    (Tone::Plain, format!("{verb} {after} of {all} eligible in {} (now {})", pool.name, pool.eligible))
}

/// Shares before and after among the eligible backends; the changed one and the greatest first.
fn weight_shares(pool: &PoolView, changed: &str, weight: u32) -> Vec<(String, String, String)> {
    let eligible = || pool.backends.iter().filter(|b| b.eligible || b.name == changed);
    let new_weight = |b: &BackendView| if b.name == changed { weight } else { b.weight };
    let old_sum: u64 = eligible().map(|b| u64::from(b.weight)).sum();
    let new_sum: u64 = eligible().map(|b| u64::from(new_weight(b))).sum();
    let part = |weight: u32, sum: u64| {
        if sum == 0 { "none".to_owned() } else { figure::share(f64::from(weight) / sum as f64) }
    };
    let mut listed: Vec<&BackendView> = eligible().collect();
    listed.sort_by_key(|b| (b.name != changed, std::cmp::Reverse(b.weight)));
    listed.truncate(MAX_SHARES);
    listed
        .into_iter()
        .map(|b| {
            let before = b.share_expected.map_or_else(|| part(b.weight, old_sum), figure::share);
            (b.name.clone(), before, part(new_weight(b), new_sum))
        })
        .collect()
}
