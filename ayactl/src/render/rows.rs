//! The columns of every kind of object.

mod backend;
mod fault;
mod journal;
mod pool;
mod request;
mod wiring;

pub use backend::{admin_cell, breaker_cell, health_cell, standing_cell};
