//! A client of the control API over its Unix socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Method as HttpMethod, RequestBuilder, Response};
use thiserror::Error;

use crate::change::ChangeOptions;
use crate::command::{Call, stream};
use crate::error::ApiError;
use crate::event::StreamItem;
use crate::exit::Exit;

/// How long a connection is kept for the next call: well below the time after which the daemon closes it, so
/// that no call is written to a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(3);

/// Longest line of the stream a client accepts, in bytes.
const MAX_LINE: usize = 1 << 20;

/// Why a call did not give an answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nothing accepts connections at the socket.
    #[error("no ayad answers at {}: {cause}", socket.display())]
    Unreachable {
        /// Where it was looked for.
        socket: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// The daemon was reached but did not answer in time.
    #[error("ayad at {} did not answer within {}s", socket.display(), limit.as_secs())]
    TimedOut {
        /// Where it was asked.
        socket: PathBuf,
        /// How long was waited.
        limit: Duration,
    },
    /// The daemon answered with an error.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// What came back is not an answer of this API.
    #[error("what answers at the socket does not speak ayad's control API: {0}")]
    Protocol(String),
}

impl ClientError {
    /// Exit code that goes with the error.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => Exit::Unreachable,
            Self::Refused(error) => error.code.exit(),
            Self::Protocol(_) => Exit::Error,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreachable { .. } => {
                "start one with `ayad --config FILE` (or try `ayactl demo`), or name \
                                         its socket with --socket PATH or AYA_SOCKET"
                    .into()
            }
            Self::TimedOut { .. } => {
                "is the machine overloaded? what was asked may be done all the same: look before you try again, or give \
                 it a longer --timeout"
                    .into()
            }
            Self::Refused(error) => error.hint.clone(),
            Self::Protocol(_) => "are ayad and ayactl of the same version? see `ayactl version`".into(),
        }
    }
}

/// A connection pool of one daemon; cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    socket: PathBuf,
    limit: Duration,
}

impl Client {
    /// Prepares a client; connects with the first call. `limit` bounds each call, except the stream.
    pub fn new(socket: impl Into<PathBuf>, limit: Duration) -> Result<Self, ClientError> {
        let socket = socket.into();
        let http = reqwest::Client::builder()
            .unix_socket(socket.clone())
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(|error| ClientError::Protocol(error.to_string()))?;
        Ok(Self { http, socket, limit })
    }

    /// Where this client calls.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Makes a call that reads.
    pub async fn call<C: Call>(&self, call: &C) -> Result<C::Reply, ClientError> {
        self.change(call, &ChangeOptions::default()).await
    }

    /// Makes a call that changes something.
    pub async fn change<C: Call>(&self, call: &C, options: &ChangeOptions) -> Result<C::Reply, ClientError> {
        let mut request = self.request(C::SPEC.method.as_str(), &call.path());
        request = apply(request.query(&call.query()), options);
        if let Some(body) = call.body() {
            request = request.json(body);
        }
        let answered = tokio::time::timeout(self.limit, async {
            let response = self.accept(request.send().await).await?;
            response.json().await.map_err(|error| ClientError::Protocol(chain(&error)))
        });
        answered.await.unwrap_or_else(|_| Err(self.timed_out()))
    }

    /// Reads a plain-text path such as `/metrics`.
    pub async fn text(&self, path: &str) -> Result<String, ClientError> {
        let answered = tokio::time::timeout(self.limit, async {
            let response = self.accept(self.request("GET", path).send().await).await?;
            response.text().await.map_err(|error| ClientError::Protocol(chain(&error)))
        });
        answered.await.unwrap_or_else(|_| Err(self.timed_out()))
    }

    /// Opens the event stream after `since`, or with the next event.
    pub async fn stream(&self, since: Option<u64>) -> Result<Events, ClientError> {
        let mut request = self.request("GET", stream::SPEC.path);
        if let Some(since) = since {
            request = request.query(&[("since", since)]);
        }
        let opened = tokio::time::timeout(self.limit, request.send()).await;
        let response = self.accept(opened.map_err(|_| self.timed_out())?).await?;
        Ok(Events { response, buffer: Vec::new() })
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = HttpMethod::from_bytes(method.as_bytes()).unwrap_or(HttpMethod::GET);
        self.http.request(method, format!("http://ayad{path}"))
    }

    fn timed_out(&self) -> ClientError {
        ClientError::TimedOut { socket: self.socket.clone(), limit: self.limit }
    }

    async fn accept(&self, sent: reqwest::Result<Response>) -> Result<Response, ClientError> {
        let response = sent.map_err(|error| self.classify(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.bytes().await.map_err(|error| ClientError::Protocol(chain(&error)))?;
        Err(match serde_json::from_slice::<ApiError>(&body) {
            Ok(error) => ClientError::Refused(error),
            Err(_) => ClientError::Protocol(format!("status {status} without an error of the API")),
        })
    }

    fn classify(&self, error: &reqwest::Error) -> ClientError {
        if error.is_connect() {
            ClientError::Unreachable { socket: self.socket.clone(), cause: chain(error) }
        } else {
            ClientError::Protocol(chain(error))
        }
    }
}

fn apply(mut request: RequestBuilder, options: &ChangeOptions) -> RequestBuilder {
    if options.dry_run {
        request = request.query(&[("dry_run", "1")]);
    }
    if let Some(reason) = &options.reason {
        request = request.query(&[("reason", reason)]);
    }
    if let Some(for_ms) = options.for_ms {
        request = request.query(&[("for_ms", for_ms)]);
    }
    if let Some(run) = &options.run {
        request = request.query(&[("run", run)]);
    }
    if let Some(rev) = options.if_rev {
        request = request.header("if-match", format!("\"{rev}\""));
    }
    if let Some(key) = &options.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    request
}

/// The innermost cause says what the system said; the layers above only repeat that a call failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// The event stream, one item at a time.
#[derive(Debug)]
pub struct Events {
    response: Response,
    buffer: Vec<u8>,
}

impl Events {
    /// Waits for the next item; `None` when the daemon closed the stream. Cancel-safe: what was read stays
    /// buffered.
    pub async fn next(&mut self) -> Result<Option<StreamItem>, ClientError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let item = serde_json::from_slice(&line);
                return item.map(Some).map_err(|error| ClientError::Protocol(error.to_string()));
            }
            if self.buffer.len() > MAX_LINE {
                return Err(ClientError::Protocol(format!("a line of over {MAX_LINE} bytes")));
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.buffer.extend_from_slice(&chunk),
                Ok(None) => return Ok(None),
                Err(error) => return Err(ClientError::Protocol(chain(&error))),
            }
        }
    }
}
