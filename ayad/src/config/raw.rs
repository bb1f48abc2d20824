//! The file as it may be written: one type for each table, one field for each key.
//!
//! These types are the only list of keys there is. The JSON Schema is generated from them, the shape of a
//! file is checked against that schema, and the conversion in [`super::check`] takes every struct apart by
//! name, so that a key nobody reads does not compile. Field docs become the schema's descriptions: they
//! say what the key means, its unit and default, and why to change it. Defaults themselves are applied in
//! `check`, so that an absent key is distinguishable from one that repeats the default.
//!
//! The untagged enums are safe here, though their own messages are poor: what does not fit one of their
//! branches was reported by [`super::shape`] before serde sees it.

pub mod algorithm;
pub mod auto;
pub mod chaos;
pub mod daemon;
pub mod discover;
pub mod division;
pub mod format;
pub mod guard;
pub mod health;
pub mod listen;
pub mod pool;
pub mod retry;
pub mod route;
pub mod signals;
pub mod tls;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use format::Bind;
use pool::BackendEntry;

/// Configuration of ayad, the AYA proxy daemon (format 1).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Version of the file format; this version of ayad reads 1. Required in the file that ayad is started
    /// with, optional in files it includes.
    #[schemars(range(min = 0, max = 65_535))]
    pub aya: Option<u32>,
    /// Files that are read as if they were part of this one, relative to the folder of this file; the file
    /// name may contain `*`. Default: none. Use it to give every service a file of its own.
    pub include: Option<Vec<String>>,
    /// Where clients connect: an address or a list of addresses as shorthand for the listener `main`, or
    /// tables `[listen.NAME]`. At least one listener is required.
    pub listen: Option<Listeners>,
    /// Shorthand for the pool `main` with these backends and a route `main` that sends everything to it.
    /// Write `[pool.NAME]` and `[route.NAME]` instead for anything beyond that.
    pub backends: Option<Vec<BackendEntry>>,
    /// Settings of the process.
    pub daemon: Option<daemon::Daemon>,
    /// Limits of faults that are injected on purpose.
    pub chaos: Option<chaos::Chaos>,
    /// Limits of load tests.
    pub loadtest: Option<chaos::Loadtest>,
    /// Pools: backends that serve the same thing.
    pub pool: Option<BTreeMap<String, pool::Pool>>,
    /// Routes: which request goes to which pool. The most specific match wins, never the order in the file.
    pub route: Option<BTreeMap<String, route::Route>>,
}

/// The key `listen`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Listeners {
    /// Shorthand for the listener `main`.
    Main(OneOrMany<Bind>),
    /// Listeners by name.
    Named(BTreeMap<String, listen::Listen>),
}

impl Listeners {
    /// The tables, unless it is shorthand.
    pub fn named(&self) -> Option<&BTreeMap<String, listen::Listen>> {
        match self {
            Self::Main(_) => None,
            Self::Named(listeners) => Some(listeners),
        }
    }
}

/// A value, or a list of such values.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One value.
    One(T),
    /// A list.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// The values, however they were written.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}
