//! The demo's clients: requests at a steady rate over kept-alive connections, and a tally of what came back.
//!
//! Open loop: a request starts when its time has come, whether or not earlier ones were answered, and its
//! latency counts from that time. So a slow proxy shows as latency, not as fewer requests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use super::backend::WHO;
use super::crew::Stop;
use super::rng::Rng;

/// Most requests in flight; further ones count as failed at once.
const MAX_IN_FLIGHT: usize = 512;
/// Longest time for one request.
const LIMIT: Duration = Duration::from_secs(10);
/// Longest time the last requests get when the demo ends.
const LAST: Duration = Duration::from_secs(2);
/// Share of the requests that ask for pictures.
const PICTURES: f64 = 0.35;
/// Highest latency the histogram tells apart, in microseconds.
const MAX_US: u64 = 60_000_000;

type Body = Empty<Bytes>;
type Sender = SendRequest<Body>;

/// What the clients do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The proxy.
    pub address: SocketAddr,
    /// Requests a second.
    pub rate: u32,
    /// Seed of the order of requests.
    pub seed: u64,
}

/// What the clients saw.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Requests that ended.
    pub requests: u64,
    /// Requests without an answer, or with one of 500 and above.
    pub failures: u64,
    /// Requests answered, by backend.
    pub backends: BTreeMap<String, u64>,
    /// Latencies in microseconds of those that were answered.
    pub latency_us: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        let latency_us = Histogram::new_with_bounds(1, MAX_US, 3).expect("the bounds are constants in range");
        Self { requests: 0, failures: 0, backends: BTreeMap::new(), latency_us }
    }
}

/// What came back for one request.
struct Seen {
    good: bool,
    who: Option<String>,
}

impl Tally {
    fn count(&mut self, seen: Option<Seen>, took: Duration) {
        self.requests += 1;
        self.failures += u64::from(!seen.as_ref().is_some_and(|seen| seen.good));
        if let Some(seen) = seen {
            self.latency_us.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            *self.backends.entry(seen.who.unwrap_or_else(|| "proxy".into())).or_default() += 1;
        }
    }
}

/// Connections that wait for their next request, newest last.
type Idle = Arc<Mutex<Vec<Sender>>>;

/// Sends requests until told to stop, then waits for the last ones.
pub(crate) async fn run(plan: Plan, tally: Arc<Mutex<Tally>>, mut stop: Stop) {
    let mut rng = Rng::new(plan.seed, u64::MAX);
    let mut ticks = interval(Duration::from_secs(1) / plan.rate);
    let idle = Idle::default();
    let mut running = JoinSet::new();
    loop {
        let due = tokio::select! {
            () = stop.told() => break,
            due = ticks.tick() => due,
        };
        while running.try_join_next().is_some() {}
        let request = next_request(&mut rng);
        if running.len() >= MAX_IN_FLIGHT {
            record(&tally, None, due.elapsed());
            continue;
        }
        let (tally, idle) = (Arc::clone(&tally), Arc::clone(&idle));
        running.spawn(async move {
            let seen = timeout(LIMIT, exchange(plan.address, request, &idle)).await.ok().flatten();
            record(&tally, seen, due.elapsed());
        });
    }
    let rest = async { while running.join_next().await.is_some() {} };
    // Whoever is not answered by then is dropped with the runtime.
    let _ = timeout(LAST, rest).await;
}

fn record(tally: &Mutex<Tally>, seen: Option<Seen>, took: Duration) {
    tally.lock().unwrap_or_else(PoisonError::into_inner).count(seen, took);
}

/// What a client asks for next.
#[derive(Clone)]
struct Ask {
    host: HeaderValue,
    uri: Uri,
}

fn next_request(rng: &mut Rng) -> Ask {
    let number = rng.next() % 1000;
    let (host, path) = if rng.unit() < PICTURES {
        ("img.localhost", format!("/img/{number}.png"))
    } else {
        ("shop.localhost", format!("/item/{number}"))
    };
    let uri = path.parse().unwrap_or_else(|_| Uri::from_static("/"));
    Ask { host: HeaderValue::from_static(host), uri }
}

/// One request, on a waiting connection or a fresh one; once more when a waiting one turns out to be closed.
async fn exchange(address: SocketAddr, ask: Ask, idle: &Idle) -> Option<Seen> {
    let waiting = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    if let Some(sender) = waiting
        && let Some(seen) = send(sender, ask.clone(), idle).await
    {
        return Some(seen);
    }
    let stream = TcpStream::connect(address).await.ok()?;
    // Small requests must not wait for acknowledgements; without it they are only slower.
    let _ = stream.set_nodelay(true);
    let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    send(sender, ask, idle).await
}

async fn send(mut sender: Sender, ask: Ask, idle: &Idle) -> Option<Seen> {
    sender.ready().await.ok()?;
    let mut request = Request::new(Body::new());
    *request.uri_mut() = ask.uri;
    request.headers_mut().insert(HOST, ask.host);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("ayactl-demo"));
    let response = sender.send_request(request).await.ok()?;
    let good = !response.status().is_server_error();
    let who = response.headers().get(WHO).and_then(|value| value.to_str().ok()).map(str::to_owned);
    response.into_body().collect().await.ok()?;
    idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
    Some(Seen { good, who })
}

#[cfg(test)]
mod tests {
    use super::super::backend;
    use super::super::crew::Crew;
    use super::*;

    #[test]
    fn a_request_without_an_answer_counts_as_failed_and_has_no_latency() {
        let mut tally = Tally::default();
        tally.count(None, Duration::from_secs(1));
        tally.count(Some(Seen { good: true, who: Some("web-1".into()) }), Duration::from_millis(4));
        tally.count(Some(Seen { good: false, who: None }), Duration::from_millis(4));
        assert_eq!((tally.requests, tally.failures, tally.latency_us.len()), (3, 2, 2));
        assert_eq!(tally.backends["web-1"], 1);
        assert_eq!(tally.backends["proxy"], 1);
    }

    #[test]
    fn the_same_seed_asks_for_the_same_things() {
        let ask = |seed| {
            let mut rng = Rng::new(seed, 0);
            (0..20).map(|_| next_request(&mut rng).uri.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(ask(1), ask(1));
        assert!(ask(1).iter().any(|path| path.starts_with("/img/")));
    }

    #[test]
    fn backends_answer_by_name_and_clients_stop_when_told() {
        let (backends, addresses) = backend::start(1).unwrap();
        let tally = Arc::new(Mutex::new(Tally::default()));
        let plan = Plan { address: addresses[1], rate: 500, seed: 1 };
        let seen = Arc::clone(&tally);
        let clients = Crew::start("clients", move |stop| run(plan, seen, stop)).unwrap();
        let requests = || tally.lock().unwrap().requests;

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut looks = interval(Duration::from_millis(5));
            let enough = async {
                while requests() < 20 {
                    looks.tick().await;
                }
            };
            timeout(LIMIT, enough).await.expect("requests are answered");
        });
        drop(clients);
        drop(backends);

        let tally = tally.lock().unwrap();
        assert_eq!(tally.failures, 0);
        assert_eq!(tally.backends.keys().collect::<Vec<_>>(), ["web-2"]);
    }
}
