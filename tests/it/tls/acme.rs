//! Certificates that come by themselves, from a directory that really looks.

use aya_api::view::{CertificateStanding, ListenerView, TlsView};
use aya_tests::acme::Directory;
use aya_tests::certs::DAY;
use aya_tests::client::ask;
use aya_tests::daemon::{Daemon, LISTEN, Setup};
use aya_tests::tls::Caller;
use aya_tests::wait;

use super::Scene;

/// A daemon that asks this directory for a certificate for `a.test` and `b.test`, with a listener `plain` besides.
fn start(scene: &Scene, directory: &Directory, keys: &str) -> Daemon {
    let setup = Setup::new(&text(scene, directory, keys, ""));
    directory.write_root(setup.folder());
    scene.authority.write(setup.folder(), "ca.pem");
    let daemon = setup.start();
    directory.look_at_http(daemon.address_of("plain"));
    directory.look_at_tls(daemon.address_of("main"));
    daemon
}

fn text(scene: &Scene, directory: &Directory, keys: &str, more: &str) -> String {
    let acme = format!(
        "acme = {{ directory = \"{}\", names = [\"a.test\", \"B.test\"], ca = \"directory-root.pem\", {keys} }}{more}",
        directory.url()
    );
    format!("{}{}{}", super::listen("main", &acme), LISTEN.replace("main", "plain"), scene.pool())
}

fn tls(daemon: &Daemon) -> TlsView {
    let listeners = daemon.control.listeners();
    listeners.into_iter().find_map(|listener| listener.tls).expect("a listener has TLS")
}

/// The first order may come before the directory knows where to look; a reload has it made again at once.
fn expect_certificate(daemon: &Daemon, directory: &Directory) {
    wait::until_true("the first order is over", || {
        tls(daemon).acme.is_some_and(|acme| acme.error.is_some()) || directory.signed() > 0
    });
    if directory.signed() == 0 {
        daemon.control.reload();
    }
    wait::until_true("the certificate is in force", || {
        tls(daemon).certificates[0].standing == CertificateStanding::Good
    });
}

fn is_served(daemon: &Daemon, directory: &Directory) -> bool {
    let caller = Caller::trusting(directory.issuer());
    let names = ["a.test", "b.test"];
    names.iter().all(|name| caller.get(daemon.address_of("main"), name, "/").is_ok_and(|a| a.status == 200))
}

fn orders(directory: &Directory, keys: &str) {
    let scene = Scene::new();
    let daemon = start(&scene, directory, keys);

    expect_certificate(&daemon, directory);

    assert!(is_served(&daemon, directory));
    let tls = tls(&daemon);
    assert_eq!(tls.certificates[0].source, format!("acme {}", directory.url()));
    assert_eq!(tls.acme.map(|acme| (acme.error, acme.failures)), Some((None, 0)));
    let told = daemon.control.events();
    assert!(told.iter().any(|event| event.cause.contains("got the certificate for a.test and 1 more names")));
    // A restart needs no directory: account, certificate and key are kept.
    assert_eq!((directory.signed(), directory.accounts()), (1, 1));
    let daemon = daemon.restart("TERM");
    assert!(is_served(&daemon, directory));
    assert_eq!(directory.signed(), 1);
}

#[test]
fn a_name_is_proven_by_a_page() {
    orders(&Directory::start(), "email = \"ops@a.test\"");
}

#[test]
fn a_name_is_proven_by_a_handshake() {
    orders(&Directory::start(), "challenge = \"tls-alpn-01\"");
}

#[test]
fn a_proof_by_handshake_needs_no_client_certificate() {
    let (scene, directory) = (Scene::new(), Directory::start());
    let keys = "challenge = \"tls-alpn-01\"";
    let more = ", client_certificates = \"required\", client_ca = \"ca.pem\"";
    let setup = Setup::new(&text(&scene, &directory, keys, more));
    directory.write_root(setup.folder());
    scene.authority.write(setup.folder(), "ca.pem");
    let daemon = setup.start();
    directory.look_at_tls(daemon.address_of("main"));

    expect_certificate(&daemon, &directory);

    assert!(!is_served(&daemon, &directory), "a client without a certificate came in");
}

#[test]
fn until_there_is_one_a_placeholder_is_shown_and_failures_are_seen() {
    let (scene, directory) = (Scene::new(), Directory::start());
    directory.refuse(Some("no certificates for this test"));
    let daemon = start(&scene, &directory, "");

    let error = wait::until("the failure is seen", || tls(&daemon).acme?.error);
    assert!(error.contains("no certificates for this test"), "{error}");
    assert_eq!(tls(&daemon).certificates[0].standing, CertificateStanding::Placeholder);
    let caller = Caller::trusting(directory.issuer());
    let refused = caller.connect(daemon.address_of("main"), "a.test").unwrap_err().to_string();
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    let status = daemon.control.status();
    let alarms: Vec<_> = status.listeners.iter().flat_map(ListenerView::certificate_alarms).collect();
    assert!(alarms.iter().any(|(_, text)| text.contains("is a placeholder")), "{alarms:?}");
    assert!(alarms.iter().any(|(_, text)| text.contains("no certificates for this test")), "{alarms:?}");
    assert!(daemon.control.text("/metrics").contains("ayad_acme_failed_orders{listener=\"main\"} 1"));

    directory.refuse(None);
    expect_certificate(&daemon, &directory);
    assert!(is_served(&daemon, &directory));
}

#[test]
fn what_failed_is_known_to_the_next_process_and_the_next_configuration() {
    let (scene, directory) = (Scene::new(), Directory::start());
    directory.refuse(Some("no certificates for this test"));
    let mut daemon = start(&scene, &directory, "");
    let failed = |daemon: &Daemon, times: u32| {
        wait::until("one more order has failed", || tls(daemon).acme.filter(|acme| acme.failures == times))
    };

    // A start is a reason to try again at once, but not for ever.
    for times in 1..=3 {
        failed(&daemon, times);
        daemon = daemon.restart("TERM");
    }
    let kept = failed(&daemon, 4);
    let mut daemon = daemon.restart("TERM");
    assert_eq!(failed(&daemon, 4), kept, "a restart has begun anew");
    daemon.upgrade();
    assert_eq!(failed(&daemon, 4), kept, "an upgrade has begun anew");
    let with = text(&scene, &directory, "", "");
    let without = format!("{}{}", LISTEN.replace("main", "plain"), scene.pool());
    daemon.reconfigure(&without);
    daemon.reconfigure(&with);
    assert_eq!(failed(&daemon, 4), kept, "a reload has begun anew");
}

#[test]
fn a_certificate_is_renewed_when_two_thirds_of_its_life_are_over() {
    let (scene, directory) = (Scene::new(), Directory::start());
    directory.next_lives(&[(-70 * DAY, 19 * DAY + DAY / 2), (-DAY, 90 * DAY)]);
    let daemon = start(&scene, &directory, "");
    wait::until_true("the first order is over", || {
        tls(&daemon).acme.is_some_and(|acme| acme.error.is_some()) || directory.signed() > 0
    });
    if directory.signed() == 0 {
        daemon.control.reload();
    }
    directory.expect_signed(1);
    wait::until_true("the first one is kept for a while", || {
        let tls = tls(&daemon);
        tls.certificates[0].days_left == 19 && tls.acme.is_some_and(|acme| acme.next_ms.is_some())
    });
    assert_eq!(directory.signed(), 1);

    // What is due at a start is renewed at once.
    let daemon = daemon.restart("TERM");
    directory.look_at_http(daemon.address_of("plain"));
    directory.look_at_tls(daemon.address_of("main"));
    wait::until_true("the second order is over", || {
        tls(&daemon).acme.is_some_and(|acme| acme.error.is_some()) || directory.signed() > 1
    });
    if directory.signed() == 1 {
        daemon.control.reload();
    }

    wait::until_true("the second one is in force", || tls(&daemon).certificates[0].days_left > 80);
    assert!(is_served(&daemon, &directory));
    let next_ms = tls(&daemon).acme.and_then(|acme| acme.next_ms).expect("the next renewal is planned");
    let ends_ms = tls(&daemon).certificates[0].not_after_ms;
    assert!(next_ms < ends_ms && ends_ms - next_ms > 25 * 86_400_000, "{next_ms} {ends_ms}");
}

#[test]
fn a_page_that_nobody_waits_for_is_the_backends_business() {
    let (scene, directory) = (Scene::new(), Directory::start());
    let daemon = start(&scene, &directory, "");
    let path = "/.well-known/acme-challenge/token-of-somebody-else";

    let answer = ask(daemon.address_of("plain"), format!("GET {path} HTTP/1.1\r\nhost: a.test\r\n\r\n"));

    assert!(answer.text().starts_with(&format!("GET {path}")), "{}", answer.text());
}
