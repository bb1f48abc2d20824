//! Faults that are about requests, for pools that pass TCP connections: nothing of them would ever happen.

use aya_api::error::{ApiError, ErrorCode};
use aya_api::fault::{FaultBody, KINDS, Plane};

use super::start::pools_of;
use crate::chaos::Reach;
use crate::config::Protocol;
use crate::state::{Route, Snapshot};

/// Whether there can be anything that the fault is about. Errors name what fits instead.
pub(super) fn fits(body: &FaultBody, reach: &Reach, snapshot: &Snapshot) -> Result<(), ApiError> {
    let pools = pools_of(reach.ids().iter(), snapshot);
    if pools.is_empty()
        || !pools.iter().all(|pool| has_tcp_alone(pool, body.target.route.as_deref(), snapshot))
    {
        return Ok(());
    }
    let names = pools.iter().copied().collect::<Vec<_>>().join(", ");
    let what = if pools.len() == 1 { "the pool" } else { "the pools" };
    let passes = if pools.len() == 1 { "passes" } else { "pass" };
    let where_to = format!("{what} {names} {passes} TCP connections alone");
    if body.fault.plane() == Plane::Http {
        let fitting = KINDS.iter().filter(|kind| matches!(kind.plane, Plane::Both | Plane::Backend));
        let hint = fitting.map(|kind| kind.name).collect::<Vec<_>>().join(", ");
        let message = format!("{} is about requests, and {where_to}", body.fault.kind());
        return Err(ApiError::new(ErrorCode::BadValue, message, format!("for connections there are {hint}")));
    }
    let target = &body.target;
    let heads = [("method", &target.method), ("path", &target.path), ("header", &target.header)];
    match heads.into_iter().find_map(|(key, wanted)| wanted.as_ref().map(|wanted| format!("{key}={wanted}")))
    {
        Some(written) => {
            let message = format!("{written} is about requests, and {where_to}: nothing would match");
            let hint = "connections are told apart by pool, backend, route, zone, label and client";
            Err(ApiError::new(ErrorCode::BadValue, message, hint))
        }
        None => Ok(()),
    }
}

/// Whether all routes to a pool, or the one that is meant, are of listeners for TCP.
fn has_tcp_alone(pool: &str, route: Option<&str>, snapshot: &Snapshot) -> bool {
    let is_meant =
        |known: &&&std::sync::Arc<Route>| known.pool == pool && route.is_none_or(|route| known.name == route);
    let routes = snapshot.routes.iter().collect::<Vec<_>>();
    let mut leading = routes.iter().filter(is_meant).peekable();
    leading.peek().is_some() && leading.all(|route| is_of_tcp(route, snapshot))
}

fn is_of_tcp(route: &Route, snapshot: &Snapshot) -> bool {
    let is_named = |name: &str| route.listeners.as_ref().is_none_or(|names| names.iter().any(|n| n == name));
    let mut own = snapshot.listeners.iter().filter(|listener| is_named(&listener.conf.name)).peekable();
    own.peek().is_some() && own.all(|listener| listener.conf.protocol == Protocol::Tcp)
}
