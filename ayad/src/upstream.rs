//! Connections to backends: making, using, keeping and closing them.
//!
//! A connection belongs to the worker that made it and is polled by the task of the client whose request it carries.
//! There is no task for each upstream connection: that saves two wake-ups and a queue for each request, and a client
//! that goes away takes its upstream request with it. The price is that nobody watches an idle connection, so it is
//! looked at when it is taken out again: one that was closed, or on which anything came, is not used.
//!
//! Not here: which backend is asked (`pick`), what is sent (`forward`), when to give up (`proxy::wait`).

mod connection;
mod idle;

pub use connection::{ConnectError, Connection, HeadFailure, connect, is_our_own_want};
pub use idle::IdleList;
