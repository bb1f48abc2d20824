//! Every call of the control API, in one table.
//!
//! To add a call: one file here with its arguments, reply and [`Spec`]; one variant of [`Id`]; one line in
//! [`COMMANDS`]. The daemon dispatches with an exhaustive match, so the compiler asks for the handler. The
//! ``OpenAPI`` document and the reference are made from this table.

pub mod admin;
pub mod algorithm;
pub mod algorithms;
pub mod backends;
pub mod breaker;
pub mod chaos;
pub mod daemon;
pub mod events;
pub mod explain;
pub mod faults;
pub mod listeners;
pub mod members;
pub mod metrics;
pub mod notes;
pub mod openapi;
pub mod operations;
pub mod pools;
pub mod reload;
pub mod routes;
pub mod runs;
pub mod status;
pub mod stream;
pub mod upgrade;
pub mod weight;

use schemars::Schema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::axis::Level;

/// HTTP method of a call. Reads are `GET`; changes that set a value are `PUT`, and `DELETE` takes it away; everything
/// else is `POST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Sets a value.
    Put,
    /// Does something.
    Post,
    /// Takes a value away.
    Delete,
}

impl Method {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// Names a call; the daemon's dispatch matches on it without a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Id {
    /// [`status`]
    Status,
    /// [`daemon`]
    Daemon,
    /// [`listeners`]
    Listeners,
    /// [`routes`]
    Routes,
    /// [`pools`]
    Pools,
    /// [`pools`], one of them
    Pool,
    /// [`backends`]
    Backends,
    /// [`backends`], one of them
    Backend,
    /// [`explain`], a pick
    ExplainPick,
    /// [`explain`], a backend
    ExplainBackend,
    /// [`explain`], a request
    ExplainRequest,
    /// [`explain`], all requests
    Requests,
    /// [`algorithms`]
    Algorithms,
    /// [`events`]
    Events,
    /// [`stream`]
    Stream,
    /// [`operations`]
    Operations,
    /// [`admin`]
    Admin,
    /// [`weight`]
    Weight,
    /// [`breaker`]
    Breaker,
    /// [`breaker`], forgotten
    BreakerReset,
    /// [`algorithm`]
    Algorithm,
    /// [`members`], adding one
    AddMember,
    /// [`members`], taking one out
    RemoveMember,
    /// [`reload`]
    Reload,
    /// [`upgrade`]
    Upgrade,
    /// [`chaos`]
    Chaos,
    /// [`chaos`], everything ended
    ChaosPanic,
    /// [`chaos`], locked
    ChaosLock,
    /// [`chaos`], unlocked
    ChaosUnlock,
    /// [`faults`]
    Faults,
    /// [`faults`], one of them
    Fault,
    /// [`faults`], injecting one
    StartFault,
    /// [`faults`], keeping one alive
    RenewFault,
    /// [`faults`], ending one
    StopFault,
    /// [`faults`], ending all
    StopFaults,
    /// [`runs`]
    Runs,
    /// [`runs`], telling of one
    PutRun,
    /// [`runs`], forgetting one
    EndRun,
    /// [`notes`]
    AddNote,
    /// [`metrics`]
    Metrics,
    /// [`openapi`]
    Openapi,
}

/// One call, as data.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Which call.
    pub id: Id,
    /// HTTP method.
    pub method: Method,
    /// Path; `{pool}`, `{backend}` and `{id}` stand for one segment each.
    pub path: &'static str,
    /// What it does, in one sentence without a period.
    pub summary: &'static str,
    /// Least level of a caller.
    pub level: Level,
    /// Query parameters, each with its meaning.
    pub query: &'static [(&'static str, &'static str)],
    /// Schema of the body, for calls that have one.
    pub body: Option<fn() -> Schema>,
    /// Schema of the answer; absent for plain text.
    pub reply: Option<fn() -> Schema>,
}

impl Spec {
    /// True for calls that change something; they take the query and headers of
    /// [`crate::change::ChangeOptions`].
    pub fn is_change(&self) -> bool {
        self.method != Method::Get
    }

    /// Matches a path against the template and returns the values of `{pool}` and `{backend}`.
    pub fn match_path<'p>(&self, path: &'p str) -> Option<[&'p str; 2]> {
        let mut values = [""; 2];
        let mut used = 0;
        let mut template = self.path.split('/');
        let mut given = path.split('/');
        loop {
            match (template.next(), given.next()) {
                (None, None) => return Some(values),
                (Some(t), Some(g)) if t.starts_with('{') && !g.is_empty() => {
                    values[used] = g;
                    used += 1;
                }
                (Some(t), Some(g)) if t == g => {}
                _ => return None,
            }
        }
    }
}

/// Every call. The order is that of the reference.
pub const COMMANDS: &[Spec] = &[
    status::SPEC,
    daemon::SPEC,
    listeners::SPEC,
    routes::SPEC,
    pools::SPEC,
    pools::SPEC_ONE,
    backends::SPEC,
    backends::SPEC_ONE,
    explain::SPEC_PICK,
    explain::SPEC_BACKEND,
    explain::SPEC_REQUESTS,
    explain::SPEC_REQUEST,
    algorithms::SPEC,
    events::SPEC,
    stream::SPEC,
    operations::SPEC,
    admin::SPEC,
    weight::SPEC,
    breaker::SPEC,
    breaker::SPEC_RESET,
    algorithm::SPEC,
    members::SPEC,
    members::SPEC_REMOVE,
    reload::SPEC,
    upgrade::SPEC,
    chaos::SPEC,
    chaos::SPEC_PANIC,
    chaos::SPEC_LOCK,
    chaos::SPEC_UNLOCK,
    faults::SPEC,
    faults::SPEC_START,
    faults::SPEC_STOP_ALL,
    faults::SPEC_ONE,
    faults::SPEC_STOP,
    faults::SPEC_RENEW,
    runs::SPEC,
    runs::SPEC_PUT,
    runs::SPEC_END,
    notes::SPEC,
    metrics::SPEC,
    openapi::SPEC,
];

/// A call with its arguments, ready to be sent.
pub trait Call: Sync {
    /// What the daemon answers.
    type Reply: DeserializeOwned;
    /// What is sent as the body; `()` for calls without one.
    type Body: Serialize + Sync;
    /// Its line in [`COMMANDS`].
    const SPEC: Spec;

    /// Values for `{pool}` and `{backend}` of the path.
    fn path_values(&self) -> [&str; 2] {
        ["", ""]
    }

    /// Query parameters.
    fn query(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The body.
    fn body(&self) -> Option<&Self::Body> {
        None
    }

    /// The path with its values filled in.
    fn path(&self) -> String {
        let mut values = self.path_values().into_iter();
        let segments = Self::SPEC.path.split('/');
        let filled: Vec<&str> = segments
            .map(|s| if s.starts_with('{') { values.next().unwrap_or_default() } else { s })
            .collect();
        filled.join("/")
    }
}

/// Implements [`Call`] for a read without arguments.
macro_rules! plain_read {
    ($name:ident, $reply:ty) => {
        impl crate::command::Call for $name {
            type Reply = $reply;
            type Body = ();
            const SPEC: crate::command::Spec = SPEC;
        }
    };
}
use plain_read;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_ids_are_unique() {
        for (i, a) in COMMANDS.iter().enumerate() {
            for b in &COMMANDS[i + 1..] {
                assert_ne!(a.id, b.id);
                assert!(a.path != b.path || a.method != b.method, "{} twice", a.path);
            }
        }
    }

    #[test]
    fn a_path_gives_up_its_values() {
        let spec = backends::SPEC_ONE;
        assert_eq!(spec.match_path("/v1/backends/shop/127.0.0.1:9002"), Some(["shop", "127.0.0.1:9002"]));
        assert_eq!(spec.match_path("/v1/backends/shop"), None);
        assert_eq!(spec.match_path("/v1/backends//x"), None);
    }

    #[test]
    fn a_call_fills_its_path() {
        let call = weight::SetWeight::new("shop", "web-1", 3);
        assert_eq!(call.path(), "/v1/backends/shop/web-1/weight");
    }
}
