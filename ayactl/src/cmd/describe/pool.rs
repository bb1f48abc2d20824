//! `ayactl describe` of a pool: how it picks, how it talks to its backends, what it does when that fails.

use std::fmt::Write as _;

use aya_api::view::{
    BreakerSettings, DiscoveryView, HedgeSettings, KeepaliveSettings, ListenerView, PoolView, RetrySettings,
    RouteView, UpstreamTimeouts, UpstreamTlsView, UpstreamView,
};

use super::{field, traffic};
use crate::args::Format;
use crate::failure::Failure;
use crate::render::cell::UNKNOWN;
use crate::render::{self, View};
use crate::time::{self, setting};

/// How requests come to a pool.
pub(super) struct Ways {
    routes: Vec<String>,
    /// Only connections come, of listeners that pass bytes on as they are.
    is_tcp: bool,
}

impl Ways {
    /// The ways to this pool.
    pub(super) fn to(pool: &PoolView, routes: &[RouteView], listeners: &[ListenerView]) -> Self {
        let to_it = || routes.iter().filter(|route| route.pool == pool.name);
        let is_tcp = |name: &String| listeners.iter().any(|l| l.name == *name && l.protocol == "tcp");
        let mut from = to_it().flat_map(|route| &route.listeners).peekable();
        Self {
            is_tcp: from.peek().is_some() && from.all(is_tcp),
            routes: to_it().map(|route| route.name.clone()).collect(),
        }
    }
}

/// One pool, in the format asked for.
pub(super) fn text(pool: &PoolView, ways: &Ways, view: &View) -> Result<String, Failure> {
    if let Some(text) = render::document(pool, view)? {
        return Ok(text);
    }
    if matches!(view.format, Format::Csv | Format::Name) {
        return render::list(vec![pool.clone()], view);
    }
    let mut text = String::new();
    field(&mut text, "Pool", &pool.name);
    field(&mut text, "Algorithm", &algorithm(pool, view.now_ms));
    if let Some(auto) = &pool.algorithm.auto {
        super::auto::fields(&mut text, auto, view.now_ms);
    }
    field(&mut text, "Sticky", pool.algorithm.sticky.as_deref().unwrap_or("no"));
    field(&mut text, "Check", &pool.check);
    field(&mut text, "Breaker", &pool.breaker.as_ref().map_or_else(|| "none".to_owned(), breaker));
    if let Some(outliers) = &pool.outliers {
        field(&mut text, "Outliers", &watched(outliers));
    }
    if let Some(window) = pool.slow_start_ms {
        field(&mut text, "Slow start", &format!("{} to its whole share", setting(window)));
    }
    if let Some(division) = &pool.division {
        super::division::fields(&mut text, division);
    }
    upstream(&mut text, &pool.upstream, ways, view.now_ms);
    repeats(&mut text, &pool.retry, pool.hedge.as_ref());
    for source in &pool.discovery {
        field(&mut text, "Discovery", &discovered(source, view.now_ms));
    }
    let panic = if pool.in_panic { ", in panic: health is ignored" } else { "" };
    field(&mut text, "Eligible", &format!("{} of {}{panic}", pool.eligible, pool.backends.len()));
    traffic(&mut text, &pool.traffic);
    let Ways { routes, .. } = ways;
    field(&mut text, "Routes", if routes.is_empty() { UNKNOWN.into() } else { routes.join(", ") }.as_str());
    field(&mut text, "Revision", &pool.rev.to_string());
    text.push('\n');
    text.push_str(&render::list(pool.backends.clone(), view)?);
    Ok(text)
}

fn algorithm(pool: &PoolView, now_ms: u64) -> String {
    let algorithm = &pool.algorithm;
    let mut how = algorithm.in_words();
    if algorithm.overridden {
        let _ = write!(how, " (configured: {})", algorithm.configured);
    }
    if algorithm.restored {
        how.push_str(", restored from the journal");
    }
    if let Some(at) = algorithm.until_ms {
        let _ = write!(how, ", reverts {}", time::until(now_ms, at));
    }
    how
}

fn watched(mode: &str) -> String {
    match mode {
        "enforce" => "those that do worse than the others get less, then nothing".to_owned(),
        "shadow" => "told, and nothing is done (shadow)".to_owned(),
        other => other.to_owned(),
    }
}

/// `dns shop:80: 3 backends, stale for 12s (no name server answered in time), looked 1s ago, changed 5m ago`.
fn discovered(found: &DiscoveryView, now_ms: u64) -> String {
    let DiscoveryView { source, state, since_ms, cause, looked_ms, changed_ms, backends, .. } = found;
    let DiscoveryView { looks, failures, missing, left_out, .. } = found;
    let noun = if *backends == 1 { "backend" } else { "backends" };
    let mut line =
        format!("{source}: {backends} {noun}, {} for {}", state.as_str(), time::age(now_ms, *since_ms));
    if let Some(cause) = cause {
        let _ = write!(line, " ({cause})");
    }
    if let Some(looked) = looked_ms {
        let _ = write!(line, ", looked {} ago ({failures} of {looks} failed)", time::age(now_ms, *looked));
    }
    if let Some(changed) = changed_ms {
        let _ = write!(line, ", changed {} ago", time::age(now_ms, *changed));
    }
    if !missing.is_empty() {
        let _ = write!(line, ", missing: {}", missing.join(" "));
    }
    if *left_out > 0 {
        let _ = write!(line, ", {left_out} left out");
    }
    line
}

fn breaker(breaker: &BreakerSettings) -> String {
    let BreakerSettings {
        failures,
        open_ms,
        open_max_ms,
        error_share,
        slow_ms,
        slow_share,
        window_ms,
        min_calls,
        trials,
    } = breaker;
    let percent = |share: &f64| format!("{:.0} %", share * 100.0);
    let mut ways = Vec::new();
    if *failures > 0 {
        ways.push(format!("after {failures} failures in a row"));
    }
    ways.extend(error_share.as_ref().map(|share| format!("when {} fail", percent(share))));
    if let (Some(slow), Some(share)) = (slow_ms, slow_share) {
        ways.push(format!("when {} take {} or longer", percent(share), setting(*slow)));
    }
    let mut line = format!("opens {}", ways.join(", or "));
    if let (Some(window), Some(calls)) = (window_ms, min_calls) {
        let _ = write!(line, " (of at least {calls} in {})", setting(*window));
    }
    let _ = write!(line, ", for {}", setting(*open_ms));
    if let Some(most) = open_max_ms.filter(|most| most > open_ms) {
        let _ = write!(line, " to {}", setting(most));
    }
    if let Some(trials) = trials.filter(|trials| *trials > 1) {
        let _ = write!(line, "; {trials} trials");
    }
    line
}

fn upstream(text: &mut String, upstream: &UpstreamView, ways: &Ways, now_ms: u64) {
    let UpstreamView { protocol, tls, proxy_protocol, timeouts, keepalive } = upstream;
    // What it would speak if it had requests is of no interest to whoever passes bytes on.
    let protocol = if ways.is_tcp { "tcp" } else { protocol };
    let proxy = proxy_protocol.as_ref().map(|version| format!(", after PROXY protocol {version}"));
    field(text, "Protocol", &format!("{protocol}{}", proxy.unwrap_or_default()));
    field(text, "TLS", &tls.as_ref().map_or_else(|| "no".to_owned(), |tls| secured(tls, now_ms)));
    let UpstreamTimeouts { connect_ms, first_byte_ms, idle_ms, tunnel_ms, request_ms } = timeouts;
    let line = format!(
        "connect {}, first byte {}, silence {}, in tunnels {}, whole request {}",
        setting(*connect_ms),
        setting(*first_byte_ms),
        setting(*idle_ms),
        setting(*tunnel_ms),
        request_ms.map_or_else(|| "unlimited".to_owned(), setting),
    );
    field(text, "Timeouts", &line);
    if ways.is_tcp {
        return;
    }
    let KeepaliveSettings { max_idle, idle_ms, age_ms } = keepalive;
    let line = if *max_idle == 0 {
        "no connection is kept".to_owned()
    } else {
        let (idle, age) = (setting(*idle_ms), setting(*age_ms));
        format!("{max_idle} idle for each worker and backend, {idle} each, at most {age} old")
    };
    field(text, "Kept", &line);
}

fn secured(tls: &UpstreamTlsView, now_ms: u64) -> String {
    let UpstreamTlsView { verify, ca, server_name, client_certificate } = tls;
    let mut line = match (verify, ca) {
        (false, _) => "NOT verified".to_owned(),
        (true, Some(ca)) => format!("verified by {ca}"),
        (true, None) => "verified by the authorities of the system".to_owned(),
    };
    match server_name {
        Some(name) => {
            let _ = write!(line, ", as {name}");
        }
        None => line.push_str(", as the host in each address"),
    }
    if let Some(shown) = client_certificate {
        let source = shown.source.strip_prefix("file ").unwrap_or(&shown.source);
        let _ = write!(line, ", shows {source} (ends {})", time::ending(now_ms, shown.not_after_ms));
    }
    line
}

fn repeats(text: &mut String, retry: &RetrySettings, hedge: Option<&HedgeSettings>) {
    let RetrySettings {
        on,
        attempts,
        per_try_ms,
        backoff_ms,
        max_backoff_ms,
        max_retry_after_ms,
        body_bytes,
        budget_share,
        budget_least,
    } = retry;
    let line = if on.is_empty() {
        "never".to_owned()
    } else {
        let each = per_try_ms.map(|ms| format!(", {} each", setting(ms))).unwrap_or_default();
        format!(
            "on {}; {attempts} attempts{each}; waits {} to {}, Retry-After up to {}; bodies up to {}",
            on.join(", "),
            setting(*backoff_ms),
            setting(*max_backoff_ms),
            setting(*max_retry_after_ms),
            super::bytes(*body_bytes),
        )
    };
    field(text, "Retry", &line);
    let line = hedge.map_or_else(
        || "never".to_owned(),
        |HedgeSettings { quantile, min_ms, delay_ms }| {
            let now =
                delay_ms.map_or_else(|| "too few answers to tell".to_owned(), |ms| format!("{ms:.1} ms"));
            let percentile = quantile * 100.0;
            format!("after p{percentile}, at least {} (now: {now})", setting(*min_ms))
        },
    );
    field(text, "Hedge", &line);
    if !on.is_empty() || hedge.is_some() {
        let share = budget_share * 100.0;
        field(
            text,
            "Budget",
            &format!("{share} % of active requests and {budget_least}, retries and hedges together"),
        );
    }
}
