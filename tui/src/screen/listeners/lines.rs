//! Which lines the screen of listeners has, in which order. Drawing and scrolling both ask here.

use aya_api::view::{AcmeView, CertificateView, ListenerView};

use crate::figure;
use crate::model::Model;
use crate::theme::Tone;
use crate::widget::table;

/// Cells in front of an explanation.
const INDENT: u16 = 5;

/// One line.
#[derive(Debug)]
pub(super) enum Line<'m> {
    /// Titles of the listeners.
    ListenerTitles,
    /// A listener.
    Listener(&'m ListenerView),
    /// Titles of the certificates.
    CertificateTitles,
    /// A certificate.
    Certificate(Used<'m>),
    /// Explains the line above, in as many lines as it takes.
    Because { tone: Tone, text: String, is_first: bool },
    /// There is nothing to show.
    Nothing(&'static str),
    /// Between two tables.
    Gap,
}

/// A certificate, and who shows it: listeners to clients, pools to backends.
#[derive(Debug)]
pub(super) struct Used<'m> {
    pub(super) certificate: &'m CertificateView,
    pub(super) by: Vec<String>,
}

/// All lines that pass the filter.
pub(super) fn lines(model: &Model) -> Vec<Line<'_>> {
    let filter = &model.wiring.filter;
    let all = model.status.as_ref().map_or(&[][..], |status| &status.listeners);
    let listeners: Vec<&ListenerView> = all.iter().filter(|l| filter.passes(&words(l))).collect();
    let used: Vec<Used<'_>> =
        certificates(model).into_iter().filter(|one| filter.passes(&one.words())).collect();
    if listeners.is_empty() && used.is_empty() {
        return vec![Line::Nothing(if filter.is_empty() {
            "no listener: nobody can connect"
        } else {
            "nothing passes the filter; Esc shows everything"
        })];
    }
    let mut lines = vec![Line::ListenerTitles];
    lines.extend(listeners.into_iter().map(Line::Listener));
    lines.push(Line::Gap);
    if used.is_empty() {
        lines.push(Line::Nothing("no certificates here: no listener and no pool shows one"));
    } else {
        lines.push(Line::CertificateTitles);
    }
    for one in used {
        let because = because(model, &one);
        lines.push(Line::Certificate(one));
        lines.extend(because);
    }
    lines
}

/// What ends first comes first; what is not there yet comes before that.
fn certificates(model: &Model) -> Vec<Used<'_>> {
    let mut all: Vec<Used<'_>> = Vec::new();
    let Some(status) = &model.status else { return all };
    let of_listeners =
        status.listeners.iter().filter_map(|l| Some((l.name.clone(), &l.tls.as_ref()?.certificates)));
    for (name, certificates) in of_listeners {
        for certificate in certificates {
            add(&mut all, certificate, name.clone());
        }
    }
    for pool in &status.pools {
        let shown = pool.upstream.tls.as_ref().and_then(|tls| tls.client_certificate.as_ref());
        if let Some(certificate) = shown {
            add(&mut all, certificate, format!("pool {}", pool.name));
        }
    }
    all.sort_by_key(|one| (!one.certificate.is_placeholder(), one.certificate.not_after_ms));
    all
}

fn add<'m>(all: &mut Vec<Used<'m>>, certificate: &'m CertificateView, by: String) {
    let is_same = |one: &&mut Used<'_>| {
        one.certificate.fingerprint == certificate.fingerprint && one.certificate.source == certificate.source
    };
    match all.iter_mut().find(is_same) {
        Some(one) => one.by.push(by),
        None => all.push(Used { certificate, by: vec![by] }),
    }
}

/// What somebody has to know about a certificate: why its file is not in force, how it goes with ACME.
fn because<'m>(model: &'m Model, one: &Used<'m>) -> Vec<Line<'m>> {
    let mut lines = Vec::new();
    if let Some(trouble) = &one.certificate.trouble {
        lines.extend(explained(model, Tone::Warn, &format!("an old one is in force: {trouble}")));
    }
    if one.certificate.source.starts_with("acme ") {
        let listeners = model.status.iter().flat_map(|status| &status.listeners);
        let acme = listeners.filter(|l| one.by.contains(&l.name)).find_map(|l| l.tls.as_ref()?.acme.as_ref());
        if let Some((tone, text)) = acme.map(|acme| progress(acme, model.shown_ms())) {
            lines.extend(explained(model, tone, &text));
        }
    }
    lines
}

/// A text in lines that fit.
fn explained<'m>(model: &Model, tone: Tone, text: &str) -> impl Iterator<Item = Line<'m>> {
    let wrapped = table::wrap(text, model.size.0.saturating_sub(INDENT));
    wrapped.into_iter().enumerate().map(move |(at, text)| Line::Because { tone, text, is_first: at == 0 })
}

fn progress(acme: &AcmeView, now_ms: u64) -> (Tone, String) {
    let next = acme.next_ms.map(|at| match at.saturating_sub(now_ms) {
        0 => "now".to_owned(),
        left => format!("in {}", figure::left(left)),
    });
    let next = next.unwrap_or_else(|| "under way".to_owned());
    match &acme.error {
        Some(error) => {
            let failed = figure::plural(acme.failures as usize, "order");
            (Tone::Warn, format!("next order {next}; {failed} failed in a row: {error}"))
        }
        None => (Tone::Muted, format!("next order {next}")),
    }
}

fn words(listener: &ListenerView) -> String {
    format!(
        "{} {} {} {}",
        listener.name,
        listener.bind.join(" "),
        listener.protocol,
        listener.speaks.join(" ")
    )
}

impl Used<'_> {
    fn words(&self) -> String {
        format!("{} {} {}", self.certificate.names.join(" "), self.by.join(" "), self.certificate.source)
    }
}
