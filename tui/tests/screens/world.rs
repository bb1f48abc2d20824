//! What the daemon of the tests says: one picture with every state an operator can meet.

use aya_api::SCHEMA_VERSION;
use aya_api::axis::{Admin, Breaker, Health};
use aya_api::change::Change;
use aya_api::event::{Event, Severity};
use aya_api::view::{
    AcmeView, AdminView, AlgorithmInfo, AlgorithmView, BackendDetail, BackendView, BreakerView, Bucket,
    CertificateStanding, CertificateView, CheckView, Count, DaemonView, HealthView, Latency, ListenerView,
    PoolView, RetrySettings, SPARK_POINTS, Status, TlsView, Traffic, Transition, UpstreamTlsView,
    UpstreamView,
};

/// The time of the picture: 14:40:00 UTC.
pub(crate) const NOW_MS: u64 = 1_763_822_400_000;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

pub(crate) fn status() -> Status {
    Status {
        schema_version: SCHEMA_VERSION,
        at_ms: NOW_MS,
        seq: 41,
        daemon: DaemonView {
            version: "0.1.0".into(),
            pid: 4711,
            started_ms: NOW_MS - 76 * HOUR,
            serving_since_ms: NOW_MS - 76 * HOUR,
            upgraded: None,
            config: Some("/etc/ayad/ayad.toml".into()),
            generation: 3,
            loaded_ms: NOW_MS - 2 * HOUR,
            last_reload_error: None,
            workers: 2,
            state: "running".into(),
            responses: [0, 8_214_551, 1_204, 30_118, 412],
            reasons: vec![
                Count { name: "no-backend".into(), count: 12 },
                Count { name: "upstream-timeout".into(), count: 33 },
            ],
            resident_bytes: Some(12_400_000),
        },
        listeners: vec![ListenerView {
            name: "web".into(),
            rev: 1,
            bind: vec!["127.0.0.1:8080".into()],
            protocol: "http".into(),
            speaks: vec!["h2".into(), "http/1.1".into()],
            connections: 64,
            max_connections: 10_000,
            accepted: 5_120,
            refused: 3,
            requests: 8_246_285,
            rate: 969.3,
            ..ListenerView::default()
        }],
        pools: vec![api(), shop()],
    }
}

/// The same daemon ten seconds before: fewer answers counted.
pub(crate) fn earlier(mut status: Status) -> Status {
    status.at_ms -= 10 * SECOND;
    status.daemon.responses = [0, 8_200_000, 1_204, 30_100, 409];
    status
}

/// A listener with a certificate that ends soon, one that was replaced by a bad file, and one that ACME does not give.
pub(crate) fn secure_listener() -> ListenerView {
    let day = 24 * HOUR;
    let certificate = |name: &str, days: u64, standing| CertificateView {
        names: vec![name.into(), format!("www.{name}")],
        source: format!("file /etc/ayad/{name}.pem"),
        issuer: "CN=Example CA,O=Example".into(),
        fingerprint: "ab".repeat(32),
        not_before_ms: NOW_MS - 80 * day,
        not_after_ms: NOW_MS + days * day,
        days_left: days.cast_signed(),
        standing,
        trouble: None,
    };
    let mut old = certificate("old.example.com", 200, CertificateStanding::Good);
    old.trouble = Some("/etc/ayad/old.example.com.pem: it holds no certificate (PEM)".into());
    let mut placeholder = certificate("new.example.com", 900, CertificateStanding::Placeholder);
    placeholder.source = "acme https://acme.example.com/directory".into();
    let tls = TlsView {
        certificates: vec![
            certificate("shop.example.com", 9, CertificateStanding::Expiring),
            old,
            placeholder,
        ],
        client_certificates: "optional".into(),
        min_version: "1.2".into(),
        sni_strict: false,
        full: 4000,
        resumed: 900,
        failed: 7,
        acme: Some(AcmeView {
            directory: "https://acme.example.com/directory".into(),
            error: Some(
                "the directory does not believe that new.example.com is ours: connection refused".into(),
            ),
            failures: 3,
            next_ms: Some(NOW_MS + 4 * MINUTE),
        }),
    };
    ListenerView {
        name: "secure".into(),
        protocol: "https".into(),
        tls: Some(tls),
        ..status().listeners.remove(0)
    }
}

/// HTTP/2 in TLS to backends that are shown a certificate which is over.
pub(crate) fn shown_to_backends() -> UpstreamView {
    let day = 24 * HOUR;
    let shown = CertificateView {
        names: Vec::new(),
        source: "file /etc/ayad/client.pem".into(),
        issuer: "CN=Internal CA".into(),
        fingerprint: "cd".repeat(32),
        not_before_ms: NOW_MS - 90 * day,
        not_after_ms: NOW_MS - 2 * day,
        days_left: -3,
        standing: CertificateStanding::Expired,
        trouble: None,
    };
    let tls = UpstreamTlsView { verify: true, ca: None, server_name: None, client_certificate: Some(shown) };
    UpstreamView { protocol: "h2".into(), tls: Some(tls), ..UpstreamView::default() }
}

pub(crate) fn empty_status() -> Status {
    let mut status = status();
    status.pools.clear();
    status
}

/// A daemon with `pools` pools of `backends` backends each.
pub(crate) fn crowded_status(pools: usize, backends: usize) -> Status {
    let mut status = status();
    status.pools = (0..pools)
        .map(|p| {
            let mut pool = shop();
            pool.name = format!("pool-{p}");
            pool.backends =
                (0..backends).map(|b| backend(&pool.name, &format!("web-{b}"), b as u64)).collect();
            pool.eligible = backends as u32;
            pool
        })
        .collect();
    status
}

fn shop() -> PoolView {
    let mut backends: Vec<BackendView> = (1..=6).map(|n| backend("shop", &format!("web-{n}"), n)).collect();
    backends[1].weight = 3;
    backends[1].weight_restored = true;
    backends[1].weight_until_ms = Some(NOW_MS + 9 * MINUTE);
    backends[1].share_expected = Some(0.5);

    backends[2].health = HealthView {
        state: Health::Down,
        since_ms: NOW_MS - 12 * SECOND,
        cause: "refused".into(),
        checked_ms: Some(NOW_MS - SECOND),
    };
    silence(&mut backends[2]);

    backends[3].admin = AdminView {
        state: Admin::Draining,
        since_ms: NOW_MS - 3 * MINUTE,
        by: Some("ann".into()),
        reason: Some("kernel update".into()),
        until_ms: Some(NOW_MS + 27 * MINUTE),
        restored: false,
        sticky: None,
    };
    backends[3].eligible = false;
    backends[3].share_expected = None;

    backends[4].breaker = BreakerView {
        state: Breaker::HalfOpen,
        since_ms: NOW_MS - 2 * SECOND,
        cause: Some("5 failures in a row".into()),
        retry_ms: None,
    };
    backends[4].traffic.error_share = Some(0.062);

    backends[5].breaker = BreakerView {
        state: Breaker::Open,
        since_ms: NOW_MS - 4 * SECOND,
        cause: Some("5 failures in a row".into()),
        retry_ms: Some(NOW_MS + 6 * SECOND),
    };
    backends[5].traffic = traffic(31.0, Some(0.42), Some((14.0, 124.0)), 0);
    backends[5].spark[SPARK_POINTS - 4..].fill(0);
    backends[5].share_actual = Some(0.03);
    backends[5].eligible = false;
    backends[5].share_expected = None;
    PoolView {
        name: "shop".into(),
        rev: 7,
        algorithm: AlgorithmView {
            name: "weighted-round-robin".into(),
            configured: "weighted-round-robin".into(),
            overridden: false,
            restored: false,
            until_ms: None,
            sticky: Some("cookie aya".into()),
        },
        traffic: traffic(882.0, Some(0.031), Some((12.1, 108.4)), 13),
        spark: spark(1_200, 3),
        check: "http GET /healthz every 2s".into(),
        eligible: 3,
        backends,
        ..api()
    }
}

fn api() -> PoolView {
    let mut backends: Vec<BackendView> = ["blue", "green", "a-very-long-backend-name-10.0.12.7:8443"]
        .iter()
        .zip(10..)
        .map(|(name, n)| backend("api", name, n))
        .collect();
    for b in &mut backends {
        b.spark = spark(40, 2);
        b.share_expected = None;
        b.breaker.state = Breaker::Off;
    }
    backends[0].traffic = traffic(87.3, Some(0.0), Some((3.2, 14.0)), 2);
    backends[0].spark = spark(87, 1);
    backends[0].share_actual = Some(1.0);
    backends[1].admin = AdminView {
        state: Admin::Maint,
        since_ms: NOW_MS - 26 * HOUR,
        by: Some("bob".into()),
        reason: None,
        until_ms: None,
        restored: true,
        sticky: None,
    };
    backends[1].health = HealthView {
        state: Health::Unknown,
        since_ms: NOW_MS - 26 * HOUR,
        cause: "not checked".into(),
        checked_ms: None,
    };
    silence(&mut backends[1]);
    backends[2].health = HealthView {
        state: Health::Warming,
        since_ms: NOW_MS - 5 * SECOND,
        cause: "passed 1 of 2".into(),
        checked_ms: Some(NOW_MS - SECOND),
    };
    silence(&mut backends[2]);
    PoolView {
        name: "api".into(),
        rev: 4,
        algorithm: AlgorithmView {
            name: "least-connections".into(),
            configured: "p2c".into(),
            overridden: true,
            restored: true,
            until_ms: None,
            sticky: None,
        },
        traffic: traffic(87.3, Some(0.0), Some((3.2, 14.0)), 2),
        spark: spark(90, 1),
        check: "tcp every 2s".into(),
        breaker: None,
        retry: RetrySettings::default(),
        hedge: None,
        upstream: UpstreamView::default(),
        eligible: 1,
        backends,
    }
}

/// Gets nothing, so nothing is known of it.
fn silence(b: &mut BackendView) {
    b.eligible = false;
    b.share_expected = None;
    b.share_actual = None;
    b.traffic = Traffic { rate: 0.0, error_share: None, latency: None, in_flight: 0, ..b.traffic.clone() };
    let half = SPARK_POINTS / 2;
    b.spark[half..].fill(0);
}

fn backend(pool: &str, name: &str, n: u64) -> BackendView {
    let rate = 100.0 + 37.5 * n as f64;
    BackendView {
        id: format!("{pool}/{name}"),
        pool: pool.into(),
        name: name.into(),
        address: format!("127.0.0.1:{}", 9_000 + n),
        rev: n,
        admin: AdminView {
            state: Admin::Ready,
            since_ms: NOW_MS - 76 * HOUR,
            by: None,
            reason: None,
            until_ms: None,
            restored: false,
            sticky: None,
        },
        health: HealthView {
            state: Health::Up,
            since_ms: NOW_MS - 5 * HOUR,
            cause: "passed".into(),
            checked_ms: Some(NOW_MS - SECOND),
        },
        breaker: BreakerView {
            state: Breaker::Closed,
            since_ms: NOW_MS - 40 * MINUTE,
            cause: None,
            retry_ms: None,
        },
        eligible: true,
        weight: 1,
        configured_weight: 1,
        weight_until_ms: None,
        weight_restored: false,
        share_expected: Some(0.1667),
        share_actual: Some(0.14 + n as f64 / 100.0),
        traffic: traffic(rate, Some(0.0004 * n as f64), Some((8.0 + n as f64, 70.0 + 9.0 * n as f64)), n),
        spark: spark(rate as u32, n),
        connections: 8 + n,
        idle_connections: 4,
        zone: Some(if n.is_multiple_of(2) { "a" } else { "b" }.into()),
        tags: vec!["blue".into()],
    }
}

fn traffic(rate: f64, error_share: Option<f64>, latency: Option<(f64, f64)>, in_flight: u64) -> Traffic {
    let latency = latency.map(|(p50_ms, p99_ms)| Latency {
        p50_ms,
        p90_ms: p99_ms * 0.6,
        p99_ms,
        max_ms: p99_ms * 2.5,
    });
    Traffic { rate, error_share, latency, in_flight, requests: 1_204_551, failures: 412 }
}

/// A wave around `rate`, the same in every run.
fn spark(rate: u32, seed: u64) -> Vec<u32> {
    (0..SPARK_POINTS as u64).map(|t| rate * (70 + ((t * 13 + seed * 29) % 31) as u32) / 100).collect()
}

pub(crate) fn events() -> Vec<Event> {
    let event =
        |seq: u64, ago: u64, severity, kind: &str, subject: &str, from: &str, to: &str, cause: &str| Event {
            seq,
            at_ms: NOW_MS - ago,
            severity,
            kind: kind.into(),
            subject: subject.into(),
            from: (!from.is_empty()).then(|| from.into()),
            to: (!to.is_empty()).then(|| to.into()),
            cause: cause.into(),
            by: None,
            op: None,
        };
    let mut drain =
        event(38, 3 * MINUTE, Severity::Info, "admin", "shop/web-4", "ready", "draining", "kernel update");
    drain.by = Some("ann".into());
    vec![
        event(36, 2 * HOUR, Severity::Info, "reload", "ayad", "2", "3", "SIGHUP"),
        event(
            37,
            40 * MINUTE,
            Severity::Info,
            "breaker",
            "shop/web-2",
            "half-open",
            "closed",
            "a request passed",
        ),
        drain,
        event(39, 12 * SECOND, Severity::Error, "health", "shop/web-3", "up", "down", "refused"),
        event(
            40,
            4 * SECOND,
            Severity::Warning,
            "breaker",
            "shop/web-6",
            "closed",
            "open",
            "5 failures in a row",
        ),
        event(41, 2 * SECOND, Severity::Info, "breaker", "shop/web-5", "open", "half-open", "retry time"),
    ]
}

pub(crate) fn algorithms() -> Vec<AlgorithmInfo> {
    let info = |name: &str, summary: &str, when: &str, share: &str| AlgorithmInfo {
        name: name.into(),
        summary: summary.into(),
        when: when.into(),
        share: share.into(),
    };
    vec![
        info("round-robin", "Every backend in turn", "equal backends, equal requests", "equal"),
        info(
            "weighted-round-robin",
            "In turn, as often as the weight says",
            "backends of known, unequal size",
            "weight",
        ),
        info(
            "least-connections",
            "The backend with the fewest requests in flight",
            "requests of unequal length",
            "adapts",
        ),
        info("p2c", "The less loaded of two drawn at random", "many backends", "adapts"),
    ]
}

pub(crate) fn detail() -> BackendDetail {
    let transition = |ago: u64, axis: &str, from: &str, to: &str, cause: &str, by: Option<&str>| Transition {
        at_ms: NOW_MS - ago,
        axis: axis.into(),
        from: from.into(),
        to: to.into(),
        cause: cause.into(),
        by: by.map(Into::into),
    };
    let check = |ago: u64, passed: bool, cause: &str| CheckView {
        at_ms: NOW_MS - ago,
        passed,
        cause: cause.into(),
        took_us: 1_250 + ago / 10,
    };
    let bucket = |from_ms: f64, to_ms: f64, count: u64| Bucket { from_ms, to_ms, count };
    BackendDetail {
        schema_version: SCHEMA_VERSION,
        at_ms: NOW_MS,
        backend: shop().backends.swap_remove(3),
        history: vec![
            transition(3 * MINUTE, "admin", "ready", "draining", "kernel update", Some("ann")),
            transition(40 * MINUTE, "breaker", "half-open", "closed", "a request passed", None),
            transition(41 * MINUTE, "breaker", "open", "half-open", "retry time", None),
            transition(41 * MINUTE, "breaker", "closed", "open", "5 failures in a row", None),
            transition(5 * HOUR, "health", "warming", "up", "passed", None),
        ],
        checks: vec![
            check(SECOND, true, "passed"),
            check(3 * SECOND, true, "passed"),
            check(5 * SECOND, false, "timed out"),
            check(7 * SECOND, true, "passed"),
        ],
        histogram: vec![
            bucket(0.8, 0.9, 120),
            bucket(1.1, 1.2, 2_210),
            bucket(3.0, 3.1, 8_301),
            bucket(7.0, 7.2, 4_120),
            bucket(13.0, 13.5, 980),
            bucket(44.0, 45.0, 77),
            bucket(210.0, 215.0, 3),
        ],
        defined: Some("ayad.toml:12".into()),
    }
}

pub(crate) fn change() -> Change {
    Change {
        schema_version: SCHEMA_VERSION,
        op: Some("op-17".into()),
        changed: true,
        dry_run: false,
        subject: "shop/web-1".into(),
        field: "admin".into(),
        before: "ready".into(),
        after: "draining".into(),
        undo: Some("ayactl ready shop/web-1".into()),
        until_ms: None,
        rev: 8,
        warnings: Vec::new(),
    }
}
