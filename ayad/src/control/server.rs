//! HTTP over the control socket: who calls, which command, what answer.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aya_api::axis::Level;
use aya_api::change::{Change, ChangeOptions};
use aya_api::command::{COMMANDS, Id, Spec};
use aya_api::error::{ApiError, ErrorCode};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, ETAG, IF_MATCH};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;

use super::peer::Actor;
use super::{
    Shared, admin, algorithm, algorithms, backends, daemon, events, listeners, metrics, openapi, operations,
    pools, reload, routes, status, stream, weight,
};

/// Largest body of a call, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// Connections served at once; more wait in the backlog of the socket.
const MAX_CONNECTIONS: usize = 512;
/// Longest time for the head of a call.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for the body of a call.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Changes remembered by their `Idempotency-Key`.
const ANSWERED_KEPT: usize = 1024;
/// Longest `Idempotency-Key`, in bytes.
const LONGEST_KEY: usize = 200;

/// A call that was understood.
pub(super) struct Call {
    /// Values of `{pool}` and `{backend}`.
    pub values: [String; 2],
    /// Query parameters.
    pub query: HashMap<String, String>,
    /// The body.
    pub body: Bytes,
    /// Who calls.
    pub by: Actor,
    /// How a change is to be made.
    pub options: ChangeOptions,
}

/// What a command answers.
pub(super) enum Reply {
    /// JSON, with the revision of the object when it has one.
    Json(Vec<u8>, Option<u64>),
    /// Text of a type.
    Text(&'static str, String),
    /// JSON lines, as they come.
    Lines(mpsc::Receiver<Bytes>),
}

impl Reply {
    /// JSON of `value`.
    pub(super) fn json(value: &impl Serialize, rev: Option<u64>) -> Result<Self, ApiError> {
        serde_json::to_vec(value).map(|bytes| Self::Json(bytes, rev)).map_err(|error| {
            ApiError::new(
                ErrorCode::Internal,
                format!("the answer is no JSON: {error}"),
                "report this defect",
            )
        })
    }
}

impl Call {
    /// `pool/backend` of the path.
    pub(super) fn backend_id(&self) -> String {
        self.values.join("/")
    }

    /// The body as `T`, or what is wrong with it.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let hint = "see the schema of this call in /v1/openapi.json";
            ApiError::new(ErrorCode::BadValue, format!("the body is not what this call takes: {error}"), hint)
        })
    }

    /// A number in the query.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        number(&self.query, name)
    }
}

/// Changes that were made under an `Idempotency-Key`, the newest of them.
#[derive(Debug, Default)]
pub(super) struct Answered {
    by_key: HashMap<String, (String, Change)>,
    order: VecDeque<String>,
}

impl Answered {
    /// The answer already given under this key; the same key for another change is an error.
    pub(super) fn find(&self, key: &str, asked: &str) -> Result<Option<Change>, ApiError> {
        match self.by_key.get(key) {
            Some((before, change)) if before == asked => Ok(Some(change.clone())),
            Some((before, _)) => {
                let message = format!("this Idempotency-Key was used for `{before}`");
                Err(ApiError::new(ErrorCode::BadRequest, message, "take a new key for each change"))
            }
            None => Ok(None),
        }
    }

    /// Remembers an answer.
    pub(super) fn keep(&mut self, key: String, asked: String, change: Change) {
        if self.order.len() == ANSWERED_KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_key.remove(&oldest);
        }
        self.order.push_back(key.clone());
        self.by_key.insert(key, (asked, change));
    }
}

/// Serves the control socket.
pub(super) async fn serve_control(shared: Shared, socket: UnixListener) {
    let free = Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        match socket.accept().await {
            Ok((stream, _)) => {
                let by = match stream.peer_cred() {
                    Ok(peer) => Actor::of_uid(peer.uid()),
                    Err(error) => {
                        tracing::warn!(%error, "a caller without credentials was turned away");
                        continue;
                    }
                };
                let shared = Rc::clone(&shared);
                tokio::task::spawn_local(async move {
                    serve(stream, shared, by, Scope::Everything).await;
                    drop(permit);
                });
            }
            Err(error) => pause_after(&error).await,
        }
    }
}

/// Serves metrics, and nothing else, on a TCP address.
pub(super) async fn serve_admin(shared: Shared, socket: TcpListener) {
    let free = Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        match socket.accept().await {
            Ok((stream, peer)) => {
                let by = Actor { name: peer.to_string(), level: Level::Observe };
                let shared = Rc::clone(&shared);
                tokio::task::spawn_local(async move {
                    serve(stream, shared, by, Scope::Metrics).await;
                    drop(permit);
                });
            }
            Err(error) => pause_after(&error).await,
        }
    }
}

async fn pause_after(error: &std::io::Error) {
    tracing::warn!(%error, "cannot accept on the control socket; trying again");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everything,
    Metrics,
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    shared: Shared,
    by: Actor,
    scope: Scope,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (shared, by) = (Rc::clone(&shared), by.clone());
        async move { Ok::<_, Infallible>(answer(&shared, request, by, scope).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a call ended early");
    }
}

async fn answer(shared: &Shared, request: Request<Incoming>, by: Actor, scope: Scope) -> Response<ReplyBody> {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let found = find(method.as_str(), &path).and_then(|found| {
        if scope == Scope::Metrics && found.0.id != Id::Metrics {
            Err(no_such_path(&path))
        } else {
            Ok(found)
        }
    });
    let replied = match found {
        Ok((spec, values)) => match understand(request, spec, values, by).await {
            Ok(call) => dispatch(spec.id, shared, call, &format!("{method} {path}")).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    match replied {
        Ok(reply) => respond(reply),
        Err(error) => refuse(&error, &path),
    }
}

fn find(method: &str, path: &str) -> Result<(&'static Spec, [String; 2]), ApiError> {
    let of_path: Vec<_> = COMMANDS.iter().filter_map(|s| s.match_path(path).map(|v| (s, v))).collect();
    if of_path.is_empty() {
        return Err(no_such_path(path));
    }
    match of_path.iter().find(|(spec, _)| spec.method.as_str() == method) {
        Some((spec, values)) => Ok((spec, values.map(decode))),
        None => {
            let message = format!("{path} does not take {method}");
            Err(ApiError::new(ErrorCode::MethodNotAllowed, message, format!("it takes {}", allowed(path))))
        }
    }
}

fn no_such_path(path: &str) -> ApiError {
    let hint = super::suggest(path, COMMANDS.iter().map(|s| s.path));
    ApiError::new(ErrorCode::NotFound, format!("no such path: {path}"), hint)
}

fn allowed(path: &str) -> String {
    let specs = COMMANDS.iter().filter(|s| s.match_path(path).is_some());
    specs.map(|s| s.method.as_str()).collect::<Vec<_>>().join(", ")
}

async fn understand(
    request: Request<Incoming>,
    spec: &Spec,
    values: [String; 2],
    by: Actor,
) -> Result<Call, ApiError> {
    if by.level < spec.level {
        let message = format!("{} may {}, and this takes {}", by.name, by.level, spec.level);
        let hint = "ask the owner of the daemon, or run it as that user";
        return Err(ApiError::new(ErrorCode::NotPermitted, message, hint));
    }
    let (head, body) = request.into_parts();
    let query = parse_query(head.uri.query().unwrap_or_default());
    let known = |name: &str| {
        spec.query.iter().any(|(n, _)| *n == name)
            || (spec.is_change() && ["dry_run", "reason", "for_ms"].contains(&name))
    };
    if let Some(unknown) = query.keys().find(|name| !known(name)) {
        let message = format!("this call does not know the parameter \"{unknown}\"");
        return Err(ApiError::new(ErrorCode::BadRequest, message, "see /v1/openapi.json"));
    }
    let options = if spec.is_change() { options(&query, &head.headers)? } else { ChangeOptions::default() };
    let read = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await;
    let body = match read {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let message = format!("the body has over {MAX_BODY} bytes");
            return Err(ApiError::new(ErrorCode::TooLarge, message, "no call needs that much"));
        }
        Ok(Err(error)) => {
            return Err(ApiError::new(ErrorCode::BadRequest, error.to_string(), "send the body to its end"));
        }
        Err(_) => {
            return Err(ApiError::new(ErrorCode::BadRequest, "the body did not come", "send it faster"));
        }
    };
    Ok(Call { values, query, body, by, options })
}

fn options(query: &HashMap<String, String>, headers: &HeaderMap) -> Result<ChangeOptions, ApiError> {
    let dry_run = match query.get("dry_run").map(String::as_str) {
        None | Some("0" | "false") => false,
        Some("1" | "true" | "") => true,
        Some(other) => {
            let message = format!("dry_run is \"{other}\"");
            return Err(ApiError::new(ErrorCode::BadRequest, message, "write dry_run=1"));
        }
    };
    let key = headers.get("idempotency-key").map(|v| v.to_str().unwrap_or_default().to_owned());
    if key.as_ref().is_some_and(|k| k.is_empty() || k.len() > LONGEST_KEY) {
        let message = format!("the Idempotency-Key is not 1 to {LONGEST_KEY} visible characters");
        return Err(ApiError::new(ErrorCode::BadRequest, message, "a UUID will do"));
    }
    Ok(ChangeOptions {
        dry_run,
        reason: query.get("reason").filter(|r| !r.is_empty()).cloned(),
        for_ms: number(query, "for_ms")?,
        if_rev: if_match(headers)?,
        idempotency_key: key,
    })
}

fn if_match(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let tag = value.to_str().unwrap_or_default();
    tag.trim_matches('"').parse().map(Some).map_err(|_| {
        ApiError::new(
            ErrorCode::BadRequest,
            "If-Match is no revision",
            "send the ETag of the object, e.g. \"17\"",
        )
    })
}

fn number(query: &HashMap<String, String>, name: &str) -> Result<Option<u64>, ApiError> {
    let Some(text) = query.get(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        let message = format!("{name} is \"{text}\"");
        ApiError::new(ErrorCode::BadRequest, message, "write a whole number")
    })
}

fn parse_query(query: &str) -> HashMap<String, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(k, v)| (decode(k), decode(v)))
        .collect()
}

fn decode(text: &str) -> String {
    let plus_is_space = text.replace('+', " ");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = plus_is_space.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.get(..2)).flatten();
        let value = escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Every command has its handler: the compiler asks for it.
async fn dispatch(id: Id, shared: &Shared, call: Call, asked: &str) -> Result<Reply, ApiError> {
    match id {
        Id::Status => status::handle(&shared.borrow()),
        Id::Daemon => daemon::handle(&shared.borrow()),
        Id::Listeners => listeners::handle(&shared.borrow()),
        Id::Routes => routes::handle(&shared.borrow()),
        Id::Pools => pools::handle_all(&shared.borrow()),
        Id::Pool => pools::handle_one(&shared.borrow(), &call),
        Id::Backends => backends::handle_all(&shared.borrow()),
        Id::Backend => backends::handle_one(&shared.borrow(), &call),
        Id::Algorithms => algorithms::handle(),
        Id::Events => events::handle(&shared.borrow(), &call),
        Id::Stream => stream::handle(&shared.borrow(), &call),
        Id::Operations => operations::handle(&shared.borrow()),
        Id::Metrics => metrics::handle(&shared.borrow()),
        Id::Openapi => openapi::handle(),
        Id::Admin => changed(shared, &call, asked, admin::handle),
        Id::Weight => changed(shared, &call, asked, weight::handle),
        Id::Algorithm => changed(shared, &call, asked, algorithm::handle),
        Id::Reload => reload::handle(shared, &call).await,
    }
}

/// Makes a change, once for each `Idempotency-Key`.
fn changed(
    shared: &RefCell<super::Control>,
    call: &Call,
    asked: &str,
    handle: impl Fn(&mut super::Control, &Call) -> Result<Change, ApiError>,
) -> Result<Reply, ApiError> {
    let mut control = shared.borrow_mut();
    let asked = format!("{asked} {}", String::from_utf8_lossy(&call.body));
    let known = call.options.idempotency_key.as_ref().map(|key| control.answered.find(key, &asked));
    let change = match known.transpose()?.flatten() {
        Some(change) => change,
        None => {
            let change = handle(&mut control, call)?;
            if let Some(key) = call.options.idempotency_key.clone().filter(|_| !change.dry_run) {
                control.answered.keep(key, asked, change.clone());
            }
            change
        }
    };
    Reply::json(&change, Some(change.rev))
}

fn respond(reply: Reply) -> Response<ReplyBody> {
    let (content_type, rev, body) = match reply {
        Reply::Json(bytes, rev) => ("application/json", rev, ReplyBody::Whole(Some(bytes.into()))),
        Reply::Text(content_type, text) => (content_type, None, ReplyBody::Whole(Some(text.into()))),
        Reply::Lines(lines) => ("application/jsonl", None, ReplyBody::Lines(lines)),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(tag) = rev.and_then(|rev| HeaderValue::try_from(format!("\"{rev}\"")).ok()) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

fn refuse(error: &ApiError, path: &str) -> Response<ReplyBody> {
    let body = serde_json::to_vec(error).unwrap_or_default();
    let mut response = Response::new(ReplyBody::Whole(Some(body.into())));
    *response.status_mut() =
        StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if error.code == ErrorCode::MethodNotAllowed
        && let Ok(methods) = HeaderValue::try_from(allowed(path))
    {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

/// Body of an answer.
pub(super) enum ReplyBody {
    /// All of it.
    Whole(Option<Bytes>),
    /// Lines as they come.
    Lines(mpsc::Receiver<Bytes>),
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Lines(lines) => lines.poll_recv(cx).map(|line| line.map(|l| Ok(Frame::data(l)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Whole(bytes) => {
                hyper::body::SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Self::Lines(_) => hyper::body::SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_in_paths_and_queries_are_read() {
        assert_eq!(decode("a%2Fb+c%zz%4"), "a/b c%zz%4");
        assert_eq!(parse_query("reason=disk%20full&x")["reason"], "disk full");
    }

    #[test]
    fn every_command_is_found_by_its_own_path() {
        for spec in COMMANDS {
            let path = spec.path.replace("{pool}", "p").replace("{backend}", "b");
            let (found, _) = find(spec.method.as_str(), &path).unwrap();
            assert_eq!(found.id, spec.id);
        }
        assert_eq!(find("DELETE", "/v1/status").unwrap_err().code, ErrorCode::MethodNotAllowed);
        assert_eq!(find("GET", "/v1/statos").unwrap_err().hint, "did you mean \"/v1/status\"?");
    }
}
