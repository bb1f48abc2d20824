//! Who a client is by its certificate, as fields for backends that it cannot write itself.

use http::{HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;

use super::certificate::{alternative_names, fingerprint, parse};
use super::name;

/// Most bytes of one value. A longer one is left out as a whole: part of a name may be another name.
const MOST: usize = 4096;

/// How the names of the fields end.
const SUBJECT: &str = "subject";
const FINGERPRINT: &str = "fingerprint";
const NAMES: &str = "names";

/// A verified client, as ready fields of a request. One for each connection, made in its handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// Fields to write into each request of the connection: subject (RFC 4514), SHA-256 fingerprint in hexadecimal,
    /// alternative names. Those without a value are missing.
    pub fields: Vec<(HeaderName, HeaderValue)>,
}

impl ClientIdentity {
    /// The subject of its certificate, unless that is empty.
    pub fn subject(&self) -> Option<&str> {
        self.value(SUBJECT)
    }

    /// The fingerprint of its certificate.
    pub fn fingerprint(&self) -> Option<&str> {
        self.value(FINGERPRINT)
    }

    fn value(&self, end: &str) -> Option<&str> {
        let named = |name: &HeaderName| name.as_str().rsplit_once('-').is_some_and(|(_, last)| last == end);
        let (_, value) = self.fields.iter().find(|(name, _)| named(name))?;
        value.to_str().ok()
    }
}

/// Names of the fields of one listener.
#[derive(Clone, Debug)]
pub(super) struct IdentityNames {
    subject: HeaderName,
    fingerprint: HeaderName,
    names: HeaderName,
}

impl IdentityNames {
    /// Names that begin with `prefix`; `None` when that cannot begin the name of a field.
    pub(super) fn new(prefix: &str) -> Option<Self> {
        let name = |end: &str| HeaderName::try_from(format!("{prefix}-{end}")).ok();
        Some(Self { subject: name(SUBJECT)?, fingerprint: name(FINGERPRINT)?, names: name(NAMES)? })
    }

    /// What a certificate says about its owner. It was verified before, so one that cannot be read here cannot
    /// occur; if it did, there would be no fields.
    pub(super) fn identify(&self, certificate: &CertificateDer<'_>) -> ClientIdentity {
        let mut fields = Vec::with_capacity(3);
        let mut add = |name: &HeaderName, value: String| {
            if !value.is_empty()
                && value.len() <= MOST
                && let Ok(value) = HeaderValue::try_from(value)
            {
                fields.push((name.clone(), value));
            }
        };
        if let Ok(parsed) = parse(certificate) {
            add(&self.subject, name::rfc4514(parsed.subject()));
            add(&self.fingerprint, fingerprint(certificate));
            let names = alternative_names(&parsed).into_iter().filter_map(name::alternative);
            add(&self.names, names.collect::<Vec<_>>().join(", "));
        }
        ClientIdentity { fields }
    }
}

/// True for the name of a field that only this proxy may write: `prefix` itself, or `prefix`, a dash and more. Case
/// does not matter, and `_` counts as `-`, because many servers make one of the other before applications see it.
pub fn is_reserved(prefix: &str, name: &[u8]) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    let Some((start, rest)) = name.split_at_checked(prefix.len()) else { return false };
    let is_same = start.iter().zip(prefix.bytes()).all(|(a, b)| plain(*a) == plain(b));
    is_same && rest.first().is_none_or(|next| plain(*next) == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_pretends_is_known_in_every_spelling() {
        for name in ["x-client-cert", "X-Client-Cert-Subject", "x_client_cert_subject", "X-CLIENT_cert-x"] {
            assert!(is_reserved("x-client-cert", name.as_bytes()), "{name}");
        }
        for name in ["x-client", "x-client-certificate", "client-cert", "", "x-client-cerf-subject"] {
            assert!(!is_reserved("x-client-cert", name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn an_identity_is_subject_fingerprint_and_names() {
        let mut params = rcgen::CertificateParams::new(vec!["a.example.com".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Ex, Inc.");
        params.distinguished_name.push(rcgen::DnType::CommonName, "wéb");
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();

        let names = IdentityNames::new("x-id").unwrap();
        let identity = names.identify(certificate.der());
        let fields = &identity.fields;

        let text: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        assert_eq!(text[0], ("x-id-subject", "CN=w\\C3\\A9b,O=Ex\\, Inc."));
        assert_eq!((text[1].0, text[1].1.len()), ("x-id-fingerprint", 64));
        assert_eq!(text[2], ("x-id-names", "DNS:a.example.com"));
        assert_eq!((identity.subject(), identity.fingerprint()), (Some(text[0].1), Some(text[1].1)));
        assert!(names.identify(&CertificateDer::from(vec![1, 2])).fields.is_empty());
    }
}
