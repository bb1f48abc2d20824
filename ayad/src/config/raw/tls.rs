//! `tls` of a listener and of a pool.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::format::{FieldName, Period};

/// TLS to clients. At least one of `certificates` and `acme` is required. Relative paths are relative to the
/// folder of this file. Files are read again by themselves when they change.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenTls {
    /// Certificates with their keys. Which names one answers for is read from the certificate; an exact name
    /// goes before a wildcard.
    pub certificates: Option<Vec<Certificate>>,
    /// Gets and renews a certificate by itself. Default: off.
    pub acme: Option<Acme>,
    /// Whether clients show a certificate: "off" (the default), "optional", or "required".
    pub client_certificates: Option<ClientCertificates>,
    /// File with the authorities that may have signed the certificates of clients (PEM). Required unless
    /// `client_certificates` is "off".
    pub client_ca: Option<PathBuf>,
    /// How the header fields begin that tell backends who the client is, taken from its certificate: NAME-subject,
    /// NAME-fingerprint (SHA-256) and NAME-names. Whatever clients of any listener send under such a name is removed.
    /// Default: "x-client-cert". Change it to what the backends already read.
    pub identity_prefix: Option<FieldName>,
    /// Protocols that are offered, best first. Default: `["h2", "http/1.1"]`. Leave out "h2" for clients that are
    /// bad at it.
    pub alpn: Option<Vec<Alpn>>,
    /// Oldest version that is spoken: "1.2" (the default) or "1.3". Older ones never are.
    pub min_version: Option<TlsVersion>,
    /// Whether clients that ask for a name no certificate covers, or for none, are turned away. Default: false,
    /// which shows them the default certificate.
    pub sni_strict: Option<bool>,
}

/// A certificate with its key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// File with the certificate, then those between it and its authority (PEM). Required.
    pub cert: PathBuf,
    /// File with its private key (PEM, not encrypted); may be the same file. Required.
    pub key: PathBuf,
    /// Whether it answers for names that no certificate covers. Default: true for the first one, unless another
    /// says so.
    pub default: Option<bool>,
}

/// A certificate from a directory by ACME (RFC 8555). Using it accepts the terms of the directory.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Acme {
    /// Address of the directory, e.g. `"https://acme-v02.api.letsencrypt.org/directory"`. Required.
    pub directory: String,
    /// Names the certificate is for, without wildcards. Required, at least one.
    pub names: Vec<String>,
    /// Where the directory can reach a person. Default: none.
    pub email: Option<String>,
    /// File with an authority that is trusted for the directory besides those of the system (PEM). Default: none.
    pub ca: Option<PathBuf>,
    /// How it is proven that the names are ours: "http-01" (the default) answers on port 80, where a listener without
    /// TLS must accept; "tls-alpn-01" answers on port 443, on this listener.
    pub challenge: Option<AcmeChallenge>,
    /// How long before its end the certificate is renewed, at most half its life. Default: a third of its life.
    pub renew_before: Option<Period>,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "a way to treat client certificates")]
pub enum ClientCertificates {
    /// They are not asked.
    Off,
    /// They may; one that is shown must be good.
    Optional,
    /// They must.
    Required,
}

/// A protocol inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(title = "a protocol inside TLS")]
pub enum Alpn {
    /// HTTP/2.
    #[serde(rename = "h2")]
    H2,
    /// HTTP/1.1.
    #[serde(rename = "http/1.1")]
    Http1,
}

impl Alpn {
    /// As it is written, here and in handshakes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::H2 => "h2",
            Self::Http1 => "http/1.1",
        }
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(title = "a version of TLS that is spoken")]
pub enum TlsVersion {
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    Tls13,
}

impl TlsVersion {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

/// How a name is proven to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[schemars(title = "an ACME challenge that is answered")]
pub enum AcmeChallenge {
    /// By a page at a known path, on port 80 (RFC 8555, 8.3).
    #[serde(rename = "http-01")]
    Http01,
    /// By a certificate of its own, on port 443 (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

/// TLS to backends; `{}` is enough for backends with certificates of a public authority. Relative paths are relative
/// to the folder of this file. Files are read again by themselves when they change.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolTls {
    /// File with the authorities that are trusted (PEM). Default: those of the system.
    pub ca: Option<PathBuf>,
    /// Name that is asked for (SNI) and that the certificate must cover. Default: the host in the address of each
    /// backend.
    pub server_name: Option<String>,
    /// File with the certificate that is shown to backends (PEM). Default: none.
    pub client_cert: Option<PathBuf>,
    /// File with its private key (PEM, not encrypted). Required with `client_cert`.
    pub client_key: Option<PathBuf>,
    /// Whether the certificates of backends are verified. Default: true. Without, anybody on the way can read and
    /// change everything; only for tests.
    pub verify: Option<bool>,
}
