//! How long messages are, where hyper leaves a doubt: a message that two readers could end at different places
//! is never passed on (RFC 9112, 6.1 and 6.3).

use aya_core::reason::Reason;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};

/// Checks a request. A coding other than `chunked` would reach the backend without its name.
pub(super) fn of_request(headers: &HeaderMap) -> Result<(), Reason> {
    if !headers.contains_key(TRANSFER_ENCODING) || is_chunked(headers) {
        return Ok(());
    }
    Err(Reason::NotImplemented)
}

/// Checks an answer, and makes one of equal lengths. An upgrade was never asked for, so it cannot be granted.
pub(super) fn of_answer(status: StatusCode, headers: &mut HeaderMap) -> Result<(), Reason> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Reason::BadResponse);
    }
    let has_length = headers.contains_key(CONTENT_LENGTH);
    if headers.contains_key(TRANSFER_ENCODING) && (has_length || !is_chunked(headers)) {
        return Err(Reason::BadResponse);
    }
    if has_length {
        let length = length(headers).ok_or(Reason::BadResponse)?;
        headers.insert(CONTENT_LENGTH, length);
    }
    Ok(())
}

fn is_chunked(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let only = codings.next().filter(|_| codings.next().is_none());
    only.is_some_and(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

/// The one length that all fields and all their parts agree on.
fn length(headers: &HeaderMap) -> Option<HeaderValue> {
    let first = headers.get(CONTENT_LENGTH)?;
    if headers.get_all(CONTENT_LENGTH).iter().nth(1).is_none() && is_number(first.as_bytes()) {
        return Some(first.clone());
    }
    let fields = headers.get_all(CONTENT_LENGTH).iter();
    let mut parts = fields.flat_map(|f| f.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii);
    let length = parts.next().filter(|part| is_number(part))?;
    parts.all(|part| part == length).then(|| HeaderValue::from_bytes(length).ok())?
}

/// Digits, and few enough of them for 64 bits.
fn is_number(text: &[u8]) -> bool {
    (1..=19).contains(&text.len()) && text.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(fields: &[(&'static str, &'static str)]) -> Result<Option<String>, Reason> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        of_answer(StatusCode::OK, &mut headers)?;
        let lengths: Vec<_> = headers.get_all(CONTENT_LENGTH).iter().collect();
        assert!(lengths.len() < 2);
        Ok(lengths.first().map(|l| l.to_str().unwrap().to_owned()))
    }

    #[test]
    fn equal_lengths_are_one_and_others_are_none() {
        assert_eq!(answer(&[("content-length", "5")]), Ok(Some("5".into())));
        assert_eq!(answer(&[("content-length", "5"), ("content-length", "5")]), Ok(Some("5".into())));
        assert_eq!(answer(&[("content-length", "5, 5")]), Ok(Some("5".into())));
        for bad in ["5, 6", "-2", "", "5,", "0x5", "99999999999999999999"] {
            assert_eq!(answer(&[("content-length", bad)]), Err(Reason::BadResponse), "{bad}");
        }
        let differing = [("content-length", "5"), ("content-length", "6")];
        assert_eq!(answer(&differing), Err(Reason::BadResponse));
    }

    #[test]
    fn a_length_beside_chunks_and_unknown_codings_are_refused() {
        assert_eq!(answer(&[("transfer-encoding", "Chunked")]), Ok(None));
        let both = [("transfer-encoding", "chunked"), ("content-length", "3")];
        assert_eq!(answer(&both), Err(Reason::BadResponse));
        assert_eq!(answer(&[("transfer-encoding", "gzip, chunked")]), Err(Reason::BadResponse));
        assert_eq!(
            of_answer(StatusCode::SWITCHING_PROTOCOLS, &mut HeaderMap::new()),
            Err(Reason::BadResponse)
        );
    }
}
