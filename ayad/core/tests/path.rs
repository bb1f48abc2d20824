//! The laws of normal paths, over texts made of the pieces that attacks are made of.

use aya_core::path::{BadPath, Normal, normalise};
use proptest::prelude::*;

const PIECES: &[&str] = &[
    "/", "/", "//", ".", "..", "a", "b", "admin", "%", "%2", "%2e", "%2E", "%2f", "%2F", "%5c", "%00", "%41",
    "%c3", "%A9", "%25", ";", "%3b", "~", "|", "{", "\\", " ", "é", "\t", "?", "#", "..;", "%252e",
];

fn paths() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::collection::vec(prop::sample::select(PIECES), 0..12);
    let made = pieces.prop_map(|pieces| format!("/{}", pieces.concat()).into_bytes());
    prop_oneof![4 => made, 1 => prop::collection::vec(any::<u8>(), 0..24)]
}

fn normal(path: &[u8]) -> Result<Vec<u8>, BadPath> {
    let mut out = Vec::new();
    Ok(match normalise(path, &mut out)? {
        Normal::AsIs => path.to_vec(),
        Normal::Rewritten => out,
    })
}

/// What a backend sees that decodes escapes until none is left, as careless ones do.
fn decoded_once(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                out.push(decoded);
                rest = &after[2..];
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

/// The normal form by another way: whole segments on a stack.
fn by_stack(path: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut stack: Vec<Vec<u8>> = Vec::new();
    let mut is_open = false;
    for segment in path[1..].split(|&byte| byte == b'/') {
        let decoded = decoded_once(segment);
        is_open = true;
        match decoded.as_slice() {
            b"" | b"." => is_open = false,
            b".." => {
                stack.pop()?;
                is_open = false;
            }
            _ => stack.push(decoded),
        }
    }
    if !is_open {
        stack.push(Vec::new());
    }
    Some(stack)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn normalising_twice_is_normalising_once(path in paths()) {
        if let Ok(once) = normal(&path) {
            prop_assert_eq!(normalise(&once, &mut Vec::new()), Ok(Normal::AsIs), "{}", once.escape_ascii());
        }
    }

    #[test]
    fn nothing_is_left_that_a_backend_could_resolve_otherwise(path in paths()) {
        if let Ok(path) = normal(&path) {
            prop_assert!(path.starts_with(b"/") && !path.windows(2).any(|pair| pair == b"//"));
            for segment in path.split(|&byte| byte == b'/') {
                let decoded = decoded_once(segment);
                prop_assert!(decoded != b"." && decoded != b"..");
                prop_assert!(!decoded.starts_with(b"..;") && !decoded.starts_with(b".;"));
                prop_assert!(!decoded.iter().any(u8::is_ascii_control));
                prop_assert!(!segment.iter().any(|&byte| matches!(byte, b'\\' | b'?' | b'#' | b' ') || byte > 127));
            }
        }
    }

    #[test]
    fn the_segments_mean_what_they_meant(path in paths()) {
        if let Ok(normal) = normal(&path) {
            let meant = by_stack(&path).expect("a path above its root was accepted");
            let is: Vec<_> = normal[1..].split(|&byte| byte == b'/').map(decoded_once).collect();
            prop_assert_eq!(is, meant, "{} became {}", path.escape_ascii(), normal.escape_ascii());
        }
    }

    #[test]
    fn the_buffer_never_grows_beyond_three_times_the_path(path in paths()) {
        let mut out = Vec::new();
        let _ = normalise(&path, &mut out);
        prop_assert!(out.len() <= 3 * path.len());
    }
}
