//! What a certificate says about itself, for matching names and for people.

use aya_core::certificate::Life;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::name;

/// What people and tables need to know of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// Names it covers, as it spells them: DNS names and addresses.
    pub names: Vec<String>,
    /// Who signed it (RFC 4514).
    pub issuer: String,
    /// How long it is valid.
    pub life: Life,
    /// SHA-256 over its DER form, in lower-case hexadecimal.
    pub fingerprint: String,
}

impl CertificateInfo {
    /// Reads a certificate, or says why it is none.
    pub fn read(der: &CertificateDer<'_>) -> Result<Self, String> {
        let certificate = parse(der)?;
        let validity = certificate.validity();
        Ok(Self {
            names: alternative_names(&certificate).into_iter().filter_map(served_name).collect(),
            issuer: name::rfc4514(certificate.issuer()),
            life: Life {
                not_before: validity.not_before.timestamp(),
                not_after: validity.not_after.timestamp(),
            },
            fingerprint: fingerprint(der),
        })
    }
}

pub(super) fn parse<'d>(der: &'d CertificateDer<'_>) -> Result<X509Certificate<'d>, String> {
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => Ok(certificate),
        Err(error) => Err(format!("this is no X.509 certificate: {error}")),
    }
}

/// The alternative names of a certificate; none when it has none or they cannot be read.
pub(super) fn alternative_names<'c>(certificate: &'c X509Certificate<'_>) -> Vec<&'c GeneralName<'c>> {
    match certificate.subject_alternative_name() {
        Ok(Some(extension)) => extension.value.general_names.iter().collect(),
        Ok(None) | Err(_) => Vec::new(),
    }
}

fn served_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => name::address(bytes).map(|address| address.to_string()),
        _ => None,
    }
}

/// SHA-256 in lower-case hexadecimal. The digest is that of rustls' provider, so that there is one implementation.
pub(super) fn fingerprint(bytes: &[u8]) -> String {
    let hash = match TLS13_AES_128_GCM_SHA256 {
        rustls::SupportedCipherSuite::Tls13(suite) => suite.common.hash_provider.hash(bytes),
        rustls::SupportedCipherSuite::Tls12(suite) => suite.common.hash_provider.hash(bytes),
    };
    let digits = hash.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}
