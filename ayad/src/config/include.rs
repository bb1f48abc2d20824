//! Files on disk: reads the one that was asked for and everything it includes.
//!
//! Patterns are deliberately small: `*` in the file name, nothing in folders. What a folder holds is easy
//! to say; what `**` matches is not. Files come in the order of their names, though nothing depends on it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::marks::Spot;
use super::pipe::Patient;
use super::report::{Place, Problem};
use super::sections::{self, Kept};
use super::shape::{self, Document};
use super::source::Source;

/// Most bytes of one file.
const MAX_BYTES: u64 = 16 << 20;

/// Most files of one configuration.
const MAX_FILES: usize = 1024;

/// Reads a file and what it includes, the file itself first. What earlier readings `kept` is not read again, and this
/// one adds to it.
pub fn read(path: &Path, kept: &Kept, problems: &mut Vec<Problem>) -> Vec<Document> {
    let (documents, seen, sections) = (Vec::new(), BTreeSet::new(), kept.begin());
    let mut reading = Reading { documents, seen, sections, is_whole: true, problems };
    let nowhere = Place { source: Arc::new(Source::new(path.display().to_string(), "")), span: 0..0 };
    reading.file(path, &nowhere, &mut Vec::new());
    let Reading { mut documents, is_whole, .. } = reading;
    if let (false, Some(first)) = (is_whole, documents.first_mut()) {
        let include = first.marks.below(Spot::ROOT, "include").unwrap_or(Spot::ROOT);
        first.marks.note_damage(include);
    }
    documents
}

struct Reading<'a> {
    documents: Vec<Document>,
    sections: sections::Reading<'a>,
    seen: BTreeSet<PathBuf>,
    /// False when a file is missing, and with it the names it would have defined.
    is_whole: bool,
    problems: &'a mut Vec<Problem>,
}

impl Reading<'_> {
    /// Reads one file. `asked` is where its name stands, `above` the files that led here.
    fn file(&mut self, path: &Path, asked: &Place, above: &mut Vec<PathBuf>) {
        let name = path.display();
        // The pipe of `/dev/stdin` or `<(command)` has no path of its own.
        let real = path.canonicalize().or_else(|error| match fs::metadata(path) {
            Ok(_) => Ok(path.to_owned()),
            Err(_) => Err(error),
        });
        let real = match real {
            Ok(real) => real,
            Err(error) => return self.unreadable(path, asked, &error),
        };
        if above.contains(&real) {
            let message = format!("{name} includes itself");
            let help = "leave out one include of the circle";
            return self.problems.push(Problem::new(asked.clone(), message).help(help));
        }
        if !self.seen.insert(real.clone()) {
            return;
        }
        if self.seen.len() > MAX_FILES {
            let message = format!("over {MAX_FILES} files are included");
            return self.problems.push(Problem::new(asked.clone(), message).help("put several into one"));
        }
        let text = match read_text(path) {
            Ok(text) => text,
            Err(error) => return self.unreadable(path, asked, &error),
        };
        let source = Arc::new(Source::new(name.to_string(), text));
        let in_sections = self.sections.read(&source);
        let document = in_sections.unwrap_or_else(|| shape::read(&source, self.problems));
        let includes = document.raw.include.clone().unwrap_or_default();
        let places: Vec<_> =
            (0..includes.len()).map(|index| document.root().key("include").index(index).value()).collect();
        self.documents.push(document);
        above.push(real);
        for (pattern, place) in includes.iter().zip(&places) {
            let folder = path.parent().unwrap_or(Path::new(""));
            for file in self.matches(&folder.join(pattern), place) {
                self.file(&file, place, above);
            }
        }
        above.pop();
    }

    /// The files a pattern stands for. A plain name stands for itself, whether it exists or not.
    fn matches(&mut self, pattern: &Path, place: &Place) -> Vec<PathBuf> {
        let folder = pattern.parent().unwrap_or(Path::new(""));
        let name = pattern.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if folder.to_string_lossy().contains('*') {
            self.is_whole = false;
            let message = format!("\"{}\" has a \"*\" in the name of a folder", pattern.display());
            self.problems.push(Problem::new(place.clone(), message).help("only the file name may have one"));
            return Vec::new();
        }
        if !name.contains('*') {
            return vec![pattern.to_owned()];
        }
        let entries = match fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        {
            Ok(entries) => entries,
            // A folder that does not exist has no matching files, like one that is empty.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                self.unreadable(folder, place, &error);
                return Vec::new();
            }
        };
        let mut files = Vec::new();
        for entry in entries {
            match entry.map(|entry| entry.file_name().into_string()) {
                Ok(Ok(file)) if !file.starts_with('.') && is_match(name, &file) => {
                    files.push(folder.join(file));
                }
                // Hidden files, other files, and names that are not text, which no pattern can mean.
                Ok(_) => {}
                Err(error) => self.unreadable(folder, place, &error),
            }
        }
        files.sort();
        files
    }

    fn unreadable(&mut self, path: &Path, asked: &Place, error: &std::io::Error) {
        self.is_whole = false;
        let is_included = !asked.source.text.is_empty();
        let message = if is_included {
            format!("{} cannot be read: {error}", path.display())
        } else {
            format!("cannot be read: {error}")
        };
        let help = match error.kind() {
            std::io::ErrorKind::NotFound if is_included => "includes are relative to the file they stand in",
            std::io::ErrorKind::NotFound => "is the path right?",
            std::io::ErrorKind::PermissionDenied => "let the user that runs ayad read it",
            std::io::ErrorKind::TimedOut => "write the configuration into it, or name a file",
            std::io::ErrorKind::InvalidData => "the file must be UTF-8 text",
            _ => "name a file with the configuration",
        };
        self.problems.push(Problem::new(asked.clone(), message).help(help));
    }
}

fn read_text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    Patient::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(std::io::Error::other(format!("it is larger than {} MiB", MAX_BYTES >> 20)));
    }
    Ok(text)
}

/// Whether a name matches a pattern in which `*` stands for any text.
fn is_match(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut rest) = name.strip_prefix(head) else { return false };
    let mut pieces = tail.split('*').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        // The earliest place leaves the most for what follows.
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name) in
            [("*.toml", "a.toml"), ("a*", "a"), ("a*b*c", "aXbYbc"), ("*", "x"), ("x", "x")]
        {
            assert!(is_match(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("*.toml", "a.tom"), ("a*", "b"), ("a*b*c", "acb"), ("ab*ba", "aba"), ("x", "y")]
        {
            assert!(!is_match(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn included_files_come_sorted_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("main.toml", "aya = 1\ninclude = [\"part-*.toml\", \"part-b.toml\"]\n");
        write("part-b.toml", "");
        write("part-a.toml", "");

        let mut problems = Vec::new();
        let documents = read(&folder.path().join("main.toml"), &Kept::default(), &mut problems);

        let names: Vec<_> = documents.iter().map(|d| d.source.name.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["main.toml", "part-a.toml", "part-b.toml"]);
        assert_eq!(problems, []);
    }

    #[test]
    fn a_circle_is_reported_where_it_closes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a.toml"), "include = [\"b.toml\"]\n").unwrap();
        fs::write(path("b.toml"), "include = [\"a.toml\"]\n").unwrap();

        let mut problems = Vec::new();
        read(&path("a.toml"), &Kept::default(), &mut problems);

        assert_eq!(problems.len(), 1);
        assert!(problems[0].message().ends_with("a.toml includes itself"));
        assert!(problems[0].place().source.name.ends_with("b.toml"));
    }

    #[test]
    fn a_plain_file_must_exist_and_a_pattern_need_not_match() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        fs::write(&path, "include = [\"none/*.toml\", \"gone.toml\", \"*/x.toml\"]\n").unwrap();

        let mut problems = Vec::new();
        read(&path, &Kept::default(), &mut problems);

        let messages: Vec<_> = problems.iter().map(Problem::message).collect();
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(messages[0].contains("gone.toml cannot be read"));
        assert!(messages[1].contains("\"*\" in the name of a folder"));
    }
}
