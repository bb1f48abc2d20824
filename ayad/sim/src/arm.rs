//! What is compared: an algorithm with its parameters, and what it gets to know of its backends.
//!
//! Written as `hot-cold`, `hot-cold quantile=0.7`, `hot-cold + reports`, `hot-cold + probes 0.5` or `oracle`.

use std::fmt;
use std::str::FromStr;

use aya_core::pick::{Choice, ChoiceError};
use serde::{Deserialize, Deserializer, de::Error};

/// The word for the arm that knows everything.
const ORACLE: &str = "oracle";
/// Most probes for each request.
const MAX_PROBES: f64 = 16.0;

/// One side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arm {
    /// How backends are picked.
    pub way: Way,
    /// What is known of them besides.
    pub reports: Reports,
}

/// How an arm picks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    /// By an algorithm of the daemon.
    Picks(Choice),
    /// By what no balancer can know: the queue, slots and speed of every backend at this moment. A bound to measure
    /// others by.
    Oracle,
}

/// How backends tell what they have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reports {
    /// Not at all: a proxy knows what it sent and how long answers took.
    Passive,
    /// With each answer.
    Answers,
    /// When asked: that many probes for each request, to backends drawn at random.
    Probes(f64),
}

/// Why a text is no arm.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ArmError {
    /// What stands before the `+` is no algorithm with parameters.
    #[error("{0}{help}", help = known(.0))]
    Choice(#[from] ChoiceError),
    /// What stands after the `+`.
    #[error("\"{0}\" is no way to know backends; \"reports\" and \"probes 0.5\" (up to 16) are accepted")]
    Reports(String),
}

impl Arm {
    /// An algorithm that knows what a proxy sees anyhow.
    pub fn passive(choice: Choice) -> Self {
        Self { way: Way::Picks(choice), reports: Reports::Passive }
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Way::Picks(choice) => write!(f, "{choice}")?,
            Way::Oracle => f.write_str(ORACLE)?,
        }
        match self.reports {
            Reports::Passive => Ok(()),
            Reports::Answers => f.write_str(" + reports"),
            Reports::Probes(rate) => write!(f, " + probes {rate}"),
        }
    }
}

impl FromStr for Arm {
    type Err = ArmError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (way, reports) = text.split_once('+').map_or((text, None), |(way, rest)| (way, Some(rest)));
        let way = match way.trim() {
            ORACLE => Way::Oracle,
            choice => Way::Picks(choice.parse()?),
        };
        let reports = reports.map_or(Ok(Reports::Passive), |rest| {
            reports_of(rest.trim()).ok_or_else(|| ArmError::Reports(rest.trim().to_owned()))
        })?;
        Ok(Self { way, reports })
    }
}

impl<'de> Deserialize<'de> for Arm {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

fn reports_of(text: &str) -> Option<Reports> {
    if text == "reports" {
        return Some(Reports::Answers);
    }
    let rate: f64 = text.strip_prefix("probes ")?.trim().parse().ok()?;
    (rate > 0.0 && rate <= MAX_PROBES).then_some(Reports::Probes(rate))
}

fn known(error: &ChoiceError) -> String {
    let known = error.known();
    if known.is_empty() { String::new() } else { format!("; {} are accepted", known.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for text in ["hot-cold", "hot-cold quantile=0.7 + reports", "peak-ewma + probes 0.5", "oracle"] {
            assert_eq!(text.parse::<Arm>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn mistakes_name_what_is_accepted() {
        let wrong = |text: &str| text.parse::<Arm>().unwrap_err().to_string();
        assert!(wrong("hot").contains("least-connections"));
        assert!(wrong("hot-cold x=1").contains("quantile"));
        assert!(wrong("hot-cold + gossip").contains("\"reports\""));
        assert!(wrong("hot-cold + probes 99").contains("up to 16"));
    }
}
