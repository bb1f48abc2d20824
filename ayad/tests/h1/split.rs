//! It makes no difference how bytes arrive.

use std::ops::Range;

use ayad::h1::Framing;
use proptest::prelude::*;

use super::kit::{bodies, body, request, requests, response, responses};

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), prop::collection::vec(1_usize..20, 1..8)]
}

/// What comes first of reading ever longer beginnings, and at which length at most.
fn first<T>(bytes: &[u8], cuts: &[usize], read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
    let Range { mut start, end } = 0..bytes.len();
    let mut sizes = cuts.iter().copied();
    let mut size = 1;
    while start < end {
        size = sizes.next().unwrap_or(size);
        start = end.min(start + size);
        if let Some(found) = read(&bytes[..start]) {
            return Some(found);
        }
    }
    read(bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_048))]

    #[test]
    fn a_request_reads_the_same_whole_and_in_pieces(bytes in requests(), cuts in cuts()) {
        let read = |bytes: &[u8]| request(bytes).map(|head| head.map(|head| format!("{head:?}"))).transpose();
        prop_assert_eq!(read(&bytes), first(&bytes, &cuts, read), "{}", bytes.escape_ascii());
    }

    #[test]
    fn an_answer_reads_the_same_whole_and_in_pieces(bytes in responses(), cuts in cuts()) {
        let read = |bytes: &[u8]| response(bytes).map(|head| head.map(|head| format!("{head:?}"))).transpose();
        prop_assert_eq!(read(&bytes), first(&bytes, &cuts, read), "{}", bytes.escape_ascii());
    }

    #[test]
    fn a_body_reads_the_same_whole_and_in_pieces(bytes in bodies(), cuts in cuts(), length in 0_u64..30) {
        for framing in [Framing::Chunked, Framing::Length(length), Framing::UntilClose] {
            let whole = body(framing, &bytes, &[]);
            let pieces = body(framing, &bytes, &cuts);
            prop_assert_eq!(whole.is_ok(), pieces.is_ok(), "{:?} {}", framing, bytes.escape_ascii());
            let read = |result: Result<_, (_, _)>| result.unwrap_or_else(|(_, before)| before);
            prop_assert_eq!(read(whole), read(pieces), "{:?} {}", framing, bytes.escape_ascii());
        }
    }
}
