//! What the daemon of the tests says: one picture with every state an operator can meet.

use aya_api::SCHEMA_VERSION;
use aya_api::axis::{Admin, Breaker, Health};
use aya_api::fault::ChaosView;
use aya_api::sample::troubled_tls;
use aya_api::view::{
    AdminView, AlgorithmView, BackendView, BreakerView, CertificateStanding, CertificateView, Count,
    DaemonView, HealthView, Latency, ListenerView, PoolView, RetrySettings, SPARK_POINTS, Status, Traffic,
    UpstreamTlsView, UpstreamView,
};

/// The time of the picture: 14:40:00 UTC.
pub(crate) const NOW_MS: u64 = 1_763_822_400_000;

pub(crate) const SECOND: u64 = 1_000;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const HOUR: u64 = 60 * MINUTE;

pub(crate) fn status() -> Status {
    Status {
        schema_version: SCHEMA_VERSION,
        at_ms: NOW_MS,
        seq: 41,
        daemon: DaemonView {
            geo: None,
            version: "0.1.0".into(),
            pid: 4711,
            started_ms: NOW_MS - 76 * HOUR,
            serving_since_ms: NOW_MS - 76 * HOUR,
            upgraded: None,
            config: Some("/etc/ayad/ayad.toml".into()),
            generation: 3,
            loaded_ms: NOW_MS - 2 * HOUR,
            last_reload_error: None,
            last_upgrade_error: None,
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
        chaos: ChaosView::default(),
        runs: Vec::new(),
    }
}

/// The same daemon ten seconds before: fewer answers counted.
pub(crate) fn earlier(mut status: Status) -> Status {
    status.at_ms -= 10 * SECOND;
    status.daemon.responses = [0, 8_200_000, 1_204, 30_100, 409];
    status
}

/// A listener inside TLS that needs somebody.
pub(crate) fn secure_listener() -> ListenerView {
    ListenerView {
        name: "secure".into(),
        protocol: "https".into(),
        tls: Some(troubled_tls(NOW_MS)),
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

pub(crate) fn shop() -> PoolView {
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

    backends[4].breaker = failing(Breaker::HalfOpen, 2, None);
    backends[4].traffic.error_share = Some(0.062);

    backends[5].breaker = failing(Breaker::Open, 4, Some(6));
    backends[5].traffic = traffic(31.0, Some(0.42), Some((14.0, 124.0)), 0);
    backends[5].spark[SPARK_POINTS - 4..].fill(0);
    backends[5].share_actual = Some(0.03);
    backends[5].eligible = false;
    backends[5].share_expected = None;
    PoolView {
        outliers: Some("enforce".into()),
        slow_start_ms: None,
        division: None,
        name: "shop".into(),
        rev: 7,
        algorithm: AlgorithmView {
            name: "weighted-round-robin".into(),
            configured: "weighted-round-robin".into(),
            overridden: false,
            restored: false,
            until_ms: None,
            sticky: Some("cookie aya".into()),
            auto: None,
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
        outliers: Some("enforce".into()),
        slow_start_ms: None,
        division: None,
        name: "api".into(),
        rev: 4,
        algorithm: ordered(),
        traffic: traffic(87.3, Some(0.0), Some((3.2, 14.0)), 2),
        spark: spark(90, 1),
        check: "tcp every 2s".into(),
        breaker: None,
        retry: RetrySettings::default(),
        hedge: None,
        upstream: UpstreamView::default(),
        discovery: Vec::new(),
        in_panic: false,
        eligible: 1,
        backends,
    }
}

/// An algorithm that somebody ordered before the last restart.
fn ordered() -> AlgorithmView {
    AlgorithmView {
        name: "least-connections".into(),
        configured: "p2c".into(),
        overridden: true,
        restored: true,
        until_ms: None,
        sticky: None,
        auto: None,
    }
}

/// A breaker that is so since some seconds, and tries again in some.
fn failing(state: Breaker, since_s: u64, retry_s: Option<u64>) -> BreakerView {
    BreakerView {
        state,
        since_ms: NOW_MS - since_s * SECOND,
        cause: Some("5 failures in a row".into()),
        retry_ms: retry_s.map(|seconds| NOW_MS + seconds * SECOND),
        order: None,
        window: None,
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
            order: None,
            window: None,
        },
        standing: None,
        ease: None,
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
        connect_ms: None,
        signal_factor: 1.0,
        signals: Vec::new(),
        signal_sources: Vec::new(),
        agent: None,
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
