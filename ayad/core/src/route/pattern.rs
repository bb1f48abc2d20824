//! The syntax of paths: literal segments, `{parameters}`, and a final `*` for the rest.

use crate::path::{Normal, normalise};

/// Longest path of a match, in bytes.
pub const MAX_PATH: usize = 2048;

/// Most segments a path of a match has; bounds the depth of a search.
pub const MAX_SEGMENTS: usize = 64;

/// One segment of a pattern. Declared in order of specificity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment<'p> {
    /// This text; empty after a final slash.
    Literal(&'p str),
    /// Any text but none.
    Parameter,
}

/// A path of a match, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern<'p> {
    pub(super) segments: Vec<Segment<'p>>,
    /// Whether anything may follow, or nothing.
    pub(super) rest: bool,
}

/// One step in comparing patterns. Declared in order of specificity.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step<'p> {
    Segment(Segment<'p>),
    End,
    Rest,
}

impl<'p> Pattern<'p> {
    /// Reads a path; the error says what would be accepted.
    pub(super) fn parse(path: &'p str) -> Result<Self, &'static str> {
        let Some(below) = path.strip_prefix('/') else {
            return Err("a path starts with \"/\"");
        };
        if path.len() > MAX_PATH {
            return Err("a path has at most 2048 bytes");
        }
        if path.bytes().any(|b| b.is_ascii_control() || matches!(b, b' ' | b'?' | b'#')) {
            return Err(
                "spaces, control characters, \"?\" and \"#\" cannot be in a path; the query is no part of it",
            );
        }
        let most = below.bytes().filter(|byte| *byte == b'/').count() + 1;
        let mut pattern = Self { segments: Vec::with_capacity(most), rest: false };
        let mut names = Vec::new();
        let mut texts = below.split('/').peekable();
        while let Some(text) = texts.next() {
            let last = texts.peek().is_none();
            if text == "*" && last {
                pattern.rest = true;
            } else {
                pattern.segments.push(segment(text, last, &mut names)?);
            }
        }
        if pattern.segments.len() > MAX_SEGMENTS {
            return Err("a path has at most 64 segments");
        }
        Ok(pattern)
    }

    /// The pattern as a sequence whose order is the order of specificity among patterns that match the same.
    pub(super) fn steps(&self) -> impl Iterator<Item = Step<'p>> {
        let end = if self.rest { Step::Rest } else { Step::End };
        self.segments.iter().copied().map(Step::Segment).chain([end])
    }
}

fn segment<'p>(text: &'p str, last: bool, names: &mut Vec<&'p str>) -> Result<Segment<'p>, &'static str> {
    if text == "*" {
        return Err("\"*\" is accepted only as the last segment, as in \"/api/*\"");
    }
    if text.is_empty() && !last {
        return Err("an empty segment is accepted only at the end, as in \"/api/\"");
    }
    if let Some(name) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || !name.bytes().all(word) {
            return Err("a parameter name has lower-case letters, digits and \"_\", as in \"{user_id}\"");
        }
        if names.contains(&name) {
            return Err("a parameter name is accepted once in a path");
        }
        names.push(name);
        return Ok(Segment::Parameter);
    }
    if text.contains(['*', '{', '}']) {
        return Err("a segment is literal text, \"{name}\" or a final \"*\"");
    }
    if !is_normal(text) {
        return Err(
            "it would never match: in the normal form of paths letters, digits and \"-._~\" are not escaped, other \
             characters that a URI lacks are, in capitals (\"%C3%A9\"), and there are no dot segments",
        );
    }
    Ok(Segment::Literal(text))
}

/// Whether a segment can occur in the path of a request, which is in normal form by the time it is looked up.
fn is_normal(segment: &str) -> bool {
    // As nearly all are; what has dots or escapes is looked at as a path.
    if segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        return true;
    }
    let path = [b"/", segment.as_bytes()].concat();
    normalise(&path, &mut Vec::new()) == Ok(Normal::AsIs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_segment_by_segment() {
        let literal = Segment::Literal;
        let read = |path| Pattern::parse(path).map(|p| (p.segments, p.rest));

        assert_eq!(read("/"), Ok((vec![literal("")], false)));
        assert_eq!(read("/*"), Ok((vec![], true)));
        assert_eq!(read("/a/{b}/"), Ok((vec![literal("a"), Segment::Parameter, literal("")], false)));
        assert_eq!(read("/a/*"), Ok((vec![literal("a")], true)));
    }

    #[test]
    fn what_cannot_be_a_path_is_refused() {
        for bad in
            ["", "a", "*", "//a", "/a//b", "/*/a", "/a*", "/{}", "/{A}", "/{a}/{a}", "/{a}b", "/a?b", "/ "]
        {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        for never in ["/%7euser", "/caf%c3%a9", "/é", "/a/../b", "/./a", "/..", "/100%", "/a|b", "/..;x/a"] {
            assert!(Pattern::parse(never).unwrap_err().contains("never match"), "{never}");
        }
        assert!(Pattern::parse(&"/a".repeat(65)).is_err());
        assert!(Pattern::parse(&format!("/{}", "a".repeat(MAX_PATH))).is_err());
    }
}
