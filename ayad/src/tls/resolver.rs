//! Which certificate a client is shown.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aya_core::certificate::Names;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The certificates of one listener, replaced as a whole while clients shake hands.
#[derive(Debug)]
pub(super) struct Resolver {
    served: ArcSwap<Served>,
    is_strict: bool,
}

/// Certificates by name.
#[derive(Debug, Default)]
pub(super) struct Served {
    names: Names<Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
}

impl Served {
    /// Adds a certificate for its names; the first one with `is_default` answers for all other names.
    pub(super) fn add(&mut self, names: &[String], key: &Arc<CertifiedKey>, is_default: bool) {
        for name in names {
            self.names.insert(name, Arc::clone(key));
        }
        if is_default && self.default.is_none() {
            self.default = Some(Arc::clone(key));
        }
    }
}

impl Resolver {
    /// Shows these certificates; a strict one shows none for names that none covers.
    pub(super) fn new(served: Served, is_strict: bool) -> Self {
        Self { served: ArcSwap::from_pointee(served), is_strict }
    }

    /// Shows other certificates from the next handshake on.
    pub(super) fn replace(&self, served: Served) {
        self.served.store(Arc::new(served));
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let served = self.served.load();
        let by_name = hello.server_name().and_then(|name| served.names.find(name));
        by_name.or(served.default.as_ref().filter(|_| !self.is_strict)).cloned()
    }
}
