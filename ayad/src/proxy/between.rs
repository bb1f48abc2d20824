//! What passes between the steps. A step imports these types and never another step.

use std::net::IpAddr;
use std::sync::Arc;

use aya_core::reason::Reason;
use http::{Request, Response};
use hyper::body::Incoming;

use super::exchange::Place;
use crate::state::Pool;
use crate::upstream::{Connection, RequestBody};

/// From `parse`: what a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'r> {
    /// Host without port; empty for HTTP/1.0 without one.
    pub(super) host: &'r str,
    /// Path without query.
    pub(super) path: &'r str,
}

/// From `route`: where a request goes.
#[derive(Debug)]
pub(super) struct Hit {
    /// The pool.
    pub(super) pool: Arc<Pool>,
    /// Its position in the snapshot, under which this worker keeps its picker.
    pub(super) position: usize,
}

/// From `guard`: who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The client's address, as far as it can be believed.
    pub(super) address: IpAddr,
    /// Hash of that address.
    pub(super) key: u64,
}

/// From `pick`: a place in a backend.
#[derive(Debug)]
pub(super) struct Picked {
    /// The place.
    pub(super) place: Place,
    /// Position of the backend in its pool.
    pub(super) index: usize,
    /// The client must be told to which backend it is bound from now on.
    pub(super) bind: bool,
}

/// From `forward`: the head of a backend's answer, and the connection its body comes by.
#[derive(Debug)]
pub(super) struct Answer {
    /// The answer.
    pub(super) response: Response<Incoming>,
    /// The connection.
    pub(super) connection: Connection,
    /// Token of the backend to which the client is bound from now on.
    pub(super) bind: Option<u64>,
}

/// From `forward`: why an attempt gave no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// Nothing was sent: another backend can be asked.
    Again(Box<Request<RequestBody>>, Reason),
    /// The request may have had an effect, or the time is up.
    Final(Reason),
}
