//! A backend that speaks HTTP/2.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::wait;

/// A request, and where its answer goes.
#[derive(Debug)]
pub struct Incoming {
    /// The request.
    pub request: Request<RecvStream>,
    /// Where its answer goes.
    pub respond: SendResponse<Bytes>,
    /// Which one it is, from 0.
    pub nth: usize,
}

impl Incoming {
    /// Answers with this status and text.
    pub fn answer(mut self, status: u16, text: &str) {
        let response = Response::builder().status(status).body(()).expect("a plain answer is valid");
        // A client that is gone is what some tests are about.
        if let Ok(mut send) = self.respond.send_response(response, text.is_empty())
            && !text.is_empty()
        {
            drop(send.send_data(Bytes::copy_from_slice(text.as_bytes()), true));
        }
    }
}

/// What it does with a connection besides serving requests.
pub type Speaking = Connection<TcpStream, Bytes>;
/// What happens on the connection before a request is served.
type Before = dyn Fn(&mut Speaking, usize) + Send + Sync;
type Served = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A server on a loopback port of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    counts: Arc<Counts>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
    open: AtomicUsize,
}

impl Server {
    /// Serves each request so, in a task of its own.
    pub fn with<F>(serve: impl Fn(Incoming) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::configured(Builder::new(), |_, _| {}, serve)
    }

    /// Answers every request with 200 and this text.
    pub fn saying(text: &str) -> Self {
        let text: Arc<str> = text.into();
        Self::with(move |incoming| {
            let text = Arc::clone(&text);
            async move { incoming.answer(200, &text) }
        })
    }

    /// With other settings than usual; `before` is told of each request before it is served.
    pub fn configured<F>(
        builder: Builder,
        before: impl Fn(&mut Speaking, usize) + Send + Sync + 'static,
        serve: impl Fn(Incoming) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        listener.set_nonblocking(true).expect("a socket can be set up");
        let (stop, stopped) = oneshot::channel();
        let counts = Arc::new(Counts::default());
        let shared = Arc::new(Shared {
            builder,
            before: Box::new(before),
            serve: Box::new(move |incoming| Box::pin(serve(incoming))),
            counts: Arc::clone(&counts),
        });
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(async move {
                let listener = TcpListener::from_std(listener).expect("the runtime takes a socket");
                tokio::select! {
                    // Also when the server was dropped.
                    _ = stopped => {}
                    () = shared.accept(listener) => {}
                }
            });
        });
        Self { address, counts, stop: Some(stop), thread: Some(thread) }
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// Requests so far.
    pub fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// Waits until its last connection is closed.
    pub fn expect_no_connections(&self) {
        wait::until_true("the backend's connections are closed", || {
            self.counts.open.load(Ordering::SeqCst) == 0
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        if let Some(stop) = self.stop.take() {
            stop.send(()).unwrap_or_default();
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("a backend panicked");
        }
    }
}

struct Shared {
    builder: Builder,
    before: Box<Before>,
    serve: Box<dyn Fn(Incoming) -> Served + Send + Sync>,
    counts: Arc<Counts>,
}

impl Shared {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(Arc::clone(&self).speak(stream));
        }
    }

    async fn speak(self: Arc<Self>, stream: TcpStream) {
        self.counts.connections.fetch_add(1, Ordering::SeqCst);
        self.counts.open.fetch_add(1, Ordering::SeqCst);
        if stream.set_nodelay(true).is_ok()
            && let Ok(mut connection) = self.builder.handshake(stream).await
        {
            while let Some(Ok((request, respond))) = connection.accept().await {
                let nth = self.counts.requests.fetch_add(1, Ordering::SeqCst);
                (self.before)(&mut connection, nth);
                tokio::spawn((self.serve)(Incoming { request, respond, nth }));
            }
        }
        self.counts.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits until the other side resets a request, and says why.
pub async fn reset(respond: &mut SendResponse<Bytes>) -> Reason {
    std::future::poll_fn(|cx| respond.poll_reset(cx)).await.expect("the stream is reset, not the connection")
}
