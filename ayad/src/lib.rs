//! `ayad`: a reverse proxy that balances on what it sees, gives up the less important work first, and
//! explains itself.
//!
//! `ayad/docs/ARCHITECTURE.md` lists the modules in the order in which they are best read. A request goes
//! `accept → parse → route → guard → admit → pick → forward → respond → record`; [`proxy`] is that story on
//! one screen. `proxy` and `control` never see each other: they meet in [`state`]. Every decision is made in
//! `aya-core`, which has neither sockets nor a clock.

#![deny(unsafe_code)]

pub mod args;
pub mod buffers;
pub mod certificates;
pub mod chaos;
pub mod clock;
pub mod command;
pub mod config;
pub mod control;
pub mod descriptors;
pub mod discovery;
pub mod geo;
pub mod h1;
pub mod handover;
pub mod health;
pub mod heap;
pub mod http2;
pub mod lifeline;
pub mod log;
pub mod metrics;
pub mod panics;
pub mod proxy;
pub mod proxy_protocol;
pub mod queue;
pub mod relay;
pub mod run;
pub mod server;
pub mod shutdown;
pub mod signals;
pub mod sockets;
pub mod state;
pub mod stream;
pub mod tend;
pub mod tls;
pub mod upgrade;
pub mod upstream;
pub mod wire;
