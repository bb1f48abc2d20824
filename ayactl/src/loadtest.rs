//! Load tests from the command line: what was typed becomes a plan, `aya-load` plays it, and people, files and the daemon
//! are told.

pub mod find_max;
pub mod input;
pub mod job;
pub mod kept;
pub mod link;
pub mod live;
pub mod parts;
pub mod play;
pub mod preflight;
pub mod target;
