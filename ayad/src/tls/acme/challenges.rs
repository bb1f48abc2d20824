//! What a directory asks for to believe that a name is ours, and what the data plane answers it.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::tls::provider;

/// The protocol that a directory offers when it looks for a proof (RFC 8737, 3).
pub(crate) const ALPN: &[u8] = b"acme-tls/1";

/// Every answer that is waited for now. A look costs one atomic load while there is none; there are only as many as
/// names are being ordered.
#[derive(Debug, Default)]
pub struct Challenges {
    open: ArcSwap<Open>,
}

#[derive(Clone, Debug, Default)]
struct Open {
    /// Key authorizations by name and token.
    pages: HashMap<(String, String), Arc<str>>,
    /// Certificates by name.
    proofs: HashMap<String, Arc<CertifiedKey>>,
}

impl Challenges {
    /// What to answer `GET /.well-known/acme-challenge/TOKEN` for a host with, as `application/octet-stream`
    /// (RFC 8555, 8.3). The host may have a port. `None` for everything that nobody asked us to prove.
    pub fn answer(&self, host: &str, token: &str) -> Option<Arc<str>> {
        let open = self.open.load();
        if open.pages.is_empty() {
            return None;
        }
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
        open.pages.get(&(name, token.to_owned())).cloned()
    }

    /// Answers HTTP-01 for a name until the result is dropped.
    pub(super) fn publish_page(self: &Arc<Self>, name: &str, token: &str, authorization: &str) -> Published {
        let key = (name.to_owned(), token.to_owned());
        self.change(|open| drop(open.pages.insert(key.clone(), authorization.into())));
        Published { of: Arc::clone(self), name: key.0, token: Some(key.1) }
    }

    /// Answers TLS-ALPN-01 for a name until the result is dropped. `digest` is the SHA-256 of the key authorization.
    pub(super) fn publish_proof(self: &Arc<Self>, name: &str, digest: &[u8]) -> Result<Published, String> {
        let key = Arc::new(proof(name, digest)?);
        self.change(|open| drop(open.proofs.insert(name.to_owned(), Arc::clone(&key))));
        Ok(Published { of: Arc::clone(self), name: name.to_owned(), token: None })
    }

    fn change(&self, change: impl Fn(&mut Open)) {
        self.open.rcu(|open| {
            let mut next = Open::clone(open);
            change(&mut next);
            next
        });
    }
}

/// An answer that is there as long as this is.
#[derive(Debug)]
#[must_use = "the answer is gone when this is dropped"]
pub struct Published {
    of: Arc<Challenges>,
    name: String,
    token: Option<String>,
}

impl Drop for Published {
    fn drop(&mut self) {
        self.of.change(|open| match &self.token {
            Some(token) => drop(open.pages.remove(&(self.name.clone(), token.clone()))),
            None => drop(open.proofs.remove(&self.name)),
        });
    }
}

/// A self-signed certificate that holds the digest in a critical extension (RFC 8737, 3).
fn proof(name: &str, digest: &[u8]) -> Result<CertifiedKey, String> {
    if digest.len() != 32 {
        return Err("the digest of the key authorization has not 32 bytes".into());
    }
    let make = || {
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()])?;
        params.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(digest)];
        let key = rcgen::KeyPair::generate()?;
        Ok((params.self_signed(&key)?.der().clone(), key.serialize_der()))
    };
    let (certificate, key) = make().map_err(|error: rcgen::Error| error.to_string())?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key));
    let key = provider().key_provider.load_private_key(key).map_err(|error| error.to_string())?;
    // Without the usual check that both fit: it refuses critical extensions that it does not know.
    Ok(CertifiedKey::new(vec![certificate], key))
}

/// What a directory meets that looks for a proof: the proof, and nothing that could be resumed or read.
pub(crate) fn proof_config(challenges: &Arc<Challenges>) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider()))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("the provider has cipher suites for every version")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Proofs(Arc::clone(challenges))));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config
}

#[derive(Debug)]
struct Proofs(Arc<Challenges>);

impl ResolvesServerCert for Proofs {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.open.load().proofs.get(hello.server_name()?).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_there_for_its_name_and_token_until_it_is_dropped() {
        let challenges = Arc::new(Challenges::default());
        assert_eq!(challenges.answer("a.example.com", "t"), None);

        let page = challenges.publish_page("a.example.com", "t", "t.key");
        assert_eq!(challenges.answer("A.example.com:80", "t").as_deref(), Some("t.key"));
        assert_eq!(challenges.answer("b.example.com", "t"), None);
        assert_eq!(challenges.answer("a.example.com", "u"), None);

        drop(page);
        assert_eq!(challenges.answer("a.example.com", "t"), None);
    }

    #[test]
    fn a_proof_needs_a_digest() {
        let challenges = Arc::new(Challenges::default());
        assert!(challenges.publish_proof("a.example.com", &[7; 32]).is_ok());
        assert!(challenges.publish_proof("a.example.com", &[7; 31]).is_err());
    }
}
