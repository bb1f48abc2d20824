//! The practice backends: small HTTP servers of unequal speed, one slow, one that fails now and then.

use std::convert::Infallible;
#[cfg(test)]
use std::io;
use std::net::TcpListener as StdListener;
#[cfg(test)]
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

#[cfg(test)]
use super::crew::Crew;
use super::crew::Stop;
use super::rng::Rng;

/// Path of the health check.
pub(super) const HEALTH_PATH: &str = "/healthz";
/// Header in which a backend says who it is.
pub(super) const WHO: &str = "x-backend";
/// Spread of the latencies: the standard deviation of their logarithm.
const SIGMA: f64 = 0.35;
/// Longest latency, so that no draw of the generator makes a request hang.
const MAX_MS: f64 = 2000.0;
/// A moody backend fails in this part of every cycle.
const CYCLE: Duration = Duration::from_secs(20);
const FAILS_FROM: Duration = Duration::from_secs(8);
const FAILS_UNTIL: Duration = Duration::from_secs(12);

/// How a backend behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Temper {
    /// Always answers.
    Steady,
    /// Answers 503 for a few seconds now and then, to checks as well.
    Moody,
}

/// One practice backend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Its pool.
    pub pool: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Median latency in milliseconds.
    pub median_ms: f64,
    /// How it behaves.
    pub temper: Temper,
    /// Its zone.
    pub zone: &'static str,
}

const fn part(
    pool: &'static str,
    name: &'static str,
    median_ms: f64,
    temper: Temper,
    zone: &'static str,
) -> Part {
    Part { pool, name, median_ms, temper, zone }
}

impl Part {
    /// `pool/backend`.
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.pool, self.name)
    }
}

/// Who plays: `web-4` is slow, `img-2` is moody.
pub(super) const CAST: [Part; 6] = [
    part("shop", "web-1", 4.0, Temper::Steady, "a"),
    part("shop", "web-2", 6.0, Temper::Steady, "b"),
    part("shop", "web-3", 8.0, Temper::Steady, "a"),
    part("shop", "web-4", 60.0, Temper::Steady, "b"),
    part("img", "img-1", 3.0, Temper::Steady, "a"),
    part("img", "img-2", 5.0, Temper::Moody, "b"),
];

/// Serves one of them until told to stop.
pub(super) async fn play(listener: StdListener, index: usize, seed: u64, stop: Stop) {
    let Some(part) = CAST.get(index) else { return };
    let rng = Mutex::new(Rng::new(seed, index as u64));
    serve(listener, Arc::new(Actor { part: *part, rng, started: Instant::now() }), stop).await;
}

/// Opens a port for each backend and serves them all from one thread. Returns their addresses in the order
/// of [`CAST`].
#[cfg(test)]
pub(super) fn start(seed: u64) -> io::Result<(Crew, Vec<SocketAddr>)> {
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    for _ in &CAST {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        addresses.push(listener.local_addr()?);
        listeners.push(listener);
    }
    let crew = Crew::start("backends", move |mut stop| async move {
        let mut servers = JoinSet::new();
        for (index, listener) in listeners.into_iter().enumerate() {
            servers.spawn(play(listener, index, seed, stop.clone()));
        }
        stop.told().await;
    })?;
    Ok((crew, addresses))
}

/// A backend at work.
struct Actor {
    part: Part,
    rng: Mutex<Rng>,
    started: Instant,
}

async fn serve(listener: StdListener, actor: Arc<Actor>, mut stop: Stop) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.told() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(converse(stream, Arc::clone(&actor))); }
                // Out of descriptors, most likely: wait for some to come back.
                Err(_) => sleep(Duration::from_millis(50)).await,
            },
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(stream: TcpStream, actor: Arc<Actor>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let actor = Arc::clone(&actor);
        async move { Ok::<_, Infallible>(actor.answer(&request).await) }
    });
    // A connection that the proxy drops is its own business.
    let _ =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

impl Actor {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let fails = self.part.temper == Temper::Moody && fails_at(self.started.elapsed());
        let path = request.uri().path();
        if path != HEALTH_PATH && !fails {
            sleep(self.latency()).await;
        }
        let (status, text) = if fails {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{} is out of sorts\n", self.part.name))
        } else {
            (StatusCode::OK, format!("{} served {path}\n", self.part.name))
        };
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        response.headers_mut().insert(WHO, HeaderValue::from_static(self.part.name));
        response
    }

    fn latency(&self) -> Duration {
        // A generator has no invariant that a panic could have broken.
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let millis = rng.lognormal(self.part.median_ms, SIGMA).min(MAX_MS);
        Duration::from_secs_f64(millis / 1000.0)
    }
}

/// Whether a moody backend fails at this age.
fn fails_at(age: Duration) -> bool {
    let phase = Duration::from_nanos((age.as_nanos() % CYCLE.as_nanos()) as u64);
    (FAILS_FROM..FAILS_UNTIL).contains(&phase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moody_backend_fails_in_every_cycle_and_recovers() {
        for cycle in 0..3 {
            let at = |seconds| fails_at(CYCLE * cycle + Duration::from_secs(seconds));
            assert_eq!([at(0), at(8), at(11), at(12), at(19)], [false, true, true, false, false]);
        }
    }
}
