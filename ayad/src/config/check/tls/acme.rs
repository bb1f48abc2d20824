//! `tls.acme`: names that can be proven, and a directory that can be asked.

use std::collections::BTreeSet;

use rustls::pki_types::ServerName;

use super::super::At;
use super::{Findings, authorities};
use crate::config::raw::tls as raw;
use crate::config::{Acme, AcmeChallenge};

/// Most names of one certificate; what public directories allow.
const MOST_NAMES: usize = 100;

/// Checks what is ordered, and from whom.
pub(super) fn check(acme: &raw::Acme, at: &At<'_>, found: &mut Findings<'_>) -> Acme {
    let raw::Acme { directory, names, email, ca, challenge, renew_before } = acme;
    let uri = directory.parse::<http::Uri>().ok();
    if !uri.is_some_and(|uri| uri.scheme_str() == Some("https") && uri.host().is_some()) {
        let help = "write e.g. \"https://acme-v02.api.letsencrypt.org/directory\"";
        found.wrong(&at.key("directory"), format!("{directory:?} is no address of a directory"), help);
    }
    if let Some(email) = email.as_ref().filter(|email| !is_email(email)) {
        found.wrong(
            &at.key("email"),
            format!("{email:?} is no address of mail"),
            "write e.g. \"ops@example.com\"",
        );
    }
    Acme {
        directory: directory.clone(),
        names: names_of(names, &at.key("names"), found),
        email: email.clone(),
        ca: ca.as_ref().map(|ca| authorities(ca, &at.key("ca"), found)),
        challenge: challenge.unwrap_or(AcmeChallenge::Http01),
        renew_before: renew_before.as_ref().map(|period| period.0),
    }
}

fn is_email(text: &str) -> bool {
    let is_plain = text.chars().all(|c| c.is_ascii_graphic() && !",?&".contains(c));
    is_plain && text.split_once('@').is_some_and(|(who, host)| !who.is_empty() && !host.is_empty())
}

fn names_of(names: &[String], list: &At<'_>, found: &mut Findings<'_>) -> Vec<String> {
    if (names.is_empty() || names.len() > MOST_NAMES) && list.is_sound() {
        let message = format!("a certificate for {} names cannot be ordered", names.len());
        found.wrong(list, message, format!("write 1 to {MOST_NAMES}, e.g. names = [\"shop.example.com\"]"));
    }
    let mut unique = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let at = list.index(index);
        if !matches!(ServerName::try_from(name.as_str()), Ok(ServerName::DnsName(_))) {
            let help = if name.starts_with("*.") {
                "a wildcard cannot be proven by http-01 or tls-alpn-01; write out each name"
            } else {
                "write a host name such as \"shop.example.com\""
            };
            found.wrong(&at, format!("no certificate can be ordered for {name:?}"), help);
        } else if !unique.insert(name.to_ascii_lowercase()) {
            found.wrong(&at, format!("{name:?} is written twice"), "leave one out");
        }
    }
    unique.into_iter().collect()
}
