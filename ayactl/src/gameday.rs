//! Game days: experiments, notes and load on one time line, and one report of all of it.

pub mod check;
pub mod model;
pub mod play;
pub mod raw;
pub mod record;
