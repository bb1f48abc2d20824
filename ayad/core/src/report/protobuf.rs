//! `OrcaLoadReport` on the wire: a few doubles, and maps from names to doubles.

use super::{Flaw, Group, Teller};

/// The fields that are read, by their numbers.
const CPU: u64 = 1;
const MEMORY: u64 = 2;
const UTILIZATION: u64 = 5;
const RATE: u64 = 6;
const ERRORS: u64 = 7;
const NAMED: u64 = 8;
const APPLICATION: u64 = 9;

/// One field: its number, and what it holds.
enum Content<'b> {
    Double(f64),
    Bytes(&'b [u8]),
    /// Of a kind that no number here has.
    Other,
}

pub(super) fn read(mut bytes: &[u8], teller: &mut Teller<'_>) -> Result<(), Flaw> {
    while !bytes.is_empty() {
        let (number, content) = field(&mut bytes).ok_or(Flaw::Protobuf)?;
        match (number, content) {
            (CPU, Content::Double(value)) => teller.orca(Group::Own, b"cpu_utilization", value)?,
            (MEMORY, Content::Double(value)) => teller.orca(Group::Own, b"mem_utilization", value)?,
            (RATE, Content::Double(value)) => teller.orca(Group::Own, b"rps_fractional", value)?,
            (ERRORS, Content::Double(value)) => teller.orca(Group::Own, b"eps", value)?,
            (APPLICATION, Content::Double(value)) => {
                teller.orca(Group::Own, b"application_utilization", value)?;
            }
            (UTILIZATION, Content::Bytes(entry)) => named(Group::Utilization, entry, teller)?,
            (NAMED, Content::Bytes(entry)) => named(Group::Named, entry, teller)?,
            _ => {}
        }
    }
    Ok(())
}

/// One entry of a map. A value of zero is not written.
fn named(group: Group, mut entry: &[u8], teller: &mut Teller<'_>) -> Result<(), Flaw> {
    let (mut name, mut value) = (&b""[..], 0.0);
    while !entry.is_empty() {
        match field(&mut entry).ok_or(Flaw::Protobuf)? {
            (1, Content::Bytes(bytes)) => name = bytes,
            (2, Content::Double(number)) => value = number,
            _ => {}
        }
    }
    teller.orca(group, name, value)
}

fn field<'b>(bytes: &mut &'b [u8]) -> Option<(u64, Content<'b>)> {
    let tag = varint(bytes)?;
    let content = match tag & 7 {
        0 => {
            varint(bytes)?;
            Content::Other
        }
        1 => Content::Double(f64::from_le_bytes(*take(bytes, 8)?.first_chunk()?)),
        2 => {
            let len = usize::try_from(varint(bytes)?).ok()?;
            Content::Bytes(take(bytes, len)?)
        }
        5 => {
            take(bytes, 4)?;
            Content::Other
        }
        _ => return None,
    };
    Some((tag >> 3, content))
}

fn take<'b>(bytes: &mut &'b [u8], len: usize) -> Option<&'b [u8]> {
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *take(bytes, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
