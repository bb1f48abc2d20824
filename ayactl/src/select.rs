//! Which objects are meant: exact names, and `*` and `?` for any characters.

use crate::failure::Failure;

/// Whether `text` matches `pattern`, in which `*` stands for any characters and `?` for one.
///
/// Linear in practice and at worst the product of both lengths: it remembers only the last `*`.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star_p, star_t)) = star else { return false };
                star = Some((star_p, star_t + 1));
                p = star_p + 1;
                t = star_t + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Whether a name is a pattern rather than one object.
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// Whether any of `patterns` matches; no pattern matches everything.
pub fn any_matches(patterns: &[String], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, text))
}

/// Keeps what is named, in the order of `items`; all of it when nothing is named. A name that is no pattern
/// and matches nothing is an error; a pattern that matches nothing is an empty list.
pub fn pick<T>(
    items: Vec<T>,
    names: &[String],
    kind: &str,
    name_of: impl Fn(&T) -> &str,
) -> Result<Vec<T>, Failure> {
    for name in names {
        if !is_pattern(name) && !items.iter().any(|item| name_of(item) == name) {
            return Err(Failure::not_found(kind, name, items.iter().map(&name_of)));
        }
    }
    Ok(items.into_iter().filter(|item| any_matches(names, name_of(item))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match_as_in_a_shell() {
        for (pattern, text) in
            [("*", ""), ("shop/*", "shop/web-1"), ("*-1", "shop/web-1"), ("s?op/*b*1", "shop/web-1")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("shop/?", "shop/web-1"), ("img/*", "shop/web-1"), ("", "x"), ("a*b", "ac")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn an_exact_name_must_exist_and_a_pattern_need_not() {
        let items = || vec!["shop/web-1".to_owned(), "shop/web-2".to_owned()];
        let names = |name: &str| vec![name.to_owned()];
        assert_eq!(pick(items(), &names("x/*"), "backend", String::as_str).unwrap(), Vec::<String>::new());
        assert_eq!(pick(items(), &[], "backend", String::as_str).unwrap().len(), 2);
        let failure = pick(items(), &names("shop/web-3"), "backend", String::as_str).unwrap_err();
        assert_eq!(failure.status, 3);
        assert!(failure.hint.starts_with("did you mean \"shop/web-"), "{}", failure.hint);
    }
}
