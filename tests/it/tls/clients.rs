//! Client certificates: who may come in, and what backends learn of it.

use aya_tests::certs::Authority;
use aya_tests::client::request;
use aya_tests::daemon::{Daemon, LISTEN, ROUTE, Setup, members};
use aya_tests::tape::Tape;
use aya_tests::tls::Caller;
use aya_tests::wait;

use super::{Scene, only};
use crate::tcp::logged;

fn start(scene: &Scene, keys: &str) -> Daemon {
    let leaf = scene.authority.server(&["a.test"]);
    scene.start(&format!("{}, client_ca = \"ca.pem\", {keys}", only("web")), &[("web", &leaf)])
}

/// The fields about a client that the backend saw.
fn seen(text: &str) -> Vec<(&str, &str)> {
    let fields = text.lines().filter_map(|line| line.split_once(": "));
    fields.filter(|(name, _)| name.to_ascii_lowercase().replace('_', "-").contains("client-cert")).collect()
}

#[test]
fn a_required_certificate_lets_in_who_has_a_good_one() {
    let scene = Scene::new();
    let daemon = start(&scene, "client_certificates = \"required\"");
    let ada = scene.authority.client("ada", &["ada.people.test"]);
    let eve = Authority::new("somebody else").client("eve", &[]);

    let answer = Caller::showing(&scene.authority, &ada).get(daemon.address(), "a.test", "/").unwrap();
    assert_eq!(seen(&answer.text())[0], ("x-client-cert-subject", "CN=ada"));
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let without = Caller::of_version(&scene.authority, version);
        assert!(without.get(daemon.address(), "a.test", "/").is_err(), "{version:?}");
    }
    assert!(Caller::showing(&scene.authority, &eve).get(daemon.address(), "a.test", "/").is_err());
    assert_eq!(scene.backend.requests(), 1);
    let tls = || daemon.control.listeners()[0].tls.clone().unwrap();
    assert_eq!(tls().client_certificates, "required");
    wait::until_true("the failures are counted", || (tls().full, tls().failed) == (1, 3));
}

#[test]
fn whoever_is_turned_away_reads_why_and_so_does_the_operator() {
    let scene = Scene::new();
    let leaf = scene.authority.server(&["a.test"]);
    let keys = format!("{}, client_ca = \"ca.pem\", client_certificates = \"required\"", only("web"));
    let setup = scene.setup(&keys, &[("web", &leaf)]);
    let log = setup.folder().join("access.log");
    let daemon = setup.daemon(&format!("access_log = \"{}\"", log.display())).start();

    // The request is on its way before the handshake has failed; its bytes must not cost the alert.
    let refused = Caller::trusting(&scene.authority).get(daemon.address(), "a.test", "/");

    let error = refused.err().unwrap().to_string();
    assert!(error.contains("CertificateRequired"), "{error}");
    let line = &logged(&log, 1)[0];
    assert_eq!((&line["reason"], &line["status"]), (&"no-handshake".into(), &0.into()), "{line}");
    assert_eq!(line["detail"], "peer sent no certificates");
    assert!(daemon.control.text("/metrics").contains("ayad_refusals_total{reason=\"no-handshake\"} 1"));
}

#[test]
fn an_optional_certificate_is_told_when_it_is_there_and_refused_when_it_is_bad() {
    let scene = Scene::new();
    let daemon = start(&scene, "client_certificates = \"optional\", identity_prefix = \"X-Who\"");
    let ada = scene.authority.client("ada", &["ada.people.test"]);
    let eve = Authority::new("somebody else").client("eve", &[]);

    let without = Caller::trusting(&scene.authority).get(daemon.address(), "a.test", "/").unwrap();
    assert!(!without.text().contains("x-who"), "{}", without.text());
    let with = Caller::showing(&scene.authority, &ada).get(daemon.address(), "a.test", "/").unwrap().text();
    assert!(with.contains("x-who-subject: CN=ada\n"), "{with}");
    assert!(with.contains("x-who-names: DNS:ada.people.test\n"), "{with}");
    let digits = with.split_once("x-who-fingerprint: ").map(|(_, rest)| rest.lines().next().unwrap().len());
    assert_eq!(digits, Some(64));
    assert!(Caller::showing(&scene.authority, &eve).get(daemon.address(), "a.test", "/").is_err());
}

#[test]
fn an_identity_survives_resumption() {
    let scene = Scene::new();
    let daemon = start(&scene, "client_certificates = \"required\"");
    let caller = Caller::showing(&scene.authority, &scene.authority.client("ada", &[]));

    for is_resumed in [false, true] {
        let mut client = caller.connect(daemon.address(), "a.test").unwrap();
        client.send(request("GET", "/", &[("host", "a.test")]));
        assert_eq!(seen(&client.answer().text())[0], ("x-client-cert-subject", "CN=ada"));
        assert_eq!(client.socket().is_resumed(), is_resumed);
    }
}

#[test]
fn the_access_log_says_what_the_handshake_told() {
    let scene = Scene::new();
    let tls = format!("{}, client_ca = \"ca.pem\", client_certificates = \"optional\"", only("web"));
    let setup = Setup::new(&format!("{}{}", super::listen("main", &tls), scene.pool()));
    scene.write(setup.folder(), &[("web", &scene.authority.server(&["a.test"]))]);
    let log = setup.folder().join("access.log");
    let daemon = setup.daemon(&format!("access_log = \"{}\"", log.display())).start();
    let ada = Caller::showing(&scene.authority, &scene.authority.client("ada", &[]));

    ada.get(daemon.address(), "a.test", "/").unwrap();
    Caller::trusting(&scene.authority).get(daemon.address(), "a.test", "/").unwrap();

    let lines = logged(&log, 2);
    let tls = &lines[0]["tls"];
    assert_eq!((&tls["version"], &tls["server_name"]), (&"1.3".into(), &"a.test".into()), "{tls}");
    assert_eq!((&tls["client_subject"], &tls["resumed"]), (&"CN=ada".into(), &false.into()), "{tls}");
    assert_eq!(tls["client_fingerprint"].as_str().map(str::len), Some(64), "{tls}");
    assert!(tls["cipher"].as_str().is_some_and(|cipher| cipher.starts_with("TLS13_")), "{tls}");
    assert_eq!(lines[0]["protocol"], "HTTP/1.1");
    assert!(lines[1]["tls"].is_object() && lines[1]["tls"]["client_subject"].is_null(), "{}", lines[1]);
}

#[test]
fn nobody_can_claim_to_be_somebody_on_any_listener() {
    let scene = Scene::new();
    let leaf = scene.authority.server(&["a.test"]);
    let tls = format!("{}, client_ca = \"ca.pem\", client_certificates = \"optional\"", only("web"));
    let plain = LISTEN.replace("main", "plain");
    let setup = Setup::new(&format!("{}{plain}{}", super::listen("main", &tls), scene.pool()));
    scene.write(setup.folder(), &[("web", &leaf)]);
    let daemon = setup.start();
    let claims = [
        ("host", "a.test"),
        ("X-Client-Cert-Subject", "CN=root"),
        ("x_client_cert_subject", "CN=root"),
        ("x-client-cert-anything", "CN=root"),
        ("x-client-cert", "CN=root"),
        ("x-client-certificate", "is another field"),
    ];

    let lie = request("GET", "/", &claims);
    let secure = Caller::trusting(&scene.authority);
    let in_tls = secure.ask(daemon.address_of("main"), "a.test", &lie).unwrap();
    let in_plain = aya_tests::client::ask(daemon.address_of("plain"), &lie);
    for text in [in_tls.text(), in_plain.text()] {
        assert_eq!(seen(&text), [("x-client-certificate", "is another field")]);
    }
    let ada = Caller::showing(&scene.authority, &scene.authority.client("ada", &[]));
    let told = ada.ask(daemon.address_of("main"), "a.test", &lie).unwrap().text();
    assert_eq!(seen(&told).iter().filter(|(_, value)| *value == "CN=root").count(), 0, "{told}");
    assert!(told.contains("x-client-cert-subject: CN=ada\n"), "{told}");
}

#[test]
fn nobody_can_claim_it_behind_a_body() {
    let scene = Scene::new();
    let tape = Tape::start();
    let tls = format!("{}, client_ca = \"ca.pem\", client_certificates = \"optional\"", only("web"));
    let backends = members(&[("one", tape.address())]);
    let pool = format!("[pool.main]\nbackends = {backends}\nhealth = {{ kind = \"none\" }}\n{ROUTE}");
    let setup = Setup::new(&format!("{}{pool}", super::listen("main", &tls)));
    scene.write(setup.folder(), &[("web", &scene.authority.server(&["a.test"]))]);
    let daemon = setup.start();

    let chunked = request("POST", "/", &[("host", "a.test"), ("transfer-encoding", "chunked")]);
    let lie = chunked + "0\r\nX_Client-Cert-Subject: CN=root\r\nx-sum: 1\r\n\r\n";
    Caller::trusting(&scene.authority).ask(daemon.address(), "a.test", &lie).unwrap();

    let heard = String::from_utf8(tape.heard().concat()).unwrap();
    assert!(heard.ends_with("\r\n0\r\nx-sum: 1\r\n\r\n"), "{heard}");
}

#[test]
fn other_authorities_hold_at_once_also_for_sessions() {
    let scene = Scene::new();
    let daemon = start(&scene, "client_certificates = \"required\"");
    let caller = Caller::showing(&scene.authority, &scene.authority.client("ada", &[]));
    assert_eq!(caller.get(daemon.address(), "a.test", "/").unwrap().status, 200);

    Authority::new("the new one").write(daemon.folder(), "ca.pem");

    wait::until_true("nobody of the old authority comes in", || {
        caller.get(daemon.address(), "a.test", "/").is_err()
    });
}
