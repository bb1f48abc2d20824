//! What a valid configuration says about TLS. Plain values: nothing of them is read from certificates.

use std::path::PathBuf;
use std::time::Duration;

use aya_core::certificate::Life;

pub use super::raw::tls::{AcmeChallenge, Alpn, TlsVersion};

/// TLS of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTls {
    /// Certificates in files. The first that is a default answers for names that none covers.
    pub certificates: Vec<CertificateFiles>,
    /// A certificate that is got and renewed by itself.
    pub acme: Option<Acme>,
    /// Certificates of clients; absent when they are not asked for one.
    pub clients: Option<ClientAuth>,
    /// How the fields begin that tell backends who the client is, in lower case.
    pub identity_prefix: String,
    /// Protocols that are offered, best first.
    pub alpn: Vec<Alpn>,
    /// Oldest version that is spoken.
    pub min_version: TlsVersion,
    /// Whether names that no certificate covers are turned away.
    pub sni_strict: bool,
}

/// What a listener answers TLS with, as it was found when the configuration was read. For people; what is in force is
/// read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Names it is good for.
    pub names: Vec<String>,
    /// Where it comes from.
    pub source: CoveredBy,
}

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoveredBy {
    /// This file.
    File {
        /// The certificate.
        cert: PathBuf,
        /// How long it is good.
        life: Life,
        /// Whether it answers for names that no certificate covers.
        is_default: bool,
    },
    /// The ACME directory at this address; it is got when the daemon runs.
    Acme(String),
}

/// A certificate and its key, in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate with its chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whether it answers for names that no certificate covers.
    pub is_default: bool,
}

/// How clients are known by certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// Authorities that may have signed them.
    pub ca: PathBuf,
    /// Whether a client without one is turned away.
    pub is_required: bool,
}

/// Where a certificate comes from by ACME.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acme {
    /// Address of the directory; its scheme is https.
    pub directory: String,
    /// Names, at least one, in lower case and in order.
    pub names: Vec<String>,
    /// Where the directory can reach a person.
    pub email: Option<String>,
    /// Authority that is trusted for the directory besides those of the system.
    pub ca: Option<PathBuf>,
    /// How names are proven to be ours.
    pub challenge: AcmeChallenge,
    /// How long before its end it is renewed; absent for a third of its life.
    pub renew_before: Option<Duration>,
}

/// TLS to the backends of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolTls {
    /// Trusted authorities; absent for those of the system.
    pub ca: Option<PathBuf>,
    /// Name for all backends; absent for the host in the address of each.
    pub server_name: Option<String>,
    /// Certificate and key that are shown to backends.
    pub client: Option<(PathBuf, PathBuf)>,
    /// Whether certificates of backends are verified.
    pub verify: bool,
}
