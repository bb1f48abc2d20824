//! Checks that look at certificates.

use std::sync::{Arc, Mutex};

use aya_api::axis::Health;
use aya_tests::backend::Backend;
use aya_tests::certs::{Authority, DAY, Leaf};
use aya_tests::daemon::{Daemon, Setup, pool};
use aya_tests::tls::server_config;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{expect_down, patient};

/// A server inside TLS that says nothing, and whose certificate can be changed.
fn server(leaf: &Leaf) -> (Backend, Arc<Mutex<Arc<ServerConfig>>>) {
    let config = Arc::new(Mutex::new(Arc::new(server_config(leaf, None))));
    let current = Arc::clone(&config);
    let backend = Backend::raw(move |socket| {
        let config = Arc::clone(&current.lock().expect("nobody panics with it"));
        let connection = ServerConnection::new(config).expect("the configuration is whole");
        let mut stream = StreamOwned::new(connection, socket);
        // Until the other side hangs up, or does not shake hands at all.
        drop(std::io::copy(&mut stream, &mut std::io::sink()));
    });
    (backend, config)
}

/// A pool that passes TLS through: it has none itself.
fn passing(backend: &Backend, authority: &Authority, keys: &str) -> Daemon {
    let keys = patient(&format!("kind = \"tls\", tls = {{ ca = \"inside.pem\", {keys}"));
    let setup = Setup::new(&pool(&[("one", backend.address)], &keys));
    authority.write(setup.folder(), "inside.pem");
    setup.start()
}

#[test]
fn a_certificate_that_ends_soon_fails_only_when_asked_for() {
    let authority = Authority::new("inside");
    let leaf = |life| authority.server_for(&["127.0.0.1"], life);
    let (backend, config) = server(&leaf((-DAY, 89 * DAY)));
    let daemon = passing(&backend, &authority, "}, min_valid = \"14d\"");
    let easy = passing(&backend, &authority, "}");
    daemon.control.expect_health("main/one", Health::Up);

    *config.lock().unwrap() = Arc::new(server_config(&leaf((-DAY, 5 * DAY + 3600)), None));
    expect_down(&daemon, "certificate ends in 5 days");
    easy.control.expect_health("main/one", Health::Up);

    *config.lock().unwrap() = Arc::new(server_config(&leaf((-2 * DAY, -DAY)), None));
    expect_down(&daemon, "unreachable: certificate has expired");
    expect_down(&easy, "unreachable: certificate has expired");

    *config.lock().unwrap() = Arc::new(server_config(&leaf((-DAY, 89 * DAY)), None));
    daemon.control.expect_health("main/one", Health::Up);
}

#[test]
fn a_certificate_must_be_for_the_name_and_by_the_authority_of_the_check() {
    let authority = Authority::new("inside");
    let (backend, _config) = server(&authority.server(&["db.test"]));

    let named = passing(&backend, &authority, "server_name = \"db.test\" }");
    named.control.expect_health("main/one", Health::Up);
    expect_down(&passing(&backend, &authority, "}"), "unreachable: certificate for another name");
    let other = Authority::new("other");
    let distrusting = passing(&backend, &other, "server_name = \"db.test\" }");
    expect_down(&distrusting, "unreachable: certificate of an unknown authority");
    let careless = passing(&backend, &other, "verify = false }");
    careless.control.expect_health("main/one", Health::Up);
}

#[test]
fn a_server_without_tls_fails() {
    let authority = Authority::new("inside");
    let plain = Backend::raw(|mut stream| {
        use std::io::{Read, Write};
        drop(stream.write_all(b"220 mail.test ESMTP\r\n"));
        while let Ok(1..) = stream.read(&mut [0; 512]) {}
    });

    expect_down(&passing(&plain, &authority, "}"), "unreachable: does not speak TLS");
}
