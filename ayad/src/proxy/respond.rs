//! Step 8: what the client gets.

use aya_core::reason::Reason;
use aya_core::sticky;
use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};

use super::body::ResponseBody;
use super::exchange::Exchange;
use super::forward::Answer;
use super::{hop, record};
use crate::clock;
use crate::config::Sticky;

/// Header that says why the proxy answered by itself.
pub(super) const REASON: HeaderName = HeaderName::from_static("x-aya-reason");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How a client wants an error told, taken before its request is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    format: Format,
    head_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Json,
    Html,
}

impl Manner {
    /// Reads `Accept` roughly: the first type this proxy can speak.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let accepted = request.headers().get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let format = accepted
            .split(',')
            .find_map(|wanted| match wanted.split(';').next().unwrap_or_default().trim() {
                "application/json" | "application/*" => Some(Format::Json),
                "text/html" => Some(Format::Html),
                "text/plain" | "text/*" => Some(Format::Text),
                wanted if wanted.ends_with("+json") => Some(Format::Json),
                _ => None,
            })
            .unwrap_or(Format::Text);
        Self { format, head_only: request.method() == Method::HEAD }
    }
}

/// Passes the answer of a backend on.
pub(super) fn pass_on(answer: Answer, mut exchange: Exchange) -> Response<ResponseBody> {
    let (mut head, incoming) = answer.response.into_parts();
    hop::remove(&mut head.headers);
    head.version = Version::HTTP_11;
    if let Some(cookie) = answer.bind.and_then(|token| binding_cookie(&exchange, token)) {
        head.headers.append(SET_COOKIE, cookie);
    }
    record::answered(&mut exchange, head.status.as_u16());
    Response::from_parts(head, ResponseBody::backend(incoming, answer.connection, exchange))
}

fn binding_cookie(exchange: &Exchange, token: u64) -> Option<HeaderValue> {
    let Some(Sticky::Cookie(name)) = &exchange.lease.as_ref()?.pool.conf.sticky else {
        return None;
    };
    let mut cookie = format!("{name}=").into_bytes();
    cookie.extend_from_slice(&sticky::encode(token));
    cookie.extend_from_slice(b"; Path=/; HttpOnly; SameSite=Lax");
    HeaderValue::from_bytes(&cookie).ok()
}

/// Answers in place of a backend.
pub(super) fn refuse(reason: Reason, manner: &Manner, mut exchange: Exchange) -> Response<ResponseBody> {
    let id = record::id_of(&exchange);
    let (content_type, body) = text(reason, manner.format, id.as_ref().and_then(|v| v.to_str().ok()));
    let status = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    record::answered(&mut exchange, status.as_u16());
    exchange.sent(if manner.head_only { 0 } else { body.len() as u64 });
    exchange.failed(reason, clock::now());

    let mut response = Response::new(ResponseBody::Own(Some(Bytes::from(body))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(REASON, HeaderValue::from_static(reason.as_str()));
    if let Some(id) = id {
        headers.insert(REQUEST_ID, id);
    }
    // The rest of a body that nobody wants would be read as the next request.
    if matches!(reason, Reason::BodyTooLarge | Reason::BodyTimeout | Reason::Stopping) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The whole answer as bytes, for connections on which no request could be read.
pub(super) fn raw(reason: Reason) -> Vec<u8> {
    let (content_type, body) = text(reason, Format::Text, None);
    let status = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let phrase = status.canonical_reason().unwrap_or_default();
    format!(
        "HTTP/1.1 {} {phrase}\r\ncontent-type: {content_type}\r\n{REASON}: {}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        status.as_u16(),
        reason.as_str(),
        body.len(),
    )
    .into_bytes()
}

fn text(reason: Reason, format: Format, id: Option<&str>) -> (&'static str, String) {
    let (status, word) = (reason.status(), reason.as_str());
    let phrase = StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Error");
    // A client may choose its own id; only a plain one is repeated in a page.
    let id = id.filter(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
    match format {
        Format::Text => {
            let id = id.map(|id| format!("request id: {id}\n")).unwrap_or_default();
            ("text/plain; charset=utf-8", format!("{status} {phrase}\nreason: {word}\n{id}"))
        }
        Format::Json => {
            let id = id.map(|id| format!(",\"request_id\":\"{id}\"")).unwrap_or_default();
            ("application/json", format!("{{\"status\":{status},\"reason\":\"{word}\"{id}}}\n"))
        }
        Format::Html => {
            let id = id.map(|id| format!("<p>request id: {id}</p>")).unwrap_or_default();
            (
                "text/html; charset=utf-8",
                format!(
                    "<!doctype html><title>{status} {phrase}</title><h1>{status} {phrase}</h1>\
                     <p>reason: {word}</p>{id}\n"
                ),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format_for(accept: &str) -> Format {
        Manner::of(&Request::builder().header(ACCEPT, accept).body(()).unwrap()).format
    }

    #[test]
    fn errors_are_told_in_the_first_type_both_know() {
        assert_eq!(format_for("application/json"), Format::Json);
        assert_eq!(format_for("application/problem+json, text/html"), Format::Json);
        assert_eq!(format_for("image/png, text/html;q=0.9"), Format::Html);
        assert_eq!(format_for("*/*"), Format::Text);
    }

    #[test]
    fn an_id_that_could_be_markup_is_not_repeated() {
        assert!(!text(Reason::NoRoute, Format::Html, Some("<script>")).1.contains("script"));
        assert!(text(Reason::NoRoute, Format::Json, Some("a-1")).1.contains("\"request_id\":\"a-1\""));
    }
}
