//! Where something stands: texts that were read, the keys in them, and the bytes they occupy.
//!
//! Checks speak of keys (`pool.shop.backends[1]`), people read lines and carets; [`Marks`] is the bridge.
//! It is kept beside the values instead of inside them, so that the types of the file stay plain.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// A text with the name people know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name of the file, or what stands for it.
    pub name: String,
    /// The whole text; empty when it could not be read.
    pub text: String,
    /// Where each line starts: every key of a large file asks for its line.
    lines: Vec<usize>,
}

impl Source {
    /// Names a text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(after_breaks).collect();
        Self { name: name.into(), text, lines }
    }

    /// Line and column of a byte, both from 1; the column counts characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines[line - 1];
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }

    /// The line that holds a byte, without its end.
    pub fn line(&self, offset: usize) -> &str {
        let (line, _) = self.position(offset);
        self.text.lines().nth(line - 1).unwrap_or_default()
    }
}

/// One step of a key path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A key of a table.
    Key(String),
    /// A place in a list, from 0.
    Index(usize),
}

/// The way to a value from the root of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath(Vec<Step>);

impl KeyPath {
    /// The path one key further down.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    /// The path of one item of this list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    /// The last key on the path.
    pub fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// The bytes of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its key; the value itself for items of lists.
    pub key: Range<usize>,
    /// Its value; the header for tables that have one.
    pub value: Range<usize>,
}

/// The bytes of every value of a text, by key path.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    places: BTreeMap<KeyPath, Mark>,
    damage: Vec<KeyPath>,
}

impl Marks {
    /// Notes where a value stands.
    pub fn insert(&mut self, path: KeyPath, mark: Mark) {
        self.places.insert(path, mark);
    }

    /// True when the text has this key, even if its value was no good.
    pub fn has(&self, path: &KeyPath) -> bool {
        self.places.contains_key(path)
    }

    /// The keys of a table, as they were written.
    pub fn keys(&self, table: &KeyPath) -> impl Iterator<Item = &str> {
        let below = self.places.range(table..).map(|(path, _)| path);
        let below = below.take_while(|path| path.0.starts_with(&table.0));
        below.filter(|path| path.0.len() == table.0.len() + 1).filter_map(|path| match path.0.last() {
            Some(Step::Key(key)) => Some(key.as_str()),
            Some(Step::Index(_)) | None => None,
        })
    }

    /// Where a value stands, or the nearest table around it that stands anywhere.
    pub fn find(&self, path: &KeyPath) -> Mark {
        let mut path = path.clone();
        loop {
            if let Some(mark) = self.places.get(&path) {
                return mark.clone();
            }
            if path.0.pop().is_none() {
                return Mark { key: 0..0, value: 0..0 };
            }
        }
    }

    /// Notes that something at this path was wrong and was left out.
    pub fn note_damage(&mut self, path: KeyPath) {
        self.damage.push(path);
    }

    /// True when something was left out at this very path, not further down.
    pub fn is_damaged(&self, path: &KeyPath) -> bool {
        self.damage.contains(path)
    }

    /// True when nothing at or below this path was left out, so that its values mean what was written.
    pub fn is_sound(&self, path: &KeyPath) -> bool {
        !self.damage.iter().any(|damaged| damaged.0.starts_with(&path.0))
    }

    /// Makes everything at and below `from` known at and below `to` as well.
    pub fn alias(&mut self, from: &KeyPath, to: &KeyPath) {
        let moved = |path: &KeyPath| {
            let below = path.0.strip_prefix(from.0.as_slice())?;
            Some(KeyPath(to.0.iter().chain(below).cloned().collect()))
        };
        let below = self.places.range(from..).map_while(|(path, mark)| Some((moved(path)?, mark.clone())));
        let places: Vec<_> = below.collect();
        let damage: Vec<_> = self.damage.iter().filter_map(moved).collect();
        self.places.extend(places);
        self.damage.extend(damage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let source = Source::new("a.toml", "aya = 1\nhöst = \"x\"\n");

        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(source.text.find('=').unwrap()), (1, 5));
        assert_eq!(source.position(source.text.rfind('=').unwrap()), (2, 6));
        assert_eq!(source.position(9_999), (3, 1));
    }

    #[test]
    fn a_missing_key_is_shown_at_the_table_around_it() {
        let pool = KeyPath::default().key("pool").key("shop");
        let mut marks = Marks::default();
        marks.insert(pool.clone(), Mark { key: 6..10, value: 0..11 });

        assert_eq!(marks.find(&pool.key("health").key("path")).key, 6..10);
        assert_eq!(marks.find(&KeyPath::default().key("route")).key, 0..0);
    }

    #[test]
    fn an_alias_covers_what_is_below() {
        let from = KeyPath::default().key("backends");
        let to = KeyPath::default().key("pool").key("main").key("backends");
        let mut marks = Marks::default();
        marks.insert(from.index(1), Mark { key: 3..4, value: 3..4 });
        marks.alias(&from, &to);

        assert!(marks.has(&to.index(1)));
        assert_eq!(to.index(1).to_string(), "pool.main.backends[1]");
    }
}
