//! A control API that answers from a fixture and remembers what it was asked to change.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use aya_api::SCHEMA_VERSION;
use aya_api::axis::Admin;
use aya_api::change::Change;
use aya_api::command::{COMMANDS, Id};
use aya_api::error::{ApiError, ErrorCode};
use aya_api::event::StreamItem;
use aya_api::view::{BackendView, Status};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::oneshot;

use crate::{explained, fixture};

/// What the fake daemon knows.
pub(crate) struct World {
    pub(crate) status: Status,
    /// Changes asked for: method, path with query, body, `If-Match`.
    pub(crate) asked: Vec<Asked>,
    /// A draining backend is drained after it was looked at this often; never when absent.
    pub(crate) drains_after: Option<u32>,
    /// Every change is refused with this.
    pub(crate) refusal: Option<ApiError>,
    /// What each connection to the stream gets before it is closed.
    pub(crate) streams: Vec<Vec<StreamItem>>,
    looks: u32,
}

pub(crate) struct Asked {
    pub(crate) call: String,
    pub(crate) body: Value,
    pub(crate) if_match: Option<String>,
}

/// A running fake daemon; stopped when dropped.
pub(crate) struct Fake {
    folder: TempDir,
    world: Arc<Mutex<World>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    pub(crate) fn start(status: Status) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = std::os::unix::net::UnixListener::bind(folder.path().join("s")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let world = World {
            status,
            asked: Vec::new(),
            drains_after: Some(2),
            refusal: None,
            streams: Vec::new(),
            looks: 0,
        };
        let world = Arc::new(Mutex::new(world));
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&world);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(UnixListener::from_std(listener).unwrap(), served) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { folder, world, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    pub(crate) fn world<T>(&self, with: impl FnOnce(&mut World) -> T) -> T {
        with(&mut self.world.lock().unwrap())
    }

    /// The calls that changed something, as `PUT /path?query`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.world(|world| world.asked.iter().map(|asked| asked.call.clone()).collect())
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: UnixListener, world: Arc<Mutex<World>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&world), request));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    world: Arc<Mutex<World>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut world = world.lock().unwrap();
    let path = head.uri.path().to_owned();
    let found = COMMANDS.iter().find_map(|spec| {
        (spec.method.as_str() == head.method.as_str()).then(|| spec.match_path(&path).map(|v| (spec, v)))?
    });
    let result = match found {
        Some((spec, [pool, backend])) => {
            if spec.is_change() {
                world.asked.push(Asked {
                    call: format!("{} {}", head.method, head.uri),
                    body: serde_json::from_slice(&body).unwrap_or(Value::Null),
                    if_match: head.headers.get("if-match").map(|v| v.to_str().unwrap().to_owned()),
                });
                let dry_run = head.uri.query().is_some_and(|query| query.contains("dry_run=1"));
                change(&mut world, spec.id, pool, backend, dry_run)
            } else {
                read(&mut world, spec.id, pool, backend)
            }
        }
        None => Err(ApiError::new(ErrorCode::NotFound, "no such path", "")),
    };
    let (status, text) = match result {
        Ok(text) => (200, text),
        Err(error) => (error.code.status(), serde_json::to_string(&error).unwrap()),
    };
    Ok(Response::builder().status(status).body(Full::new(Bytes::from(text))).unwrap())
}

fn read(world: &mut World, id: Id, pool: &str, backend: &str) -> Result<String, ApiError> {
    let status = &world.status;
    let empty = status.pools.is_empty();
    let backends = || status.pools.iter().flat_map(|p| &p.backends);
    let value = match id {
        Id::Status => json!(status),
        Id::Daemon => json!(status.daemon),
        Id::Listeners => json!(status.listeners),
        Id::Routes => json!(if empty { vec![] } else { vec![fixture::route()] }),
        Id::Pools => json!(status.pools),
        Id::Pool => json!(status.pools.iter().find(|p| p.name == pool)),
        Id::Backends => json!(backends().collect::<Vec<_>>()),
        Id::Backend => return look(world, &format!("{pool}/{backend}")),
        Id::Algorithms => json!(if empty { vec![] } else { fixture::algorithms() }),
        Id::ExplainPick => json!(explained::pick()),
        Id::ExplainBackend => json!(explained::backend()),
        Id::ExplainRequest => json!(explained::request()),
        Id::Requests => json!(if empty { vec![] } else { vec![explained::request()] }),
        Id::Events => json!(if empty { vec![] } else { vec![fixture::event(11), fixture::event(12)] }),
        Id::Operations => json!(if empty { vec![] } else { vec![fixture::operation()] }),
        Id::Chaos => json!(status.chaos),
        Id::Faults => json!(status.chaos.faults),
        Id::Runs => json!(status.runs),
        Id::Stream => {
            let items = if world.streams.is_empty() { vec![] } else { world.streams.remove(0) };
            return Ok(items.iter().map(|item| serde_json::to_string(item).unwrap() + "\n").collect());
        }
        Id::Metrics => {
            return Ok("# HELP aya_up x\naya_up 1\naya_requests_total{pool=\"shop\"} 7\n".into());
        }
        Id::Admin
        | Id::Weight
        | Id::Algorithm
        | Id::AddMember
        | Id::RemoveMember
        | Id::Breaker
        | Id::BreakerReset
        | Id::Reload
        | Id::Upgrade
        | Id::ChaosPanic
        | Id::ChaosLock
        | Id::ChaosUnlock
        | Id::Fault
        | Id::StartFault
        | Id::RenewFault
        | Id::StopFault
        | Id::StopFaults
        | Id::PutRun
        | Id::EndRun
        | Id::AddNote
        | Id::Openapi => json!(null),
    };
    Ok(value.to_string())
}

fn find<'w>(world: &'w mut World, id: &str) -> Result<&'w mut BackendView, ApiError> {
    let mut all = world.status.pools.iter_mut().flat_map(|p| &mut p.backends);
    all.find(|b| b.id == id).ok_or_else(|| ApiError::new(ErrorCode::NotFound, "no such backend", ""))
}

fn look(world: &mut World, id: &str) -> Result<String, ApiError> {
    world.looks += 1;
    let drained = world.drains_after.is_some_and(|after| world.looks > after);
    let backend = find(world, id)?;
    if drained && backend.admin.state == Admin::Draining {
        backend.admin.state = Admin::Drained;
        backend.traffic.in_flight = 0;
    }
    Ok(json!(fixture::detail(backend.clone())).to_string())
}

fn change(world: &mut World, id: Id, pool: &str, backend: &str, dry_run: bool) -> Result<String, ApiError> {
    if let Some(error) = &world.refusal {
        return Err(error.clone());
    }
    let body = world.asked.last().unwrap().body.clone();
    let (subject, field, before, after) = match id {
        Id::Admin => {
            let backend = find(world, &format!("{pool}/{backend}"))?;
            let before = backend.admin.state;
            let after: Admin = serde_json::from_value(body["state"].clone()).unwrap();
            if !dry_run {
                backend.admin.state = after;
                backend.eligible = after == Admin::Ready;
            }
            (backend.id.clone(), "admin", before.to_string(), after.to_string())
        }
        Id::Weight => {
            let backend = find(world, &format!("{pool}/{backend}"))?;
            (backend.id.clone(), "weight", backend.weight.to_string(), body["weight"].to_string())
        }
        Id::AddMember => {
            let after = body["address"].as_str().unwrap().to_owned();
            (format!("{pool}/{backend}"), "backend", "absent".to_owned(), after)
        }
        Id::RemoveMember => {
            let backend = find(world, &format!("{pool}/{backend}"))?;
            (backend.id.clone(), "backend", backend.address.clone(), "absent".to_owned())
        }
        Id::Algorithm => {
            let after = body["algorithm"].as_str().unwrap().to_owned();
            (pool.to_owned(), "algorithm", "p2c".to_owned(), after)
        }
        _ => ("ayad".into(), "config", "3".to_owned(), "4".to_owned()),
    };
    let changed = before != after;
    Ok(json!(Change {
        schema_version: SCHEMA_VERSION,
        op: (changed && !dry_run).then(|| "7f3a".into()),
        changed,
        dry_run,
        undo: changed.then(|| format!("ayactl undo-of {subject}")),
        subject,
        field: field.into(),
        before,
        after,
        until_ms: None,
        rev: 3,
        warnings: vec![],
    })
    .to_string())
}
