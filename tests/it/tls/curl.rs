//! A client that nobody here wrote.

use std::process::Command;

use super::{Scene, only};

#[test]
fn curl_believes_the_certificate_and_gets_an_answer() {
    if Command::new("curl").arg("--version").output().is_err() {
        // Not on this machine; the others have covered the same ground with rustls.
        return;
    }
    let scene = Scene::new();
    let leaf = scene.authority.server(&["a.test"]);
    let daemon = scene.start(&only("web"), &[("web", &leaf)]);
    let port = daemon.address().port();
    let curl = |more: &[&str]| {
        let resolve = format!("a.test:{port}:127.0.0.1");
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "20", "--resolve", &resolve]).args(more);
        let output = command.arg(format!("https://a.test:{port}/path")).output().expect("curl can be run");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let ca = daemon.folder().join("ca.pem");
    let ca = ca.to_str().expect("the path is text");

    let (is_good, text) = curl(&["--cacert", ca]);
    assert!(is_good && text.starts_with("GET /path HTTP/1.1"), "{text}");
    assert!(!curl(&[]).0, "a certificate of an unknown authority is believed");
    assert!(!curl(&["--cacert", ca, "--tls-max", "1.1"]).0, "TLS 1.1 is spoken");
}
