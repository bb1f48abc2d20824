//! TLS on both sides: who is shown which certificate, what changes without anybody noticing, who may come in, whom
//! the proxy believes, and certificates that come by themselves.

mod acme;
mod backends;
mod clients;
mod curl;
mod handshake;
mod names;
mod replaced;
mod seen;

use std::path::Path;

use aya_tests::backend::Backend;
use aya_tests::certs::{Authority, Leaf};
use aya_tests::daemon::{Daemon, ROUTE, Setup, members};

/// The authority of the test, and what it signed, beside the configuration of a daemon.
struct Scene {
    authority: Authority,
    backend: Backend,
}

impl Scene {
    fn new() -> Self {
        Self { authority: Authority::new("test authority"), backend: Backend::echo() }
    }

    /// A daemon whose listener `main` has these keys in `tls`. `files` are written beside the configuration.
    fn start(&self, tls: &str, files: &[(&str, &Leaf)]) -> Daemon {
        self.setup(tls, files).start()
    }

    fn setup(&self, tls: &str, files: &[(&str, &Leaf)]) -> Setup {
        let setup = Setup::new(&self.text(tls));
        self.write(setup.folder(), files);
        setup
    }

    fn write(&self, folder: &Path, files: &[(&str, &Leaf)]) {
        self.authority.write(folder, "ca.pem");
        for (name, leaf) in files {
            leaf.write(folder, name);
        }
    }

    fn text(&self, tls: &str) -> String {
        format!("{}{}", listen("main", tls), self.pool())
    }

    /// Pool and route `main`.
    fn pool(&self) -> String {
        let backends = members(&[("one", self.backend.address)]);
        format!("[pool.main]\nbackends = {backends}\nhealth = {{ kind = \"none\" }}\n{ROUTE}")
    }
}

/// A listener with TLS on a free port. The data plane speaks HTTP/1.1 here, whatever it could do.
fn listen(name: &str, tls: &str) -> String {
    format!("[listen.{name}]\nbind = \"127.0.0.1:0\"\ntls = {{ alpn = [\"http/1.1\"], {tls} }}\n")
}

/// One entry of `certificates`, with the files `NAME.pem` and `NAME.key`.
fn entry(name: &str) -> String {
    format!("{{ cert = \"{name}.pem\", key = \"{name}.key\" }}")
}

/// One certificate.
fn only(name: &str) -> String {
    format!("certificates = [{}]", entry(name))
}
