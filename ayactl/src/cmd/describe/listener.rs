//! `ayactl describe` of a listener: who connects, and every certificate it shows.

use std::fmt::Write as _;

use aya_api::view::{AcmeView, CertificateStanding, CertificateView, ListenerLimits, ListenerView, TlsView};

use super::{bytes, field};
use crate::args::Format;
use crate::failure::Failure;
use crate::render::cell::{Cell, Tone, visible};
use crate::render::table::{Grid, draw, paint};
use crate::render::{self, Align, View};
use crate::time::{self, setting};

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
    field(&mut text, "Protocol", &protocol(listener));
    field(&mut text, "Connections", &format!("{} of {}", listener.connections, listener.max_connections));
    field(
        &mut text,
        "Since start",
        &format!(
            "{} accepted, {} refused at the limit, {} {}",
            listener.accepted,
            listener.refused,
            listener.requests,
            if is_tcp(listener) { "ended" } else { "requests" }
        ),
    );
    let noun = if is_tcp(listener) { "connections ended/s" } else { "requests/s" };
    field(&mut text, "Traffic", &format!("{:.1} {noun}", listener.rate));
    limits(&mut text, listener);
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

fn is_tcp(listener: &ListenerView) -> bool {
    listener.protocol == "tcp"
}

fn protocol(listener: &ListenerView) -> String {
    let ListenerView { protocol, speaks, proxy_protocol, trusted_proxies, .. } = listener;
    let mut line = protocol.clone();
    if !is_tcp(listener) {
        let _ = write!(line, " ({})", speaks.join(", "));
    }
    if *proxy_protocol {
        line.push_str(", after the PROXY protocol");
    }
    if !trusted_proxies.is_empty() {
        let _ = write!(line, ", trusts {}", trusted_proxies.join(", "));
    }
    line
}

fn limits(text: &mut String, listener: &ListenerView) {
    let ListenerLimits {
        header_timeout_ms,
        idle_timeout_ms,
        body_timeout_ms,
        body_rate,
        header_bytes,
        headers,
        body_bytes,
        streams,
    } = &listener.limits;
    if is_tcp(listener) {
        return field(text, "Timeouts", &format!("silence {}", setting(*idle_timeout_ms)));
    }
    let (head, idle, body) =
        (setting(*header_timeout_ms), setting(*idle_timeout_ms), setting(*body_timeout_ms));
    field(text, "Timeouts", &format!("head {head}, next request {idle}, silence in a body {body}"));
    let body = body_bytes.map_or_else(|| "any size".to_owned(), bytes);
    let rate = if *body_rate == 0 { String::new() } else { format!(" at {}/s or more", bytes(*body_rate)) };
    let streams = streams.map(|most| format!(", {most} streams of HTTP/2")).unwrap_or_default();
    let line = format!("head {}, {headers} fields, body {body}{rate}{streams}", bytes(*header_bytes));
    field(text, "Limits", &line);
}

fn secured(text: &mut String, tls: &TlsView, now_ms: u64) {
    let TlsView {
        certificates: _,
        client_certificates,
        min_version,
        sni_strict,
        full,
        resumed,
        failed,
        acme,
    } = tls;
    let others = if *sni_strict { "are turned away" } else { "get the default certificate" };
    field(text, "TLS", &format!("{min_version} and later; names without a certificate {others}"));
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
