//! `[listen.NAME]`: where clients connect.

use schemars::JsonSchema;
use serde::Deserialize;

use super::OneOrMany;
use super::format::{Bind, Network, Period, Rate, Size, SizeLimit};
use super::tls::ListenTls;

/// A listener: addresses that accept connections.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Address or addresses to listen on, as IP:PORT; port 0 takes any free port. Required.
    pub bind: OneOrMany<Bind>,
    /// What is spoken. Default: "http".
    pub protocol: Option<Protocol>,
    /// Whether clients may also speak HTTP/2, as gRPC does: with prior knowledge, or as TLS agrees. Default: true. An
    /// idle HTTP/2 connection costs about 46 KiB.
    pub http2: Option<bool>,
    /// Most client connections at once, over all addresses and workers; more are turned away. Default:
    /// 10000. Each idle one costs about 3 KiB of memory, and more inside TLS and over HTTP/2.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_connections: Option<u32>,
    /// How long clients may take.
    pub timeouts: Option<ListenTimeouts>,
    /// How large requests may be.
    pub limits: Option<Limits>,
    /// Networks whose `Forwarded` and `X-Forwarded-*` headers are believed, e.g. `["10.0.0.0/8"]`. Default:
    /// none, because any client can write such headers. Set it to the addresses of the proxies in front. With
    /// `proxy_protocol`, only these may connect.
    pub trusted_proxies: Option<Vec<Network>>,
    /// "required" when a load balancer in front tells by the PROXY protocol, version 1 or 2, who connected: each
    /// connection must begin with it, and come from `trusted_proxies`; all others are closed. Headers are then
    /// believed from whoever is named, not from that load balancer. Default: "off".
    pub proxy_protocol: Option<ProxyProtocol>,
    /// TLS to clients. Default: none.
    pub tls: Option<ListenTls>,
}

impl Listen {
    /// A listener with nothing but its addresses.
    pub fn on(bind: OneOrMany<Bind>) -> Self {
        Self {
            bind,
            protocol: None,
            http2: None,
            max_connections: None,
            timeouts: None,
            limits: None,
            trusted_proxies: None,
            proxy_protocol: None,
            tls: None,
        }
    }
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "a protocol of this version")]
pub enum Protocol {
    /// HTTP/1.1, and HTTP/2 unless that is switched off.
    #[default]
    Http,
    /// Bytes, whatever they mean. Routes that name the listener choose the pool: by the name a TLS client asks for
    /// (SNI) when they match a host, without ending TLS, and for everybody else when they do not.
    Tcp,
}

/// Whether the PROXY protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "a use of the PROXY protocol")]
pub enum ProxyProtocol {
    /// It is not.
    Off,
    /// Each connection must begin with it.
    Required,
}

/// How long clients may take.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenTimeouts {
    /// Longest time for the head of a request, from its first byte to its last. Default: "10s". It is what
    /// slow-header attacks run into. With protocol "tcp": for the PROXY protocol, and for the first bytes of TLS when
    /// routes match hosts; a client that waits for the server to speak first waits this long then.
    pub header: Option<Period>,
    /// Longest time a kept-alive connection waits for its next request. Default: "60s". Lower it to save
    /// memory, raise it to save handshakes. With protocol "tcp": longest silence in both directions, by default "1h".
    pub idle: Option<Period>,
    /// Longest silence of a client inside a body, sending a request or reading an answer. That a client reads shows in
    /// portions of up to 64 KiB, so it must take that much in this time. Default: "30s".
    pub body: Option<Period>,
}

/// How large requests may be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Most bytes in the head of a request, at least "8KiB"; more is answered with 431. Default: "16KiB".
    /// Raise it for very large cookies.
    pub header_bytes: Option<Size>,
    /// Most header fields in a request; more is answered with 431. Default: 100.
    #[schemars(range(min = 1, max = 1000))]
    pub headers: Option<u32>,
    /// Most requests at once on one HTTP/2 connection; more are refused, and tried again by the client. Default: 128.
    /// Each may hold some 64 KiB of what its client does not read.
    #[schemars(range(min = 1, max = 65_536))]
    pub streams: Option<u32>,
    /// Most bytes in the body of a request; more is answered with 413. Default: "none".
    pub body: Option<SizeLimit>,
    /// Least rate at which the body of a request must come; slower is answered with 408. Default: "500B/s". The first
    /// `timeouts.body` is free, bytes above the rate buy time for later, and time in which the backend does not read
    /// is not counted. It holds until the answer begins, and not for gRPC, whose requests are conversations. It is what
    /// slow-body attacks run into.
    pub body_rate: Option<Rate>,
}
