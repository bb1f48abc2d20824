//! What was decided, and the words for it.

use std::fmt;

use super::Objective;

/// Why another arm steers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Why {
    /// It is better, by evidence.
    Better(Proof),
    /// The one before was worse than what it had replaced.
    Worse(Proof),
    /// The rule at this position holds.
    Rule(usize),
    /// No rule holds any more.
    RuleEnded,
}

/// What was compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proof {
    /// What is to be low.
    pub objective: Objective,
    /// Of the arm that steered: seconds, or a share.
    pub from: f64,
    /// Of the arm that steers now.
    pub to: f64,
    /// Sampled requests or results behind it.
    pub samples: u64,
    /// The evidence; absent where what clients got was compared.
    pub e_value: Option<f64>,
}

impl Why {
    /// The one word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Better(_) => "better",
            Self::Worse(_) => "worse",
            Self::Rule(_) => "rule",
            Self::RuleEnded => "rule-ended",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Better(proof) => write!(f, "better in shadow: {proof}"),
            Self::Worse(proof) => write!(f, "the switch made it worse, taken back: {proof}"),
            Self::Rule(rule) => write!(f, "rule {} holds", rule + 1),
            Self::RuleEnded => f.write_str("no rule holds any more"),
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: f64| match self.objective {
            Objective::P99 | Objective::Mean => format!("{:.1} ms", value * 1e3),
            Objective::Errors => format!("{:.2} %", value * 100.0),
        };
        let (from, to, ratio) = (show(self.from), show(self.to), self.from / self.to);
        write!(
            f,
            "{} {to} against {from} (ratio {ratio:.2}), {} samples",
            self.objective.as_str(),
            self.samples
        )?;
        self.e_value.map_or(Ok(()), |e| write!(f, ", e-value {e:.0}"))
    }
}

/// Another arm is to steer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// The arm before, by position.
    pub from: usize,
    /// The arm from now on.
    pub to: usize,
    /// Why.
    pub why: Why,
    /// It is only said: the arm before goes on.
    pub is_advice: bool,
}
