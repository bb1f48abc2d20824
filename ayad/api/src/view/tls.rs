//! TLS of a listener: certificates in force, how handshakes ended, how it goes with ACME.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ListenerView;

/// TLS of one listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TlsView {
    /// Certificates in force, in the order of the configuration, that of ACME last.
    pub certificates: Vec<CertificateView>,
    /// Whether clients show a certificate: `off`, `optional`, `required`.
    pub client_certificates: String,
    /// Oldest version that is spoken: `1.2`, `1.3`.
    pub min_version: String,
    /// Whether names that no certificate covers are turned away.
    pub sni_strict: bool,
    /// Handshakes with a certificate since the start.
    pub full: u64,
    /// Handshakes that resumed a session since the start.
    pub resumed: u64,
    /// Handshakes that failed since the start.
    pub failed: u64,
    /// How it goes with the certificate of ACME, where one is configured.
    pub acme: Option<AcmeView>,
}

/// Where a certificate stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateStanding {
    /// Nothing to do.
    Good,
    /// Made by the daemon itself until there is a real one; no client trusts it.
    Placeholder,
    /// It ends within 14 days.
    Expiring,
    /// Its life has not begun; clients refuse it.
    NotYet,
    /// Its life is over; clients refuse it.
    Expired,
}

/// One certificate in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateView {
    /// Names it covers.
    pub names: Vec<String>,
    /// Where it came from: `file PATH`, or `acme DIRECTORY`.
    pub source: String,
    /// Who signed it (RFC 4514).
    pub issuer: String,
    /// SHA-256 over its DER form, in hexadecimal.
    pub fingerprint: String,
    /// When its life begins.
    pub not_before_ms: u64,
    /// When its life ends.
    pub not_after_ms: u64,
    /// Whole days until then; below zero once it is over.
    pub days_left: i64,
    /// What that means.
    pub standing: CertificateStanding,
    /// Why the file as it is now is not in force; absent when it is.
    pub trouble: Option<String>,
}

/// How it goes with a certificate that is got by ACME.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AcmeView {
    /// Address of the directory.
    pub directory: String,
    /// Why the last order failed; absent when it did not.
    pub error: Option<String>,
    /// Orders that failed in a row.
    pub failures: u32,
    /// When the next order is made.
    pub next_ms: Option<u64>,
}

impl ListenerView {
    /// What somebody has to do about the certificates of this listener, in words, worst first; `true` for what clients
    /// notice already.
    pub fn certificate_alarms(&self) -> Vec<(bool, String)> {
        let Some(tls) = &self.tls else { return Vec::new() };
        let mut alarms = Vec::new();
        for certificate in &tls.certificates {
            let named = certificate.names.first().map_or(certificate.source.as_str(), String::as_str);
            let subject = format!("certificate of {} for {named}", self.name);
            let (is_bad, end) = match certificate.standing {
                CertificateStanding::Good => (false, None),
                CertificateStanding::Placeholder => {
                    (true, Some("is a placeholder that no client believes".to_owned()))
                }
                CertificateStanding::Expiring => (false, Some(end_of_life(certificate.days_left))),
                CertificateStanding::NotYet => (true, Some("is not valid yet".to_owned())),
                CertificateStanding::Expired => (true, Some(end_of_life(certificate.days_left))),
            };
            alarms.extend(end.map(|end| (is_bad, format!("{subject} {end}"))));
            alarms.extend(
                certificate.trouble.iter().map(|why| (false, format!("{subject} is an old one: {why}"))),
            );
        }
        if let Some((acme, error)) = tls.acme.as_ref().and_then(|acme| Some((acme, acme.error.as_ref()?))) {
            let times =
                if acme.failures == 1 { "once".to_owned() } else { format!("{} times", acme.failures) };
            alarms.push((false, format!("order of a certificate for {} failed {times}: {error}", self.name)));
        }
        alarms.sort_by_key(|(is_bad, _)| !is_bad);
        alarms
    }

    /// The certificate that ends first; a placeholder has no end that anybody waits for.
    pub fn first_to_expire(&self) -> Option<&CertificateView> {
        let all = self.tls.iter().flat_map(|tls| &tls.certificates);
        all.filter(|one| !one.is_placeholder()).min_by_key(|one| one.not_after_ms)
    }

    /// True when there is no certificate yet that a client would believe.
    pub fn has_only_placeholders(&self) -> bool {
        let certificates = self.tls.as_ref().map_or(&[][..], |tls| &tls.certificates);
        !certificates.is_empty() && certificates.iter().all(CertificateView::is_placeholder)
    }
}

impl CertificateView {
    /// True for one that the daemon made itself until there is a real one.
    pub fn is_placeholder(&self) -> bool {
        self.standing == CertificateStanding::Placeholder
    }
}

/// What everybody says of the end of a certificate with so many whole days left: `expires in 3 days`, `has expired 1 day
/// ago`.
pub fn end_of_life(days_left: i64) -> String {
    if days_left < 0 {
        // The day that is under way does not count, on neither side.
        format!("has expired {} ago", days(-1 - days_left))
    } else {
        format!("expires in {}", days(days_left))
    }
}

fn days(days: i64) -> String {
    match days {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}
