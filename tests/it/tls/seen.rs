//! What operators see of certificates.

use aya_api::event::Severity;
use aya_api::view::{CertificateStanding, CertificateView};
use aya_tests::certs::{DAY, Life};
use aya_tests::daemon::Daemon;
use aya_tests::wait;

use super::{Scene, only};

fn with_life(life: Life) -> (Scene, Daemon) {
    let scene = Scene::new();
    let leaf = scene.authority.server_for(&["a.test", "b.test"], life);
    let daemon = scene.start(&only("web"), &[("web", &leaf)]);
    (scene, daemon)
}

fn certificate(daemon: &Daemon) -> CertificateView {
    daemon.control.listeners()[0].tls.clone().expect("it has TLS").certificates.remove(0)
}

fn expect_event(daemon: &Daemon, cause: &str) -> Severity {
    let told = || daemon.control.events().into_iter().find(|event| event.cause.contains(cause));
    wait::until("the certificate is told", told).severity
}

#[test]
fn a_good_certificate_is_in_status_and_metrics() {
    let (_scene, daemon) = with_life((-DAY, 60 * DAY + DAY / 2));

    let shown = certificate(&daemon);
    assert_eq!(shown.names, ["a.test", "b.test"]);
    assert_eq!((shown.standing, shown.days_left), (CertificateStanding::Good, 60));
    assert!(shown.source.starts_with("file /") && shown.source.ends_with("web.pem"), "{}", shown.source);
    assert_eq!(shown.issuer, "CN=test authority");
    let listener = &daemon.control.status().listeners[0];
    assert_eq!(listener.protocol, "https");
    assert!(listener.certificate_alarms().is_empty());
    let metrics = daemon.control.text("/metrics");
    assert!(metrics.contains("ayad_tls_handshakes_total{listener=\"main\",result=\"full\"} 0"), "{metrics}");
    let seconds = shown.not_after_ms / 1000;
    let line = metrics.lines().find(|line| line.starts_with("ayad_certificate_expiry_time_seconds{"));
    let line = line.expect("there is such a metric");
    assert!(line.contains("listener=\"main\",names=\"a.test,b.test\""), "{line}");
    assert!(line.ends_with(&format!(" {seconds}.0")), "{line} is not {seconds}");
}

#[test]
fn what_a_pool_and_a_listener_are_set_to_is_seen() {
    let scene = Scene::new();
    let leaf = scene.authority.server(&["a.test"]);
    let shown = scene.authority.server_for(&["client.test"], (-DAY, 9 * DAY + DAY / 2));
    let keys = "tls = { ca = \"ca.pem\", server_name = \"app.test\", client_cert = \"client.pem\", client_key = \"client.key\" }\n\
                protocol = \"h2\"\nhedge = { after = \"p90\" }\nbreaker = { failures = 7 }\n\
                retry = { on = [\"timeout\", \"502-504\"], attempts = 4 }\ntimeouts = { connect = \"250ms\" }\nbackends";
    let text = scene.text(&only("web")).replacen("backends", keys, 1);
    let setup = aya_tests::daemon::Setup::new(&text);
    scene.write(setup.folder(), &[("web", &leaf), ("client", &shown)]);
    let daemon = setup.start();

    let status = daemon.control.status();
    let pool = &status.pools[0];
    let upstream = &pool.upstream;
    assert_eq!((upstream.protocol.as_str(), upstream.proxy_protocol.as_deref()), ("h2", None));
    assert_eq!((upstream.timeouts.connect_ms, upstream.timeouts.request_ms), (250, None));
    let tls = upstream.tls.as_ref().expect("it has TLS");
    assert!(tls.verify && tls.ca.as_ref().is_some_and(|ca| ca.ends_with("ca.pem")), "{tls:?}");
    assert_eq!(tls.server_name.as_deref(), Some("app.test"));
    let certificate = tls.client_certificate.as_ref().expect("one is shown");
    assert_eq!((certificate.names.as_slice(), certificate.days_left), (&["client.test".to_owned()][..], 9));
    assert_eq!(pool.retry.on, ["timeout", "502-504"]);
    assert_eq!((pool.retry.attempts, pool.retry.budget_least), (4, 3));
    assert_eq!(pool.hedge.as_ref().map(|hedge| (hedge.quantile, hedge.delay_ms)), Some((0.9, None)));
    assert_eq!(pool.breaker.as_ref().map(|breaker| (breaker.failures, breaker.open_ms)), Some((7, 5_000)));
    let listener = &status.listeners[0];
    assert_eq!(listener.speaks, ["http/1.1"]);
    assert_eq!((listener.limits.headers, listener.limits.header_timeout_ms), (100, 10_000));
    let tls = listener.tls.as_ref().expect("it has TLS");
    assert_eq!((tls.min_version.as_str(), tls.sni_strict), ("1.2", false));
}

#[test]
fn a_certificate_that_ends_soon_is_a_warning() {
    let (_scene, daemon) = with_life((-DAY, 9 * DAY + DAY / 2));

    assert_eq!(certificate(&daemon).standing, CertificateStanding::Expiring);
    let severity = expect_event(&daemon, "the certificate for a.test and 1 more names expires in 9 days");
    assert_eq!(severity, Severity::Warning);
    let alarms = daemon.control.status().listeners[0].certificate_alarms();
    assert_eq!(alarms, [(false, "certificate of main for a.test expires in 9 days".to_owned())]);
}

#[test]
fn the_day_under_way_is_counted_by_nobody() {
    let (_scene, daemon) = with_life((-20 * DAY, -DAY / 2));

    assert_eq!(expect_event(&daemon, "1 more names has expired less than a day ago"), Severity::Error);
    expect_event(&daemon, "web.pem: the certificate has expired less than a day ago");
    let alarms = daemon.control.status().listeners[0].certificate_alarms();
    assert_eq!(alarms, [(true, "certificate of main for a.test has expired less than a day ago".to_owned())]);
}

#[test]
fn an_expired_certificate_is_an_error_and_no_reason_not_to_start() {
    let (scene, daemon) = with_life((-20 * DAY, -3 * DAY - DAY / 2));

    assert_eq!(certificate(&daemon).standing, CertificateStanding::Expired);
    assert_eq!(expect_event(&daemon, "1 more names has expired 3 days ago"), Severity::Error);
    // The configuration warned as well.
    assert_eq!(expect_event(&daemon, "web.pem: the certificate has expired 3 days ago"), Severity::Warning);
    let alarms = daemon.control.status().listeners[0].certificate_alarms();
    assert_eq!(alarms, [(true, "certificate of main for a.test has expired 3 days ago".to_owned())]);
    scene.authority.server(&["a.test"]).write(daemon.folder(), "web");
    wait::until_true("the new one is seen", || certificate(&daemon).standing == CertificateStanding::Good);
}

#[test]
fn a_certificate_that_is_not_valid_yet_is_an_error() {
    let (_scene, daemon) = with_life((DAY, 60 * DAY));

    assert_eq!(certificate(&daemon).standing, CertificateStanding::NotYet);
    assert_eq!(expect_event(&daemon, "a.test and 1 more names is not valid yet"), Severity::Error);
}
