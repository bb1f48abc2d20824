//! One HTTP/1.1 connection to a backend.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use aya_core::time::Tick;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustix::io::Errno;

use super::RequestBody;
use crate::clock;
use crate::stream::{Endpoint, Stream};
use crate::tls::{ClientTls, Offer};

/// Most header fields accepted in an answer.
const MAX_RESPONSE_HEADERS: usize = 128;
/// Most bytes buffered of an answer before they are passed on.
const MAX_BUFFER: usize = 64 * 1024;

/// A connection with the state machine that drives it.
pub struct Connection {
    sender: http1::SendRequest<RequestBody>,
    /// Gone once the connection is closed: dropping it answers whoever still waits.
    driver: Option<Box<http1::Connection<TokioIo<Stream>, RequestBody>>>,
    opened: Tick,
    uses: u32,
}

/// Why a connection could not be made.
#[derive(Debug)]
pub enum ConnectError {
    /// The system said no; the kind tells refusal from the rest.
    Io(io::Error),
    /// The backend does not speak TLS, or is not who it should be.
    Tls(io::Error),
    /// The caller gave up first.
    GaveUp,
    /// The connection was made but cannot carry HTTP.
    Handshake(hyper::Error),
}

/// Why a request got no answer.
#[derive(Debug)]
pub enum SendError {
    /// The connection was closed before any byte was sent: the request comes back unharmed.
    Unsent(Box<Request<RequestBody>>),
    /// The request, or part of it, was sent.
    Sent(hyper::Error),
    /// The caller gave up first.
    GaveUp,
}

/// Connects to a backend, or gives up when `give_up` says so. Cancel-safe: dropping the future closes the
/// socket.
pub async fn connect(
    address: &Endpoint,
    tls: Option<(&ClientTls, &str)>,
    give_up: impl Fn() -> bool,
) -> Result<Connection, ConnectError> {
    let mut connecting = pin!(secured(address, tls));
    let stream = poll_fn(|cx| {
        if give_up() {
            return Poll::Ready(Err(ConnectError::GaveUp));
        }
        connecting.as_mut().poll(cx)
    })
    .await?;
    let (sender, driver) = http1::Builder::new()
        .max_headers(MAX_RESPONSE_HEADERS)
        .max_buf_size(MAX_BUFFER)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(ConnectError::Handshake)?;
    Ok(Connection { sender, driver: Some(Box::new(driver)), opened: clock::now(), uses: 0 })
}

async fn secured(address: &Endpoint, tls: Option<(&ClientTls, &str)>) -> Result<Stream, ConnectError> {
    let plain = address.connect().await.map_err(ConnectError::Io)?;
    match tls {
        None => Ok(Stream::Plain(plain)),
        Some((tls, name)) => {
            let connected = tls.connect(plain, name, Offer::Http1).await;
            connected.map(|(stream, _)| stream).map_err(ConnectError::Tls)
        }
    }
}

/// True when a connection failed because this process, not the other side, lacks something: descriptors,
/// memory, local ports. That says nothing about a backend.
pub fn is_our_own_want(error: &io::Error) -> bool {
    let want = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS, Errno::ADDRNOTAVAIL];
    error.raw_os_error().is_some_and(|code| want.iter().any(|errno| errno.raw_os_error() == code))
}

impl Connection {
    /// When it was made.
    pub fn opened(&self) -> Tick {
        self.opened
    }

    /// True when it carried a request before: the backend may have closed it meanwhile.
    pub fn was_kept(&self) -> bool {
        self.uses > 0
    }

    /// True when the request it was last given was not its first.
    pub fn is_reused(&self) -> bool {
        self.uses > 1
    }

    /// True when it can take the next request now.
    pub fn is_ready(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Sends a request and drives the connection until the head of the answer is there, or until `give_up`
    /// says so. Cancel-safe: dropping the future ends the request; the connection is then not ready again.
    pub async fn exchange(
        &mut self,
        request: Request<RequestBody>,
        give_up: impl Fn() -> bool,
    ) -> Result<Response<Incoming>, SendError> {
        self.uses = self.uses.saturating_add(1);
        let mut answer = pin!(self.sender.try_send_request(request));
        poll_fn(|cx| {
            if give_up() {
                return Poll::Ready(Err(SendError::GaveUp));
            }
            self.drive(cx);
            let answered = answer.as_mut().poll(cx);
            if let Poll::Ready(Ok(response)) = &answered
                && response.body().is_end_stream()
            {
                // Without a body nobody polls again, and the connection must notice that it is free.
                self.drive(cx);
            }
            answered.map_err(|mut error| match error.take_message() {
                Some(request) => SendError::Unsent(Box::new(request)),
                None => SendError::Sent(error.into_error()),
            })
        })
        .await
    }

    /// Reads and writes what can be read and written now.
    pub fn drive(&mut self, cx: &mut Context<'_>) {
        // Its outcome reaches whoever waits for an answer or a body.
        if self.driver.as_mut().is_some_and(|driver| Pin::new(&mut **driver).poll(cx).is_ready()) {
            self.driver = None;
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("opened", &self.opened)
            .field("uses", &self.uses)
            .finish_non_exhaustive()
    }
}
