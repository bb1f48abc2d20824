//! What a backend is told in place of what the client said.
//!
//! Lines of the request go on as they came, in order and case, except for those of this connection; where it came from
//! is added behind them.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::between::{Identity, Request, Target};
use super::client::Client;
use super::hop::{Hop, reads_trailers};
use crate::h1::Known;
use crate::queue::Queue;

/// How this proxy names itself in `Via`.
const PSEUDONYM: &str = "1.1 ayad";

/// Fields that are always written anew.
const REPLACED: &[Known] =
    &[Known::Forwarded, Known::ForwardedFor, Known::ForwardedHost, Known::ForwardedProto, Known::RequestId];

/// The same for HTTP/1.0.
const REPLACED_1_0: &[Known] = &[
    Known::Forwarded,
    Known::ForwardedFor,
    Known::ForwardedHost,
    Known::ForwardedProto,
    Known::RequestId,
    Known::Expect,
];

/// Writes the head for a backend, but for the empty line at its end, so that a backend may add a line of its own.
pub(super) fn write(
    client: &Client,
    request: &Request<'_>,
    target: &Target<'_>,
    identity: &Identity,
    id: &[u8],
    out: &mut Queue,
) {
    let (bytes, head) = (request.bytes, request.head);
    out.extend(request.method());
    out.extend(b" ");
    out.extend(target.path.as_bytes());
    out.extend(head.query.of(bytes));
    out.extend(b" HTTP/1.1\r\n");
    // An expectation in HTTP/1.0 means nothing (RFC 9110, 10.1.1), and must not begin to here.
    let replaced = if head.http_1_0 { REPLACED_1_0 } else { REPLACED };
    let hop = Hop::of(bytes, &head.fields, replaced);
    hop.runs(|run| out.extend(run));
    if head.is_absolute && !head.fields.has(Known::Host) {
        line(out, "host", head.authority.of(bytes));
    }
    if head.fields.has(Known::Te) && reads_trailers(bytes, &head.fields) {
        out.extend(b"te: trailers\r\nconnection: te");
        out.extend(if head.upgrade { b", upgrade\r\n" } else { b"\r\n" });
    } else if head.upgrade {
        out.extend(b"connection: upgrade\r\n");
    }
    if head.upgrade {
        for protocol in head.fields.all(bytes, Known::Upgrade) {
            line(out, "upgrade", protocol);
        }
    }
    origin(client, request, identity, out);
    line(out, "x-request-id", id);
    line(out, "via", PSEUDONYM.as_bytes());
}

/// Says where the request came from. What an untrusted peer claims was left behind; what a trusted one claims is added
/// to.
fn origin(client: &Client, request: &Request<'_>, identity: &Identity, out: &mut Queue) {
    let (bytes, head) = (request.bytes, request.head);
    let peer = client.peer.ip().to_canonical();
    let host = head.authority.of(bytes);
    out.extend(b"x-forwarded-for: ");
    if client.trusted {
        chain(out, head.fields.all(bytes, Known::ForwardedFor));
    }
    address(out, peer, false);
    out.extend(b"\r\n");
    out.extend(b"forwarded: ");
    if client.trusted {
        chain(out, head.fields.all(bytes, Known::Forwarded));
    }
    out.extend(b"for=");
    address(out, peer, true);
    if !host.is_empty() {
        out.extend(b";host=\"");
        out.extend(host);
        out.extend(b"\"");
    }
    out.extend(b";proto=");
    out.extend(client.scheme().as_bytes());
    out.extend(b"\r\n");
    // A trusted peer knows what the client asked it for.
    let claims = client.trusted && head.fields.has(Known::ForwardedProto);
    let proto = head.fields.get(bytes, Known::ForwardedProto).filter(|_| claims);
    line(out, "x-forwarded-proto", proto.unwrap_or(client.scheme().as_bytes()));
    let claimed = head.fields.get(bytes, Known::ForwardedHost).filter(|_| claims);
    let host = claimed.unwrap_or(host);
    if !host.is_empty() {
        line(out, "x-forwarded-host", host);
    }
    debug_assert!(client.trusted || identity.address == peer);
}

fn chain<'b>(out: &mut Queue, values: impl Iterator<Item = &'b [u8]>) {
    for value in values.filter(|value| !value.is_empty()) {
        out.extend(value);
        out.extend(b", ");
    }
}

fn address(out: &mut Queue, ip: IpAddr, quoted: bool) {
    let written = match ip {
        IpAddr::V6(v6) if quoted => write!(out, "\"[{v6}]\""),
        IpAddr::V6(v6) => write!(out, "{v6}"),
        IpAddr::V4(v4) => {
            for (index, octet) in v4.octets().into_iter().enumerate() {
                if index > 0 {
                    out.extend(b".");
                }
                decimal(out, octet);
            }
            Ok(())
        }
    };
    written.expect("memory takes any text");
}

/// An octet in digits; the formatter of the standard library would cost as much as the rest of the line.
fn decimal(out: &mut Queue, octet: u8) {
    let digits = [octet / 100 + b'0', octet / 10 % 10 + b'0', octet % 10 + b'0'];
    out.extend(
        &digits[if octet >= 100 {
            0
        } else if octet >= 10 {
            1
        } else {
            2
        }..],
    );
}

/// Writes one field.
pub(super) fn line(out: &mut Queue, name: &str, value: &[u8]) {
    out.extend(name.as_bytes());
    out.extend(b": ");
    out.extend(value);
    out.extend(b"\r\n");
}
