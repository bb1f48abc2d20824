//! What a search for the greatest rate found.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The greatest rate at which the objectives held, and what kept the search from greater ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Peak {
    /// The rate, in requests a second.
    pub rate: f64,
    /// Whose limit it is.
    pub limit: Limit,
    /// The least rate at which they did not hold, or at which nothing could be said; absent where the search ended before.
    pub above: Option<f64>,
}

/// Whose limit a greatest rate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// The target's: above it the objectives do not hold.
    Target,
    /// The generator's: above it nothing can be said of the target.
    Generator,
    /// What the configuration allows (`[chaos.load] max_rate`), or the search could go no further.
    Ceiling,
}

impl fmt::Display for Peak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, limit, above } = self;
        let at = above.map(|above| format!("at {above:.0}/s ")).unwrap_or_default();
        match limit {
            Limit::Target => {
                write!(f, "{rate:.0}/s is the greatest rate that was found: {at}it does not hold")
            }
            Limit::Generator => write!(
                f,
                "{rate:.0}/s is the most that could be judged, not the most that the target takes: {at}this generator was \
                 full; use a larger machine or several (`ayactl loadtest agent --help`)"
            ),
            Limit::Ceiling => write!(
                f,
                "{rate:.0}/s holds, and the search may go no further: it is not the most that the target takes"
            ),
        }
    }
}
