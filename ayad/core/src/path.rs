//! One normal form for paths: what a route is looked up by is what the backend gets.
//!
//! A proxy that routes on one reading of a path and passes on another invites requests around its rules
//! (`/public/..%2fadmin`). So the path of every request is brought into one form before anything looks at it,
//! and that form is sent on. This is the documented choice:
//!
//! | in the path | becomes | because |
//! |---|---|---|
//! | `%41`, `%7e`, `%2e`: an escaped unreserved character | the character | RFC 3986 §6.2.2.2: both spell the same |
//! | `%c3`, `%3a`: any other escape | the same in capitals, `%C3`, `%3A` | RFC 3986 §6.2.2.1 |
//! | `%2F`, `%5C` | stays: data, never a separator | a backend that decodes it afterwards sees one segment, as we did |
//! | `%25` | stays | decoding once is the only safe number of times |
//! | `//`, `///` | `/` | file systems and most frameworks read it so, and prefix rules must not miss it |
//! | `/./`, `/../`, and these at the end | resolved, after the two rules above | RFC 3986 §5.2.4 |
//! | `/..` at the root | refused | nobody means it |
//! | `/..;x`, `/.;x`, also with `%3B` | refused | some servers cut off parameters first and then see a dot segment |
//! | `"`, `<`, `>`, `^`, `` ` ``, `{`, `\|`, `}` | escaped | browsers send some of them raw; RFC 3986 has no place for them |
//! | control characters, raw or escaped (`%00` to `%1F`, `%7F`) | refused | they end strings and lines elsewhere |
//! | `%`, `%2`, `%zz` | refused | readers differ on what they mean |
//! | backslash, space, `#`, `?`, bytes above 127 | refused | not in a path; some read a backslash as `/` |
//!
//! The result is a fixed point: normalising it again changes nothing. The rules do not depend on the method,
//! the route or the pool, so that there is one answer to "what will the backend see".
//!
//! What it deliberately does not do: look at the query (opaque to a proxy), change the case of letters, decode
//! UTF-8 or judge it (`%C0%AF` stays these two bytes), strip parameters (`;v=1`) or a slash at the end. The
//! targets `*` and `host:port` have no path; callers keep them away.
//!
//! Cost: one pass over a path that is normal already, about a nanosecond for each byte and no write; else a
//! second pass into the caller's buffer, which grows to at most three times the input.

use std::fmt;

/// What came of normalising.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normal {
    /// The path is its own normal form; the buffer says nothing.
    AsIs,
    /// The buffer holds the normal form.
    Rewritten,
}

/// Why a path has no normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPath {
    /// It does not start with `/`.
    Relative,
    /// Its dot segments lead above the root.
    AboveRoot,
    /// A control character, raw or escaped.
    Control,
    /// A byte that may not stand in a path.
    Byte(u8),
    /// A `%` without two hexadecimal digits after it.
    Escape,
    /// A dot segment with a parameter.
    Parameter,
}

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relative => f.write_str("the path does not start with \"/\""),
            Self::AboveRoot => f.write_str("the path leads above its root"),
            Self::Control => f.write_str("the path has a control character"),
            Self::Byte(byte) => write!(f, "the path has the byte {byte:#04x}, which must be escaped"),
            Self::Escape => f.write_str("the path has a \"%\" without two hexadecimal digits"),
            Self::Parameter => f.write_str("the path has a dot segment with a parameter"),
        }
    }
}

impl std::error::Error for BadPath {}

/// What a byte of a path calls for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Stands for itself.
    Plain,
    /// Ends a segment.
    Slash,
    /// Stands for itself, unless the segment is a dot segment.
    Dot,
    /// Begins an escape.
    Percent,
    /// Must be escaped.
    Escaped,
    /// Must not be there.
    Bad,
}

static CLASSES: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut classes = [Class::Bad; 256];
    let mut byte = 0;
    while byte < 128 {
        classes[byte] = match byte as u8 {
            b'/' => Class::Slash,
            b'.' => Class::Dot,
            b'%' => Class::Percent,
            b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => Class::Escaped,
            0..=b' ' | b'\\' | b'#' | b'?' | 0x7f => Class::Bad,
            _ => Class::Plain,
        };
        byte += 1;
    }
    classes
}

/// Brings the path of a request (without its query) into its normal form; see the table above.
///
/// `out` is overwritten when the path has to change, and its capacity is all the memory that is used.
pub fn normalise(path: &[u8], out: &mut Vec<u8>) -> Result<Normal, BadPath> {
    if path.first() != Some(&b'/') {
        return Err(BadPath::Relative);
    }
    if is_plainly_normal(path) {
        return Ok(Normal::AsIs);
    }
    rewrite(path, out)?;
    Ok(if out.as_slice() == path { Normal::AsIs } else { Normal::Rewritten })
}

/// Whether a path that starts with `/` is normal at a glance; a few that are normal look suspicious.
fn is_plainly_normal(path: &[u8]) -> bool {
    let mut at = 1;
    while let Some(&byte) = path.get(at) {
        let is_first = path[at - 1] == b'/';
        at += match CLASSES[usize::from(byte)] {
            Class::Plain => 1,
            Class::Slash if !is_first => 1,
            Class::Dot if !is_first || !may_be_dot_segment(&path[at..]) => 1,
            Class::Percent if is_normal_escape(&path[at..]) => 3,
            _ => return false,
        };
    }
    true
}

/// Whether a segment that starts with a dot needs a closer look.
fn may_be_dot_segment(segment: &[u8]) -> bool {
    let after = if segment.get(1) == Some(&b'.') { 2 } else { 1 };
    matches!(segment.get(after), None | Some(b'/' | b';' | b'%'))
}

fn is_normal_escape(text: &[u8]) -> bool {
    let in_capitals = text[1..].iter().take(2).all(|digit| !digit.is_ascii_lowercase());
    in_capitals && escaped(text).is_ok_and(|byte| !is_unreserved(byte) && !byte.is_ascii_control())
}

/// The byte that the escape at the start of `text` stands for.
fn escaped(text: &[u8]) -> Result<u8, BadPath> {
    let digit = |at: usize| {
        let digit = text.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        digit.ok_or(BadPath::Escape)
    };
    Ok((digit(1)? << 4 | digit(2)?) as u8)
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn rewrite(path: &[u8], out: &mut Vec<u8>) -> Result<(), BadPath> {
    out.clear();
    out.push(b'/');
    // Where the segment begins that is being written.
    let mut start = 1;
    let mut at = 1;
    while let Some(&byte) = path.get(at) {
        at += 1;
        match CLASSES[usize::from(byte)] {
            Class::Plain | Class::Dot => out.push(byte),
            Class::Escaped => push_escape(out, byte),
            Class::Bad if byte.is_ascii_control() => return Err(BadPath::Control),
            Class::Bad => return Err(BadPath::Byte(byte)),
            Class::Percent => {
                let byte = escaped(&path[at - 1..])?;
                at += 2;
                match byte {
                    _ if byte.is_ascii_control() => return Err(BadPath::Control),
                    _ if is_unreserved(byte) => out.push(byte),
                    _ => push_escape(out, byte),
                }
            }
            Class::Slash => {
                close_segment(out, start)?;
                if out.last() != Some(&b'/') {
                    out.push(b'/');
                }
                start = out.len();
            }
        }
    }
    close_segment(out, start)
}

/// Resolves the segment that begins at `start`, if it is a dot segment. What is before it ends in `/`.
fn close_segment(out: &mut Vec<u8>, start: usize) -> Result<(), BadPath> {
    match &out[start..] {
        b"." => out.truncate(start),
        b".." => {
            let above = &out[..start - 1];
            let parent = above.iter().rposition(|&byte| byte == b'/').ok_or(BadPath::AboveRoot)?;
            out.truncate(parent + 1);
        }
        segment => {
            let after_dots = segment.strip_prefix(b"..").or_else(|| segment.strip_prefix(b"."));
            if after_dots.is_some_and(|rest| rest.starts_with(b";") || rest.starts_with(b"%3B")) {
                return Err(BadPath::Parameter);
            }
        }
    }
    Ok(())
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(path: &str) -> Result<String, BadPath> {
        let mut out = b"left over".to_vec();
        let normal = normalise(path.as_bytes(), &mut out)?;
        let bytes = if normal == Normal::AsIs { path.as_bytes() } else { &out };
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn a_normal_path_is_left_alone_and_nothing_is_written() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/index.html",
            "/.well-known/acme-challenge/x",
            "/...",
            "/..a/.b/a../a.",
            "/%C3%A9/%2F/%5C/%25/%252e%252e/%20",
            "/a;v=1/b,c=d/e:f@g!$&'()*+-_~",
        ] {
            let mut out = Vec::new();
            assert_eq!(normalise(path.as_bytes(), &mut out), Ok(Normal::AsIs), "{path}");
            assert_eq!(out.capacity(), 0, "{path}");
        }
    }

    #[test]
    fn every_rewriting_rule() {
        for (path, expected) in [
            ("/%41%7a%30%2D%2e%5F%7E", "/Az0-._~"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/a%2fb%5cc", "/a%2Fb%5Cc"),
            ("/a%3ab%26", "/a%3Ab%26"),
            ("//", "/"),
            ("//a///b//", "/a/b/"),
            ("/.", "/"),
            ("/./", "/"),
            ("/a/.", "/a/"),
            ("/a/./b", "/a/b"),
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("/a/b/..", "/a/"),
            ("/a/b/../c", "/a/c"),
            ("/a/b/../../c", "/c"),
            ("/a//../b", "/b"),
            ("/a/%2e%2e/b", "/b"),
            ("/a/.%2E/b/%2e", "/b/"),
            ("/a/%2E", "/a/"),
            ("/%2e%2e%2e", "/..."),
            ("/.%2Fa", "/.%2Fa"),
            ("/..%2fa", "/..%2Fa"),
            ("/{id}|\"<x>^`", "/%7Bid%7D%7C%22%3Cx%3E%5E%60"),
        ] {
            assert_eq!(normal(path).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn what_readers_would_read_differently_is_refused() {
        for (path, why) in [
            ("", BadPath::Relative),
            ("a", BadPath::Relative),
            ("*", BadPath::Relative),
            ("/..", BadPath::AboveRoot),
            ("//..", BadPath::AboveRoot),
            ("/../a", BadPath::AboveRoot),
            ("/./..", BadPath::AboveRoot),
            ("/a/../..", BadPath::AboveRoot),
            ("/%2e%2e/a", BadPath::AboveRoot),
            ("/a/%2E./../../b", BadPath::AboveRoot),
            ("/\0", BadPath::Control),
            ("/a\r\n", BadPath::Control),
            ("/\u{7f}", BadPath::Control),
            ("/%00", BadPath::Control),
            ("/a%0d%0aX", BadPath::Control),
            ("/%1F", BadPath::Control),
            ("/%7f", BadPath::Control),
            ("/a b", BadPath::Byte(b' ')),
            ("/a\\..\\b", BadPath::Byte(b'\\')),
            ("/a#b", BadPath::Byte(b'#')),
            ("/a?b", BadPath::Byte(b'?')),
            ("/é", BadPath::Byte(0xc3)),
            ("/%", BadPath::Escape),
            ("/%4", BadPath::Escape),
            ("/a%zz", BadPath::Escape),
            ("/%+1", BadPath::Escape),
            ("/% 1", BadPath::Escape),
            ("/%u002e", BadPath::Escape),
            ("/a/..;/b", BadPath::Parameter),
            ("/a/.;x=1/b", BadPath::Parameter),
            ("/a/..;", BadPath::Parameter),
            ("/a/%2e%2e;x", BadPath::Parameter),
            ("/a/..%3b/b", BadPath::Parameter),
        ] {
            assert_eq!(normal(path), Err(why), "{path:?}");
        }
    }

    #[test]
    fn every_reason_is_a_sentence_of_its_own() {
        let all = [
            BadPath::Relative,
            BadPath::AboveRoot,
            BadPath::Control,
            BadPath::Byte(b' '),
            BadPath::Escape,
            BadPath::Parameter,
        ];
        let texts: std::collections::BTreeSet<_> = all.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), all.len());
    }
}
