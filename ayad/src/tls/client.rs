//! TLS to the backends of one pool.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::files::{FileError, Loaded, Watch, read_pair, read_roots};
use super::server::Note;
use super::{CertificateInfo, provider};
use crate::config::PoolTls;
use crate::stream::{Plain, Stream};

const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Which protocols a backend may choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only. A backend that does not know ALPN still gets a connection, without HTTP/2.
    H2,
    /// HTTP/2, or HTTP/1.1 when the backend prefers it.
    Both,
    /// PostgreSQL, which wants to be named when TLS begins at once.
    Postgres,
    /// Nothing: the protocol has no name that all its servers know.
    Nothing,
}

impl Offer {
    fn protocols(self) -> Vec<Vec<u8>> {
        let names: &[&[u8]] = match self {
            Self::Http1 => &[HTTP1],
            Self::H2 => &[H2],
            Self::Both => &[H2, HTTP1],
            Self::Postgres => &[b"postgresql"],
            Self::Nothing => &[],
        };
        names.iter().map(|name| name.to_vec()).collect()
    }
}

/// TLS to the backends of one pool: whom to trust, what to show, sessions to resume. Shared by all workers.
#[derive(Debug)]
pub struct ClientTls {
    settings: PoolTls,
    shared: ArcSwap<Shared>,
    watch: Mutex<Watch>,
}

/// What changes together with the files.
#[derive(Debug)]
struct Shared {
    config: Arc<ClientConfig>,
    shown: Option<CertificateInfo>,
}

impl ClientTls {
    /// Reads what the settings name. Blocks on the disk.
    pub fn new(settings: PoolTls) -> Result<Self, FileError> {
        let client = settings.client.iter().flat_map(|(cert, key)| [cert, key]);
        let watch = Watch::new(settings.ca.iter().chain(client).cloned().collect());
        let shared = ArcSwap::from_pointee(Shared::read(&settings)?);
        Ok(Self { settings, shared, watch: Mutex::new(watch) })
    }

    /// What it was made of.
    pub fn settings(&self) -> &PoolTls {
        &self.settings
    }

    /// The certificate that is shown to backends.
    pub fn certificate(&self) -> Option<CertificateInfo> {
        self.shared.load().shown.clone()
    }

    /// Shakes hands with a backend that is configured at `address`. Returns the stream, and whether HTTP/2 was agreed
    /// on. Fails when the backend does not speak TLS or is not who it should be; the error says why. Has no time
    /// limit of its own. Cancel-safe: dropping the future closes the connection.
    pub async fn connect(&self, plain: Plain, address: &str, offer: Offer) -> io::Result<(Stream, bool)> {
        let host = self.settings.server_name.as_deref().or_else(|| host_of(address)).unwrap_or_default();
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{host:?} cannot be in a certificate"))
        })?;
        let connector = TlsConnector::from(Arc::clone(&self.shared.load().config));
        let stream = connector.with_alpn(offer.protocols()).connect(name, plain).await?;
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(H2);
        Ok((Stream::Tls(Box::new(stream.into())), is_h2))
    }

    /// Reads changed files again. What they held stays in force when they cannot be used. Blocks on the disk.
    pub fn refresh(&self) -> Vec<Note> {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let note = match watch.look(|| Shared::read(&self.settings)) {
            None => None,
            Some(Ok(shared)) => {
                self.shared.store(Arc::new(shared));
                Some(Note::good("the files for TLS to the backends have changed and are in force"))
            }
            Some(Err(error)) => Some(Note::bad(format!("{error}; what was read before stays in force"))),
        };
        note.into_iter().collect()
    }
}

impl Shared {
    fn read(settings: &PoolTls) -> Result<Self, FileError> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(provider()))
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .expect("the provider has cipher suites for every version");
        let builder = if settings.verify {
            builder.with_root_certificates(roots(settings.ca.as_deref())?)
        } else {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody))
        };
        let Some((cert, key)) = &settings.client else {
            return Ok(Self { config: Arc::new(builder.with_no_client_auth()), shown: None });
        };
        let Loaded { key, info } = read_pair(cert, key)?;
        let config = builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)));
        Ok(Self { config: Arc::new(config), shown: Some(info) })
    }
}

/// The authorities of a file, or those of the system.
fn roots(ca: Option<&Path>) -> Result<Arc<RootCertStore>, FileError> {
    match ca {
        None => system_roots(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            read_roots(path, &mut roots)?;
            Ok(Arc::new(roots))
        }
    }
}

/// The authorities that the system trusts, read once in the life of the process.
pub(crate) fn system_roots() -> Result<Arc<RootCertStore>, FileError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        // Systems carry a few that no library can read; the others are of use without them.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    });
    if roots.is_empty() {
        let path = "the system's store of trusted authorities".into();
        return Err(FileError {
            path,
            what: "it is empty: install ca-certificates, or write ca = FILE".into(),
        });
    }
    Ok(Arc::clone(roots))
}

/// A client for servers that are no backends, such as Prometheus: with the one TLS stack, and what the system trusts when
/// it needs to trust somebody.
pub fn http_client(is_secure: bool) -> Result<reqwest::Client, String> {
    let roots = if is_secure {
        system_roots().map_err(|error| error.to_string())?
    } else {
        Arc::new(RootCertStore::empty())
    };
    let config = ClientConfig::builder_with_provider(Arc::clone(provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has cipher suites for every version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .user_agent("ayad-signals")
        .redirect(reqwest::redirect::Policy::none())
        .build();
    client.map_err(|error| error.to_string())
}

/// The host in the address of a backend, without its port; `None` for a Unix socket.
pub fn host_of(address: &str) -> Option<&str> {
    if address.starts_with("unix:") {
        return None;
    }
    let (host, _) = address.rsplit_once(':')?;
    Some(host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host))
}

/// Takes every certificate for good (`verify = false`). Signatures are still checked, so that the backend has at least
/// the key of the certificate it shows.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_backend_is_what_its_certificate_must_cover() {
        assert_eq!(host_of("app.internal:443"), Some("app.internal"));
        assert_eq!(host_of("[::1]:443"), Some("::1"));
        assert_eq!(host_of("127.0.0.1:443"), Some("127.0.0.1"));
        assert_eq!(host_of("unix:/run/app.sock"), None);
    }
}
