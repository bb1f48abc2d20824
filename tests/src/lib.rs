//! The test kit: the real `ayad` between scripted backends and a client that sends exact bytes.
//!
//! Nothing here knows the inside of the daemon. [`daemon`] starts the binary with a folder of its own,
//! [`backend`] plays servers that do exactly what they are told, [`tape`] one that keeps the exact bytes, [`client`]
//! speaks raw HTTP/1.1, [`h2`] HTTP/2 on both sides, [`control`] calls the control API, [`load`] sends many requests and
//! counts what came back, [`rough`] plays a network on which everything comes late, in pieces or not at all,
//! [`terminal`] gives a program a pseudo-terminal, [`certs`], [`tls`] and [`acme`] play authorities, TLS on both sides
//! and a certificate directory, [`dns`] a name server. Ports are always 0. Nothing sleeps for a fixed time: [`wait`] waits for conditions.

#![forbid(unsafe_code)]

pub mod acme;
pub mod backend;
pub mod binary;
pub mod certs;
pub mod client;
pub mod control;
pub mod daemon;
pub mod dns;
pub mod h2;
pub mod load;
pub mod message;
pub mod mmdb;
pub mod rough;
pub mod tape;
pub mod terminal;
pub mod tls;
pub mod wait;
