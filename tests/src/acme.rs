//! A small ACME directory (RFC 8555): enough for a client that orders certificates, and strict where it matters.
//!
//! It checks nonces, addresses and signatures of every request, and really looks for its challenges: whatever the name,
//! it connects to the ports a test gives it. Not there: revocation, key change, wildcards, polling delays.

mod jose;
mod look;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use self::jose::{Jwk, Signed};
use crate::backend::Backend;
use crate::certs::{Authority, DAY, Life};
use crate::message::{Body, Head};
use crate::tls;
use crate::wait;

/// A directory on a loopback port of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct Directory {
    shared: Arc<Shared>,
    server: Backend,
    root: Authority,
}

#[derive(Debug)]
struct Shared {
    /// Signs the certificates of clients.
    issuer: Authority,
    /// Where it looks for answers; `None` until a test says so.
    ports: Mutex<Ports>,
    /// Lives of the next certificates; then 90 days.
    lives: Mutex<Vec<Life>>,
    /// What the next order is refused with.
    refusal: Mutex<Option<String>>,
    book: Mutex<Book>,
    counter: AtomicUsize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ports {
    http: Option<SocketAddr>,
    tls: Option<SocketAddr>,
}

/// Everything it remembers.
#[derive(Debug, Default)]
struct Book {
    nonces: HashSet<String>,
    accounts: HashMap<String, Jwk>,
    orders: Vec<Order>,
}

#[derive(Clone, Debug)]
struct Order {
    names: Vec<String>,
    account: String,
    /// For each name: the token, and what came of looking.
    challenges: Vec<(String, Option<Result<(), String>>)>,
    certificate: Option<String>,
}

impl Order {
    fn status(&self) -> &'static str {
        let looked = |outcome: fn(&Result<(), String>) -> bool| {
            self.challenges.iter().filter(|(_, seen)| seen.as_ref().is_some_and(outcome)).count()
        };
        if self.certificate.is_some() {
            "valid"
        } else if looked(Result::is_err) > 0 {
            "invalid"
        } else if looked(Result::is_ok) == self.challenges.len() {
            "ready"
        } else {
            "pending"
        }
    }
}

/// An answer of the directory.
struct Reply {
    status: u16,
    location: Option<String>,
    body: String,
}

impl Reply {
    fn new(status: u16, body: &Value) -> Self {
        Self { status, location: None, body: body.to_string() }
    }

    fn at(self, location: String) -> Self {
        Self { location: Some(location), ..self }
    }

    fn problem(status: u16, kind: &str, detail: &str) -> Self {
        let kind = format!("urn:ietf:params:acme:error:{kind}");
        Self::new(status, &json!({ "type": kind, "detail": detail, "status": status }))
    }
}

impl Directory {
    /// Starts one. It believes nothing until it is told where to look.
    pub fn start() -> Self {
        let shared = Arc::new(Shared {
            issuer: Authority::new("test directory"),
            ports: Mutex::default(),
            lives: Mutex::default(),
            refusal: Mutex::default(),
            book: Mutex::default(),
            counter: AtomicUsize::new(0),
        });
        let root = Authority::new("root of the directory's own certificate");
        let config = tls::server_config(&root.server(&["127.0.0.1"]), None);
        let answering = Arc::clone(&shared);
        let server = tls::backend(config, move |head, body, _| answering.answer(head, body));
        Self { shared, server, root }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("https://{}/directory", self.server.address)
    }

    /// Writes the authority that has to be trusted to talk to it.
    pub fn write_root(&self, folder: &Path) -> PathBuf {
        self.root.write(folder, "directory-root.pem")
    }

    /// The authority that signs certificates.
    pub fn issuer(&self) -> &Authority {
        &self.shared.issuer
    }

    /// Looks for HTTP-01 here from now on, whatever the name.
    pub fn look_at_http(&self, address: SocketAddr) {
        lock(&self.shared.ports).http = Some(address);
    }

    /// Looks for TLS-ALPN-01 here from now on, whatever the name.
    pub fn look_at_tls(&self, address: SocketAddr) {
        lock(&self.shared.ports).tls = Some(address);
    }

    /// The next certificates get these lives.
    pub fn next_lives(&self, lives: &[Life]) {
        *lock(&self.shared.lives) = lives.iter().rev().copied().collect();
    }

    /// Refuses every order with this detail, or none again.
    pub fn refuse(&self, detail: Option<&str>) {
        *lock(&self.shared.refusal) = detail.map(str::to_owned);
    }

    /// Certificates it has signed.
    pub fn signed(&self) -> usize {
        lock(&self.shared.book).orders.iter().filter(|order| order.certificate.is_some()).count()
    }

    /// Accounts it has.
    pub fn accounts(&self) -> usize {
        lock(&self.shared.book).accounts.len()
    }

    /// Waits until it has signed this many certificates.
    pub fn expect_signed(&self, count: usize) {
        wait::until_true("the directory has signed certificates", || self.signed() >= count);
    }
}

impl Shared {
    fn answer(&self, head: &Head, body: &Body) -> (Vec<(String, String)>, String) {
        let base = format!("https://{}", head.field("host").unwrap_or_default());
        let reply = match (head.word(0), head.word(1)) {
            ("GET", "/directory") => Reply::new(200, &directory(&base)),
            ("HEAD", "/nonce") => Reply::new(200, &Value::Null),
            ("POST", path) => self.post(&base, path, body),
            _ => Reply::problem(404, "malformed", "there is nothing here"),
        };
        let mut fields = vec![
            (":status".to_owned(), reply.status.to_string()),
            ("replay-nonce".to_owned(), self.nonce()),
            ("content-type".to_owned(), "application/json".to_owned()),
        ];
        fields.extend(reply.location.map(|location| ("location".to_owned(), location)));
        (fields, reply.body)
    }

    fn nonce(&self) -> String {
        let nonce = format!("nonce-{}", self.next());
        lock(&self.book).nonces.insert(nonce.clone());
        nonce
    }

    fn next(&self) -> usize {
        self.counter.fetch_add(1, Ordering::SeqCst)
    }

    fn post(&self, base: &str, path: &str, body: &Body) -> Reply {
        let signed = match Signed::read(&body.bytes) {
            Ok(signed) => signed,
            Err(why) => return Reply::problem(400, "malformed", &why),
        };
        if !lock(&self.book).nonces.remove(&signed.nonce) {
            return Reply::problem(400, "badNonce", "this nonce is not known, or was used");
        }
        if signed.url != format!("{base}{path}") {
            return Reply::problem(401, "unauthorized", "signed for another address");
        }
        let known = signed.kid.as_ref().and_then(|kid| lock(&self.book).accounts.get(kid).cloned());
        let Some(jwk) = signed.jwk.clone().or(known) else {
            return Reply::problem(400, "accountDoesNotExist", "no such account");
        };
        if let Err(why) = signed.verify(&jwk) {
            return Reply::problem(401, "unauthorized", &why);
        }
        let steps: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let number = |text: &str| text.parse::<usize>().ok();
        match steps.as_slice() {
            ["account"] => self.account(base, jwk),
            ["order"] => self.order(base, &signed),
            ["order", n] => number(n).map_or_else(nothing, |n| self.show_order(base, n)),
            ["authz", n, i] => number(n).zip(number(i)).map_or_else(nothing, |(n, i)| self.show(base, n, i)),
            ["challenge", n, i, kind] => {
                let place = number(n).zip(number(i));
                place.map_or_else(nothing, |(n, i)| self.look(base, n, i, kind, &jwk))
            }
            ["finalize", n] => number(n).map_or_else(nothing, |n| self.finalize(base, n, &signed)),
            ["certificate", n] => number(n).map_or_else(nothing, |n| self.certificate(n)),
            _ => nothing(),
        }
    }

    fn account(&self, base: &str, jwk: Jwk) -> Reply {
        let mut book = lock(&self.book);
        let known = book.accounts.iter().find(|(_, other)| **other == jwk).map(|(url, _)| url.clone());
        let (status, url) = match known {
            Some(url) => (200, url),
            None => (201, format!("{base}/account/{}", self.next())),
        };
        book.accounts.insert(url.clone(), jwk);
        Reply::new(status, &json!({ "status": "valid" })).at(url)
    }

    fn order(&self, base: &str, signed: &Signed) -> Reply {
        if let Some(detail) = lock(&self.refusal).clone() {
            return Reply::problem(403, "rejectedIdentifier", &detail);
        }
        let identifiers = signed.payload["identifiers"].as_array().cloned().unwrap_or_default();
        let names: Vec<String> =
            identifiers.iter().filter_map(|id| id["value"].as_str().map(str::to_owned)).collect();
        let challenges = names.iter().map(|_| (format!("token-{}", self.next()), None)).collect();
        let account = signed.kid.clone().unwrap_or_default();
        let mut book = lock(&self.book);
        let number = book.orders.len();
        book.orders.push(Order { names, account, challenges, certificate: None });
        drop(book);
        let Reply { body, .. } = self.show_order(base, number);
        Reply { status: 201, location: Some(format!("{base}/order/{number}")), body }
    }

    fn show_order(&self, base: &str, n: usize) -> Reply {
        let Some(order) = lock(&self.book).orders.get(n).cloned() else { return nothing() };
        let identifiers = order.names.iter().map(|name| json!({ "type": "dns", "value": name }));
        let authorizations = (0..order.names.len()).map(|i| format!("{base}/authz/{n}/{i}"));
        let mut body = json!({
            "status": order.status(), "identifiers": identifiers.collect::<Vec<_>>(),
            "authorizations": authorizations.collect::<Vec<_>>(), "finalize": format!("{base}/finalize/{n}"),
        });
        if order.certificate.is_some() {
            body["certificate"] = format!("{base}/certificate/{n}").into();
        }
        Reply::new(200, &body).at(format!("{base}/order/{n}"))
    }

    fn show(&self, base: &str, n: usize, i: usize) -> Reply {
        let book = lock(&self.book);
        let Some(order) = book.orders.get(n).filter(|order| i < order.names.len()) else { return nothing() };
        let (status, _) = outcome(order.challenges[i].1.as_ref());
        let kinds = ["http-01", "tls-alpn-01"].map(|kind| challenge(base, order, (n, i), kind));
        let identifier = json!({ "type": "dns", "value": order.names[i] });
        Reply::new(200, &json!({ "status": status, "identifier": identifier, "challenges": kinds }))
    }

    /// Looks for the answer at once; the client learns what came of it when it asks again.
    fn look(&self, base: &str, n: usize, i: usize, kind: &str, jwk: &Jwk) -> Reply {
        let order = lock(&self.book).orders.get(n).filter(|order| i < order.names.len()).cloned();
        let Some(order) = order else { return nothing() };
        let (name, token) = (&order.names[i], &order.challenges[i].0);
        let authorization = format!("{token}.{}", jwk.thumbprint());
        let ports = *lock(&self.ports);
        let seen = match kind {
            "http-01" => look::at_page(ports.http, name, token, &authorization),
            _ => look::at_proof(ports.tls, name, &authorization),
        };
        let mut book = lock(&self.book);
        book.orders[n].challenges[i].1 = Some(seen);
        Reply::new(200, &challenge(base, &book.orders[n], (n, i), kind))
    }

    fn finalize(&self, base: &str, n: usize, signed: &Signed) -> Reply {
        let Some(order) = lock(&self.book).orders.get(n).cloned() else { return nothing() };
        let is_owner = signed.kid.as_ref() == Some(&order.account);
        if order.status() != "ready" || !is_owner {
            return Reply::problem(403, "orderNotReady", "there are open challenges");
        }
        let Some(csr) = signed.payload["csr"].as_str().and_then(jose::decode) else {
            return Reply::problem(400, "badCSR", "there is no request to sign");
        };
        let life = lock(&self.lives).pop().unwrap_or((-3600, 90 * DAY));
        let chain = format!("{}{}", self.issuer.sign_request(&csr, life), self.issuer.pem());
        lock(&self.book).orders[n].certificate = Some(chain);
        self.show_order(base, n)
    }

    fn certificate(&self, n: usize) -> Reply {
        let chain = lock(&self.book).orders.get(n).and_then(|order| order.certificate.clone());
        chain.map_or_else(nothing, |body| Reply { status: 200, location: None, body })
    }
}

fn directory(base: &str) -> Value {
    json!({
        "newNonce": format!("{base}/nonce"), "newAccount": format!("{base}/account"),
        "newOrder": format!("{base}/order"), "revokeCert": format!("{base}/revoke"),
        "keyChange": format!("{base}/key"),
    })
}

fn challenge(base: &str, order: &Order, (n, i): (usize, usize), kind: &str) -> Value {
    let (token, seen) = &order.challenges[i];
    let (status, error) = outcome(seen.as_ref());
    let mut challenge = json!({
        "type": kind, "url": format!("{base}/challenge/{n}/{i}/{kind}"), "token": token, "status": status,
    });
    if let Some(detail) = error {
        challenge["error"] = json!({ "type": "urn:ietf:params:acme:error:unauthorized", "detail": detail });
    }
    challenge
}

fn outcome(seen: Option<&Result<(), String>>) -> (&'static str, Option<&str>) {
    match seen {
        None => ("pending", None),
        Some(Ok(())) => ("valid", None),
        Some(Err(why)) => ("invalid", Some(why)),
    }
}

fn nothing() -> Reply {
    Reply::problem(404, "malformed", "there is nothing here")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
