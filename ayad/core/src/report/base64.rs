//! Base64 with either alphabet, padded or not (gRPC sends it without padding).

/// Decodes into `room` and returns what is used of it; `None` for what is not in base64, or too long.
pub(super) fn decode<'r>(text: &[u8], room: &'r mut [u8]) -> Option<&'r [u8]> {
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    if text.len() - end > 2 {
        return None;
    }
    let (mut bits, mut held, mut len) = (0_u32, 0, 0);
    for byte in &text[..end] {
        bits = bits << 6 | u32::from(value(*byte)?);
        held += 6;
        if held >= 8 {
            held -= 8;
            *room.get_mut(len)? = (bits >> held) as u8;
            len += 1;
        }
    }
    // A single digit holds no byte.
    if held >= 6 { None } else { Some(&room[..len]) }
}

fn value(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}
