//! Writing a header.

use std::io::Write as _;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::parse::SIGNATURE;
use super::{Addresses, Version};

/// Kinds of TLVs, section 2.2 of the specification.
const ALPN: u8 = 0x01;
const AUTHORITY: u8 = 0x02;
const SSL: u8 = 0x20;
const SSL_VERSION: u8 = 0x21;

/// Flags of the SSL TLV: over TLS; with a certificate on this connection; with one in this session.
const OVER_TLS: u8 = 0x01;
const WITH_CERTIFICATE: u8 = 0x02 | 0x04;

/// Longest name or protocol told on; longer ones are left out.
const LONGEST: usize = 255;

/// What version 2 can say of a connection beside its addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts<'f> {
    /// Name the client asked for (SNI).
    pub authority: Option<&'f str>,
    /// Protocol agreed on by ALPN.
    pub alpn: Option<&'f [u8]>,
    /// Version of TLS the client came with and that ended here, e.g. `TLSv1.3`.
    pub tls: Option<&'f str>,
    /// The client showed a certificate, and it was verified.
    pub has_certificate: bool,
}

/// Appends a header. Without addresses it names nobody: the connection is our own, for a check.
///
/// Version 1 has no room for `facts`. Addresses of two families are both written as IPv6, IPv4 mapped into it.
pub fn write_header(version: Version, addresses: Option<Addresses>, facts: &Facts<'_>, out: &mut Vec<u8>) {
    match version {
        Version::V1 => line(addresses, out),
        Version::V2 => binary(addresses, facts, out),
    }
}

fn line(addresses: Option<Addresses>, out: &mut Vec<u8>) {
    let Some((source, destination)) = addresses.map(same_family) else {
        out.extend_from_slice(b"PROXY UNKNOWN\r\n");
        return;
    };
    let (from, to) = (source.ip(), destination.ip());
    let family = if from.is_ipv4() { 4 } else { 6 };
    let (port, other) = (source.port(), destination.port());
    write!(out, "PROXY TCP{family} {from} {to} {port} {other}\r\n").expect("writing to memory cannot fail");
}

fn binary(addresses: Option<Addresses>, facts: &Facts<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&SIGNATURE);
    let Some((source, destination)) = addresses.map(same_family) else {
        // LOCAL, no family, no length.
        out.extend_from_slice(&[0x20, 0, 0, 0]);
        return;
    };
    out.extend_from_slice(&[0x21, if source.is_ipv4() { 0x11 } else { 0x21 }]);
    nested(out, |out| {
        for end in [source, destination] {
            match end.ip() {
                IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
                IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
            }
        }
        out.extend_from_slice(&source.port().to_be_bytes());
        out.extend_from_slice(&destination.port().to_be_bytes());
        tlv(ALPN, facts.alpn, out);
        tlv(AUTHORITY, facts.authority.map(str::as_bytes), out);
        if let Some(version) = facts.tls {
            ssl(version, facts.has_certificate, out);
        }
    });
}

fn ssl(version: &str, has_certificate: bool, out: &mut Vec<u8>) {
    out.push(SSL);
    nested(out, |out| {
        out.push(if has_certificate { OVER_TLS | WITH_CERTIFICATE } else { OVER_TLS });
        // 0 says that a certificate was shown and verified.
        out.extend_from_slice(&u32::from(!has_certificate).to_be_bytes());
        tlv(SSL_VERSION, Some(version.as_bytes()), out);
    });
}

fn tlv(kind: u8, value: Option<&[u8]>, out: &mut Vec<u8>) {
    if let Some(value) = value.filter(|value| (1..=LONGEST).contains(&value.len())) {
        out.push(kind);
        nested(out, |out| out.extend_from_slice(value));
    }
}

/// Writes a 16-bit length and what it is the length of.
fn nested(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0, 0]);
    write(out);
    // Two addresses and a few values of at most 255 bytes each.
    let length = u16::try_from(out.len() - at - 2).unwrap_or(u16::MAX);
    out[at..at + 2].copy_from_slice(&length.to_be_bytes());
}

/// The two ends in one family, IPv4 wherever both are.
fn same_family(addresses: Addresses) -> (SocketAddr, SocketAddr) {
    let Addresses { source, destination } = addresses;
    let of = |end: SocketAddr, ip: IpAddr| SocketAddr::new(ip, end.port());
    let (from, to) = (source.ip().to_canonical(), destination.ip().to_canonical());
    if from.is_ipv4() == to.is_ipv4() {
        return (of(source, from), of(destination, to));
    }
    (of(source, mapped(from).into()), of(destination, mapped(to).into()))
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str, destination: &str) -> String {
        let addresses =
            Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() };
        let mut out = Vec::new();
        write_header(Version::V1, Some(addresses), &Facts::default(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_are_those_of_the_specification() {
        assert_eq!(text("1.2.3.4:5", "6.7.8.9:10"), "PROXY TCP4 1.2.3.4 6.7.8.9 5 10\r\n");
        assert_eq!(text("[2001:db8::1]:5", "[::1]:10"), "PROXY TCP6 2001:db8::1 ::1 5 10\r\n");
        assert_eq!(text("[::ffff:1.2.3.4]:5", "6.7.8.9:10"), "PROXY TCP4 1.2.3.4 6.7.8.9 5 10\r\n");
        assert_eq!(text("1.2.3.4:5", "[::1]:10"), "PROXY TCP6 ::ffff:1.2.3.4 ::1 5 10\r\n");
    }

    #[test]
    fn a_check_names_nobody() {
        let mut out = Vec::new();
        write_header(Version::V1, None, &Facts::default(), &mut out);
        assert_eq!(out, b"PROXY UNKNOWN\r\n");
        out.clear();
        write_header(Version::V2, None, &Facts { authority: Some("a"), ..Facts::default() }, &mut out);
        assert_eq!(out, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    }

    #[test]
    fn the_binary_form_is_byte_by_byte_what_the_specification_says() {
        let addresses =
            Addresses { source: "1.2.3.4:258".parse().unwrap(), destination: "5.6.7.8:1".parse().unwrap() };
        let facts =
            Facts { authority: Some("a.b"), alpn: Some(b"h2"), tls: Some("TLSv1.3"), has_certificate: true };
        let mut out = Vec::new();
        write_header(Version::V2, Some(addresses), &facts, &mut out);
        let expected = [
            &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x29"[..],
            &[1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 0, 1],
            b"\x01\0\x02h2\x02\0\x03a.b",
            b"\x20\0\x0f\x07\0\0\0\0\x21\0\x07TLSv1.3",
        ]
        .concat();
        assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}
