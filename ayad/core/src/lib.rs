//! Every decision of `ayad`, and nothing else: who may get a request, who gets it, what counts as healthy,
//! which route a request takes.
//!
//! What this crate deliberately does not hold: sockets, files, environment, logging, a clock or an operating
//! system's randomness. Time is an argument ([`time::Tick`]) and so is chance ([`rng::Rng`]); the same calls
//! with the same seed give the same run, in the daemon, in a test and in the simulator. It depends on `std`
//! alone.
//!
//! The laws that tests hold over the tables: only eligible backends are picked; an empty set gives none; the
//! same seed gives the same picks; shares follow weights within a stated bound; no backend starves; a router
//! agrees with a naive one that tries every route; a normal path stays as it is; retries never exceed their
//! budget.
//!
//! Reading order: [`time`], [`rng`] and [`hash`] (the arguments), [`axis`] (the three axes), [`load`] and
//! [`breaker`] (what workers share about a backend), [`health`] (how a backend falls and rises), [`outlier`] and
//! [`window`] (who does worse than the others), [`path`] (one normal form), [`route`] (request to pool), [`pick`]
//! and [`sticky`] (pool to backend), [`retry`] and [`hedge`] (once more, elsewhere), [`pace`] (who sends too
//! slowly), [`histogram`] (what it took), [`reason`] (why the proxy answered by itself), [`grpc`] (the same in
//! gRPC's words), [`flood`] (more frames than work), [`discovery`] (which backends stand after a look
//! at where they come from).

#![forbid(unsafe_code)]

pub mod agent;
pub mod auto;
pub mod axis;
pub mod breaker;
pub mod certificate;
pub mod chaos;
pub mod discovery;
pub mod exposition;
pub mod flood;
pub mod follow;
pub mod grpc;
pub mod hash;
pub mod health;
pub mod hedge;
pub mod histogram;
pub mod load;
pub mod outlier;
pub mod pace;
pub mod path;
pub mod pick;
pub mod reason;
mod rendezvous;
pub mod report;
pub mod retry;
pub mod rng;
pub mod route;
pub mod signal;
pub mod spread;
pub mod sticky;
pub mod time;
pub mod window;
