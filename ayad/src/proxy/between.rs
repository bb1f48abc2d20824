//! What passes between the steps. A step imports these types and never another step.

use std::net::IpAddr;
use std::sync::Arc;

use aya_core::reason::Reason;
use aya_core::route::Country;

use super::exchange::Place;
use crate::h1::{Framing, Known, RequestHead};
use crate::state::Pool;

/// The head of a request as every step sees it, whichever protocol it came by: what came by another one was written
/// as HTTP/1.1 and read as strictly.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// The bytes that the head's spans mean.
    pub bytes: &'r [u8],
    /// Its parts.
    pub head: &'r RequestHead,
    /// Version of the protocol it came by, for people.
    pub protocol: &'static str,
}

impl<'r> Request<'r> {
    /// Its method.
    pub fn method(&self) -> &'r [u8] {
        self.head.method.of(self.bytes)
    }

    /// The first field of this name.
    pub fn get(&self, known: Known) -> Option<&'r [u8]> {
        self.head.fields.get(self.bytes, known)
    }
}

/// From `parse`: what a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'r> {
    /// Host without port; empty for HTTP/1.0 without one.
    pub host: &'r str,
    /// Path in its normal form, without query; `*` for the server as a whole.
    pub path: &'r str,
}

/// From `route`: where a request goes.
#[derive(Debug)]
pub(super) struct Hit {
    /// The pool.
    pub(super) pool: Arc<Pool>,
    /// Its position in the snapshot, under which this worker keeps its picker.
    pub(super) position: usize,
    /// A bit for each zone of the pool in which it would rather be served; 0 for the one of this daemon.
    pub(super) prefer: u64,
    /// The route, and the generation of the configuration that has it.
    pub(super) route: RouteId,
    /// The rule of the pool that says what picks for it, by position, when one is for some requests and this is one.
    pub(super) rule: Option<u8>,
    /// The client's country, when some route depended on it.
    pub(super) country: Option<Country>,
}

/// A route, as a number in one generation of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteId {
    /// The generation.
    pub generation: u64,
    /// The number.
    pub index: usize,
}

/// From `guard`: who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The client's address, as far as it can be believed.
    pub address: IpAddr,
    /// Hash of that address.
    pub key: u64,
}

/// What binds a client to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    /// Hash of what the pool tells requests apart by.
    pub(super) key: u64,
    /// Hash of the client's address.
    pub(super) source: u64,
    /// How it is bound.
    pub(super) kind: Bound,
}

/// How a client is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// It is not.
    Free,
    /// By its address.
    Source,
    /// By the token in its cookie, when there is a readable one.
    Cookie(Option<u64>),
}

/// What the steps up to `admit` found out: enough to send the request, and to send it again.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one request")]
pub(super) struct Way {
    /// Where it goes.
    pub(super) hit: Hit,
    /// What binds the client.
    pub(super) binding: Binding,
    /// It is a `HEAD`.
    pub(super) to_head: bool,
    /// It asks for another protocol.
    pub(super) upgrade: bool,
    /// Its head has a `Host`.
    pub(super) names_host: bool,
    /// It means the same when it is sent twice, as far as its head can tell.
    pub(super) is_idempotent: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub(super) expects_continue: bool,
    /// Its body must come at the listener's least rate.
    pub(super) is_paced: bool,
    /// How long its body is.
    pub(super) framing: Framing,
}

impl Way {
    /// True when there is a body.
    pub(super) fn has_body(&self) -> bool {
        !matches!(self.framing, Framing::None | Framing::Length(0))
    }
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

/// From `forward`: why an attempt gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// Nothing was sent: another backend can be asked.
    Unsent(Reason),
    /// A connection that was kept turned out to be closed, after the request was sent on it.
    Stale(Reason),
    /// The request was sent, and may have had an effect.
    Sent(Reason),
    /// The client's doing, or its time is up.
    Final(Reason),
}

impl Failed {
    /// Why.
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::Unsent(reason) | Self::Stale(reason) | Self::Sent(reason) | Self::Final(reason) => reason,
        }
    }
}
