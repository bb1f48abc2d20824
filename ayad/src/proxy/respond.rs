//! Step 8: what the client gets.

use std::sync::Arc;

use aya_core::reason::Reason;
use aya_core::sticky;
use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, SET_COOKIE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};

use super::between::Answer;
use super::body::ResponseBody;
use super::client::Client;
use super::exchange::Exchange;
use super::hop;
use super::notes::REQUEST_ID;
use super::words::{Format, REASON, text};
use crate::clock;
use crate::config::Sticky;

/// How a client wants an error told, taken before its request is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    format: Format,
    head_only: bool,
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
    // It speaks of this proxy, so only this proxy may set it.
    head.headers.remove(REASON);
    head.version = Version::HTTP_11;
    if let Some(cookie) = answer.bind.and_then(|token| binding_cookie(&exchange, token)) {
        head.headers.append(SET_COOKIE, cookie);
    }
    exchange.note_answer(head.status.as_u16());
    Response::from_parts(head, ResponseBody::backend(incoming, answer.connection, exchange))
}

fn binding_cookie(exchange: &Exchange, token: u64) -> Option<HeaderValue> {
    let Some(Sticky::Cookie(name)) = &exchange.place.as_ref()?.pool.conf.sticky else {
        return None;
    };
    let mut cookie = format!("{name}=").into_bytes();
    cookie.extend_from_slice(&sticky::encode(token));
    cookie.extend_from_slice(b"; Path=/; HttpOnly; SameSite=Lax");
    HeaderValue::from_bytes(&cookie).ok()
}

/// What to answer an ACME directory that asks whether a name is ours (RFC 8555, 8.3).
pub(super) fn asked_for_proof<B>(client: &Client, request: &Request<B>) -> Option<Arc<str>> {
    let token = request.uri().path().strip_prefix("/.well-known/acme-challenge/")?;
    let host = request.headers().get(HOST)?.to_str().ok()?;
    client.state.challenges.answer(host, token)
}

/// Answers an ACME directory.
pub(super) fn prove(authorization: &str, mut exchange: Exchange) -> Response<ResponseBody> {
    exchange.note_answer(StatusCode::OK.as_u16());
    exchange.sent(authorization.len() as u64);
    exchange.complete(clock::now());
    let mut response = Response::new(ResponseBody::Own(Some(Bytes::from(authorization.to_owned()))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}

/// Answers in place of a backend.
pub(super) fn refuse(reason: Reason, manner: Manner, mut exchange: Exchange) -> Response<ResponseBody> {
    let id = exchange.id().clone();
    let (content_type, body) = text(reason, manner.format, id.to_str().ok());
    let status = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    exchange.note_answer(status.as_u16());
    exchange.sent(if manner.head_only { 0 } else { body.len() as u64 });
    exchange.failed(reason, clock::now());

    let mut response = Response::new(ResponseBody::Own(Some(Bytes::from(body))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(REASON, HeaderValue::from_static(reason.as_str()));
    headers.insert(REQUEST_ID, id);
    // The rest of a body that nobody wants would be read as the next request.
    if matches!(reason, Reason::BodyTooLarge | Reason::BodyTimeout | Reason::BadRequest | Reason::Stopping) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
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
}
