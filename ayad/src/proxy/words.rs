//! How the proxy says why it answered by itself.

use aya_core::grpc;
use aya_core::reason::Reason;
use http::StatusCode;

/// Header that says why the proxy answered by itself.
pub(super) const REASON: &str = "x-aya-reason";

/// Header that says which faults hit a request.
pub(super) const FAULT: &str = "x-aya-fault";

/// Forms in which a client may want to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Plain text.
    Text,
    /// A JSON object.
    Json,
    /// A page.
    Html,
    /// No body, but fields that say how a call ended.
    Grpc,
    /// The same for gRPC-Web.
    GrpcWeb,
}

impl Format {
    /// True when how a call ended is said by fields, below a status of 200.
    pub(super) fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::GrpcWeb)
    }
}

/// The whole answer as bytes, for connections on which no request could be read.
pub(super) fn raw(reason: Reason) -> Vec<u8> {
    let (content_type, body) = text(reason, Format::Text, None);
    let (mut answer, added) = head(reason, Format::Text, content_type, body.len(), b"");
    // The empty line comes last.
    answer.truncate(answer.len() - 2);
    answer.extend_from_slice(&added);
    answer.extend_from_slice(b"connection: close\r\n\r\n");
    answer.extend_from_slice(body.as_bytes());
    answer
}

/// The head of an answer of our own, and the lines that only we may add to one.
pub(super) fn head(
    reason: Reason,
    format: Format,
    content_type: &str,
    length: usize,
    id: &[u8],
) -> (Vec<u8>, Vec<u8>) {
    let status = if format.is_grpc() {
        StatusCode::OK
    } else {
        StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::BAD_REQUEST)
    };
    let phrase = status.canonical_reason().unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {} {phrase}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n",
        status.as_u16(),
    );
    let mut added = format!("{REASON}: {}\r\n", reason.as_str()).into_bytes();
    if format.is_grpc() {
        let code = grpc::status_of(reason.status());
        added.extend_from_slice(
            format!("grpc-status: {code}\r\ngrpc-message: {}\r\n", reason.as_str()).as_bytes(),
        );
    }
    if !id.is_empty() {
        added.extend_from_slice(b"x-request-id: ");
        added.extend_from_slice(id);
        added.extend_from_slice(b"\r\n");
    }
    (head.into_bytes(), added)
}

/// Content type and body that tell of `reason`.
pub(super) fn text(reason: Reason, format: Format, id: Option<&str>) -> (&'static str, String) {
    let (status, word) = (reason.status(), reason.as_str());
    let phrase = StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Error");
    // A client may choose its own id; only a plain one is repeated in a page.
    let id = id.filter(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
    match format {
        Format::Text => {
            let id = id.map(|id| format!("request id: {id}\n")).unwrap_or_default();
            ("text/plain; charset=utf-8", format!("{status} {phrase}\nreason: {word}\n{id}"))
        }
        Format::Grpc => ("application/grpc", String::new()),
        Format::GrpcWeb => ("application/grpc-web", String::new()),
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

    #[test]
    fn an_id_that_could_be_markup_is_not_repeated() {
        assert!(!text(Reason::NoRoute, Format::Html, Some("<script>")).1.contains("script"));
        assert!(text(Reason::NoRoute, Format::Json, Some("a-1")).1.contains("\"request_id\":\"a-1\""));
    }

    #[test]
    fn a_raw_answer_frames_its_body() {
        let raw = String::from_utf8(raw(Reason::HeaderTimeout)).unwrap();
        let (head, body) = raw.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 408 ") && head.contains("x-aya-reason: header-timeout"));
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
    }
}
