//! Step 7: one attempt at one backend.

use std::io;

use aya_core::reason::Reason;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;

use super::body::RequestBody;
use super::client::Client;
use super::exchange::{Exchange, Lease};
use super::guard::Identity;
use super::pick::Picked;
use super::{hop, record};
use crate::clock;
use crate::upstream::{self, ConnectError, Connection, SendError};

const FORWARDED: HeaderName = http::header::FORWARDED;
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The head of a backend's answer, and the connection its body comes by.
#[derive(Debug)]
pub(super) struct Answer {
    /// The answer.
    pub response: Response<Incoming>,
    /// The connection.
    pub connection: Connection,
    /// Token of the backend to which the client is bound from now on.
    pub bind: Option<u64>,
}

/// Why an attempt gave no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// Nothing was sent: another backend can be asked.
    Again(Box<Request<RequestBody>>, Reason),
    /// The request may have had an effect, or the time is up.
    Final(Reason),
}

/// Makes the head of a request fit for a backend: fields of this connection go, where it came from is added.
pub(super) fn rewrite(client: &Client, head: &mut Parts, identity: &Identity, exchange: &mut Exchange) {
    hop::remove(&mut head.headers);
    head.version = Version::HTTP_11;
    if let Some(authority) = head.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        head.headers.insert(HOST, host);
        let path = head.uri.path_and_query().cloned();
        head.uri = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    }
    forwarded(client, &mut head.headers);
    record::request_id(exchange, &mut head.headers, identity);
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
    if let Some(host) = host {
        headers.insert(FORWARDED_HOST, host);
    }
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
    let lease = exchange.lease.insert(picked.lease);
    let bind = picked.bind.then(|| lease.backend.load.token());
    if !request.headers().contains_key(HOST)
        && let Ok(host) = HeaderValue::from_str(&lease.backend.address)
    {
        request.headers_mut().insert(HOST, host);
    }
    record::picked(exchange);
    let mut may_reuse = true;
    loop {
        let mut connection = match connection(exchange, may_reuse).await {
            Ok(connection) => connection,
            Err(reason) => {
                record::attempt_failed(exchange, reason);
                return Err(Failed::Again(Box::new(request), reason));
            }
        };
        record::connected(exchange);
        let spare = Spare::of(&request, &connection);
        match send(exchange, &mut connection, request).await {
            Ok(response) => return Ok(Answer { response, connection, bind }),
            Err(SendError::Unsent(unsent)) if connection.is_reused() => request = *unsent,
            Err(SendError::Unsent(unsent)) => {
                record::attempt_failed(exchange, Reason::ClosedEarly);
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
    let lease = exchange.lease.as_ref().ok_or(Reason::NoBackend)?;
    if may_reuse && let Some(kept) = lease.cell().idle.take() {
        // Close enough: nothing was waited for since then.
        client.arm(lease.since().after(lease.pool.conf.first_byte_timeout));
        return Ok(kept);
    }
    client.arm(clock::now().after(lease.pool.conf.connect_timeout));
    let made = upstream::connect(lease.backend.resolved, || exchange.timed_out()).await;
    let now = clock::now();
    client.arm(now.after(lease.pool.conf.first_byte_timeout));
    made.map_err(|error| connect_reason(exchange, lease, &error))
}

fn connect_reason(exchange: &Exchange, lease: &Lease, error: &ConnectError) -> Reason {
    match error {
        ConnectError::GaveUp => exchange.client.timeout_reason(Reason::ConnectTimeout, clock::now()),
        ConnectError::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            exchange.client.state.refused(&lease.backend);
            Reason::ConnectRefused
        }
        ConnectError::Io(error) => {
            tracing::debug!(backend = lease.backend.id, %error, "cannot connect");
            Reason::ConnectFailed
        }
        ConnectError::Handshake(error) => {
            tracing::debug!(backend = lease.backend.id, %error, "cannot speak HTTP");
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
        let mut request = Request::new(RequestBody::empty());
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
