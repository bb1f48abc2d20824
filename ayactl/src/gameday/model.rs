//! A game day that was read and checked.

use std::time::Duration;

use crate::experiment::load::LoadLine;
use crate::experiment::model::Experiment;

/// A game day.
#[derive(Clone, Debug)]
pub struct GameDay {
    /// Its file without folder and ending.
    pub name: String,
    /// The file.
    pub file: String,
    /// Its title.
    pub title: String,
    /// What it is to show.
    pub promise: Option<String>,
    /// A load that runs all the time.
    pub load: Option<LoadLine>,
    /// What happens, in the order of time.
    pub moments: Vec<Moment>,
}

/// One moment.
#[derive(Clone, Debug)]
pub struct Moment {
    /// When, from the beginning.
    pub at: Duration,
    /// What happens.
    pub what: What,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum What {
    /// An experiment is run.
    Experiment(Box<Experiment>),
    /// Something is noted.
    Note(String),
}

impl GameDay {
    /// How long it takes at most, as far as its experiments say.
    pub fn length(&self) -> Duration {
        let mut now = Duration::ZERO;
        for moment in &self.moments {
            now = now.max(moment.at);
            if let What::Experiment(experiment) = &moment.what {
                now += experiment.length();
            }
        }
        now
    }
}
