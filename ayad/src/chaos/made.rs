//! Answers that no backend gave, as bytes of HTTP/1.1: they go the way of every answer.

use std::fmt::Write as _;

/// The bytes of an answer. `to_head` says that the request was a `HEAD`. Fields that cannot be one line, or that frame
/// the answer, are left out: the answer is framed here.
pub(super) fn answer(status: u16, headers: &[String], body: &str, to_head: bool) -> Vec<u8> {
    let status = status.clamp(200, 599);
    let mut text = format!("HTTP/1.1 {status} {}\r\n", phrase(status));
    for header in headers {
        let Some((name, value)) = header.split_once(':') else { continue };
        let (name, value) = (name.trim(), value.trim());
        if is_token(name) && !is_framing(name) && !value.bytes().any(|byte| byte < b' ' && byte != b'\t') {
            write!(text, "{name}: {value}\r\n").expect("memory takes any text");
        }
    }
    let has_body = status != 204 && status != 304;
    if has_body {
        write!(text, "content-length: {}\r\n", body.len()).expect("memory takes any text");
    }
    text.push_str("\r\n");
    if has_body && !to_head {
        text.push_str(body);
    }
    text.into_bytes()
}

fn phrase(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Fault")
}

fn is_token(name: &str) -> bool {
    http::HeaderName::from_bytes(name.as_bytes()).is_ok()
}

fn is_framing(name: &str) -> bool {
    ["content-length", "transfer-encoding", "connection", "upgrade", "trailer", "keep-alive"]
        .iter()
        .any(|framing| name.eq_ignore_ascii_case(framing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_framed_whatever_is_asked_for() {
        let headers =
            ["retry-after: 3".into(), "Content-Length: 99".into(), "x: a\r\nb: c".into(), "none".into()];
        let text = String::from_utf8(answer(503, &headers, "gone", false)).unwrap();
        assert_eq!(
            text,
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: 3\r\ncontent-length: 4\r\n\r\ngone"
        );
        assert!(answer(503, &[], "gone", true).ends_with(b"content-length: 4\r\n\r\n"));
        assert!(answer(204, &[], "gone", false).ends_with(b"204 No Content\r\n\r\n"));
    }
}
