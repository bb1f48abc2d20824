//! A daemon's picture with something wrong on every axis, and an empty one.

use aya_api::SCHEMA_VERSION;
use aya_api::axis::{Admin, Breaker, Health};
use aya_api::change::Operation;
use aya_api::event::{Event, Severity};
use aya_api::fault::ChaosView;
use aya_api::sample::troubled_tls;
use aya_api::view::*;

/// When the picture was taken: 2026-11-23 00:14:24 UTC.
pub(crate) const NOW: u64 = 1_795_392_864_000;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

pub(crate) fn status() -> Status {
    let mut drained = backend("shop", "web-2", 1);
    drained.admin = AdminView {
        state: Admin::Drained,
        since_ms: NOW - 12 * MINUTE,
        by: Some("ann".into()),
        reason: Some("kernel update".into()),
        until_ms: Some(NOW + 18 * MINUTE),
        restored: true,
        sticky: None,
    };
    drained.eligible = false;
    drained.traffic.in_flight = 0;
    drained.traffic.rate = 0.0;
    drained.traffic.latency = None;
    drained.traffic.error_share = None;
    drained.share_actual = None;
    let mut down = backend("shop", "web-3", 3);
    down.health = HealthView {
        state: Health::Down,
        since_ms: NOW - 40 * SECOND,
        cause: "refused".into(),
        checked_ms: Some(NOW - SECOND),
    };
    down.eligible = false;
    let mut open = backend("img", "img-2", 1);
    open.breaker = BreakerView {
        state: Breaker::Open,
        since_ms: NOW - 3 * SECOND,
        cause: Some("5 failures in a row".into()),
        retry_ms: Some(NOW + 2 * SECOND),
        order: None,
        window: None,
    };
    open.eligible = false;
    open.traffic.error_share = Some(0.25);
    let mut shop = pool("shop", vec![backend("shop", "web-1", 1), drained, down]);
    shop.algorithm.overridden = true;
    shop.algorithm.name = "p2c".into();
    let img = pool("img", vec![backend("img", "img-1", 1), open]);
    Status {
        schema_version: SCHEMA_VERSION,
        at_ms: NOW,
        seq: 12,
        daemon: daemon(),
        listeners: vec![listener()],
        pools: vec![img, shop],
        chaos: ChaosView::default(),
        runs: Vec::new(),
    }
}

pub(crate) fn empty() -> Status {
    Status { listeners: Vec::new(), pools: Vec::new(), ..status() }
}

pub(crate) fn daemon() -> DaemonView {
    DaemonView {
        version: env!("CARGO_PKG_VERSION").into(),
        pid: 4242,
        started_ms: NOW - 76 * 60 * MINUTE,
        serving_since_ms: NOW - 76 * 60 * MINUTE,
        upgraded: None,
        config: Some("/etc/ayad.toml".into()),
        generation: 3,
        loaded_ms: NOW - 90 * SECOND,
        last_reload_error: Some("unknown key \"blance\"\nmore".into()),
        last_upgrade_error: Some("the new process failed\nmore".into()),
        workers: 2,
        state: "running".into(),
        responses: [0, 9000, 10, 20, 30],
        reasons: vec![Count { name: "no-backend".into(), count: 3 }],
        resident_bytes: Some(12 << 20),
        geo: Some(GeoView {
            path: "/etc/countries.mmdb".into(),
            trouble: Some("/etc/countries.mmdb: the database is damaged".into()),
        }),
    }
}

pub(crate) fn listener() -> ListenerView {
    ListenerView {
        name: "web".into(),
        rev: 1,
        bind: vec!["127.0.0.1:8080".into()],
        protocol: "http".into(),
        speaks: vec!["h2".into(), "http/1.1".into()],
        proxy_protocol: false,
        trusted_proxies: Vec::new(),
        connections: 12,
        max_connections: 1000,
        accepted: 5000,
        refused: 0,
        requests: 9060,
        rate: 85.0,
        limits: ListenerLimits {
            header_timeout_ms: 10_000,
            idle_timeout_ms: 60_000,
            body_timeout_ms: 30_000,
            body_rate: 500,
            header_bytes: 16 << 10,
            headers: 100,
            body_bytes: None,
            streams: Some(128),
        },
        tls: None,
    }
}

/// A listener inside TLS that needs somebody, behind another load balancer.
pub(crate) fn secure_listener() -> ListenerView {
    ListenerView {
        name: "secure".into(),
        protocol: "https".into(),
        proxy_protocol: true,
        trusted_proxies: vec!["10.0.0.0/8".into()],
        tls: Some(TlsView { sni_strict: true, ..troubled_tls(NOW) }),
        ..listener()
    }
}

pub(crate) fn route() -> RouteView {
    RouteView {
        name: "shop".into(),
        rev: 1,
        listeners: vec!["web".into()],
        host: "*".into(),
        path: "/api/*".into(),
        methods: vec!["GET".into(), "HEAD".into()],
        headers: Vec::new(),
        conditions: Vec::new(),
        pool: "shop".into(),
        zones: vec!["a".into()],
        rank: 1,
        requests: 7000,
    }
}

pub(crate) fn algorithms() -> Vec<AlgorithmInfo> {
    let info = |name: &str, share: &str| AlgorithmInfo {
        name: name.into(),
        summary: format!("What {name} does"),
        when: format!("When {name} fits"),
        share: share.into(),
        params: Vec::new(),
    };
    vec![info("round-robin", "equal"), info("least-connections", "adapts"), info("p2c", "adapts")]
}

pub(crate) fn event(seq: u64) -> Event {
    Event {
        seq,
        at_ms: NOW + seq * SECOND,
        severity: Severity::Warning,
        kind: "health".into(),
        subject: "shop/web-3".into(),
        from: Some("up".into()),
        to: Some("down".into()),
        cause: "refused".into(),
        by: None,
        op: None,
    }
}

pub(crate) fn operation() -> Operation {
    Operation {
        op: "7f3a".into(),
        at_ms: NOW - 12 * MINUTE,
        by: "ann".into(),
        reason: Some("kernel update".into()),
        subject: "shop/web-2".into(),
        field: "admin".into(),
        before: "ready".into(),
        after: "draining".into(),
        until_ms: Some(NOW + 18 * MINUTE),
    }
}

pub(crate) fn detail(backend: BackendView) -> BackendDetail {
    let transition = Transition {
        at_ms: NOW - 40 * SECOND,
        axis: "health".into(),
        from: "up".into(),
        to: "down".into(),
        cause: "refused".into(),
        by: None,
    };
    BackendDetail {
        schema_version: SCHEMA_VERSION,
        at_ms: NOW,
        backend,
        history: vec![transition],
        checks: vec![CheckView { at_ms: NOW - SECOND, passed: false, cause: "refused".into(), took_us: 310 }],
        histogram: vec![
            Bucket { from_ms: 1.0, to_ms: 2.0, count: 40 },
            Bucket { from_ms: 2.0, to_ms: 4.0, count: 10 },
        ],
        defined: Some("/etc/ayad.toml:12".into()),
    }
}

fn traffic() -> Traffic {
    Traffic {
        rate: 42.5,
        error_share: Some(0.0),
        latency: Some(Latency { p50_ms: 3.2, p90_ms: 7.0, p99_ms: 104.2, max_ms: 220.0 }),
        in_flight: 3,
        requests: 7000,
        failures: 12,
    }
}

fn pool(name: &str, backends: Vec<BackendView>) -> PoolView {
    PoolView {
        in_panic: false,
        name: name.into(),
        rev: 4,
        algorithm: AlgorithmView {
            name: "round-robin".into(),
            configured: "round-robin".into(),
            overridden: false,
            restored: false,
            until_ms: None,
            sticky: None,
            auto: None,
        },
        traffic: traffic(),
        spark: vec![0; SPARK_POINTS],
        check: "http GET /healthz every 2s".into(),
        breaker: Some(BreakerSettings { failures: 5, open_ms: 5_000, ..BreakerSettings::default() }),
        outliers: Some("enforce".into()),
        slow_start_ms: None,
        retry: RetrySettings {
            on: vec!["connect-failure".into(), "502-504".into()],
            attempts: 3,
            per_try_ms: Some(1_500),
            backoff_ms: 25,
            max_backoff_ms: 250,
            max_retry_after_ms: 1_000,
            body_bytes: 64 << 10,
            budget_share: 0.2,
            budget_least: 3,
        },
        hedge: Some(HedgeSettings { quantile: 0.95, min_ms: 10, delay_ms: Some(23.42) }),
        upstream: upstream(),
        discovery: Vec::new(),
        division: (name == "shop").then(division),
        eligible: u32::try_from(backends.iter().filter(|b| b.eligible).count()).unwrap(),
        backends,
    }
}

/// Everything that can divide a pool, in panic.
fn division() -> DivisionView {
    let zone = |zone: Option<&str>, used, keeps| ZoneView { zone: zone.map(Into::into), used, keeps };
    let part = |priority, share, in_panic| PartView {
        priority,
        share,
        healthy: 1,
        ready: 3,
        in_panic,
        members: 2,
        zones: vec![zone(Some("a"), 0.9, 0.89), zone(None, 0.1, 1.0)],
    };
    DivisionView {
        zone: Some("a".into()),
        spill: 0.8,
        panic: 0.5,
        subset: Some(2),
        bound: Some(1.25),
        parts: vec![part(0, 0.7, true), part(1, 0.3, false)],
    }
}

/// TLS behind the PROXY protocol, with a certificate of our own.
fn upstream() -> UpstreamView {
    UpstreamView {
        protocol: "http/1.1".into(),
        tls: Some(UpstreamTlsView {
            verify: true,
            ca: Some("/etc/ayad/ca.pem".into()),
            server_name: Some("app.internal".into()),
            client_certificate: troubled_tls(NOW).certificates.into_iter().next(),
        }),
        proxy_protocol: Some("v2".into()),
        timeouts: UpstreamTimeouts {
            connect_ms: 1_000,
            first_byte_ms: 60_000,
            idle_ms: 60_000,
            tunnel_ms: 3_600_000,
            request_ms: None,
        },
        keepalive: KeepaliveSettings { max_idle: 32, idle_ms: 60_000, age_ms: 3_600_000 },
    }
}

fn backend(pool: &str, name: &str, weight: u32) -> BackendView {
    BackendView {
        id: format!("{pool}/{name}"),
        pool: pool.into(),
        name: name.into(),
        address: "127.0.0.1:9001".into(),
        rev: 2,
        admin: AdminView {
            state: Admin::Ready,
            since_ms: NOW - 76 * 60 * MINUTE,
            by: None,
            reason: None,
            until_ms: None,
            restored: false,
            sticky: None,
        },
        health: HealthView {
            state: Health::Up,
            since_ms: NOW - 60 * MINUTE,
            cause: "passed".into(),
            checked_ms: Some(NOW - SECOND),
        },
        breaker: BreakerView {
            state: Breaker::Closed,
            since_ms: NOW - 60 * MINUTE,
            cause: None,
            retry_ms: None,
            order: None,
            window: None,
        },
        standing: None,
        ease: None,
        eligible: true,
        weight,
        configured_weight: 1,
        weight_until_ms: None,
        weight_restored: false,
        share_expected: Some(0.5),
        share_actual: Some(0.48),
        traffic: traffic(),
        spark: vec![0; SPARK_POINTS],
        connections: 4,
        idle_connections: 1,
        connect_ms: None,
        signal_factor: 1.0,
        signals: Vec::new(),
        signal_sources: Vec::new(),
        agent: None,
        zone: Some("a".into()),
        tags: vec!["blue".into()],
    }
}
