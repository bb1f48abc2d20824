//! Calls `grpc.health.v1.Health/Check`, and wants to hear `SERVING`.
//!
//! One message of one field each way, so they are written and read here by hand: a code generator would bring a
//! compiler for a dozen bytes. Source: *GRPC Health Checking Protocol* and *gRPC over HTTP2*, both of the gRPC project.

use aya_core::health::{Cause, Words};
use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Method, Request, Version};

use super::ProbeSpec;
use crate::config::GrpcProbe;
use crate::stream::Stream;

/// Its line in the table.
pub(super) const SPEC: ProbeSpec =
    ProbeSpec { name: "grpc", summary: "calls grpc.health.v1 over HTTP/2 and wants to hear SERVING" };

const PATH: &str = "/grpc.health.v1.Health/Check";
/// Longest answer that is read, in bytes; a good one has seven.
const LONGEST: usize = 4096;
/// Most bytes of header fields that are taken.
const LONGEST_HEAD: u32 = 16 * 1024;
/// What begins a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Asks over a new connection. Takes as long as the backend does; the caller sets the limit.
pub(super) async fn probe(stream: Stream, name: &str, wanted: &GrpcProbe) -> Result<(), Cause> {
    let mut builder = h2::client::Builder::new();
    builder.enable_push(false).max_header_list_size(LONGEST_HEAD).max_concurrent_reset_streams(1);
    let (sender, connection) = builder.handshake(stream).await.map_err(|error| cause_of(&error))?;
    tokio::select! {
        biased;
        verdict = ask(sender, name, wanted) => verdict,
        // The connection only ends first when it breaks; then no verdict can follow from it.
        broken = async { match connection.await { Err(e) => cause_of(&e), Ok(()) => Cause::ClosedEarly } } => Err(broken),
    }
}

async fn ask(sender: SendRequest<Bytes>, name: &str, wanted: &GrpcProbe) -> Result<(), Cause> {
    let mut sender = sender.ready().await.map_err(|error| cause_of(&error))?;
    let request = request(name, wanted)?;
    let (response, mut body) = sender.send_request(request, false).map_err(|error| cause_of(&error))?;
    body.send_data(message(&wanted.service), true).map_err(|error| cause_of(&error))?;
    let (head, body) = response.await.map_err(|error| cause_of(&error))?.into_parts();
    let status = head.status.as_u16();
    if status != 200 {
        return Err(Cause::Status(status));
    }
    if head.headers.contains_key("grpc-status") {
        // An answer without a message is all in its head.
        ended(&head.headers)?;
        return Err(Cause::Garbage);
    }
    let (message, trailers) = read(body).await?;
    ended(&trailers)?;
    judge(&message)
}

fn request(name: &str, wanted: &GrpcProbe) -> Result<Request<()>, Cause> {
    let host = wanted.host.as_deref().unwrap_or(name);
    // A Unix socket has no name that could be sent.
    let host = if host.parse::<http::uri::Authority>().is_ok() { host } else { "localhost" };
    let request = Request::builder().method(Method::POST).version(Version::HTTP_2);
    let request = request.uri(format!("http://{host}{PATH}")).header("content-type", "application/grpc");
    let request = request.header("te", "trailers").header("user-agent", "ayad-check");
    request.body(()).map_err(|_| Cause::Garbage)
}

/// `HealthCheckRequest`: `string service = 1`.
fn message(service: &str) -> Bytes {
    let mut field = Vec::new();
    if !service.is_empty() {
        field.push(1 << 3 | 2);
        let mut length = service.len();
        while length > 0x7f {
            field.push(length as u8 | 0x80);
            length >>= 7;
        }
        field.push(length as u8);
        field.extend(service.as_bytes());
    }
    let mut message = vec![0];
    message.extend((field.len() as u32).to_be_bytes());
    message.extend(field);
    message.into()
}

async fn read(mut body: RecvStream) -> Result<(Vec<u8>, HeaderMap), Cause> {
    let mut read = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(|error| cause_of(&error))?;
        read.extend_from_slice(&data);
        if read.len() > LONGEST {
            return Err(Cause::Garbage);
        }
        body.flow_control().release_capacity(data.len()).map_err(|error| cause_of(&error))?;
    }
    let trailers = body.trailers().await.map_err(|error| cause_of(&error))?;
    Ok((read, trailers.unwrap_or_default()))
}

/// How the call ended, by the fields that say so.
fn ended(fields: &HeaderMap) -> Result<(), Cause> {
    let status = fields.get("grpc-status").ok_or(Cause::Garbage)?.as_bytes();
    if status == b"0" {
        return Ok(());
    }
    let code = std::str::from_utf8(status).ok().and_then(|text| text.parse().ok());
    let code = code.and_then(|code: usize| CODES.get(code)).ok_or(Cause::Garbage)?;
    let words = fields.get("grpc-message").map(|message| decoded(message.as_bytes())).unwrap_or_default();
    Err(Cause::Said(Words::of(&[code.as_bytes(), b" ", &*words].concat())))
}

/// The names of the codes a call may end with, by number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The names of `ServingStatus`, by number.
const SERVING_STATUS: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const SERVING: u64 = 1;

/// `HealthCheckResponse`: `ServingStatus status = 1`; 0 when it is left out.
fn judge(message: &[u8]) -> Result<(), Cause> {
    let (prefix, mut fields) = message.split_at_checked(PREFIX).ok_or(Cause::Garbage)?;
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    if prefix[0] != 0 || length != fields.len() {
        return Err(Cause::Garbage);
    }
    let mut status = 0;
    while !fields.is_empty() {
        let tag = varint(&mut fields).ok_or(Cause::Garbage)?;
        let value = field(tag & 7, &mut fields).ok_or(Cause::Garbage)?;
        if tag == 1 << 3 {
            status = value;
        }
    }
    let name = SERVING_STATUS.get(status as usize).ok_or(Cause::Garbage)?;
    if status == SERVING { Ok(()) } else { Err(Cause::Said(Words::of(name.as_bytes()))) }
}

/// Reads over a field of this wire type; the value of one that is a number.
fn field(wire: u64, bytes: &mut &[u8]) -> Option<u64> {
    let skip = match wire {
        0 => return varint(bytes),
        1 => 8,
        2 => usize::try_from(varint(bytes)?).ok()?,
        5 => 4,
        _ => return None,
    };
    *bytes = bytes.get(skip..)?;
    Some(0)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(7 * place)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Undoes the percent-encoding of `grpc-message`.
fn decoded(message: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = message;
    while let [first, after @ ..] = rest {
        let escaped = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = escaped.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    decoded
}

fn cause_of(error: &h2::Error) -> Cause {
    let is_theirs = error.is_remote() && error.reason().is_some_and(|reason| reason != Reason::NO_ERROR);
    if error.is_io() || (error.is_remote() && !is_theirs) {
        Cause::ClosedEarly
    } else if let Some(reason) = error.reason().filter(|_| is_theirs) {
        Cause::Said(Words::of(reason.description().as_bytes()))
    } else {
        Cause::Garbage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_asked_about_by_name() {
        assert_eq!(&message("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&message("a.B")[..], [0, 0, 0, 0, 5, 10, 3, b'a', b'.', b'B']);
        let long = message(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 47, 10, 0xac, 2]);
    }

    #[test]
    fn only_serving_passes() {
        let said = |status| judge(&[0, 0, 0, 0, 2, 8, status]).map_err(|cause| cause.to_string());

        assert_eq!(said(1), Ok(()));
        assert_eq!(said(2), Err("says NOT_SERVING".into()));
        assert_eq!(said(7), Err("garbage".into()));
        assert_eq!(judge(&[0, 0, 0, 0, 0]), Err(Cause::Said(Words::of(b"UNKNOWN"))));
        // Fields of later versions are read over.
        assert_eq!(judge(&[0, 0, 0, 0, 6, 18, 2, 8, 2, 8, 1]), Ok(()));
    }

    #[test]
    fn what_is_no_answer_is_garbage() {
        let endless = [0, 0, 0, 0, 11, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255];
        let cases = [
            &[][..],
            &[0, 0, 0, 0],
            &[1, 0, 0, 0, 2, 8, 1],
            &[0, 0, 0, 0, 9, 8, 1],
            &[0, 0, 0, 0, 1, 8],
            &[0, 0, 0, 0, 2, 10, 9],
            &[0, 255, 255, 255, 255],
            &endless,
        ];
        for message in cases {
            assert_eq!(judge(message), Err(Cause::Garbage), "{message:?}");
        }
    }

    #[test]
    fn the_end_of_a_call_is_told_in_words() {
        let mut fields = HeaderMap::new();
        assert_eq!(ended(&fields), Err(Cause::Garbage));
        fields.insert("grpc-status", "12".parse().unwrap());
        fields.insert("grpc-message", "no%20such %zz%".parse().unwrap());
        assert_eq!(ended(&fields).unwrap_err().to_string(), "says UNIMPLEMENTED no such %zz%");
        fields.insert("grpc-status", "99".parse().unwrap());
        assert_eq!(ended(&fields), Err(Cause::Garbage));
        fields.insert("grpc-status", "0".parse().unwrap());
        assert_eq!(ended(&fields), Ok(()));
    }
}
