//! A piece of a picture for tests of those who show it: TLS of a listener with something wrong in every part of it.
//!
//! Only with the feature `sample`, which nothing but tests asks for. What one test alone looks at is in that test.

use crate::view::{AcmeView, CertificateStanding, CertificateView, TlsView};

const MINUTE_MS: u64 = 60 * 1000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// TLS at the time `now_ms`: a certificate that ends soon, one that was replaced by a bad file, and one that an ACME
/// directory does not give.
pub fn troubled_tls(now_ms: u64) -> TlsView {
    let certificate = |name: &str, days: u64, standing| CertificateView {
        names: vec![name.into(), format!("www.{name}")],
        source: format!("file /etc/ayad/{name}.pem"),
        issuer: "CN=Example CA,O=Example".into(),
        fingerprint: "ab".repeat(32),
        not_before_ms: now_ms.saturating_sub(80 * DAY_MS),
        not_after_ms: now_ms + days * DAY_MS,
        days_left: days.cast_signed(),
        standing,
        trouble: None,
    };
    let mut old = certificate("old.example.com", 200, CertificateStanding::Good);
    old.trouble = Some("/etc/ayad/old.example.com.pem: it holds no certificate (PEM)".into());
    let mut placeholder = certificate("new.example.com", 900, CertificateStanding::Placeholder);
    placeholder.source = "acme https://acme.example.com/directory".into();
    let expiring = certificate("shop.example.com", 9, CertificateStanding::Expiring);
    let refused = "the directory does not believe that new.example.com is ours: connection refused";
    TlsView {
        certificates: vec![expiring, old, placeholder],
        client_certificates: "optional".into(),
        min_version: "1.2".into(),
        sni_strict: false,
        full: 4000,
        resumed: 900,
        failed: 7,
        acme: Some(AcmeView {
            directory: "https://acme.example.com/directory".into(),
            error: Some(refused.into()),
            failures: 3,
            next_ms: Some(now_ms + 4 * MINUTE_MS),
        }),
    }
}
