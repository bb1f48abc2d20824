//! The JSON of a report: an object of numbers, and of objects of numbers. Nothing else is needed, so nothing else is
//! read; numbers may be texts, as protobuf's JSON writes `NaN` and large integers.

use super::{Flaw, Group, Teller, number};

pub(super) fn read(text: &[u8], teller: &mut Teller<'_>) -> Result<(), Flaw> {
    let mut rest = text;
    object(&mut rest, None, teller).ok_or(Flaw::Json)??;
    if rest.trim_ascii().is_empty() { Ok(()) } else { Err(Flaw::Json) }
}

/// Reads an object. `None` when it is none of numbers; the inner result is what the teller said.
fn object(rest: &mut &[u8], group: Option<Group>, teller: &mut Teller<'_>) -> Option<Result<(), Flaw>> {
    expect(rest, b'{')?;
    if next(rest)? == b'}' {
        return expect(rest, b'}').map(Ok);
    }
    loop {
        let name = text(rest)?;
        expect(rest, b':')?;
        match (next(rest)?, group) {
            (b'{', None) => {
                if let Err(flaw) = object(rest, Some(Group::of(name)), teller)? {
                    return Some(Err(flaw));
                }
            }
            (b'{', Some(_)) => return None,
            _ => {
                let value = value(rest)?;
                if let Err(flaw) = teller.orca(group.unwrap_or(Group::Own), name, value) {
                    return Some(Err(flaw));
                }
            }
        }
        match next(rest)? {
            b',' => expect(rest, b',')?,
            _ => return expect(rest, b'}').map(Ok),
        }
    }
}

/// The next byte that is no space, without taking it.
fn next(rest: &mut &[u8]) -> Option<u8> {
    *rest = rest.trim_ascii_start();
    rest.first().copied()
}

fn expect(rest: &mut &[u8], wanted: u8) -> Option<()> {
    (next(rest)? == wanted).then(|| *rest = &rest[1..])
}

/// A text without escapes: no name that has a meaning needs one.
fn text<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    expect(rest, b'"')?;
    let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    let (text, after) = rest.split_at(end);
    *rest = after;
    expect(rest, b'"').map(|()| text)
}

fn value(rest: &mut &[u8]) -> Option<f64> {
    if next(rest)? == b'"' {
        return text(rest).map(number);
    }
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let end = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
    let (text, after) = rest.split_at(end);
    *rest = after;
    (!text.is_empty()).then(|| number(text))
}
