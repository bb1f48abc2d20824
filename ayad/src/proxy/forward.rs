//! Step 7: one attempt at one backend.

use std::io;

use aya_core::reason::Reason;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;

use super::between::{Answer, Failed, Identity, Picked};
use super::client::Client;
use super::exchange::{Exchange, Place};
use super::{framing, hop};
use crate::clock;
use crate::tls::is_reserved;
use crate::upstream::{self, ConnectError, Connection, RequestBody, SendError};

const FORWARDED: HeaderName = http::header::FORWARDED;
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Fields that are added to a request.
const ADDED: usize = 5;

/// Makes the head of a request fit for a backend: fields of this connection go, where it came from is added.
pub(super) fn rewrite(client: &Client, head: &mut Parts, identity: &Identity, exchange: &mut Exchange) {
    hop::remove(&mut head.headers);
    // At once, instead of by doubling while the fields below are added.
    head.headers.reserve(ADDED);
    head.version = Version::HTTP_11;
    if let Some(authority) = head.uri.authority()
        // Who the client claims to be is not part of where it goes.
        && let Some(host) = authority.as_str().rsplit('@').next()
        && let Ok(host) = HeaderValue::from_str(host)
    {
        head.headers.insert(HOST, host);
        let path = head.uri.path_and_query().cloned();
        head.uri = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    }
    forwarded(client, &mut head.headers);
    known_by_certificate(client, &mut head.headers);
    exchange.note_identity(&mut head.headers, identity);
}

/// Says who the client is by its certificate, and nothing else that looks like it.
fn known_by_certificate(client: &Client, headers: &mut HeaderMap) {
    let prefixes = &client.listener.conf.reserved_prefixes;
    if prefixes.is_empty() {
        return;
    }
    let is_ours = |name: &&HeaderName| prefixes.iter().any(|p| is_reserved(p, name.as_str().as_bytes()));
    let claimed: Vec<HeaderName> = headers.keys().filter(is_ours).cloned().collect();
    for name in claimed {
        headers.remove(name);
    }
    let identity = client.handshake.get().and_then(|handshake| handshake.client.as_ref());
    headers.extend(identity.iter().flat_map(|identity| identity.fields.clone()));
}

/// Says where the request came from. What an untrusted peer claims is replaced, what a trusted one claims is
/// added to.
fn forwarded(client: &Client, headers: &mut HeaderMap) {
    let host = headers.get(HOST).cloned();
    if client.trusted {
        append(headers, FORWARDED_FOR, &client.peer_value);
        if let Some(value) = host.as_ref().and_then(|host| client.forwarded(host)) {
            append(headers, FORWARDED, &value);
        }
        if headers.contains_key(FORWARDED_PROTO) {
            return;
        }
    } else {
        headers.insert(FORWARDED_FOR, client.peer_value.clone());
        match host.as_ref().and_then(|host| client.forwarded(host)) {
            Some(value) => headers.insert(FORWARDED, value),
            None => headers.remove(FORWARDED),
        };
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    match host {
        Some(host) => headers.insert(FORWARDED_HOST, host),
        None => headers.remove(FORWARDED_HOST),
    };
}

fn append(headers: &mut HeaderMap, name: HeaderName, last: &HeaderValue) {
    let mut chain = Vec::new();
    for value in headers.get_all(&name) {
        chain.extend_from_slice(value.as_bytes());
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(last.as_bytes());
    // Both parts were header values, and a comma between them keeps it so.
    if let Ok(value) = HeaderValue::from_bytes(&chain) {
        headers.insert(name, value);
    }
}

/// Sends the request to the picked backend and waits for the head of its answer.
///
/// A kept connection that turns out to be closed is replaced by another one, and by a fresh one once bytes of
/// a request that can be repeated were sent on it. Cancel-safe: dropping it closes the connection.
pub(super) async fn forward(
    exchange: &mut Exchange,
    picked: Picked,
    mut request: Request<RequestBody>,
) -> Result<Answer, Failed> {
    let place = exchange.place.insert(picked.place);
    let bind = picked.bind.then(|| place.backend.load.token());
    if !request.headers().contains_key(HOST)
        && let Ok(host) = HeaderValue::from_str(&place.backend.address)
    {
        request.headers_mut().insert(HOST, host);
    }
    exchange.note_picked();
    let mut may_reuse = true;
    loop {
        let mut connection = match connection(exchange, may_reuse).await {
            Ok(connection) => connection,
            Err(reason) => {
                exchange.note_failed_attempt(reason);
                return Err(Failed::Again(Box::new(request), reason));
            }
        };
        exchange.note_connected();
        let spare = Spare::of(&request, &connection);
        match send(exchange, &mut connection, request).await {
            Ok(mut response) => {
                let status = response.status();
                framing::of_answer(status, response.headers_mut()).map_err(Failed::Final)?;
                return Ok(Answer { response, connection, bind });
            }
            Err(SendError::Unsent(unsent)) if connection.is_reused() => request = *unsent,
            Err(SendError::Unsent(unsent)) => {
                exchange.note_failed_attempt(Reason::ClosedEarly);
                return Err(Failed::Again(unsent, Reason::ClosedEarly));
            }
            Err(SendError::GaveUp) => {
                let reason = exchange.client.timeout_reason(Reason::FirstByteTimeout, clock::now());
                return Err(Failed::Final(reason));
            }
            Err(SendError::Sent(error)) => match spare {
                Some(spare) if is_closed_early(&error) => {
                    (request, may_reuse) = (spare.into_request(), false);
                }
                _ => return Err(Failed::Final(blame(exchange, &error))),
            },
        }
    }
}

async fn send(
    exchange: &Exchange,
    connection: &mut Connection,
    request: Request<RequestBody>,
) -> Result<Response<Incoming>, SendError> {
    connection.exchange(request, || exchange.timed_out()).await
}

/// A kept connection, or a new one.
async fn connection(exchange: &Exchange, may_reuse: bool) -> Result<Connection, Reason> {
    let client = &exchange.client;
    let place = exchange.place.as_ref().ok_or(Reason::NoBackend)?;
    if may_reuse && let Some(kept) = place.cell().idle.take() {
        // Close enough: nothing was waited for since then.
        client.arm(place.since().after(place.pool.conf.first_byte_timeout));
        return Ok(kept);
    }
    client.arm(clock::now().after(place.pool.conf.connect_timeout));
    let tls = place.pool.tls.as_deref().map(|tls| (tls, place.backend.address.as_str()));
    let made = upstream::connect(&place.backend.resolved, tls, || exchange.timed_out()).await;
    let now = clock::now();
    client.arm(now.after(place.pool.conf.first_byte_timeout));
    made.map_err(|error| connect_reason(exchange, place, &error))
}

fn connect_reason(exchange: &Exchange, place: &Place, error: &ConnectError) -> Reason {
    match error {
        ConnectError::GaveUp => exchange.client.timeout_reason(Reason::ConnectTimeout, clock::now()),
        ConnectError::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            exchange.client.state.refused(&place.backend);
            Reason::ConnectRefused
        }
        ConnectError::Io(error) if upstream::is_our_own_want(error) => {
            tracing::warn!(backend = place.backend.id, %error, "cannot connect for want of our own");
            Reason::OutOfResources
        }
        ConnectError::Io(error) => {
            tracing::debug!(backend = place.backend.id, %error, "cannot connect");
            Reason::ConnectFailed
        }
        ConnectError::Tls(error) => {
            tracing::debug!(backend = place.backend.id, %error, "no TLS handshake");
            Reason::TlsFailed
        }
        ConnectError::Handshake(error) => {
            tracing::debug!(backend = place.backend.id, %error, "cannot speak HTTP");
            Reason::ConnectFailed
        }
    }
}

/// What is needed to send a request once more.
struct Spare {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Spare {
    /// Only for kept connections, which the backend may be closing at this moment, and only for requests
    /// that mean the same when sent twice.
    fn of(request: &Request<RequestBody>, connection: &Connection) -> Option<Self> {
        let worthwhile =
            connection.was_kept() && request.method().is_idempotent() && request.body().is_empty();
        worthwhile.then(|| Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
        })
    }

    fn into_request(self) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::default());
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}

fn is_closed_early(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || error.is_closed() || error.is_canceled() || is_reset(error)
}

fn is_reset(error: &hyper::Error) -> bool {
    std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>()).is_some()
}

fn blame(exchange: &Exchange, error: &hyper::Error) -> Reason {
    if let Some(reason) = exchange.client.body_failure() {
        return reason;
    }
    if is_closed_early(error) { Reason::ClosedEarly } else { Reason::BadResponse }
}
