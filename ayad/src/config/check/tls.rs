//! `tls`: files that are there and fit, names that can be proven, keys that mean something together.
//!
//! Files are read here so that a mistake is told with its line; what is in force is read again when it is applied.

mod acme;

use std::path::{Path, PathBuf};

use aya_api::view::end_of_life;
use aya_core::certificate::Standing;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;

use super::At;
use crate::clock;
use crate::config::raw::tls::{self as raw, ClientCertificates};
use crate::config::report::Problem;
use crate::config::{
    AcmeChallenge, Alpn, Backend, CertificateFiles, ClientAuth, Covered, CoveredBy, Listener, ListenerTls,
    PoolTls, Route, TlsVersion,
};
use crate::tls::{self, CertificateInfo, FileError};

const ALPN: [Alpn; 2] = [Alpn::H2, Alpn::Http1];
const IDENTITY_PREFIX: &str = "x-client-cert";

/// What is wrong, and what is valid but probably not meant.
pub(super) struct Findings<'f> {
    pub(super) problems: &'f mut Vec<Problem>,
    pub(super) warnings: &'f mut Vec<Problem>,
}

impl Findings<'_> {
    pub(super) fn wrong(&mut self, at: &At<'_>, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(at.problem(message).help(help));
    }

    /// A key that has no effect beside what else is written.
    fn idle(&mut self, at: &At<'_>, is_set: bool, message: &str, help: &str) {
        if is_set {
            self.problems.push(Problem::new(at.name(), message).help(help));
        }
    }

    fn file(&mut self, at: &At<'_>, error: &FileError) {
        let help = if std::fs::File::open(&error.path).is_err() {
            "paths are relative to the folder of this file; see whether it is there and who may read it"
        } else {
            "see what it holds: the certificate itself comes first in its file, and its key is the one it was made with"
        };
        self.wrong(at, error.to_string(), help);
    }
}

/// Checks the TLS of a listener. Returns it with what it answers with.
pub(super) fn listener(
    tls: &raw::ListenTls,
    at: &At<'_>,
    found: &mut Findings<'_>,
) -> (ListenerTls, Vec<Covered>) {
    let raw::ListenTls {
        certificates,
        acme,
        client_certificates,
        client_ca,
        identity_prefix,
        alpn,
        min_version,
        sni_strict,
    } = tls;
    let at_list = at.key("certificates");
    let listed = certificates.as_deref().unwrap_or_default();
    if listed.is_empty() && acme.is_none() && at.is_sound() {
        let help = "write certificates = [{ cert = \"web.pem\", key = \"web.key\" }], or acme = { ... }";
        found.wrong(at, "TLS without a certificate", help);
    }
    let (certificates, mut covered) = certificate_list(listed, &at_list, found);
    let acme = acme.as_ref().map(|acme| acme::check(acme, &at.key("acme"), found));
    covered.extend(
        acme.iter().map(|acme| Covered {
            names: acme.names.clone(),
            source: CoveredBy::Acme(acme.directory.clone()),
        }),
    );
    let mode = client_certificates.unwrap_or(ClientCertificates::Off);
    let clients = client_auth(mode, client_ca.as_deref(), at, found);
    if mode == ClientCertificates::Off {
        let (message, help) = ("this has no effect without client certificates", CLIENTS_HELP);
        found.idle(&at.key("client_ca"), client_ca.is_some(), message, help);
        found.idle(&at.key("identity_prefix"), identity_prefix.is_some(), message, help);
    }
    if let Some(prefix) = identity_prefix {
        check_prefix(&prefix.0, &at.key("identity_prefix"), found);
    }
    let listener = ListenerTls {
        certificates,
        acme,
        clients,
        identity_prefix: identity_prefix
            .as_ref()
            .map_or_else(|| IDENTITY_PREFIX.into(), |name| name.0.clone()),
        alpn: alpn_list(alpn.as_deref(), &at.key("alpn"), found),
        min_version: min_version.unwrap_or(TlsVersion::Tls12),
        sni_strict: sni_strict.unwrap_or(false),
    };
    (listener, covered)
}

/// Fields that requests cannot do without, or that the proxy writes for other reasons.
const NEEDED: [&str; 14] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-request-id",
    "via",
];

/// Whatever begins like the prefix is taken out of requests, so it must not begin like something else.
fn check_prefix(prefix: &str, at: &At<'_>, found: &mut Findings<'_>) {
    if let Some(taken) = NEEDED.iter().find(|name| tls::is_reserved(prefix, name.as_bytes())) {
        let message = format!("{prefix:?} would also take \"{taken}\" out of requests");
        found.wrong(at, message, "choose a longer one, such as \"x-client-cert\"");
    } else if !prefix.contains('-') {
        let message = format!("{prefix:?} could take fields of others out of requests");
        found.wrong(at, message, "choose one of at least two words, such as \"x-client-cert\"");
    }
}

const CLIENTS_HELP: &str = "write client_certificates = \"optional\" or \"required\", or leave it out";

fn alpn_list(alpn: Option<&[Alpn]>, at: &At<'_>, found: &mut Findings<'_>) -> Vec<Alpn> {
    let alpn = alpn.unwrap_or(&ALPN);
    let is_twice = alpn.iter().enumerate().any(|(index, one)| alpn[..index].contains(one));
    if (alpn.is_empty() || is_twice) && at.is_sound() {
        found.wrong(
            at,
            "these are no protocols to choose from",
            "write [\"h2\", \"http/1.1\"], or one of the two",
        );
    }
    alpn.to_vec()
}

fn certificate_list(
    listed: &[raw::Certificate],
    list: &At<'_>,
    found: &mut Findings<'_>,
) -> (Vec<CertificateFiles>, Vec<Covered>) {
    let (mut certificates, mut infos) = (Vec::new(), Vec::new());
    let mut chosen: Option<At<'_>> = None;
    for (index, raw::Certificate { cert, key, default }) in listed.iter().enumerate() {
        let at = list.index(index);
        if *default == Some(true) {
            let here = at.key("default");
            if let Some(first) = &chosen {
                let problem =
                    here.problem("two certificates are the default").other(first.value(), "first one");
                found.problems.push(problem.help("one answers for names that no certificate covers"));
            }
            chosen.get_or_insert(here);
        }
        let files = CertificateFiles {
            cert: resolved(&at, cert),
            key: resolved(&at, key),
            is_default: *default == Some(true),
        };
        infos.push(pair(&files.cert, &files.key, &at.key("cert"), &at.key("key"), found));
        certificates.push(files);
    }
    if chosen.is_none()
        && let Some(first) = certificates.first_mut()
    {
        first.is_default = true;
    }
    let read = certificates.iter().zip(infos).filter_map(|(files, info)| Some((files, info?)));
    let covered = read.map(|(files, info)| Covered {
        names: info.names,
        source: CoveredBy::File { cert: files.cert.clone(), life: info.life, is_default: files.is_default },
    });
    let covered = covered.collect();
    (certificates, covered)
}

/// Reads a certificate with its key.
fn pair(
    cert: &Path,
    key: &Path,
    at_cert: &At<'_>,
    at_key: &At<'_>,
    found: &mut Findings<'_>,
) -> Option<CertificateInfo> {
    match tls::read_pair(cert, key) {
        Ok(loaded) => {
            out_of_life(cert, &loaded.info, at_cert, found);
            Some(loaded.info)
        }
        Err(error) => {
            let at = if error.path == key && key != cert { at_key } else { at_cert };
            found.file(at, &error);
            None
        }
    }
}

/// A certificate that clients refuse is worth a warning, not a refusal: the others of the file still work, and
/// whoever replaces it later must be able to start today.
fn out_of_life(path: &Path, info: &CertificateInfo, at: &At<'_>, found: &mut Findings<'_>) {
    let now = (clock::wall_ms() / 1000).cast_signed();
    let end = match info.life.standing(now) {
        Standing::Good => return,
        Standing::NotYet => "is not valid yet".to_owned(),
        Standing::Expiring | Standing::Expired => end_of_life(info.life.days_left(now)),
    };
    let message = format!("{}: the certificate {end}", path.display());
    found.warnings.push(at.problem(message).help("replace the file; ayad reads it again by itself"));
}

fn client_auth(
    mode: ClientCertificates,
    ca: Option<&Path>,
    at: &At<'_>,
    found: &mut Findings<'_>,
) -> Option<ClientAuth> {
    let is_required = match mode {
        ClientCertificates::Off => return None,
        ClientCertificates::Optional => false,
        ClientCertificates::Required => true,
    };
    let Some(ca) = ca else {
        if !at.key("client_ca").is_written() {
            let at = at.key("client_certificates");
            found.wrong(&at, "nobody says which client certificates are good", "add client_ca = \"ca.pem\"");
        }
        return None;
    };
    let ca = authorities(ca, &at.key("client_ca"), found);
    Some(ClientAuth { ca, is_required })
}

/// Checks that a file holds authorities.
fn authorities(path: &Path, at: &At<'_>, found: &mut Findings<'_>) -> PathBuf {
    let path = resolved(at, path);
    if let Err(error) = tls::read_roots(&path, &mut RootCertStore::empty()) {
        found.file(at, &error);
    }
    path
}

/// Checks the TLS of a pool.
pub(super) fn pool(
    tls: &raw::PoolTls,
    backends: &[Backend],
    at: &At<'_>,
    list: &At<'_>,
    found: &mut Findings<'_>,
) -> PoolTls {
    let raw::PoolTls { ca, server_name, client_cert, client_key, verify } = tls;
    let verify = verify.unwrap_or(true);
    if !verify {
        let message =
            "certificates of backends are not verified: anybody on the way can read and change everything";
        found.warnings.push(at.key("verify").problem(message).help("write ca = FILE instead"));
    }
    if verify
        && ca.is_none()
        && let Err(error) = tls::system_roots()
    {
        found.wrong(at, error.to_string(), "write ca = \"ca.pem\"");
    }
    match server_name {
        Some(name) if ServerName::try_from(name.as_str()).is_err() => {
            let help = "write a host name such as \"app.internal\"";
            found.wrong(&at.key("server_name"), format!("{name:?} cannot be in a certificate"), help);
        }
        Some(_) => {}
        None => nameless(backends, list, found),
    }
    PoolTls {
        ca: ca.as_ref().map(|ca| authorities(ca, &at.key("ca"), found)),
        server_name: server_name.clone(),
        client: shown(client_cert.as_deref(), client_key.as_deref(), at, found),
        verify,
    }
}

/// Reports backends that have no name a certificate could cover.
fn nameless(backends: &[Backend], list: &At<'_>, found: &mut Findings<'_>) {
    for (index, backend) in backends.iter().enumerate() {
        let host = tls::host_of(&backend.address);
        if host.is_none_or(|host| ServerName::try_from(host).is_err()) {
            let message = format!("\"{}\" has no host name that a certificate could cover", backend.address);
            found.wrong(&list.index(index), message, "add server_name = \"app.internal\" to tls");
        }
    }
}

fn shown(
    cert: Option<&Path>,
    key: Option<&Path>,
    at: &At<'_>,
    found: &mut Findings<'_>,
) -> Option<(PathBuf, PathBuf)> {
    let (at_cert, at_key) = (at.key("client_cert"), at.key("client_key"));
    match (cert, key) {
        (None, None) => None,
        (Some(cert), Some(key)) => {
            let files = (resolved(&at_cert, cert), resolved(&at_key, key));
            // Whom it names is the backend's business.
            let _ = pair(&files.0, &files.1, &at_cert, &at_key, found);
            Some(files)
        }
        (Some(_), None) => {
            found.wrong(&at_cert, "a certificate without its key", "add client_key = \"client.key\"");
            None
        }
        (None, Some(_)) => {
            found.wrong(&at_key, "a key without its certificate", "add client_cert = \"client.pem\"");
            None
        }
    }
}

/// Warns of what the listeners and routes together cannot do: hosts that no certificate covers, and names that nobody
/// can prove.
pub(super) fn together(
    listeners: &[Listener],
    covered: &[Vec<Covered>],
    routes: &[(Route, At<'_>)],
    warnings: &mut Vec<Problem>,
    at_listener: impl Fn(usize) -> Option<Problem>,
) {
    let proves_by_page =
        |tls: &ListenerTls| tls.acme.as_ref().is_some_and(|a| a.challenge == AcmeChallenge::Http01);
    let is_plain_there = listeners.iter().any(|listener| listener.tls.is_none());
    for (index, (listener, covered)) in listeners.iter().zip(covered).enumerate() {
        let Some(tls) = &listener.tls else { continue };
        if proves_by_page(tls) && !is_plain_there {
            warnings.extend(at_listener(index));
        }
        let names: Vec<&str> = covered.iter().flat_map(|one| &one.names).map(String::as_str).collect();
        let serves = |route: &Route| route.listeners.contains(&listener.name);
        for (route, at) in routes.iter().filter(|(route, _)| serves(route)) {
            if !names.is_empty() && !is_covered(&route.host, &names) {
                let message = format!(
                    "no certificate of listener \"{}\" covers \"{}\", the host of route \"{}\"",
                    listener.name, route.host, route.name
                );
                let help = "clients that verify will refuse the connection; add a certificate for it";
                warnings.push(at.key("match").key("host").problem(message).help(help));
            }
        }
    }
}

/// Whether certificates with these names serve the host of a route: all of it when it is one name, some of it when it
/// stands for many.
fn is_covered(host: &str, names: &[&str]) -> bool {
    let mut known = aya_core::certificate::Names::default();
    for name in names {
        known.insert(name, ());
    }
    match host.strip_prefix('*') {
        Some("") => true,
        Some(parent) => {
            known.find(host).is_some() || names.iter().any(|name| name.to_ascii_lowercase().ends_with(parent))
        }
        None => host.is_empty() || known.find(host).is_some(),
    }
}

/// A path as it is meant: relative to the folder of the file it is written in.
pub(super) fn resolved(at: &At<'_>, path: &Path) -> PathBuf {
    let file = Path::new(&at.source().name);
    file.parent().map_or_else(|| path.to_owned(), |folder| folder.join(path))
}
