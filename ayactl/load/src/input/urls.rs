//! A list of URLs: a line each, with a weight and a method when one likes: `3 GET /path`.

use std::path::Path;
use std::sync::Arc;

use super::lines::Lines;
use super::{Body, InputError, MOST_KEPT, Recipe};

/// Reads a list of URLs. Empty lines and those that begin with `#` are passed over.
pub fn urls(file: &Path) -> Result<Vec<(Recipe, u32)>, InputError> {
    let mut lines = Lines::open(file)?;
    let (mut found, mut kept) = (Vec::new(), 0);
    while let Some(line) = lines.next()? {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        kept += line.len() + 200;
        if kept > MOST_KEPT {
            return Err(InputError::content(
                file,
                "there are too many lines; use fewer, with {{rand}} or {{csv}} in them",
            ));
        }
        let wrong = |what: String| InputError::Line { file: file.to_owned(), line: lines.number, what };
        found.push(read(line).map_err(wrong)?);
    }
    if found.is_empty() {
        return Err(InputError::content(file, "there is no URL in it; write a line each, like 3 GET /path"));
    }
    Ok(found)
}

fn read(line: &str) -> Result<(Recipe, u32), String> {
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
        _ => ("GET", rest),
    };
    let path = path_of(url).ok_or_else(|| format!("\"{url}\" is no path; write it like 3 GET /path"))?;
    let path = path.parse().map_err(|error: InputError| error.to_string())?;
    Ok((
        Recipe { method: method.to_owned(), path, headers: Vec::new(), body: Body::Fixed(Arc::from([])) },
        weight,
    ))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_have_a_weight_and_a_method() {
        for (line, method, weight) in [
            ("/a", "GET", 1),
            ("3 /a", "GET", 3),
            ("3 POST /a", "POST", 3),
            ("DELETE http://h:1/a#x", "DELETE", 1),
        ] {
            let (recipe, found) = read(line).unwrap();
            assert_eq!((recipe.method.as_str(), found), (method, weight), "{line}");
        }
        for line in ["a", "3", "3 GET", "99999999999 /a", "/{{no}}", "GET ftp://x/"] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_it_panic(line in ".{0,80}") {
            let _ = read(&line);
        }
    }
}
