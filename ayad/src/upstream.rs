//! Connections to backends: making, using, keeping and closing them.
//!
//! An HTTP/1.1 connection belongs to the worker that made it and is polled by the task of the client whose request it carries.
//! There is no task for each upstream connection: that saves two wake-ups and a queue for each request, and a client
//! that goes away takes its upstream request with it. The price is that nobody watches an idle connection, so it is
//! looked at when it is taken out again: one that was closed, or on which anything came, is not used.
//!
//! HTTP/2 is another matter ([`h2`]): one connection carries the requests of many clients, so it has a task of its own.
//!
//! Not here: which backend is asked (`pick`), what is sent (`forward`), when to give up (`proxy::wait`).

mod connection;
mod either;
pub mod h2;
mod idle;

pub use connection::{ConnectError, Connection, HeadFailure, is_our_own_want, open};
pub use either::Upstream;
pub use h2::{Call, SharedList};
pub use idle::IdleList;
