//! Sends a request and looks at the status and, when asked to, at the body.

use aya_core::health::Cause;
use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::{NoPass, ProbeSpec};
use crate::config::HttpProbe;
use crate::stream::Stream;

/// Its line in the table.
pub(super) const SPEC: ProbeSpec =
    ProbeSpec { name: "http", summary: "sends a request and looks at status and body" };

/// Most bytes of a body that are searched for the expected text.
const SEARCHED: usize = 64 * 1024;

/// Asks over a new connection. Takes as long as the backend does; the caller sets the limit.
pub(super) async fn probe(stream: Stream, name: &str, wanted: &HttpProbe) -> Result<(), NoPass> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| cause_of(&e))?;
    let asked = async {
        let response = sender.send_request(request(name, wanted)?).await.map_err(|e| cause_of(&e))?;
        judge(response, wanted).await
    };
    tokio::select! {
        biased;
        verdict = asked => verdict.map_err(NoPass::Failed),
        // The connection only ends first when it breaks; then no verdict can follow from it.
        broken = async { match connection.await { Err(e) => e, Ok(()) => std::future::pending().await } } => {
            Err(NoPass::Failed(cause_of(&broken)))
        }
    }
}

fn request(name: &str, wanted: &HttpProbe) -> Result<Request<Empty<Bytes>>, Cause> {
    let mut request = Request::builder().method(wanted.method.clone()).uri(&wanted.path);
    let host = wanted.host.as_deref().unwrap_or(name);
    if let Some(headers) = request.headers_mut() {
        let host = HeaderValue::from_str(host).map_err(|_| Cause::Garbage)?;
        headers.insert(HOST, host);
        headers.insert(USER_AGENT, HeaderValue::from_static("ayad-check"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    request.body(Empty::new()).map_err(|_| Cause::Garbage)
}

async fn judge(response: Response<Incoming>, wanted: &HttpProbe) -> Result<(), Cause> {
    let status = response.status().as_u16();
    if !wanted.status.iter().any(|(from, to)| (*from..=*to).contains(&status)) {
        return Err(Cause::Status(status));
    }
    match &wanted.body {
        None => Ok(()),
        Some(text) => search(response.into_body(), text.as_bytes()).await,
    }
}

async fn search(mut body: Incoming, text: &[u8]) -> Result<(), Cause> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| cause_of(&e))?;
        // What was read before holds at most the beginning of the text.
        let seen = read.len().saturating_sub(text.len());
        read.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        if contains(&read[seen..], text) {
            return Ok(());
        }
        if read.len() > SEARCHED {
            break;
        }
    }
    Err(Cause::Body)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || haystack.windows(needle.len()).any(|window| window == needle)
}

fn cause_of(error: &hyper::Error) -> Cause {
    if error.is_parse() || error.is_parse_status() || error.is_parse_too_large() {
        Cause::Garbage
    } else {
        Cause::ClosedEarly
    }
}
