//! A list of URLs: a line each, with a weight and a method when one likes: `3 GET /path`.

use std::path::Path;
use std::sync::Arc;

use super::lines::Lines;
use super::{Body, InputError, MOST_KEPT, Recipe, Source, Template};

/// A list of URLs.
#[derive(Debug)]
pub struct Listed {
    /// Its requests with their weights.
    pub requests: Vec<(Recipe, u32)>,
    /// What its lines name beside paths: `http://shop.example.com`, each with the first line that does.
    pub origins: Vec<(String, u64)>,
}

impl Listed {
    /// Its requests in their order and then again from the first; drawn by weight when their weights differ.
    pub fn source(self, seed: u64) -> Option<Source> {
        if self.requests.iter().all(|(_, weight)| *weight == 1) {
            return Source::in_order(self.requests.into_iter().map(|(recipe, _)| recipe).collect(), seed);
        }
        Source::weighted(self.requests, seed)
    }
}

/// Most hosts that a list may name.
const MOST_ORIGINS: usize = 1000;

/// Reads a list of URLs. Empty lines and those that begin with `#` are passed over. A line without a method has `method`;
/// with `is_literal`, nothing is filled in.
pub fn urls(file: &Path, method: &str, is_literal: bool) -> Result<Listed, InputError> {
    let mut lines = Lines::open(file)?;
    let (mut requests, mut kept) = (Vec::new(), 0);
    let mut origins: Vec<(String, u64)> = Vec::new();
    while let Some(line) = lines.next()? {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = lines.number;
        let wrong = |what: String| InputError::Line { file: file.to_owned(), line: number, what };
        let (recipe, weight, origin) = read(line, method, is_literal).map_err(wrong)?;
        kept += line.len() + 200 + recipe.path.kept();
        if kept > MOST_KEPT {
            let most = MOST_KEPT >> 20;
            return Err(wrong(format!(
                "so far its lines are larger than {most} MB; use fewer, with {{{{rand}}}} or {{{{csv}}}} in them"
            )));
        }
        requests.push((recipe, weight));
        if let Some(origin) = origin
            && origins.len() < MOST_ORIGINS
            && !origins.iter().any(|(known, _)| *known == origin)
        {
            origins.push((origin, number));
        }
    }
    if requests.is_empty() {
        return Err(InputError::content(file, "there is no URL in it; write a line each, like 3 GET /path"));
    }
    if requests.iter().all(|(_, weight)| *weight == 0) {
        return Err(InputError::content(file, "all its lines have the weight 0; give one of them more"));
    }
    Ok(Listed { requests, origins })
}

fn read(line: &str, method: &str, is_literal: bool) -> Result<(Recipe, u32, Option<String>), String> {
    let (weight, rest) = match line.split_once(char::is_whitespace) {
        Some((weight, rest)) if weight.bytes().all(|c| c.is_ascii_digit()) => {
            (weight.parse().map_err(|_| format!("the weight {weight} is too large"))?, rest.trim_start())
        }
        _ => (1, line),
    };
    let (method, url) = match rest.split_once(char::is_whitespace) {
        Some((method, url)) if !method.is_empty() && method.bytes().all(|c| c.is_ascii_uppercase()) => {
            (method, url.trim())
        }
        _ => (method, rest),
    };
    let text = path_of(url).ok_or_else(|| format!("\"{url}\" is no path; write it like 3 GET /path"))?;
    let path = if is_literal { Ok(Template::literal(text)) } else { text.parse() };
    let path = path.map_err(|error: InputError| error.to_string())?;
    if path.is_fixed() && text.parse::<http::uri::PathAndQuery>().is_err() {
        let what = "has characters that no URL may have; write a blank as %20";
        return Err(format!("\"{}\" {what}", text.escape_default()));
    }
    let origin = origin_of(url);
    let host = origin.as_deref().and_then(host_of).map(str::to_owned);
    let body = Body::Fixed(Arc::from([]));
    Ok((Recipe { method: method.to_owned(), path, headers: Vec::new(), host, body }, weight, origin))
}

/// Path and query of a URL; its host is not asked.
pub(super) fn path_of(url: &str) -> Option<&str> {
    let path = match url.split_once("://") {
        Some(("http" | "https", rest)) => rest.find(['/', '?']).map_or("/", |at| &rest[at..]),
        _ => url,
    };
    let path = path.split('#').next().unwrap_or(path);
    path.starts_with('/').then_some(path)
}

/// Scheme, host and port of a URL, in small letters and without what is usual: `http://shop.example.com`. `None` for a path.
pub fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let usual = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next().unwrap_or(authority).to_ascii_lowercase();
    let host = host.strip_suffix(usual).unwrap_or(&host);
    (!host.is_empty()).then(|| format!("{scheme}://{host}"))
}

/// The host of an origin, as `Host` names it.
pub(super) fn host_of(origin: &str) -> Option<&str> {
    origin.split_once("://").map(|(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_have_a_weight_and_a_method() {
        for (line, method, weight, host) in [
            ("/a", "GET", 1, None),
            ("3 /a", "GET", 3, None),
            ("3 POST /a", "POST", 3, None),
            ("DELETE http://u@H:1/a#x", "DELETE", 1, Some("h:1")),
            ("http://h:80/{{rand 1..5}}", "GET", 1, Some("h")),
        ] {
            let (recipe, found, _) = read(line, "GET", false).unwrap();
            assert_eq!(
                (recipe.method.as_str(), found, recipe.host.as_deref()),
                (method, weight, host),
                "{line}"
            );
        }
        for line in ["a", "3", "3 GET", "99999999999 /a", "/{{no}}", "GET ftp://x/", "/a b"] {
            assert!(read(line, "GET", false).is_err(), "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_it_panic(line in ".{0,80}") {
            let _ = read(&line, "GET", false);
        }
    }
}
