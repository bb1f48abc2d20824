//! Large files, read section by section: what stands as it stood at the last reading is not parsed again.
//!
//! A file of thousands of routes changes in one of them at a time, and a new route must not wait for the parsing of
//! all others. So each `[route.NAME]` of a large file, from its header to the next, is a text of its own, known by its
//! bytes; what it means is kept from one reading to the next. The rest of the file is parsed with blanks where those
//! sections were, so that every byte keeps its place.
//!
//! This is a short cut for files without a mistake, and never a second reader: whenever something is unusual (a mistake
//! of any kind, a name twice, a text of several lines, a section that does not end where the next begins) the whole
//! file is read as ever, by [`shape::read`], which knows how to tell it. So a file means the same either way; a test
//! compares the two.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::shape::{self, Document, Lone};
use super::source::Source;

/// Fewer sections than this are parsed before anybody notices.
const FEW: usize = 64;
/// What begins a section that is read by itself, up to its name.
const HEADER: &str = "[route.";

/// What sections of earlier readings mean, by their text. Shared by those who read the same files again; a reading
/// that is under way has it, and another one at the same time begins with nothing.
#[derive(Debug, Default)]
pub struct Kept(Mutex<HashMap<Box<str>, Arc<Lone>>>);

impl Kept {
    fn take(&self) -> HashMap<Box<str>, Arc<Lone>> {
        // Every holder leaves a whole map behind.
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A reading begins.
    pub(super) fn begin(&self) -> Reading<'_> {
        Reading { kept: self, before: self.take(), now: HashMap::new(), is_broken: false }
    }
}

/// One reading of all files. What it met is kept for the next one when it is dropped.
#[derive(Debug)]
pub(super) struct Reading<'k> {
    kept: &'k Kept,
    before: HashMap<Box<str>, Arc<Lone>>,
    now: HashMap<Box<str>, Arc<Lone>>,
    /// A large file had to be read as a whole.
    is_broken: bool,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        // Whoever made a mistake mends it next, and what it hid is as it was.
        if self.is_broken {
            self.now.extend(self.before.drain());
        }
        *self.kept.0.lock().unwrap_or_else(PoisonError::into_inner) = std::mem::take(&mut self.now);
    }
}

impl Reading<'_> {
    /// Reads a text in sections. `None` when it has to be read as a whole.
    pub(super) fn read(&mut self, source: &Arc<Source>) -> Option<Document> {
        let spans = split(&source.text)?;
        let document = self.in_sections(source, &spans);
        self.is_broken |= document.is_none();
        document
    }

    fn in_sections(&mut self, source: &Arc<Source>, spans: &[Range<usize>]) -> Option<Document> {
        let mut rest = source.text.clone().into_bytes();
        let mut sections = Vec::with_capacity(spans.len());
        for span in spans {
            sections.push((span.start, self.section(source, span)?));
            rest[span.clone()].fill(b' ');
        }
        let mut names = HashSet::with_capacity(sections.len());
        if !sections.iter().all(|(_, lone)| names.insert(lone.name())) {
            return None;
        }
        let document = shape::read_flawless(source, std::str::from_utf8(&rest).ok()?)?;
        // Another form of the same table could define one of them once more.
        let is_alone = document.raw.route.is_none() && document.raw.backends.is_none();
        // What seemed to be a section may stand inside a list that was opened before it.
        let holds_one = |value: Range<usize>| {
            let next = sections.partition_point(|(start, _)| *start < value.start);
            sections.get(next).is_some_and(|(start, _)| *start < value.end)
        };
        (is_alone && !document.marks.values().any(holds_one)).then_some(Document { sections, ..document })
    }

    fn section(&mut self, source: &Arc<Source>, span: &Range<usize>) -> Option<Arc<Lone>> {
        let text = &source.text[span.clone()];
        let (text, lone) = match self.before.remove_entry(text) {
            Some(known) => known,
            None => (text.into(), Arc::new(shape::read_lone(source, text)?)),
        };
        self.now.insert(text, Arc::clone(&lone));
        Some(lone)
    }
}

/// Where the sections are. `None` when there are few, or when lines do not tell where something begins.
fn split(text: &str) -> Option<Vec<Range<usize>>> {
    let is_in = |quotes: &[u8]| memchr::memmem::find(text.as_bytes(), quotes).is_some();
    if is_in(b"\"\"\"") || is_in(b"'''") {
        return None;
    }
    let mut spans: Vec<Range<usize>> = Vec::new();
    let mut is_open = false;
    let brackets = memchr::memmem::find_iter(text.as_bytes(), b"\n[").map(|at| at + 1);
    for start in text.starts_with('[').then_some(0).into_iter().chain(brackets) {
        if let (true, Some(last)) = (is_open, spans.last_mut()) {
            last.end = start;
        }
        is_open = is_header(&text[start..]);
        if is_open {
            spans.push(start..text.len());
        }
    }
    (spans.len() >= FEW).then_some(spans)
}

/// True when a text begins with the header of a section, with a name that needs no quotes.
fn is_header(text: &str) -> bool {
    let Some(named) = text.strip_prefix(HEADER) else { return false };
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let length = named.bytes().take_while(plain).count();
    length > 0 && named[length..].starts_with(']')
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use aya_core::rng::Rng;

    use super::*;
    use crate::config::{Config, Env, Problems, check, describe_json};

    const ROUTES: usize = FEW + 6;

    /// A file with enough routes to be read in sections, and other things between them.
    fn file() -> String {
        let mut text = "aya = 1\nlisten = \"127.0.0.1:8080\"\n\n".to_owned();
        for n in 0..ROUTES {
            if n % 20 == 0 {
                let _ = write!(text, "[pool.p{n}]\nbackends = [\n  \"127.0.0.1:9\",\n]\n\n");
            }
            let pool = n - n % 20;
            let _ =
                write!(text, "[route.r{n}] # {n}\nmatch = {{ path = \"/{n}/*\" }}\npool = \"p{pool}\"\n\n");
        }
        text
    }

    /// What a text means, with every line that is told to people, or what is wrong with it.
    fn meaning(read: Result<Config, Problems>) -> String {
        match read {
            Ok(config) => {
                let origins: Vec<_> = config.routes.iter().map(|route| &route.origin.0).collect();
                format!("{}\n{origins:?}\n{:?}", describe_json(&config), config.warnings)
            }
            Err(problems) => problems.render(false, 100),
        }
    }

    fn checked(documents: Vec<Document>, problems: Vec<super::super::Problem>) -> String {
        meaning(check::check(documents, &Env::default(), None, "a.toml", problems))
    }

    fn as_a_whole(text: &str) -> String {
        let mut problems = Vec::new();
        let document = shape::read(&Arc::new(Source::new("a.toml", text)), &mut problems);
        checked(vec![document], problems)
    }

    /// As `include::read` does it; and whether the text was read in sections.
    fn in_sections(text: &str, kept: &Kept) -> (String, bool) {
        let source = Arc::new(Source::new("a.toml", text));
        let mut problems = Vec::new();
        let read = kept.begin().read(&source);
        let is_in_sections = read.is_some();
        let document = read.unwrap_or_else(|| shape::read(&source, &mut problems));
        (checked(vec![document], problems), is_in_sections)
    }

    #[test]
    fn a_large_file_is_read_in_sections_and_means_the_same() {
        let (kept, text) = (Kept::default(), file());
        for text in [text.clone(), text.clone(), format!("\n# moved\n{text}"), text.replace("/3/", "/three/")]
        {
            assert_eq!(in_sections(&text, &kept), (as_a_whole(&text), true));
        }
        assert!(!in_sections(&text.replacen("[route.r0]", "[route.r0", 1), &kept).1);
        assert_eq!(kept.take().len(), ROUTES + 1, "a mistake costs nothing that was known");
        for text in [format!("{text}[route.gone]\npool = \"p0\"\n"), text.clone()] {
            assert!(in_sections(&text, &kept).1);
        }
        assert_eq!(kept.take().len(), ROUTES, "what is gone from the file is forgotten");
    }

    #[test]
    fn a_name_that_does_not_exist_is_told_at_its_place() {
        let text = file().replacen("pool = \"p40\"", "pool = \"p41\"", 1);
        let (told, is_in_sections) = in_sections(&text, &Kept::default());
        assert!(is_in_sections && told.contains("no pool is named \"p41\""), "{told}");
        assert_eq!(told, as_a_whole(&text));
    }

    /// Whatever somebody's fingers do to a file that was read before, it means what it would have meant without that.
    #[test]
    fn what_was_kept_changes_nothing() {
        const PIECES: &[&str] = &[
            "\"\"\"",
            "'''",
            "\"",
            "[",
            "]",
            "{",
            "}",
            "\n",
            "\n[",
            "=",
            "#",
            "[route.r5]\n",
            "[route]\n",
            "[route.\"r 5\"]\npool = \"p0\"\n",
            "x = [\n",
            "pool = \"p20\"\n",
            "[[route]]\n",
            "[route.r7.match]\n",
            "[pool.p0.retry]\n",
            "backends = [\"127.0.0.1:1\"]\n",
            "\r\n",
            "é",
            " [route.r8]\n",
        ];
        let kept = Kept::default();
        let whole = file();
        let mut rng = Rng::seeded(7);
        let mut was_in_sections = 0;
        for turn in 0..400 {
            // Everything is known again before each change.
            assert!(in_sections(&whole, &kept).1);
            let mut lines: Vec<&str> = whole.split_inclusive('\n').collect();
            let mut any = |length: usize| rng.below(length as u32) as usize;
            let (one, other, piece) = (any(lines.len()), any(lines.len()), PIECES[any(PIECES.len())]);
            match turn % 5 {
                0 => drop(lines.remove(one)),
                1 => lines.insert(one, lines[other]),
                2 => lines.swap(one, other),
                3 => lines.insert(one, piece),
                _ => {}
            }
            let mut text = lines.concat();
            if turn % 5 == 4 {
                let at = any(text.len());
                text.insert_str(at, piece);
            }
            let (told, is_in_sections) = in_sections(&text, &kept);
            assert_eq!(told, as_a_whole(&text), "turn {turn}: {text}");
            was_in_sections += usize::from(is_in_sections);
        }
        assert!((40..360).contains(&was_in_sections), "{was_in_sections} of 400 were read in sections");
    }
}
