//! TLS to the clients of one listener.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use rustls::server::{Acceptor, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig, ServerConnection};
use tokio::io::AsyncWriteExt;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor, server};

use super::acme::{self, Challenges, Store};
use super::files::{FileError, Loaded, Watch, read_pair, read_roots};
use super::identity::{ClientIdentity, IdentityNames};
use super::resolver::{Resolver, Served};
use super::{CertificateInfo, provider};
use crate::config::{Acme, AcmeChallenge, Alpn, CertificateFiles, ClientAuth, ListenerTls, TlsVersion};
use crate::stream::{Plain, Stream};

/// Sessions of TLS 1.2 that are remembered for clients without tickets; the others keep their tickets themselves.
const SESSIONS: usize = 1024;
/// Tickets after a full handshake of TLS 1.3. Each resumption brings the next one, and each costs two hundred bytes
/// and an encryption.
const TICKETS: usize = 1;

/// How handshakes ended, since the start. Outlives configurations.
#[derive(Debug, Default)]
pub struct Handshakes {
    /// With a certificate.
    pub full: AtomicU64,
    /// By a ticket or a remembered session.
    pub resumed: AtomicU64,
    /// Not at all: no common version or name, a bad certificate, bytes that are no TLS.
    pub failed: AtomicU64,
}

/// What a handshake told about a client.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// HTTP/2 was agreed on; otherwise it is HTTP/1.1.
    pub alpn_h2: bool,
    /// The name the client asked for, in lower case.
    pub server_name: Option<Box<str>>,
    /// Who the client is, when it showed a certificate; verified.
    pub client: Option<ClientIdentity>,
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// Name of the cipher suite, as IANA registered it.
    pub cipher: Option<&'static str>,
    /// It resumed an earlier session.
    pub resumed: bool,
}

/// Where a certificate came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// This file.
    File(PathBuf),
    /// The ACME directory at this address.
    Acme(String),
    /// We made it ourselves until the directory at this address gives one; no client trusts it.
    Placeholder(String),
}

/// Something that happened to files, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// False when somebody has to do something about it.
    pub is_good: bool,
    /// What happened.
    pub text: String,
}

impl Note {
    pub(crate) fn good(text: impl Into<String>) -> Self {
        Self { is_good: true, text: text.into() }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self { is_good: false, text: text.into() }
    }
}

/// A certificate in force.
#[derive(Clone, Debug)]
pub struct InForce {
    /// What it says.
    pub info: CertificateInfo,
    /// Where it came from.
    pub source: Source,
    /// Why a newer file is not in force.
    pub trouble: Option<String>,
}

/// How it goes with a certificate that is got by ACME.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcmeState {
    /// Why the last order failed; absent when it did not.
    pub error: Option<String>,
    /// Orders that failed in a row.
    pub failures: u32,
    /// When the next order is made, milliseconds since 1970.
    pub next_ms: Option<u64>,
}

/// TLS to the clients of one listener: certificates, tickets, who may come. Shared by all workers, so that a session
/// begun on one resumes on any.
#[derive(Debug)]
pub struct ServerTls {
    settings: ListenerTls,
    resolver: Arc<Resolver>,
    config: ArcSwap<ServerConfig>,
    /// Answers of TLS-ALPN-01, when that is how names are proven.
    proofs: Option<Arc<ServerConfig>>,
    identity: IdentityNames,
    handshakes: Arc<Handshakes>,
    entries: Mutex<Vec<Entry>>,
    /// Those of the first entries, in the same order. Only looks at the disk hold this lock.
    files: Mutex<Vec<Files>>,
    clients: Option<Mutex<Watch>>,
    acme: Mutex<AcmeState>,
}

/// A certificate that may be shown.
#[derive(Debug)]
struct Entry {
    loaded: Loaded,
    source: Source,
    is_default: bool,
    trouble: Option<String>,
}

/// Where a certificate is read from again.
#[derive(Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
    watch: Watch,
}

/// A handshake that came to nothing.
#[derive(Debug)]
pub struct NoHandshake {
    /// Why.
    pub error: io::Error,
    /// The connection, when it is still there: the alert is lost when it is closed while bytes of the client wait in it.
    pub plain: Option<Plain>,
}

impl NoHandshake {
    fn over((error, plain): (io::Error, Plain)) -> Self {
        Self { error, plain: Some(plain) }
    }

    /// True when TLS itself failed. A client that only connects and leaves has not failed at anything.
    pub fn is_of_tls(&self) -> bool {
        self.error.get_ref().is_some_and(|inner| inner.downcast_ref::<rustls::Error>().is_some())
    }
}

impl From<io::Error> for NoHandshake {
    fn from(error: io::Error) -> Self {
        Self { error, plain: None }
    }
}

impl ServerTls {
    /// Reads what the settings name, and what ACME left in `store`. Blocks on the disk.
    pub fn new(
        settings: ListenerTls,
        store: &Store,
        challenges: &Arc<Challenges>,
        handshakes: Arc<Handshakes>,
    ) -> Result<Self, FileError> {
        let identity = IdentityNames::new(&settings.identity_prefix).ok_or_else(|| FileError {
            path: settings.identity_prefix.clone().into(),
            what: "this cannot begin the name of a header field".into(),
        })?;
        let (entries, files) = entries(&settings, store)?;
        let resolver = Arc::new(Resolver::new(served(&entries), settings.sni_strict));
        let clients = settings.clients.as_ref().map(|auth| Mutex::new(Watch::new(vec![auth.ca.clone()])));
        let config = ArcSwap::from_pointee(server_config(&settings, &resolver)?);
        let proves = settings.acme.as_ref().is_some_and(|a| a.challenge == AcmeChallenge::TlsAlpn01);
        let proofs = proves.then(|| Arc::new(acme::proof_config(challenges)));
        let (entries, files) = (Mutex::new(entries), Mutex::new(files));
        let acme = Mutex::default();
        Ok(Self { settings, resolver, config, proofs, identity, handshakes, entries, files, clients, acme })
    }

    /// What it was made of.
    pub fn settings(&self) -> &ListenerTls {
        &self.settings
    }

    /// How handshakes ended.
    pub fn handshakes(&self) -> &Handshakes {
        &self.handshakes
    }

    /// Shakes hands with a client. A failed handshake is answered with an alert and counted; the error says why. So is
    /// the end of a connection by which an ACME directory convinced itself of a name (kind `ConnectionAborted`), but
    /// not counted. Has no time limit of its own. Cancel-safe: dropping the future closes the connection.
    ///
    /// # Errors
    /// [`NoHandshake`], with the connection where an alert was written that the client may still read.
    pub async fn accept(&self, plain: Plain) -> Result<(Stream, Handshake), NoHandshake> {
        let accepted = match &self.proofs {
            None => {
                let accepted = TlsAcceptor::from(self.config.load_full()).accept(plain).into_fallible().await;
                accepted.map_err(NoHandshake::over)
            }
            Some(proofs) => self.accept_or_prove(plain, proofs).await,
        };
        let stream = accepted.inspect_err(|failed| {
            if failed.is_of_tls() {
                self.handshakes.failed.fetch_add(1, Ordering::Relaxed);
            }
        })?;
        let handshake = self.told(stream.get_ref().1);
        let count = if handshake.resumed { &self.handshakes.resumed } else { &self.handshakes.full };
        count.fetch_add(1, Ordering::Relaxed);
        Ok((Stream::Tls(Box::new(stream.into())), handshake))
    }

    /// As [`Self::accept`], where one kind of client is not a client: the one that offers `acme-tls/1` and nothing else
    /// (RFC 8737). It meets a configuration of its own, so that it needs no certificate and can do nothing else.
    async fn accept_or_prove(
        &self,
        plain: Plain,
        proofs: &Arc<ServerConfig>,
    ) -> Result<server::TlsStream<Plain>, NoHandshake> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), plain).await?;
        let proves = start.client_hello().alpn().is_some_and(|offered| offered.eq([acme::ALPN]));
        if !proves {
            let accepted = start.into_stream(self.config.load_full()).into_fallible().await;
            return accepted.map_err(NoHandshake::over);
        }
        let mut stream = start.into_stream(Arc::clone(proofs)).await?;
        stream.shutdown().await?;
        let seen = "an ACME directory has looked at our proof";
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, seen).into())
    }

    fn told(&self, connection: &ServerConnection) -> Handshake {
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        Handshake {
            alpn_h2: connection.alpn_protocol() == Some(b"h2"),
            server_name: connection.server_name().map(Into::into),
            client: certificate.map(|certificate| self.identity.identify(certificate)),
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "1.2",
                _ => "1.3",
            },
            cipher: connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    /// The certificates in force, in the order of the configuration, that of ACME last.
    pub fn certificates(&self) -> Vec<InForce> {
        let describe = |entry: &Entry| InForce {
            info: entry.loaded.info.clone(),
            source: entry.source.clone(),
            trouble: entry.trouble.clone(),
        };
        lock(&self.entries).iter().map(describe).collect()
    }

    /// Reads changed files again, and tells what came of it. Files that cannot be used leave what they held before in
    /// force and are told once. No connection notices. Blocks on the disk.
    pub fn refresh(&self) -> Vec<Note> {
        let mut notes = Vec::new();
        for (index, files) in lock(&self.files).iter_mut().enumerate() {
            let looked = files.watch.look(|| read_pair(&files.cert, &files.key));
            let trouble = files.watch.trouble().map(ToString::to_string);
            // Only now, because whoever asks what is in force must not wait for the disk.
            let mut entries = lock(&self.entries);
            let Some(entry) = entries.get_mut(index) else { continue };
            entry.trouble = trouble;
            match looked {
                None => {}
                // Touched, or copied over itself.
                Some(Ok(loaded)) if loaded.key.cert == entry.loaded.key.cert => {}
                Some(Ok(loaded)) => {
                    notes.push(Note::good(format!("{} has changed and is in force", files.cert.display())));
                    entry.loaded = loaded;
                    self.resolver.replace(served(&entries));
                }
                Some(Err(error)) => {
                    notes.push(Note::bad(format!("{error}; the certificate read before stays in force")));
                }
            }
        }
        notes.extend(self.refresh_clients());
        notes
    }

    /// Another list of authorities makes all tickets worthless: whoever resumes is not verified again.
    fn refresh_clients(&self) -> Option<Note> {
        match lock(self.clients.as_ref()?).look(|| server_config(&self.settings, &self.resolver))? {
            Ok(config) => {
                self.config.store(Arc::new(config));
                Some(Note::good("the authorities of client certificates have changed and are in force"))
            }
            Err(error) => Some(Note::bad(format!("{error}; the authorities read before stay in force"))),
        }
    }

    /// Shows a certificate that was got by ACME from the next handshake on.
    pub fn install(&self, loaded: &Loaded) {
        let Some(Acme { directory, .. }) = &self.settings.acme else { return };
        let mut entries = lock(&self.entries);
        let is_file = |entry: &Entry| matches!(entry.source, Source::File(_));
        for entry in entries.iter_mut().filter(|entry| !is_file(entry)) {
            entry.loaded = loaded.clone();
            entry.source = Source::Acme(directory.clone());
        }
        self.resolver.replace(served(&entries));
    }

    /// How it goes with the certificate of ACME.
    pub fn acme_state(&self) -> AcmeState {
        lock(&self.acme).clone()
    }

    /// Notes how it goes with the certificate of ACME.
    pub fn set_acme_state(&self, state: AcmeState) {
        *lock(&self.acme) = state;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn entries(settings: &ListenerTls, store: &Store) -> Result<(Vec<Entry>, Vec<Files>), FileError> {
    let (mut entries, mut files) = (Vec::new(), Vec::new());
    for CertificateFiles { cert, key, is_default } in &settings.certificates {
        let watch = Watch::new(vec![cert.clone(), key.clone()]);
        files.push(Files { cert: cert.clone(), key: key.clone(), watch });
        entries.push(Entry {
            loaded: read_pair(cert, key)?,
            source: Source::File(cert.clone()),
            is_default: *is_default,
            trouble: None,
        });
    }
    if let Some(acme) = &settings.acme {
        let kept = store.certificate(acme);
        let (loaded, source) = match kept {
            Some(loaded) => (loaded, Source::Acme(acme.directory.clone())),
            None => (acme::placeholder(&acme.names)?, Source::Placeholder(acme.directory.clone())),
        };
        entries.push(Entry { loaded, source, is_default: settings.certificates.is_empty(), trouble: None });
    }
    Ok((entries, files))
}

fn served(entries: &[Entry]) -> Served {
    let mut served = Served::default();
    for entry in entries {
        served.add(&entry.loaded.info.names, &entry.loaded.key, entry.is_default);
    }
    served
}

fn server_config(settings: &ListenerTls, resolver: &Arc<Resolver>) -> Result<ServerConfig, FileError> {
    let versions: &[_] = match settings.min_version {
        TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider()))
        .with_protocol_versions(versions)
        .expect("the provider has cipher suites for both versions");
    let builder = match &settings.clients {
        None => builder.with_no_client_auth(),
        Some(auth) => builder.with_client_cert_verifier(verifier(auth)?),
    };
    let mut config = builder.with_cert_resolver(Arc::<Resolver>::clone(resolver));
    config.alpn_protocols = settings.alpn.iter().map(|protocol| alpn(*protocol).to_vec()).collect();
    config.send_tls13_tickets = TICKETS;
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|error| FileError {
        path: "tickets for resumption".into(),
        what: format!("no keys could be made: {error}"),
    })?;
    Ok(config)
}

fn verifier(auth: &ClientAuth) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, FileError> {
    let mut roots = RootCertStore::empty();
    read_roots(&auth.ca, &mut roots)?;
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider()));
    let builder = if auth.is_required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| FileError { path: auth.ca.clone(), what: error.to_string() })
}

fn alpn(protocol: Alpn) -> &'static [u8] {
    match protocol {
        Alpn::H2 => b"h2",
        Alpn::Http1 => b"http/1.1",
    }
}
