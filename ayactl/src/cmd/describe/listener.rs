//! `ayactl describe` of a listener: who connects, and every certificate it shows.

use std::fmt::Write as _;

use aya_api::view::{AcmeView, CertificateStanding, CertificateView, ListenerView, TlsView};

use super::field;
use crate::args::Format;
use crate::failure::Failure;
use crate::render::cell::{Cell, Tone, visible};
use crate::render::table::{Grid, draw, paint};
use crate::render::{self, Align, View};
use crate::time;

/// One listener, in the format asked for.
pub(super) fn text(listener: &ListenerView, view: &View) -> Result<String, Failure> {
    if let Some(text) = render::document(listener, view)? {
        return Ok(text);
    }
    if matches!(view.format, Format::Csv | Format::Name) {
        return render::list(vec![listener.clone()], view);
    }
    let mut text = String::new();
    field(&mut text, "Listener", &listener.name);
    field(&mut text, "Bind", &listener.bind.join(", "));
    field(&mut text, "Protocol", &listener.protocol);
    field(&mut text, "Connections", &format!("{} of {}", listener.connections, listener.max_connections));
    field(
        &mut text,
        "Since start",
        &format!("{} accepted, {} refused at the limit", listener.accepted, listener.refused),
    );
    if let Some(tls) = &listener.tls {
        secured(&mut text, tls, view.now_ms);
    }
    field(&mut text, "Revision", &listener.rev.to_string());
    if let Some(tls) = &listener.tls {
        text.push_str("\nCERTIFICATES\n");
        text.push_str(&draw(&certificates(tls, view.now_ms), view));
        for (index, (is_bad, alarm)) in listener.certificate_alarms().into_iter().enumerate() {
            let tone = if is_bad { Tone::Bad } else { Tone::Warn };
            let gap = if index == 0 { "\n" } else { "" };
            let _ = writeln!(text, "{gap}{} {}", paint("!", tone, view), visible(alarm));
        }
    }
    Ok(text)
}

fn secured(text: &mut String, tls: &TlsView, now_ms: u64) {
    let TlsView { certificates: _, client_certificates, full, resumed, failed, acme } = tls;
    field(text, "Handshakes", &format!("{full} full, {resumed} resumed, {failed} failed"));
    field(text, "Clients", &format!("certificates {client_certificates}"));
    if let Some(AcmeView { directory, error: _, failures, next_ms }) = acme {
        let failed = if *failures == 0 { String::new() } else { format!(", {failures} failed in a row") };
        let next = next_ms.map(|at| format!(", next order {}", time::until(now_ms, at))).unwrap_or_default();
        field(text, "ACME", &format!("{directory}{failed}{next}"));
    }
}

fn certificates(tls: &TlsView, now_ms: u64) -> Grid {
    let rows = tls.certificates.iter().map(|certificate| {
        let CertificateView { names, source, issuer, fingerprint, not_after_ms, .. } = certificate;
        let (word, tone) = standing(certificate.standing);
        let ends = (!certificate.is_placeholder()).then_some(*not_after_ms);
        vec![
            Cell::text(names.join(",")),
            Cell::text(word).toned(tone),
            Cell::ending(now_ms, ends),
            Cell::text(source),
            Cell::text(issuer),
            Cell::text(fingerprint.get(..16).unwrap_or(fingerprint)),
        ]
    });
    let headings = ["NAMES", "STANDING", "ENDS", "SOURCE", "ISSUER", "SHA-256 BEGINS"];
    Grid { headings: headings.map(|heading| (heading, Align::Left)).to_vec(), rows: rows.collect() }
}

fn standing(standing: CertificateStanding) -> (&'static str, Tone) {
    match standing {
        CertificateStanding::Good => ("good", Tone::Good),
        CertificateStanding::Placeholder => ("placeholder", Tone::Bad),
        CertificateStanding::Expiring => ("expiring", Tone::Warn),
        CertificateStanding::NotYet => ("not yet valid", Tone::Bad),
        CertificateStanding::Expired => ("expired", Tone::Bad),
    }
}
