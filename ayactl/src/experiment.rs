//! Experiments: files that say what must hold, what is broken on purpose, and what has to come about.
//!
//! Reading order: [`raw`] (what may be written), [`reading`] and [`check`] (from text to an [`model::Experiment`] or to
//! all that is wrong with it), [`runner`] (what happens when, pure), [`figures`] (what conditions are judged by).

pub mod check;
pub mod drive;
pub mod figures;
pub mod formats;
pub mod history;
pub mod keeper;
pub mod load;
pub mod model;
pub mod practice;
pub mod raw;
pub mod reading;
pub mod record;
pub mod recorder;
pub mod recovery;
pub mod runner;
pub mod shipped;
pub mod source;
mod steps;
pub mod verdict;
