//! The control API of `ayad`: what travels over the Unix socket, in both directions.
//!
//! HTTP/1.1 and JSON, so that `curl --unix-socket` works. The daemon serves these shapes, `ayactl` and the
//! dashboard read them, and neither client knows anything else about the daemon.
//!
//! What this crate deliberately does not hold: decisions, proxy types, sockets of the daemon, rendering.
//! Compatibility: shapes only grow. Clients ignore fields they do not know; the daemon refuses fields it does
//! not know. [`SCHEMA_VERSION`] changes only when a field changes its meaning.
//!
//! Reading order: [`axis`] (the three axes of a backend), [`view`] (what is), [`event`] (what happened),
//! [`change`] (what people ordered), [`command`] (every call, in one table), [`client`].

pub mod axis;
pub mod change;
#[cfg(feature = "client")]
pub mod client;
pub mod command;
pub mod condition;
pub mod error;
pub mod event;
pub mod exit;
pub mod fault;
pub mod openapi;
pub mod run;
#[cfg(feature = "sample")]
pub mod sample;
pub mod view;

/// Version of the shapes in this crate; sent as `schema_version` by every top-level answer.
pub const SCHEMA_VERSION: u32 = 1;

/// Environment variable that names the control socket when `--socket` does not.
pub const SOCKET_ENV: &str = "AYA_SOCKET";
