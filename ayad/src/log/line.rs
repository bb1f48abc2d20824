//! One line of the access log.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aya_core::reason::Reason;
use aya_core::route::Country;
use aya_core::time::Tick;
use serde::Serialize;

use crate::clock;
use crate::proxy::between::{Request, Target};
use crate::proxy::client::Client;
use crate::proxy::exchange::{Exchange, Place};
use crate::proxy::notes::Id;
use crate::state::Pool;
use crate::tls::ClientIdentity;

/// Most bytes of the name of a protocol after an upgrade.
const LONGEST_PROTOCOL: usize = 64;

/// What is taken down of a request before its head is passed on.
#[derive(Debug)]
pub struct LogDraft {
    /// The client's address, once it is known who asks.
    pub client: Option<IpAddr>,
    /// The client's country, when some route depended on it.
    pub country: Option<Country>,
    method: String,
    host: String,
    uri: String,
    version: &'static str,
    protocol: Cow<'static, str>,
    pool: Option<Arc<Pool>>,
    attempts: Vec<Attempt>,
    hedge: Option<&'static str>,
}

/// One attempt that did not bring the answer.
#[derive(Debug, Serialize)]
struct Attempt {
    backend: String,
    /// The status of its answer, or why there was none, or `given-up` when another one at the same time ended first.
    outcome: String,
    /// More about it, where that has many causes.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Box<str>>,
    took_us: u64,
}

impl LogDraft {
    /// Takes down the request line and the host.
    pub fn of(request: &Request<'_>, target: &Target<'_>) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let head = request.head;
        let version = if head.http_1_0 { "1.0" } else { request.protocol };
        let protocol = match version {
            "1.0" => "HTTP/1.0",
            "1.1" => "HTTP/1.1",
            _ => "HTTP/2",
        };
        Self {
            client: None,
            country: None,
            method: text(request.method()),
            host: target.host.to_owned(),
            uri: format!("{}{}", target.path, String::from_utf8_lossy(head.query.of(request.bytes))),
            version,
            protocol: protocol.into(),
            pool: None,
            attempts: Vec::new(),
            hedge: None,
        }
    }

    /// Takes down where the request is routed to.
    pub fn routed(&mut self, pool: &Arc<Pool>) {
        self.pool = Some(Arc::clone(pool));
    }

    /// Takes down which protocol the connection carries after an upgrade.
    pub fn switched(&mut self, protocol: &[u8]) {
        let name = &protocol[..protocol.len().min(LONGEST_PROTOCOL)];
        self.protocol = String::from_utf8_lossy(name).to_ascii_lowercase().into();
    }

    /// Takes down an attempt that did not bring the answer.
    pub fn attempted(&mut self, backend: &str, outcome: String, detail: Option<Box<str>>, took: Duration) {
        let took_us = took.as_micros() as u64;
        self.attempts.push(Attempt { backend: backend.to_owned(), outcome, detail, took_us });
    }

    /// Takes down that two attempts ran at once, and whether the second one brought the answer.
    pub fn hedged(&mut self, won: bool) {
        self.hedge = Some(if won { "won" } else { "lost" });
    }
}

/// One line; the field names are what people search for.
#[derive(Debug, Serialize)]
pub struct LogLine<'e> {
    /// When the request ended, wall clock.
    time_ms: u64,
    listener: &'e str,
    client: IpAddr,
    /// When some route depended on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'e str>,
    peer: std::net::SocketAddr,
    request_id: Option<&'e str>,
    method: Option<&'e str>,
    host: Option<&'e str>,
    uri: Option<&'e str>,
    version: Option<&'static str>,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`; after an upgrade what it became, such as `websocket`.
    protocol: Option<&'e str>,
    /// What the client's TLS handshake told, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<Tls<'e>>,
    /// Where a route sent it, also when no backend could be asked.
    pool: Option<&'e str>,
    /// Whose answer it was.
    backend: Option<&'e str>,
    /// Status the client got; 0 when it got none.
    status: u16,
    /// How a gRPC call ended, by its own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc_status: Option<u32>,
    reason: Option<&'static str>,
    /// More about the reason, where it has many causes.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'e str>,
    attempts: u32,
    /// Which faults hit it, as `f7 latency`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'e str>,
    /// Of a request that was hedged: whether the second attempt brought the answer, `won` or `lost`.
    #[serde(skip_serializing_if = "Option::is_none")]
    hedge: Option<&'static str>,
    /// Attempts beside the one that counted, in the order in which they ended.
    #[serde(skip_serializing_if = "<[Attempt]>::is_empty")]
    failed_attempts: &'e [Attempt],
    bytes_received: u64,
    bytes_sent: u64,
    timing_us: Timing,
}

/// The client's TLS, as far as it is known.
#[derive(Debug, Serialize)]
struct Tls<'e> {
    /// `1.2` or `1.3`.
    version: &'static str,
    /// The cipher suite, by its registered name.
    cipher: Option<&'static str>,
    /// The name the client asked for (SNI).
    #[serde(skip_serializing_if = "Option::is_none")]
    server_name: Option<&'e str>,
    /// Subject of the client's certificate, verified (RFC 4514).
    #[serde(skip_serializing_if = "Option::is_none")]
    client_subject: Option<&'e str>,
    /// SHA-256 of the client's certificate, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_fingerprint: Option<&'e str>,
    /// An earlier session was resumed.
    resumed: bool,
}

impl<'e> Tls<'e> {
    fn of(client: &'e Client) -> Option<Self> {
        let handshake = client.handshake.get()?;
        let identity = handshake.client.as_ref();
        Some(Self {
            version: handshake.version,
            cipher: handshake.cipher,
            server_name: handshake.server_name.as_deref(),
            client_subject: identity.and_then(ClientIdentity::subject),
            client_fingerprint: identity.and_then(ClientIdentity::fingerprint),
            resumed: handshake.resumed,
        })
    }
}

/// How long the steps took, in microseconds; each counts from the end of the one before.
#[derive(Debug, Default, Serialize)]
struct Timing {
    /// From the first byte of the request to the picked backend: read, parse, route, guard, admit, pick.
    #[serde(skip_serializing_if = "Option::is_none")]
    pick: Option<u64>,
    /// Until the connection that carried the request was there; failed attempts included.
    #[serde(skip_serializing_if = "Option::is_none")]
    connect: Option<u64>,
    /// Until the head of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte: Option<u64>,
    /// Until its last byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<u64>,
    /// From first to last.
    total: u64,
}

impl<'e> LogLine<'e> {
    /// The line of a request that is over.
    pub fn of(draft: &'e LogDraft, exchange: &'e Exchange, now: Tick) -> Self {
        let client = &exchange.client;
        let backend = exchange.place.as_ref().map(Place::backend);
        Self {
            time_ms: clock::wall_ms(),
            listener: &client.listener.conf.name,
            client: draft.client.unwrap_or_else(|| client.peer.ip().to_canonical()),
            country: draft.country.as_ref().map(Country::as_str),
            peer: client.peer,
            request_id: exchange.id.as_ref().and_then(Id::as_str),
            method: Some(&draft.method),
            host: Some(&draft.host),
            uri: Some(&draft.uri),
            version: Some(draft.version),
            protocol: Some(&draft.protocol),
            tls: Tls::of(client),
            pool: draft.pool.as_ref().map(|pool| pool.name.as_str()),
            backend: backend.map(|b| b.name.as_str()),
            status: exchange.status,
            grpc_status: exchange.grpc_status,
            reason: exchange.reason.map(Reason::as_str),
            detail: exchange.cause.as_deref(),
            attempts: exchange.attempts,
            fault: exchange.faults.as_deref(),
            hedge: draft.hedge,
            failed_attempts: &draft.attempts,
            bytes_received: exchange.bytes_received,
            bytes_sent: exchange.bytes_sent,
            timing_us: timing(exchange, now),
        }
    }

    /// The line of bytes that were no request; `detail` is the rule they broke.
    pub fn unreadable(client: &'e Client, reason: Reason, detail: Option<&'e str>) -> Self {
        Self {
            time_ms: clock::wall_ms(),
            listener: &client.listener.conf.name,
            client: client.peer.ip().to_canonical(),
            country: None,
            peer: client.peer,
            request_id: None,
            method: None,
            host: None,
            uri: None,
            version: None,
            protocol: None,
            tls: Tls::of(client),
            pool: None,
            backend: None,
            status: reason.status(),
            grpc_status: None,
            reason: Some(reason.as_str()),
            detail,
            attempts: 0,
            fault: None,
            hedge: None,
            failed_attempts: &[],
            bytes_received: 0,
            bytes_sent: 0,
            timing_us: Timing::default(),
        }
    }

    /// The line of a connection that ended before anything could be answered on it, and why.
    pub fn untold(client: &'e Client, reason: Reason, detail: &'e str) -> Self {
        Self { status: 0, ..Self::unreadable(client, reason, Some(detail)) }
    }
}

fn timing(exchange: &Exchange, now: Tick) -> Timing {
    let mut last = exchange.started;
    let mut step = |end: Option<Tick>| {
        end.map(|end| {
            let took = end.since(last);
            last = end;
            took.as_micros() as u64
        })
    };
    let steps = exchange.steps;
    Timing {
        pick: step(steps.picked),
        connect: step(steps.connected),
        first_byte: step(steps.first_byte),
        body: step(steps.first_byte.map(|_| now)),
        total: now.since(exchange.started).as_micros() as u64,
    }
}
