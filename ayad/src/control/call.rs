//! From an HTTP request to a call that was understood, or to what is wrong with it.

use std::collections::HashMap;
use std::time::Duration;

use aya_api::change::ChangeOptions;
use aya_api::command::Spec;
use aya_api::error::{ApiError, ErrorCode};
use bytes::Bytes;
use http::header::IF_MATCH;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use super::peer::Actor;

/// Largest body of a call, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// Longest time for the body of a call.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest `Idempotency-Key`, in bytes.
const LONGEST_KEY: usize = 200;

/// A call that was understood.
pub(super) struct Call {
    /// Values of `{pool}` and `{backend}`.
    pub values: [String; 2],
    /// Query parameters.
    pub query: HashMap<String, String>,
    /// The body.
    pub body: Bytes,
    /// Who calls.
    pub by: Actor,
    /// How a change is to be made.
    pub options: ChangeOptions,
}

impl Call {
    /// `pool/backend` of the path.
    pub(super) fn backend_id(&self) -> String {
        self.values.join("/")
    }

    /// The body as `T`, or what is wrong with it.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let bad = |what: String| {
            let hint = "see the schema of this call in /v1/openapi.json";
            ApiError::new(ErrorCode::BadValue, format!("the body is not what this call takes: {what}"), hint)
        };
        // An array would be read as the fields of an object in their order.
        if self.body.trim_ascii_start().first() == Some(&b'[') {
            return Err(bad("an array in place of an object".to_owned()));
        }
        serde_json::from_slice(&self.body).map_err(|error| bad(error.to_string()))
    }

    /// A number in the query.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        number(&self.query, name)
    }
}

/// Reads the rest of the request: query, headers, body. Checks first whether the caller may.
pub(super) async fn understand(
    request: Request<Incoming>,
    spec: &Spec,
    values: [String; 2],
    by: Actor,
) -> Result<Call, ApiError> {
    if by.level < spec.level {
        let message = format!("{} may {}, and this takes {}", by.name, by.level, spec.level);
        let hint = "ask the owner of the daemon, or run it as that user";
        return Err(ApiError::new(ErrorCode::NotPermitted, message, hint));
    }
    let (head, body) = request.into_parts();
    let query = parse_query(head.uri.query().unwrap_or_default());
    let known = |name: &str| {
        spec.query.iter().any(|(n, _)| *n == name)
            || (spec.is_change() && ["dry_run", "reason", "for_ms", "run"].contains(&name))
    };
    if let Some(unknown) = query.keys().find(|name| !known(name)) {
        let message = format!("this call does not know the parameter \"{unknown}\"");
        return Err(ApiError::new(ErrorCode::BadRequest, message, "see /v1/openapi.json"));
    }
    let options = if spec.is_change() { options(&query, &head.headers)? } else { ChangeOptions::default() };
    let read = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await;
    let body = match read {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let message = format!("the body has over {MAX_BODY} bytes");
            return Err(ApiError::new(ErrorCode::TooLarge, message, "no call needs that much"));
        }
        Ok(Err(error)) => {
            return Err(ApiError::new(ErrorCode::BadRequest, error.to_string(), "send the body to its end"));
        }
        Err(_) => {
            return Err(ApiError::new(ErrorCode::BadRequest, "the body did not come", "send it faster"));
        }
    };
    Ok(Call { values, query, body, by, options })
}

fn options(query: &HashMap<String, String>, headers: &HeaderMap) -> Result<ChangeOptions, ApiError> {
    let dry_run = match query.get("dry_run").map(String::as_str) {
        None | Some("0" | "false") => false,
        Some("1" | "true" | "") => true,
        Some(other) => {
            let message = format!("dry_run is \"{other}\"");
            return Err(ApiError::new(ErrorCode::BadRequest, message, "write dry_run=1"));
        }
    };
    let key = headers.get("idempotency-key").map(|v| v.to_str().unwrap_or_default().to_owned());
    if key.as_ref().is_some_and(|k| k.is_empty() || k.len() > LONGEST_KEY) {
        let message = format!("the Idempotency-Key is not 1 to {LONGEST_KEY} visible characters");
        return Err(ApiError::new(ErrorCode::BadRequest, message, "a UUID will do"));
    }
    let reason = query.get("reason").filter(|reason| !reason.is_empty());
    if reason.is_some_and(|reason| reason.contains(|c: char| c.is_control() && c != '\n')) {
        let hint = "leave them out: they would move the cursor of whoever reads it";
        return Err(ApiError::new(ErrorCode::BadValue, "the reason has control characters", hint));
    }
    Ok(ChangeOptions {
        dry_run,
        reason: reason.cloned(),
        for_ms: number(query, "for_ms")?,
        run: query.get("run").filter(|run| !run.is_empty()).cloned(),
        if_rev: if_match(headers)?,
        idempotency_key: key,
    })
}

fn if_match(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let tag = value.to_str().unwrap_or_default();
    // Any revision will do, as long as there is the object.
    if tag == "*" {
        return Ok(None);
    }
    tag.trim_matches('"').parse().map(Some).map_err(|_| {
        ApiError::new(
            ErrorCode::BadRequest,
            "If-Match is no revision",
            "send the ETag of the object, e.g. \"17\"",
        )
    })
}

fn number(query: &HashMap<String, String>, name: &str) -> Result<Option<u64>, ApiError> {
    let Some(text) = query.get(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        let message = format!("{name} is \"{text}\"");
        ApiError::new(ErrorCode::BadRequest, message, "write a whole number")
    })
}

fn parse_query(query: &str) -> HashMap<String, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(k, v)| (decode(k), decode(v)))
        .collect()
}

/// Reads percent-escapes.
pub(super) fn decode(text: &str) -> String {
    let plus_is_space = text.replace('+', " ");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = plus_is_space.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.get(..2)).flatten();
        let value = escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_in_paths_and_queries_are_read() {
        assert_eq!(decode("a%2Fb+c%zz%4"), "a/b c%zz%4");
        assert_eq!(parse_query("reason=disk%20full&x")["reason"], "disk full");
    }

    #[test]
    fn a_reason_cannot_move_the_cursor_of_whoever_reads_it() {
        let read = |query: &str| options(&parse_query(query), &HeaderMap::new());
        assert_eq!(read("reason=disk%20full").unwrap().reason.as_deref(), Some("disk full"));
        assert_eq!(read("reason=%1b[2J").unwrap_err().code, ErrorCode::BadValue);
    }
}
