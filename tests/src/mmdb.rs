//! Small databases of countries in the format `MMDB`, version 2: a tree of bits over IPv4, 24 bits a record.

use std::net::Ipv4Addr;

/// What ends the data and begins the metadata.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// Zeros between tree and data.
const SEPARATOR: usize = 16;

/// What one side of a node leads to.
#[derive(Clone, Copy)]
enum Side {
    Nothing,
    Node(usize),
    /// Where in the data its record begins.
    Data(usize),
}

/// A database that knows these networks, each an address with the bits of its prefix and a country. Networks do not
/// overlap.
pub fn countries(networks: &[(Ipv4Addr, u32, &str)]) -> Vec<u8> {
    let mut nodes = vec![[Side::Nothing; 2]];
    let mut data = Vec::new();
    for (address, prefix, code) in networks {
        let at = data.len();
        data.extend(map(&[("country", map(&[("iso_code", text(code))]))]));
        let mut node = 0;
        for depth in 0..*prefix {
            let bit = (address.to_bits() >> (31 - depth) & 1) as usize;
            if depth + 1 == *prefix {
                nodes[node][bit] = Side::Data(at);
            } else if let Side::Node(next) = nodes[node][bit] {
                node = next;
            } else {
                nodes.push([Side::Nothing; 2]);
                nodes[node][bit] = Side::Node(nodes.len() - 1);
                node = nodes.len() - 1;
            }
        }
    }
    let count = nodes.len();
    let record = |side: &Side| match side {
        Side::Nothing => count,
        Side::Node(node) => *node,
        Side::Data(at) => count + SEPARATOR + at,
    };
    let bytes = |side: &Side| (record(side) as u32).to_be_bytes()[1..].to_vec();
    let mut file: Vec<u8> = nodes.iter().flatten().flat_map(bytes).collect();
    file.extend([0; SEPARATOR]);
    file.extend(data);
    file.extend(MARKER);
    file.extend(metadata(count as u32));
    file
}

fn metadata(count: u32) -> Vec<u8> {
    let (number, long) =
        (|value: u8| vec![0xa1, value], |value: u32| [&[0xc4][..], &value.to_be_bytes()].concat());
    map(&[
        ("binary_format_major_version", number(2)),
        ("binary_format_minor_version", number(0)),
        ("build_epoch", vec![0x01, 0x02, 1]),
        ("database_type", text("Test-Country")),
        ("description", map(&[("en", text("test"))])),
        ("ip_version", number(4)),
        ("languages", vec![0x00, 0x04]),
        ("node_count", long(count)),
        ("record_size", number(24)),
    ])
}

fn text(value: &str) -> Vec<u8> {
    assert!(value.len() < 29, "longer texts need another form");
    [&[0x40 | value.len() as u8], value.as_bytes()].concat()
}

fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let pair = |(key, value): &(&str, Vec<u8>)| [text(key), value.clone()].concat();
    [vec![0xe0 | pairs.len() as u8], pairs.iter().flat_map(pair).collect()].concat()
}
