//! Certificates that change while connections are open.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use aya_api::event::{Event, Severity};
use aya_tests::daemon::Daemon;
use aya_tests::tls::Caller;
use aya_tests::wait;
use rustls::pki_types::CertificateDer;

use super::{Scene, only};

fn shown(caller: &Caller, daemon: &Daemon) -> CertificateDer<'static> {
    caller.connect(daemon.address(), "a.test").expect("the handshake succeeds").socket().certificate()
}

fn events(daemon: &Daemon) -> Vec<Event> {
    daemon.control.events().into_iter().filter(|event| event.kind == "certificate").collect()
}

#[test]
fn a_new_file_is_shown_without_a_reload_and_open_connections_go_on() {
    let scene = Scene::new();
    let [old, new] = [(); 2].map(|()| scene.authority.server(&["a.test"]));
    let daemon = scene.start(&only("web"), &[("web", &old)]);
    // Each time a full handshake: a resumed one shows no certificate.
    let caller = || Caller::trusting(&scene.authority);
    let mut open = caller().connect(daemon.address(), "a.test").unwrap();
    open.send("GET /1 HTTP/1.1\r\nhost: a.test\r\n\r\n");
    assert_eq!(open.answer().status, 200);

    new.write(daemon.folder(), "web");

    wait::until_true("the new certificate is shown", || shown(&caller(), &daemon) == new.der);
    open.send("GET /2 HTTP/1.1\r\nhost: a.test\r\n\r\n");
    assert_eq!(open.answer().status, 200);
    assert_eq!(open.socket().certificate(), old.der);
    let told = events(&daemon);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].cause.contains("web.pem has changed and is in force"), "{told:?}");
}

#[test]
fn no_request_fails_while_certificates_change_under_load() {
    const CHANGES: usize = 3;
    const CLIENTS: usize = 4;
    let scene = Scene::new();
    let daemon =
        scene.setup(&only("web"), &[("web", &scene.authority.server(&["a.test"]))]).workers(2).start();
    let (address, caller) = (daemon.address(), Caller::trusting(&scene.authority));
    let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));

    thread::scope(|scope| {
        let client = || {
            let mut kept = caller.connect(address, "a.test").unwrap();
            while !over.load(Ordering::SeqCst) {
                kept.send("GET /kept HTTP/1.1\r\nhost: a.test\r\n\r\n");
                assert_eq!(kept.answer().status, 200);
                assert_eq!(caller.get(address, "a.test", "/new").unwrap().status, 200);
                served.fetch_add(1, Ordering::SeqCst);
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        for _ in 0..CHANGES {
            let new = scene.authority.server(&["a.test"]);
            new.write(daemon.folder(), "web");
            let fresh = || Caller::trusting(&scene.authority);
            wait::until_true("the new certificate is shown", || shown(&fresh(), &daemon) == new.der);
            let so_far = served.load(Ordering::SeqCst);
            let goes_on = || served.load(Ordering::SeqCst) > so_far + CLIENTS;
            wait::until_true("clients are served, or one has failed", || {
                goes_on() || clients.iter().any(thread::ScopedJoinHandle::is_finished)
            });
        }
        over.store(true, Ordering::SeqCst);
    });

    assert_eq!(daemon.control.listeners()[0].tls.clone().unwrap().failed, 0);
}

#[test]
fn a_bad_file_leaves_the_old_certificate_and_is_told_once() {
    let scene = Scene::new();
    let [old, new] = [(); 2].map(|()| scene.authority.server(&["a.test"]));
    let daemon = scene.start(&only("web"), &[("web", &old)]);
    let caller = || Caller::trusting(&scene.authority);

    fs::write(daemon.folder().join("web.pem"), &new.cert).unwrap();

    let trouble = || {
        let tls = daemon.control.listeners()[0].tls.clone().unwrap();
        tls.certificates[0].trouble.clone()
    };
    let why = wait::until("the trouble is seen", trouble);
    assert!(why.contains("web.key: the key does not belong to the certificate"), "{why}");
    assert_eq!(shown(&caller(), &daemon), old.der);
    // One more look at another file, and nothing is told a second time.
    fs::write(daemon.folder().join("web.key"), &new.key).unwrap();
    wait::until_true("the new certificate is shown", || shown(&caller(), &daemon) == new.der);
    assert_eq!(trouble(), None);
    let told: Vec<Severity> = events(&daemon).iter().map(|event| event.severity).collect();
    assert_eq!(told, [Severity::Error, Severity::Info]);
}

#[test]
fn a_pipe_in_place_of_a_file_does_not_end_the_looking() {
    let scene = Scene::new();
    let [old, new] = [(); 2].map(|()| scene.authority.server(&["a.test"]));
    let daemon = scene.start(&only("web"), &[("web", &old)]);
    let key = daemon.folder().join("web.key");

    fs::remove_file(&key).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&key).status().expect("there is mkfifo");
    assert!(made.success());

    let trouble = || daemon.control.listeners()[0].tls.clone().unwrap().certificates[0].trouble.clone();
    wait::until_true("the pipe is seen", || trouble().is_some_and(|why| why.contains("no regular file")));
    fs::remove_file(&key).unwrap();
    new.write(daemon.folder(), "web");
    let caller = || Caller::trusting(&scene.authority);
    wait::until_true("the new certificate is shown", || shown(&caller(), &daemon) == new.der);
}

#[test]
fn a_reload_that_leaves_tls_alone_leaves_sessions_alone() {
    let scene = Scene::new();
    let leaf = scene.authority.server(&["a.test"]);
    let mut daemon = scene.start(&only("web"), &[("web", &leaf)]);
    let caller = Caller::trusting(&scene.authority);
    assert_eq!(caller.get(daemon.address(), "a.test", "/").unwrap().status, 200);

    let change =
        daemon.reconfigure(&scene.text(&only("web")).replace("tls =", "max_connections = 77\ntls ="));

    assert!(change.after.contains("listener main changed (settings)"), "{}", change.after);
    assert!(caller.connect(daemon.address(), "a.test").unwrap().socket().is_resumed());
    let change = daemon.reconfigure(&scene.text(&format!("{}, min_version = \"1.3\"", only("web"))));
    assert!(change.after.contains("listener main changed (tls)"), "{}", change.after);
}

#[test]
fn tls_comes_and_goes_with_a_reload() {
    let scene = Scene::new();
    let leaf = scene.authority.server(&["a.test"]);
    let mut daemon = scene.start(&only("web"), &[("web", &leaf)]);
    let secure = scene.text(&only("web"));
    let plain = format!("{}{}", aya_tests::daemon::LISTEN, scene.pool());

    daemon.reconfigure(&plain);
    assert_eq!(aya_tests::client::get(daemon.address(), "/").status, 200);
    assert_eq!(daemon.control.listeners()[0].tls, None);

    daemon.reconfigure(&secure);
    let answer = Caller::trusting(&scene.authority).get(daemon.address(), "a.test", "/").unwrap();
    assert_eq!(answer.status, 200);
}
