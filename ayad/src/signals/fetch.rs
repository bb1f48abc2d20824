//! One GET of a page, bounded in time by the caller and in size here.

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::About;
use crate::stream::Endpoint;
use crate::tls::Offer;
use crate::upstream::{self, ConnectError};

/// Most bytes of a page.
pub(super) const LARGEST: usize = 4 * 1024 * 1024;

/// Gets a page of a backend: on its own port inside TLS where its pool has that, on another one plain. The error is in
/// words.
pub(super) async fn get(
    about: &About,
    path: &str,
    port: Option<u16>,
) -> Result<(response::Parts, Bytes), String> {
    let backend = &about.backend;
    let endpoint = on_port(&backend.resolved, port);
    let tls = about.tls.as_deref().filter(|_| port.is_none()).map(|tls| (tls, backend.address.as_str()));
    let stream = upstream::open(&endpoint, tls, Offer::Http1, b"").await.map_err(|error| match error {
        ConnectError::Io(error) => format!("cannot connect to {endpoint}: {error}"),
        ConnectError::Tls(error) => format!("no TLS with {endpoint}: {error}"),
    })?;
    let host = match (&endpoint, port) {
        (Endpoint::Unix(_), _) => "localhost".to_owned(),
        (_, None) => backend.address.clone(),
        (endpoint, Some(_)) => endpoint.to_string(),
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let asked = async {
        let response = sender.send_request(request(&host, path)?).await.map_err(|e| broken(&e))?;
        let (parts, body) = response.into_parts();
        if !parts.status.is_success() {
            return Err(format!("{path} answers {}", parts.status));
        }
        Ok((parts, whole(body).await?))
    };
    tokio::select! {
        biased;
        answer = asked => answer,
        ended = async { match connection.await { Err(e) => e, Ok(()) => std::future::pending().await } } => {
            Err(broken(&ended))
        }
    }
}

/// The same host at another port.
pub(super) fn on_port(endpoint: &Endpoint, port: Option<u16>) -> Endpoint {
    match (endpoint, port) {
        (Endpoint::Tcp(address), Some(port)) => Endpoint::Tcp((address.ip(), port).into()),
        _ => endpoint.clone(),
    }
}

fn request(host: &str, path: &str) -> Result<Request<Empty<Bytes>>, String> {
    let request = Request::builder()
        .uri(path)
        .header(HOST, HeaderValue::from_str(host).map_err(|e| e.to_string())?)
        .header(USER_AGENT, HeaderValue::from_static("ayad-signals"))
        .header(ACCEPT, HeaderValue::from_static("text/plain, application/openmetrics-text;q=0.5, */*;q=0.1"))
        .header(CONNECTION, HeaderValue::from_static("close"));
    request.body(Empty::new()).map_err(|e| e.to_string())
}

async fn whole(mut body: Incoming) -> Result<Bytes, String> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| broken(&e))?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        if read.len() + data.len() > LARGEST {
            return Err("the page has more than 4 MiB".to_owned());
        }
        read.extend_from_slice(data);
    }
    Ok(read.into())
}

fn broken(error: &hyper::Error) -> String {
    if error.is_parse() {
        "what came is not HTTP".to_owned()
    } else {
        format!("the connection broke: {error}")
    }
}
