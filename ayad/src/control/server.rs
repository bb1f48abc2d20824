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
use aya_api::change::Change;
use aya_api::command::{COMMANDS, Id, Spec};
use aya_api::error::{ApiError, ErrorCode};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, ETAG};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::call::{Call, decode, understand};
use super::patience::Patient;
use super::peer::Actor;
use super::upgrade::Doors;
use super::{
    Shared, admin, algorithm, algorithms, backends, breaker, chaos, daemon, events, explain, faults,
    listeners, members, metrics, notes, openapi, operations, pools, reload, routes, runs, status, stream,
    upgrade, weight,
};
use crate::descriptors;

/// Wait after a call could not be taken, for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest time in which a caller takes nothing of its answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time for the head of a call.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Changes remembered by their `Idempotency-Key`.
const ANSWERED_KEPT: usize = 1024;

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

/// Where callers connect, and what they may ask there.
pub(super) enum Door {
    /// The control socket: everything that the caller's level allows.
    Control(UnixListener),
    /// A TCP address: metrics, and nothing else.
    Metrics(TcpListener),
}

impl Door {
    /// Takes the next caller.
    async fn accept(&self, shared: Shared, place: Place) -> std::io::Result<()> {
        match self {
            Self::Control(socket) => {
                let (stream, _) = socket.accept().await?;
                let by = Actor::of_uid(stream.peer_cred()?.uid());
                tokio::task::spawn_local(converse(stream, shared, by, Scope::Everything, place));
            }
            Self::Metrics(socket) => {
                let (stream, peer) = socket.accept().await?;
                let by = Actor { name: peer.to_string(), level: Level::Observe };
                tokio::task::spawn_local(converse(stream, shared, by, Scope::Metrics, place));
            }
        }
        Ok(())
    }
}

/// The place of a caller at a door.
struct Place {
    _permit: OwnedSemaphorePermit,
    /// Tells that others wait for a place.
    wanted: watch::Receiver<()>,
}

/// Serves callers at one door until the process ends: so many at once as the descriptors allow; more wait in the
/// backlog of the socket. When every place is taken, whoever is idle goes at once,
/// and whoever is in a call goes after it; only streams stay.
pub(super) async fn serve(shared: Shared, door: Door, mut doors: watch::Receiver<Doors>) {
    let free = Arc::new(tokio::sync::Semaphore::new(descriptors::max_callers()));
    let crowded = watch::Sender::new(());
    let mut failing = false;
    loop {
        match doors.wait_for(|doors| *doors != Doors::Waiting).await.map(|doors| *doors) {
            Ok(Doors::Open) => {}
            Ok(Doors::Waiting | Doors::Shut) | Err(_) => return,
        }
        if free.available_permits() == 0 {
            crowded.send_replace(());
        }
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        let place = Place { _permit: permit, wanted: crowded.subscribe() };
        let shared = Rc::clone(&shared);
        let accepted = tokio::select! {
            // Whether it opens again or not is looked at above.
            _ = doors.changed() => continue,
            accepted = door.accept(shared, place) => accepted,
        };
        let Err(error) = accepted else {
            failing = false;
            continue;
        };
        if !std::mem::replace(&mut failing, true) {
            tracing::warn!(%error, "cannot take calls; trying again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everything,
    Metrics,
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    shared: Shared,
    by: Actor,
    scope: Scope,
    mut place: Place,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (shared, by) = (Rc::clone(&shared), by.clone());
        async move { Ok::<_, Infallible>(answer(&shared, request, by, scope).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(Patient::new(stream, WRITE_TIMEOUT)), service);
    let mut connection = std::pin::pin!(connection);
    let state = Arc::clone(&shared.borrow().state);
    let mut newest = state.events.watch();
    let served = tokio::select! {
        served = &mut connection => served,
        // The sender lives as long as the door.
        _ = place.wanted.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        // The end of the process, or of its part in the service.
        _ = newest.wait_for(|_| state.events.is_closed()) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a call ended early");
    }
}

async fn answer(shared: &Shared, request: Request<Incoming>, by: Actor, scope: Scope) -> Response<ReplyBody> {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let asked = format!("{method} {}", request.uri());
    let found = find(method.as_str(), &path).and_then(|found| {
        if scope == Scope::Metrics && found.0.id != Id::Metrics {
            Err(no_such_path(&path))
        } else {
            Ok(found)
        }
    });
    let replied = match found {
        Ok((spec, values)) => match understand(request, spec, values, by).await {
            Ok(call) => dispatch(spec.id, shared, call, &asked).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    shared.borrow().called.notify_one();
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
    if let Some((spec, values)) = of_path.iter().find(|(spec, _)| spec.method.as_str() == method) {
        Ok((spec, values.map(decode)))
    } else {
        let message = format!("{path} does not take {method}");
        Err(ApiError::new(ErrorCode::MethodNotAllowed, message, format!("it takes {}", allowed(path))))
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

/// Every command has its handler: the compiler asks for it.
async fn dispatch(id: Id, shared: &Shared, call: Call, asked: &str) -> Result<Reply, ApiError> {
    match id {
        Id::Status => status::handle(&shared.borrow(), &call),
        Id::Daemon => daemon::handle(&shared.borrow()),
        Id::Listeners => listeners::handle(&shared.borrow()),
        Id::Routes => routes::handle(&shared.borrow()),
        Id::Pools => pools::handle_all(&shared.borrow()),
        Id::Pool => pools::handle_one(&shared.borrow(), &call),
        Id::Backends => backends::handle_all(&shared.borrow()),
        Id::Backend => backends::handle_one(&shared.borrow(), &call),
        Id::ExplainPick => explain::handle_pick(shared, &call).await,
        Id::ExplainBackend => explain::handle_backend(shared, &call).await,
        Id::ExplainRequest => explain::handle_request(shared, &call),
        Id::Requests => explain::handle_requests(shared, &call),
        Id::Algorithms => algorithms::handle(),
        Id::Events => events::handle(&shared.borrow(), &call),
        Id::Stream => stream::handle(&shared.borrow(), &call),
        Id::Operations => operations::handle(&shared.borrow()),
        Id::Metrics => metrics::handle(&shared.borrow()),
        Id::Openapi => openapi::handle(),
        Id::Admin => changed(shared, &call, asked, admin::handle),
        Id::Weight => changed(shared, &call, asked, weight::handle),
        Id::Breaker => changed(shared, &call, asked, breaker::handle),
        Id::BreakerReset => changed(shared, &call, asked, breaker::reset),
        Id::Algorithm => changed(shared, &call, asked, algorithm::handle),
        Id::AddMember => changed(shared, &call, asked, members::add),
        Id::RemoveMember => changed(shared, &call, asked, members::remove),
        Id::Chaos => chaos::handle(&shared.borrow()),
        Id::ChaosPanic => chaos::panic(&mut shared.borrow_mut(), &call),
        Id::ChaosLock => chaos::lock(&mut shared.borrow_mut(), &call),
        Id::ChaosUnlock => chaos::unlock(&mut shared.borrow_mut(), &call),
        Id::Faults => faults::handle_all(&shared.borrow(), &call),
        Id::Fault => faults::handle_one(&shared.borrow(), &call),
        Id::StartFault => faults::start(&mut shared.borrow_mut(), &call),
        Id::RenewFault => faults::renew(&mut shared.borrow_mut(), &call),
        Id::StopFault => faults::stop(&mut shared.borrow_mut(), &call),
        Id::StopFaults => faults::stop_all(&mut shared.borrow_mut(), &call),
        Id::Runs => runs::handle_all(&shared.borrow()),
        Id::PutRun => runs::put(&mut shared.borrow_mut(), &call),
        Id::EndRun => runs::end(&mut shared.borrow_mut(), &call),
        Id::AddNote => notes::add(&mut shared.borrow_mut(), &call),
        Id::Reload => reload::handle(shared, &call).await,
        Id::Upgrade => upgrade::handle(shared, &call).await,
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
    let change = if let Some(change) = known.transpose()?.flatten() {
        change
    } else {
        let change = handle(&mut control, call)?;
        if let Some(key) = call.options.idempotency_key.clone().filter(|_| !change.dry_run) {
            control.answered.keep(key, asked, change.clone());
        }
        change
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
    fn every_command_is_found_by_its_own_path() {
        for spec in COMMANDS {
            let path = spec.path.replace("{pool}", "p").replace("{backend}", "b").replace("{id}", "i");
            let (found, _) = find(spec.method.as_str(), &path).unwrap();
            assert_eq!(found.id, spec.id);
        }
        assert_eq!(find("DELETE", "/v1/status").unwrap_err().code, ErrorCode::MethodNotAllowed);
        assert_eq!(find("GET", "/v1/statos").unwrap_err().hint, "did you mean \"/v1/status\"?");
    }
}
