//! The body of a request as far as routes ask about it: read before the request is routed, and sent on whole.
//!
//! Whether a body is read at all is decided by its head: one that is too long, compressed, or says that it is something
//! else than JSON is not, and has no fields. Neither has one that says the same field twice, which two readers could
//! read differently.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::future::poll_fn;
use std::task::Poll;

use aya_core::reason::Reason;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::between::Request;
use super::downstream::Downstream;
use crate::clock;
use crate::h1::Framing;

/// The body of a request.
#[derive(Debug)]
pub(super) enum Body {
    /// Nobody read it yet; so many bytes may be read.
    Unread,
    /// It was read, or need not be.
    Read(Json),
}

impl Body {
    /// What bytes mean that are all of a body; JSON nested deeper than 128 levels means nothing.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self::Read(serde_json::from_slice(bytes).unwrap_or(Json::Other))
    }
}

/// A JSON value as far as it can be asked about.
#[derive(Debug)]
pub(super) enum Json {
    Text(String),
    Object(BTreeMap<String, Json>),
    Array(Vec<Json>),
    /// Null, or what cannot be told.
    Other,
}

impl Json {
    /// The text at the end of a way; numbers and truths as they are written in JSON.
    pub(super) fn field(&self, way: &[String]) -> Option<&str> {
        let end = way.iter().try_fold(self, |at, step| match at {
            Self::Object(fields) => fields.get(step),
            Self::Array(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            Self::Text(_) | Self::Other => None,
        })?;
        if let Self::Text(text) = end { Some(text) } else { None }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Text(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            match fields.entry(name) {
                Entry::Vacant(entry) => drop(entry.insert(map.next_value()?)),
                Entry::Occupied(mut entry) => {
                    map.next_value::<IgnoredAny>()?;
                    entry.insert(Json::Other);
                }
            }
        }
        Ok(Json::Object(fields))
    }
}

/// Whether the body of a request may be JSON of at most `limit` bytes, as far as its head can tell.
pub(super) fn may_be_json(request: &Request<'_>, limit: usize) -> bool {
    let head = request.head;
    let find = |name| head.fields.find(request.bytes, name);
    let fits = match head.framing {
        Framing::None | Framing::Length(0) => false,
        Framing::Length(length) => length <= limit as u64,
        _ => true,
    };
    let is_json = find("content-type")
        .is_none_or(|kind| kind.windows(4).any(|part| part.eq_ignore_ascii_case(b"json")));
    fits && is_json && !head.upgrade && find("content-encoding").is_none()
}

/// Reads a body until it is over or longer than `limit`, within the listener's time for bodies. What was read is
/// returned with whether it is all.
pub(super) async fn read<D: Downstream>(down: &mut D, limit: usize) -> Result<(Vec<u8>, bool), Reason> {
    let conf = &down.client().listener.conf;
    let (most, ends) = (conf.max_body_bytes, clock::now().after(conf.body_timeout));
    down.wait().arm(ends);
    let mut bytes = Vec::new();
    poll_fn(|cx| {
        loop {
            match down.poll_body(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(true)),
                Poll::Ready(Ok(_)) => {
                    bytes.extend_from_slice(down.body());
                    let count = down.body().len();
                    down.consume_body(count);
                    if most.is_some_and(|most| bytes.len() as u64 > most) {
                        return Poll::Ready(Err(Reason::BodyTooLarge));
                    }
                    if bytes.len() > limit {
                        return Poll::Ready(Ok(false));
                    }
                }
                Poll::Ready(Err(reason)) => return Poll::Ready(Err(reason)),
                Poll::Pending => {
                    if matches!(down.poll_flush(cx), Poll::Ready(Err(_))) {
                        return Poll::Ready(Err(Reason::ClientGone));
                    }
                    return down.wait().poll(cx).map(|()| Err(Reason::BodyTimeout));
                }
            }
        }
    })
    .await
    .map(|is_all| (bytes, is_all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str, way: &[&str]) -> Option<String> {
        let way: Vec<String> = way.iter().map(|&step| step.to_owned()).collect();
        let Body::Read(json) = Body::of(text.as_bytes()) else { return None };
        json.field(&way).map(str::to_owned)
    }

    #[test]
    fn fields_are_found_by_their_way() {
        let text =
            r#"{"model":"gpt-4","n":3,"ok":true,"user":{"plan":"gold"},"list":[{"a":"b"}],"none":null}"#;
        for (way, value) in [
            (&["model"][..], Some("gpt-4")),
            (&["n"], Some("3")),
            (&["ok"], Some("true")),
            (&["user", "plan"], Some("gold")),
            (&["list", "0", "a"], Some("b")),
            (&["list", "1", "a"], None),
            (&["none"], None),
            (&["user"], None),
            (&["model", "x"], None),
        ] {
            assert_eq!(field(text, way).as_deref(), value, "{way:?}");
        }
    }

    #[test]
    fn what_cannot_be_told_has_no_fields() {
        for bad in [r#"{"model":"a""#, r#"{"model":"a","model":"b"}"#, "", "model=a", r#"{"model":"a"} x"#] {
            assert_eq!(field(bad, &["model"]), None, "{bad}");
        }
        let deep = format!(r#"{{"model":"a","x":{}{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
        assert_eq!(field(&deep, &["model"]), None);
    }
}
