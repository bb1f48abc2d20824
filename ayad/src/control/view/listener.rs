//! Listeners.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aya_api::view::{ListenerLimits, ListenerView};

use super::tls;
use crate::config::{self, Alpn, Protocol};
use crate::control::Control;
use crate::state::{Listener, Snapshot};

impl Control {
    /// All listeners.
    pub fn listener_views(&self, snapshot: &Snapshot) -> Vec<ListenerView> {
        snapshot.listeners.iter().map(|listener| self.listener_view(listener)).collect()
    }

    fn listener_view(&self, listener: &Listener) -> ListenerView {
        let (cell, conf) = (&listener.cell, &listener.conf);
        ListenerView {
            name: conf.name.clone(),
            rev: listener.rev,
            bind: listener.bound.iter().map(ToString::to_string).collect(),
            protocol: if listener.tls.is_some() { "https" } else { conf.protocol.as_str() }.to_owned(),
            speaks: speaks(conf).into_iter().map(str::to_owned).collect(),
            proxy_protocol: conf.proxy_protocol,
            trusted_proxies: conf.trusted_proxies.iter().map(ToString::to_string).collect(),
            connections: cell.connections.load(Ordering::Relaxed),
            max_connections: conf.max_connections as u64,
            accepted: cell.accepted.load(Ordering::Relaxed),
            refused: cell.refused.load(Ordering::Relaxed),
            requests: cell.requests(),
            rate: self.sampler.listener_rate(cell),
            limits: limits(conf),
            tls: listener.tls.as_ref().map(|tls| tls::view(tls)),
        }
    }
}

/// What clients may speak, best first.
fn speaks(conf: &config::Listener) -> Vec<&'static str> {
    match (conf.protocol, &conf.tls) {
        (Protocol::Tcp, _) => vec!["tcp"],
        (Protocol::Http, Some(tls)) => tls.alpn.iter().map(|alpn| alpn.as_str()).collect(),
        // By prior knowledge (RFC 9113, 3.3).
        (Protocol::Http, None) if conf.max_streams.is_some() => {
            vec![Alpn::H2.as_str(), Alpn::Http1.as_str()]
        }
        (Protocol::Http, None) => vec![Alpn::Http1.as_str()],
    }
}

fn limits(conf: &config::Listener) -> ListenerLimits {
    let ms = |time: Duration| time.as_millis() as u64;
    ListenerLimits {
        header_timeout_ms: ms(conf.header_timeout),
        idle_timeout_ms: ms(conf.idle_timeout),
        body_timeout_ms: ms(conf.body_timeout),
        body_rate: conf.body_pace.per_second,
        header_bytes: conf.max_header_bytes as u64,
        headers: conf.max_headers as u64,
        body_bytes: conf.max_body_bytes,
        streams: conf.max_streams,
    }
}
