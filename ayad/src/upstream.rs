//! Connections to backends: made, driven, kept for reuse, and closed.
//!
//! A connection is polled by the task of the client whose request it carries, not by a task of its own: that
//! saves two wake-ups and a queue for each request, and a cancelled client takes its upstream request along.
//! Nobody polls an idle connection; whether it is still open shows when it is taken out again.
//!
//! Not here: which backend is asked (`pick`), what is sent (`forward`), when to give up (`proxy::alarm`).

mod body;
mod connection;
mod idle;

pub use body::{BodyError, RequestBody};
pub use connection::{ConnectError, Connection, SendError, connect, is_our_own_want};
pub use idle::IdleList;
