//! An experiment that was read and checked.

use std::time::Duration;

use aya_api::condition::Condition;
use aya_api::fault::{ChaosLimits, FaultBody};

use super::load::LoadLine;
use super::source::Source;

/// How long it may take until the probes hold again, when the file does not say.
pub const WITHIN: Duration = Duration::from_secs(10);
/// How long a program may run, when the file does not say.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// An experiment.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// What it is called on the command line: its file without folder and ending.
    pub name: String,
    /// The file.
    pub source: Source,
    /// Its title.
    pub title: String,
    /// The promise it puts to the test.
    pub promise: Option<String>,
    /// Texts in force for its variables.
    pub vars: super::reading::Vars,
    /// What holds before and after.
    pub probes: Vec<Condition>,
    /// What also holds in between.
    pub during: Vec<Condition>,
    /// How long the probes may take until they hold again.
    pub within: Duration,
    /// What is done.
    pub steps: Vec<Step>,
    /// What ends it early.
    pub stop: Vec<Condition>,
    /// How much may be hit.
    pub limits: ChaosLimits,
    /// What has to come about.
    pub expects: Vec<Expect>,
    /// Pools and backends that it names, each with its bytes in the file.
    pub names: Vec<(String, std::ops::Range<usize>)>,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name: given, or its kind and number.
    pub name: String,
    /// What it does, as in the file.
    pub what: String,
    /// Whether the next step begins at once.
    pub background: bool,
    /// What it does.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Injects a fault.
    Fault(Box<FaultBody>),
    /// Stops or restarts a practice backend.
    Practice(Practice),
    /// Makes load, as after `ayactl loadtest`.
    Load(LoadLine),
    /// Orders something about a backend.
    Order {
        /// The pool.
        pool: String,
        /// The backend in it.
        backend: String,
        /// What.
        order: Order,
    },
    /// Waits for some time.
    Wait(Duration),
    /// Waits for a condition.
    WaitFor(Condition, Duration),
    /// Runs a program.
    Run(Vec<String>, Duration),
}

/// What is done to the process of a practice backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Practice {
    /// `pause`, `kill` or `restart`.
    pub verb: super::practice::Verb,
    /// `pool/backend`.
    pub backend: String,
    /// For how long.
    pub length: Duration,
}

/// What is ordered about a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// An admin state.
    Admin(aya_api::axis::Admin),
    /// A weight.
    Weight(u32),
}

/// Something that has to come about.
#[derive(Clone, Debug)]
pub struct Expect {
    /// The condition.
    pub what: Condition,
    /// By when.
    pub within: Duration,
    /// Counted from where.
    pub after: Anchor,
}

/// A moment of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// A step begins to take effect.
    Begin(usize),
    /// A step is over.
    End(usize),
}

impl Anchor {
    /// The same moment when a step comes before all others.
    #[must_use]
    pub fn later(self) -> Self {
        match self {
            Self::Begin(step) => Self::Begin(step + 1),
            Self::End(step) => Self::End(step + 1),
        }
    }
}

impl Experiment {
    /// Puts its limits upon a fault; what the fault's own line says stays.
    pub fn limit(&self, body: &mut FaultBody) {
        let own = body.limits.unwrap_or_default();
        body.limits = Some(ChaosLimits {
            max_backends: own.max_backends.or(self.limits.max_backends),
            max_traffic: own.max_traffic.or(self.limits.max_traffic),
            min_ready: own.min_ready.or(self.limits.min_ready),
            max_held: own.max_held.or(self.limits.max_held),
        });
    }

    /// What a moment is called.
    pub fn anchor(&self, anchor: Anchor) -> String {
        match anchor {
            Anchor::Begin(step) => self.steps[step].name.clone(),
            Anchor::End(step) => format!("end of {}", self.steps[step].name),
        }
    }

    /// The pools it is about, each once.
    pub fn pools(&self) -> Vec<String> {
        let mut pools: Vec<String> =
            self.names.iter().map(|(name, _)| name.split('/').next().unwrap_or(name).to_owned()).collect();
        pools.sort();
        pools.dedup();
        pools
    }

    /// How long it takes at most, as far as its steps say: faults and loads in the background end by themselves.
    pub fn length(&self) -> Duration {
        let mut now = Duration::ZERO;
        let mut end = Duration::ZERO;
        for step in &self.steps {
            let over = now + step.action.length();
            end = end.max(over);
            if !step.background {
                now = over;
            }
        }
        let expected = self.expects.iter().map(|expect| expect.within).max().unwrap_or_default();
        end + self.within.max(expected)
    }
}

impl Action {
    /// How long it takes at most.
    pub fn length(&self) -> Duration {
        match self {
            Self::Fault(body) => Duration::from_millis(body.for_ms),
            Self::Practice(practice) => practice.length,
            Self::Load(load) => load.length,
            Self::Order { .. } => Duration::ZERO,
            Self::Wait(length) | Self::WaitFor(_, length) | Self::Run(_, length) => *length,
        }
    }

    /// The fault that the daemon is to know of; absent for other steps.
    pub fn fault(&self) -> Option<FaultBody> {
        match self {
            Self::Fault(body) => Some((**body).clone()),
            Self::Practice(practice) => Some(practice.body()),
            _ => None,
        }
    }

    /// Whether it makes something fail on purpose.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Fault(_) | Self::Practice(_))
    }

    /// Its kind in one word, for names.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Fault(_) | Self::Practice(_) => "fault",
            Self::Load(_) => "load",
            Self::Order { order: Order::Admin(aya_api::axis::Admin::Ready), .. } => "ready",
            Self::Order { order: Order::Admin(aya_api::axis::Admin::Maint), .. } => "maint",
            Self::Order { order: Order::Admin(_), .. } => "drain",
            Self::Order { order: Order::Weight(_), .. } => "weight",
            Self::Wait(_) | Self::WaitFor(..) => "wait",
            Self::Run(..) => "run",
        }
    }
}
