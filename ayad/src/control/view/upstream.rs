//! How a pool talks to its backends.

use std::time::Duration;

use aya_api::view::{
    HedgeSettings, KeepaliveSettings, RetrySettings, UpstreamTimeouts, UpstreamTlsView, UpstreamView,
};
use aya_core::retry::RetryRules;

use super::tls;
use crate::clock;
use crate::config::describe::retry_causes;
use crate::config::{Keepalive, ProxyVersion, Retry};
use crate::state::Pool;
use crate::tls::{ClientTls, InForce, Source};

/// Protocol, TLS, times and kept connections.
pub(super) fn view(pool: &Pool) -> UpstreamView {
    let conf = &pool.conf;
    let Keepalive { max_idle, idle, age } = conf.keepalive;
    UpstreamView {
        protocol: conf.protocol.as_str().to_owned(),
        tls: pool.tls.as_ref().map(|tls| secured(tls)),
        proxy_protocol: conf.proxy_protocol.map(ProxyVersion::as_str).map(str::to_owned),
        timeouts: UpstreamTimeouts {
            connect_ms: ms(conf.connect_timeout),
            first_byte_ms: ms(conf.first_byte_timeout),
            idle_ms: ms(conf.idle_timeout),
            tunnel_ms: ms(conf.tunnel_timeout),
            request_ms: conf.request_timeout.map(ms),
        },
        keepalive: KeepaliveSettings { max_idle: max_idle as u64, idle_ms: ms(idle), age_ms: ms(age) },
    }
}

fn secured(tls: &ClientTls) -> UpstreamTlsView {
    let settings = tls.settings();
    let shown = tls.certificate().zip(settings.client.as_ref());
    let shown =
        shown.map(|(info, (cert, _))| InForce { info, source: Source::File(cert.clone()), trouble: None });
    let now_s = (clock::wall_ms() / 1000).cast_signed();
    UpstreamTlsView {
        verify: settings.verify,
        ca: settings.ca.as_ref().map(|path| path.display().to_string()),
        server_name: settings.server_name.clone(),
        client_certificate: shown.map(|shown| tls::certificate(&shown, now_s)),
    }
}

/// When a request is sent once more.
pub(super) fn retry(retry: &Retry) -> RetrySettings {
    let Retry { rules, body } = retry;
    let RetryRules { attempts, per_try, backoff, max_backoff, max_retry_after, budget, .. } = rules;
    RetrySettings {
        on: retry_causes(rules),
        attempts: (*attempts).max(1),
        per_try_ms: per_try.map(ms),
        backoff_ms: ms(*backoff),
        max_backoff_ms: ms(*max_backoff),
        max_retry_after_ms: ms(*max_retry_after),
        body_bytes: *body as u64,
        budget_share: budget.share,
        budget_least: budget.least,
    }
}

/// When a request that waits is also sent to a second backend, and after what time that is now.
pub(super) fn hedge(pool: &Pool) -> Option<HedgeSettings> {
    let rules = pool.conf.hedge.as_ref()?;
    let delay = pool.hedging.delay.get();
    Some(HedgeSettings {
        quantile: rules.quantile,
        min_ms: ms(rules.min),
        delay_ms: delay.map(|delay| delay.as_secs_f64() * 1e3),
    })
}

fn ms(time: Duration) -> u64 {
    time.as_millis() as u64
}
