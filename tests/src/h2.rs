//! HTTP/2 for tests: a client and a backend on the `h2` codec, and raw frames for what no codec would send.
//!
//! Tests with a codec run inside [`run`], which gives up after the deadline of every wait.

mod backend;
pub mod frames;

use std::future::Future;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

pub use self::backend::{Incoming, Server, Speaking, reset};
use crate::wait::DEADLINE;

/// Runs a test. Panics when it takes longer than any wait may.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    runtime.block_on(async { tokio::time::timeout(DEADLINE, test).await.expect("the test ends in time") })
}

/// A connection of a client.
#[derive(Debug)]
pub struct Client {
    sender: SendRequest<Bytes>,
    /// Ends with the connection.
    pub ended: JoinHandle<Result<(), h2::Error>>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its fields.
    pub fields: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// What came behind it.
    pub trailers: HeaderMap,
}

impl Answer {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.to_str().expect("fields are text"))
    }

    /// The first value of a trailer.
    pub fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.get(name).map(|value| value.to_str().expect("trailers are text"))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    /// Connects with prior knowledge.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::configured(address, &h2::client::Builder::new()).await
    }

    /// Connects with other settings than usual.
    pub async fn configured(address: SocketAddr, builder: &h2::client::Builder) -> Self {
        let stream = TcpStream::connect(address).await.expect("the proxy accepts");
        stream.set_nodelay(true).expect("a socket can be set up");
        let (sender, connection) = builder.handshake(stream).await.expect("hands can be shaken");
        Self { sender, ended: tokio::spawn(connection) }
    }

    /// Begins a request.
    pub async fn begin(&self, request: Request<()>, ends: bool) -> (ResponseFuture, SendStream<Bytes>) {
        let mut sender = self.sender.clone().ready().await.expect("the connection is open");
        sender.send_request(request, ends).expect("the request can be sent")
    }

    /// Sends a request with this body, and waits for the whole answer.
    pub async fn ask(&self, request: Request<()>, body: &[u8]) -> Answer {
        self.try_ask(request, body).await.expect("a whole answer comes")
    }

    /// The same, or how it broke off.
    pub async fn try_ask(&self, request: Request<()>, body: &[u8]) -> Result<Answer, h2::Error> {
        let (response, mut send) = self.begin(request, body.is_empty()).await;
        if !body.is_empty() {
            send_all(&mut send, body, true).await?;
        }
        whole(response.await?).await
    }

    /// Asks for a path.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(request("GET", path), b"").await
    }

    /// True once the backend's settings allow `CONNECT` with a protocol.
    pub async fn allows_websockets(&self) -> bool {
        let sender = self.sender.clone().ready().await.expect("the connection is open");
        sender.is_extended_connect_protocol_enabled()
    }
}

/// A request to the host `test.example`.
pub fn request(method: &str, path: &str) -> Request<()> {
    let uri = format!("http://test.example{path}");
    Request::builder().method(method).uri(uri).body(()).expect("a plain request is valid")
}

/// Reads the rest of an answer.
pub async fn whole(response: Response<RecvStream>) -> Result<Answer, h2::Error> {
    let (parts, mut recv) = response.into_parts();
    let body = read_all(&mut recv).await?;
    let trailers = recv.trailers().await?.unwrap_or_default();
    Ok(Answer { status: parts.status.as_u16(), fields: parts.headers, body, trailers })
}

/// Reads a body up to its trailers.
pub async fn read_all(recv: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut body = Vec::new();
    while let Some(part) = next(recv).await? {
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// The next bytes of a body, which makes room for more.
pub async fn next(recv: &mut RecvStream) -> Result<Option<Bytes>, h2::Error> {
    loop {
        let Some(part) = recv.data().await.transpose()? else { return Ok(None) };
        recv.flow_control().release_capacity(part.len())?;
        // The end may come in a frame of its own.
        if !part.is_empty() {
            return Ok(Some(part));
        }
    }
}

/// Sends bytes as the windows allow.
pub async fn send_all(send: &mut SendStream<Bytes>, mut body: &[u8], ends: bool) -> Result<(), h2::Error> {
    while !body.is_empty() {
        send.reserve_capacity(body.len());
        let mut room = send.capacity();
        while room == 0 {
            room = match std::future::poll_fn(|cx| send.poll_capacity(cx)).await {
                Some(room) => room?,
                None => return Err(h2::Reason::CANCEL.into()),
            };
        }
        let (part, rest) = body.split_at(room.min(body.len()));
        body = rest;
        send.send_data(Bytes::copy_from_slice(part), ends && body.is_empty())?;
    }
    Ok(())
}
