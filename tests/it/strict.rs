//! The strictest reader there is, the codec of the data plane, for what backends are sent.

use ayad::h1::{BodyReader, Fields, Framing, Limits, Step};

/// What `ayad` allows by itself.
pub(crate) const LIMITS: Limits = Limits { bytes: 64 << 10, fields: 100 };

/// The payload, and the size once all of it is there; nothing when it cannot be read.
pub(crate) fn body(framing: Framing, bytes: &[u8]) -> Option<(Vec<u8>, Option<usize>)> {
    let mut reader = BodyReader::new(framing);
    let (mut payload, mut at) = (Vec::new(), 0);
    loop {
        let rest = &bytes[at..];
        let count = match reader.look(rest).ok()? {
            Step::Done => return Some((payload, Some(at))),
            Step::More => return Some((payload, None)),
            Step::Trailers => match reader.trailers(rest, &mut Fields::default()).ok()? {
                Some(count) => {
                    at += count;
                    continue;
                }
                None => return Some((payload, None)),
            },
            Step::Data(count) => {
                payload.extend_from_slice(&rest[..count]);
                count
            }
            Step::Framing(count) | Step::Last(count) => count,
        };
        reader.take(&rest[..count]).ok()?;
        at += count;
    }
}
