//! Names out of certificates as text that is safe in a header field and for a terminal: visible ASCII, no commas
//! that were not put there by us.

use std::fmt::Write as _;
use std::net::IpAddr;

use x509_parser::extensions::GeneralName;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Attribute types with a short name (RFC 4514, 3), by OID.
const SHORT: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

/// A distinguished name as text: the most specific part first, `CN=web,O=Example`.
///
/// Bytes that are not visible ASCII become `\XX`, which RFC 4514 allows for any byte.
pub(super) fn rfc4514(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> =
        name.iter_rdn().map(|rdn| rdn.iter().map(attribute).collect::<Vec<_>>().join("+")).collect();
    parts.reverse();
    parts.join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let key = SHORT.iter().find(|(known, _)| *known == oid).map_or(oid.as_str(), |(_, short)| short);
    let mut text = format!("{key}=");
    if let Ok(value) = attribute.as_str() {
        escape(value, &mut text);
    } else {
        // Not a string: `#` and the bytes in hexadecimal (RFC 4514, 2.4).
        text.push('#');
        for byte in attribute.attr_value().data {
            hex(*byte, "", &mut text);
        }
    }
    text
}

fn escape(value: &str, text: &mut String) {
    let last = value.len().saturating_sub(1);
    for (at, byte) in value.bytes().enumerate() {
        let is_outer_space = byte == b' ' && (at == 0 || at == last);
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' | b'=' => text.extend(['\\', char::from(byte)]),
            b'#' if at == 0 => text.push_str("\\#"),
            b' '..=b'~' if !is_outer_space => text.push(char::from(byte)),
            _ => hex(byte, "\\", text),
        }
    }
}

/// An alternative name with its kind: `DNS:a.example.com`, `URI:spiffe://example.com/shop`. Anything but visible
/// ASCII, and the comma that separates names, is percent-encoded. `None` for kinds that name nobody we know of.
pub(super) fn alternative(name: &GeneralName<'_>) -> Option<String> {
    let (kind, value) = match name {
        GeneralName::DNSName(name) => ("DNS", (*name).to_owned()),
        GeneralName::URI(uri) => ("URI", (*uri).to_owned()),
        GeneralName::RFC822Name(address) => ("email", (*address).to_owned()),
        GeneralName::IPAddress(bytes) => ("IP", address(bytes)?.to_string()),
        _ => return None,
    };
    let mut text = format!("{kind}:");
    for byte in value.bytes() {
        if byte.is_ascii_graphic() && byte != b',' {
            text.push(char::from(byte));
        } else {
            hex(byte, "%", &mut text);
        }
    }
    Some(text)
}

/// An address out of a certificate: four or sixteen bytes.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    v4().or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}

fn hex(byte: u8, before: &str, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{before}{byte:02X}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_part_is_escaped() {
        let escaped = |value: &str| {
            let mut text = String::new();
            escape(value, &mut text);
            text
        };
        assert_eq!(escaped("Sue, Grabbit"), "Sue\\, Grabbit");
        assert_eq!(escaped("#a#"), "\\#a#");
        assert_eq!(escaped(" a "), "\\20a\\20");
        assert_eq!(escaped("ä\r\nX-Admin: 1"), "\\C3\\A4\\0D\\0AX-Admin: 1");
        assert_eq!(escaped(""), "");
    }

    #[test]
    fn an_alternative_name_cannot_pretend_to_be_two() {
        assert_eq!(alternative(&GeneralName::URI("a,DNS:b\r\n")).unwrap(), "URI:a%2CDNS:b%0D%0A");
        assert_eq!(alternative(&GeneralName::IPAddress(&[127, 0, 0, 1])).unwrap(), "IP:127.0.0.1");
        assert_eq!(alternative(&GeneralName::IPAddress(&[1, 2, 3])), None);
    }
}
