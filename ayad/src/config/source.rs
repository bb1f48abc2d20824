//! Where something stands: texts that were read, the keys in them, and the bytes they occupy.
//!
//! Checks speak of keys (`pool.shop.backends[1]`), people read lines and carets; [`Marks`] is the bridge.
//! It is kept beside the values instead of inside them, so that the types of the file stay plain.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use aya_core::hash::{hash64, mix};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A key of a table.
    Key(Box<str>),
    /// A place in a list, from 0.
    Index(usize),
}

/// The way to a value from the root of the file. It shares its beginning with the path it was made from, and
/// knows its hash: a file with thousands of keys is walked in as many steps and not in copies of paths.
#[derive(Clone, Debug, Default)]
pub struct KeyPath(Option<Arc<Link>>);

#[derive(Debug)]
struct Link {
    above: KeyPath,
    step: Step,
    length: usize,
    hash: u64,
}

impl KeyPath {
    /// The path one key further down.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.into()))
    }

    /// The path of one item of this list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    /// The last key on the path.
    pub fn last_key(&self) -> Option<&str> {
        self.upward().find_map(|link| match &link.step {
            Step::Key(key) => Some(&**key),
            Step::Index(_) => None,
        })
    }

    fn then(&self, step: Step) -> Self {
        let number = match &step {
            Step::Key(key) => hash64(key.as_bytes()),
            Step::Index(index) => *index as u64,
        };
        let hash = mix(self.hash(), number);
        Self(Some(Arc::new(Link { above: self.clone(), step, length: self.length() + 1, hash })))
    }

    fn above(&self) -> Option<&Self> {
        self.0.as_ref().map(|link| &link.above)
    }

    fn hash(&self) -> u64 {
        self.0.as_ref().map_or(0, |link| link.hash)
    }

    fn length(&self) -> usize {
        self.0.as_ref().map_or(0, |link| link.length)
    }

    /// Its steps, from the last to the first.
    fn upward(&self) -> impl Iterator<Item = &Link> {
        std::iter::successors(self.0.as_deref(), |link| link.above.0.as_deref())
    }

    fn starts_with(&self, other: &Self) -> bool {
        let mut path = self;
        while path.length() > other.length() {
            let Some(above) = path.above() else { return false };
            path = above;
        }
        path == other
    }

    /// What follows after `from`, put after `to`.
    fn moved(&self, from: &Self, to: &Self) -> Self {
        match &self.0 {
            Some(link) if link.length > from.length() => link.above.moved(from, to).then(link.step.clone()),
            _ => to.clone(),
        }
    }
}

impl PartialEq for KeyPath {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(a), Some(b)) => {
                Arc::ptr_eq(a, b) || (a.hash == b.hash && a.step == b.step && a.above == b.above)
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}

impl Eq for KeyPath {}

impl Hash for KeyPath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(KeyPath::hash(self));
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(link) = &self.0 else { return Ok(()) };
        link.above.fmt(f)?;
        match &link.step {
            Step::Key(key) if link.length == 1 => f.write_str(key),
            Step::Key(key) => write!(f, ".{key}"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
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
    places: HashMap<KeyPath, Spot, BuildHasherDefault<Ready>>,
    damage: Vec<KeyPath>,
}

/// What is known about one key path.
#[derive(Clone, Debug, Default)]
struct Spot {
    /// Absent for what is only on the way to something.
    mark: Option<Mark>,
    /// The paths one step further down.
    below: Vec<KeyPath>,
}

/// Takes the hash that a path brings along as it is. Files are written by their operators, who would slow down
/// nobody but themselves.
#[derive(Default)]
struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash64(bytes);
    }
}

impl Marks {
    /// Notes where a value stands.
    pub fn insert(&mut self, path: KeyPath, mark: Mark) {
        self.spot(path).mark = Some(mark);
    }

    /// True when the text has this key, even if its value was no good.
    pub fn has(&self, path: &KeyPath) -> bool {
        self.mark(path).is_some()
    }

    /// The keys of a table, as they were written, in order.
    pub fn keys(&self, table: &KeyPath) -> Vec<&str> {
        let below = self.places.get(table).into_iter().flat_map(|spot| &spot.below);
        let mut keys: Vec<&str> = below.filter(|path| self.has(path)).filter_map(KeyPath::last_key).collect();
        keys.sort_unstable();
        keys
    }

    /// Where a value stands, or the nearest table around it that stands anywhere.
    pub fn find(&self, path: &KeyPath) -> Mark {
        let around = std::iter::successors(Some(path), |path| path.above());
        let mut marks = around.filter_map(|path| self.mark(path));
        marks.next().cloned().unwrap_or(Mark { key: 0..0, value: 0..0 })
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
        !self.damage.iter().any(|damaged| damaged.starts_with(path))
    }

    /// Makes everything at and below `from` known at and below `to` as well.
    pub fn alias(&mut self, from: &KeyPath, to: &KeyPath) {
        let mut left = vec![from.clone()];
        while let Some(path) = left.pop() {
            let Some(spot) = self.places.get(&path) else { continue };
            left.extend(spot.below.iter().cloned());
            if let Some(mark) = spot.mark.clone() {
                self.insert(path.moved(from, to), mark);
            }
        }
        let below = self.damage.iter().filter(|path| path.starts_with(from));
        let damage: Vec<_> = below.map(|path| path.moved(from, to)).collect();
        self.damage.extend(damage);
    }

    fn mark(&self, path: &KeyPath) -> Option<&Mark> {
        self.places.get(path)?.mark.as_ref()
    }

    /// What is known about a path, which is known to the path above from now on. Recursion is bounded by the
    /// length of the path.
    fn spot(&mut self, path: KeyPath) -> &mut Spot {
        if !self.places.contains_key(&path)
            && let Some(above) = path.above()
        {
            self.spot(above.clone()).below.push(path.clone());
        }
        self.places.entry(path).or_default()
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

        assert!(marks.has(&to.index(1)) && marks.has(&from.index(1)) && !marks.has(&to));
        assert_eq!(to.index(1).to_string(), "pool.main.backends[1]");
    }
}
