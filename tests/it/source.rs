//! Sources as text: which files there are, what of them is production code, what they import.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One source file.
pub(crate) struct Source {
    /// From the root of the workspace.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
    /// Without comments and without `mod tests`.
    pub(crate) production: String,
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package is a folder of the workspace")
        .to_owned()
}

/// Reads a file of the workspace.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether the workspace has this file or folder.
pub(crate) fn exists(path: &str) -> bool {
    root().join(path).exists()
}

/// The manifest in a folder of the workspace.
pub(crate) fn manifest(folder: &str) -> toml::Value {
    let path = format!("{folder}/Cargo.toml");
    toml::from_str(&read(path.trim_start_matches('/'))).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file below a folder, except those of packages inside it.
pub(crate) fn rust_files(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() && !path.join("Cargo.toml").exists() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(source(&path));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

/// A module: the file beside its folder, and the folder.
pub(crate) fn modules(folder: &str) -> Vec<Source> {
    let mut all = rust_files(folder);
    all.push(source(&root().join(format!("{folder}.rs"))));
    all
}

fn source(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let path = path.strip_prefix(root()).expect("it is below the root").display().to_string();
    Source { path, production: production(&text), text }
}

/// The code without comments and without what follows `#[cfg(test)]`, which comes last by our style.
pub(crate) fn production(text: &str) -> String {
    let code = text.split("\n#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| line.split(" // ").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Every path that `use` brings in, with braces written out.
pub(crate) fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let line = &code[code[..at].rfind('\n').map_or(0, |n| n + 1)..at];
        let is_use = matches!(line.trim(), "" | "pub" | "pub(crate)" | "pub(super)");
        if let Some((tree, _)) = code[at + 4..].split_once(';')
            && is_use
        {
            expand("", &tree.split_whitespace().collect::<Vec<_>>().join(" "), &mut found);
        }
    }
    found
}

fn expand(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        found.push(format!("{prefix}{path}"));
        return;
    };
    let inside = rest.trim_end().strip_suffix('}').unwrap_or(rest);
    let (mut depth, mut start) = (0, 0);
    for (at, sign) in inside.char_indices().chain([(inside.len(), ',')]) {
        match sign {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inside[start..at].trim().is_empty() {
                    expand(&format!("{prefix}{head}"), &inside[start..at], found);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// Whether an import is this path or below it; a path that ends in the middle of a name counts too when it
/// begins with a capital letter, as in `std::net::Tcp`.
pub(crate) fn begins_with(import: &str, path: &str) -> bool {
    let is_prefix_of_name = path.rsplit("::").next().is_some_and(|n| n.starts_with(char::is_uppercase));
    import
        .strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || is_prefix_of_name)
}

/// The modules that a table's entries come from.
pub(crate) fn table(text: &str, start: &str, ending: &str) -> BTreeSet<String> {
    let Some((_, body)) = text.split_once(start) else { return BTreeSet::new() };
    let body = body.split("\n];").next().unwrap_or_default();
    let words = body.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    words.filter_map(|word| word.split_once(ending)).map(|(module, _)| module.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_written_out() {
        let code = "use a::b;\npub use c::{d, e::{f, g as h}, self};\nlet muse = 1; // use x;";
        assert_eq!(imports(code), ["a::b", "c::d", "c::e::f", "c::e::g", "c::self"]);
    }

    #[test]
    fn a_name_is_not_its_prefix() {
        assert!(begins_with("super::record::picked", "super::record"));
        assert!(!begins_with("super::recorder", "super::record"));
        assert!(begins_with("std::net::TcpStream", "std::net::Tcp"));
    }

    #[test]
    fn tests_and_comments_are_no_production_code() {
        assert_eq!(production("a\n// b\nc // d\n#[cfg(test)]\nmod tests {}"), "a\nc");
    }
}
