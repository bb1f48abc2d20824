//! What a backend is told in place of what the client said.
//!
//! Lines of the request go on as they came, in order and case, except for those of this connection; where it came from
//! is added behind them.

use std::fmt::Write as _;

use super::between::{Request, Target};
use super::client::Client;
use super::hop::{Hop, reads_trailers};
use crate::h1::{Known, write_field};
use crate::queue::Queue;

/// Fields that are always written anew.
const REPLACED: &[Known] =
    &[Known::Forwarded, Known::ForwardedFor, Known::ForwardedHost, Known::ForwardedProto, Known::RequestId];

/// The same where nobody may expect anything: in HTTP/1.0, and once the body is here.
const REPLACED_WITH_EXPECT: &[Known] = &[
    Known::Forwarded,
    Known::ForwardedFor,
    Known::ForwardedHost,
    Known::ForwardedProto,
    Known::RequestId,
    Known::Expect,
];

/// Writes the head for a backend, but for the empty line at its end, so that a backend may add a line of its own.
/// Whether the client `expects` to be asked for the body is passed on only while it still does.
pub(super) fn write(
    client: &Client,
    request: &Request<'_>,
    target: &Target<'_>,
    id: &[u8],
    expects: bool,
    out: &mut Queue,
) {
    let (bytes, head) = (request.bytes, request.head);
    out.extend(request.method());
    out.extend(b" ");
    out.extend(target.path.as_bytes());
    out.extend(head.query.of(bytes));
    out.extend(b" HTTP/1.1\r\n");
    // An expectation in HTTP/1.0 means nothing (RFC 9110, 10.1.1), and must not begin to here.
    let replaced = if expects && !head.http_1_0 { REPLACED } else { REPLACED_WITH_EXPECT };
    let hop = Hop::of(bytes, &head.fields, replaced).without(&client.listener.conf.reserved_prefixes);
    hop.runs(|run| out.extend(run));
    if head.is_absolute && !head.fields.has(Known::Host) {
        write_field(out, "host", head.authority.of(bytes));
    }
    if head.fields.has(Known::Te) && reads_trailers(bytes, &head.fields) {
        out.extend(b"te: trailers\r\nconnection: te");
        out.extend(if head.upgrade { b", upgrade\r\n" } else { b"\r\n" });
    } else if head.upgrade {
        out.extend(b"connection: upgrade\r\n");
    }
    if head.upgrade {
        for protocol in head.fields.all(bytes, Known::Upgrade) {
            write_field(out, "upgrade", protocol);
        }
    }
    if client.trusted {
        longer_origin(client, request, out);
    } else {
        origin(client, request, out);
    }
    if let Some(identity) = client.handshake.get().and_then(|handshake| handshake.client.as_ref()) {
        for (name, value) in &identity.fields {
            write_field(out, name.as_str(), value.as_bytes());
        }
    }
    out.extend(b"x-request-id: ");
    out.extend(id);
    // What it was received in (RFC 9110, 7.6.3), and by whom.
    out.extend(b"\r\nvia: ");
    out.extend(if head.http_1_0 { b"1.0" } else { request.protocol.as_bytes() });
    out.extend(b" ayad\r\n");
}

/// Says where the request came from. What a client claims was left behind.
fn origin(client: &Client, request: &Request<'_>, out: &mut Queue) {
    let host = request.head.authority.of(request.bytes);
    out.extend(client.origin.as_bytes());
    if host.is_empty() {
        out.extend(b"\r\n");
        return;
    }
    out.extend(b";host=\"");
    out.extend(host);
    out.extend(b"\"\r\nx-forwarded-host: ");
    out.extend(host);
    out.extend(b"\r\n");
}

/// As [`origin`], for a peer whose claims are believed, and added to.
fn longer_origin(client: &Client, request: &Request<'_>, out: &mut Queue) {
    let (bytes, head) = (request.bytes, request.head);
    let peer = client.peer.ip().to_canonical();
    let host = head.authority.of(bytes);
    out.extend(b"x-forwarded-for: ");
    chain(out, head.fields.all(bytes, Known::ForwardedFor));
    write!(out, "{peer}\r\nforwarded: ").expect("memory takes any text");
    chain(out, head.fields.all(bytes, Known::Forwarded));
    let scheme = client.scheme();
    let node = if peer.is_ipv6() { format!("\"[{peer}]\"") } else { peer.to_string() };
    write!(out, "for={node};proto={scheme}").expect("memory takes any text");
    if !host.is_empty() {
        out.extend(b";host=\"");
        out.extend(host);
        out.extend(b"\"");
    }
    out.extend(b"\r\n");
    // A trusted peer knows what the client asked it for.
    let proto = head.fields.get(bytes, Known::ForwardedProto);
    write_field(out, "x-forwarded-proto", proto.unwrap_or(scheme.as_bytes()));
    let claimed = head.fields.get(bytes, Known::ForwardedHost).filter(|_| proto.is_some());
    let host = claimed.unwrap_or(host);
    if !host.is_empty() {
        write_field(out, "x-forwarded-host", host);
    }
}

fn chain<'b>(out: &mut Queue, values: impl Iterator<Item = &'b [u8]>) {
    for value in values.filter(|value| !value.is_empty()) {
        out.extend(value);
        out.extend(b", ");
    }
}
