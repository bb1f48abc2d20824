//! Where everything in a text stands: a tree of marks in the shape of the file, kept beside the values instead of
//! inside them, so that the types of the file stay plain.
//!
//! Checks speak of keys (`pool.shop.backends[1]`), people read lines and carets; this is the bridge. A file has tens
//! of thousands of keys and a reload must not take long, so the whole tree is two pieces of memory: what is below a
//! node lies side by side, in order, and is searched by halves. Marks know bytes and names; what the values are is
//! not their business.

use std::ops::Range;

/// One node of [`Marks`]: a table, a key, or an item of a list. Belongs to the marks it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot(u32);

impl Spot {
    /// The whole file.
    pub const ROOT: Self = Self(0);

    /// The spot `index` places after this one; both are children of the same node, see [`Marks::grow`].
    #[must_use]
    pub fn after(self, index: usize) -> Self {
        Self(self.0 + index as u32)
    }
}

/// A range of bytes or nodes. Texts are far below 4 GiB ([`super::include`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Part {
    start: u32,
    end: u32,
}

impl Part {
    fn of(range: &Range<usize>) -> Self {
        Self { start: range.start as u32, end: range.end as u32 }
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// Its key, as a part of all names; empty for items of lists.
    name: Part,
    key: Part,
    value: Part,
    below: Part,
    is_damaged: bool,
}

/// The bytes of every value of a text.
#[derive(Clone, Debug)]
pub struct Marks {
    nodes: Vec<Node>,
    /// All keys, one after the other: as they are meant, which is not always as they are written.
    names: String,
    is_sound: bool,
}

impl Default for Marks {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], names: String::new(), is_sound: true }
    }
}

impl Marks {
    /// Puts children below a node that has none: their names (empty for items of a list; keys in order), the bytes of
    /// the key and those of the value. Answers with the first; the others come after it.
    pub fn grow<'n>(
        &mut self,
        parent: Spot,
        children: impl Iterator<Item = (&'n str, Range<usize>, Range<usize>)>,
    ) -> Spot {
        let start = self.nodes.len() as u32;
        for (name, key, value) in children {
            let name = self.named(name);
            let (key, value) = (Part::of(&key), Part::of(&value));
            self.nodes.push(Node { name, key, value, ..Node::default() });
        }
        self.node_mut(parent).below = Part { start, end: self.nodes.len() as u32 };
        Spot(start)
    }

    /// The bytes of the key; those of the value for items of lists.
    pub fn key(&self, spot: Spot) -> Range<usize> {
        self.node(spot).key.range()
    }

    /// The bytes of the value; of the header for tables that have one.
    pub fn value(&self, spot: Spot) -> Range<usize> {
        self.node(spot).value.range()
    }

    /// The key, as it is meant.
    pub fn name_of(&self, spot: Spot) -> &str {
        self.name(self.node(spot))
    }

    /// The spot of a key of this table, even if its value was no good.
    pub fn below(&self, table: Spot, key: &str) -> Option<Spot> {
        let below = self.node(table).below;
        let at = self.nodes[below.range()].binary_search_by(|node| self.name(node).cmp(key)).ok()?;
        Some(Spot(below.start).after(at))
    }

    /// The spot of an item of this list. Good items come first, see [`Self::put_good_first`].
    pub fn item(&self, list: Spot, index: usize) -> Option<Spot> {
        let below = self.node(list).below;
        (index < below.range().len()).then(|| Spot(below.start).after(index))
    }

    /// The keys of a table, as they were written, in order, and their spots.
    pub fn children(&self, table: Spot) -> impl Iterator<Item = (&str, Spot)> {
        let below = self.node(table).below;
        let spots = (below.start..below.end).map(Spot);
        self.nodes[below.range()].iter().map(|node| self.name(node)).zip(spots)
    }

    /// The bytes of every value.
    pub fn values(&self) -> impl Iterator<Item = Range<usize>> {
        self.nodes.iter().skip(1).map(|node| node.value.range())
    }

    /// Notes that something in this very value was wrong and was left out.
    pub fn note_damage(&mut self, spot: Spot) {
        self.is_sound = false;
        self.node_mut(spot).is_damaged = true;
    }

    /// True when something was left out of this very value, not further down.
    pub fn is_damaged(&self, spot: Spot) -> bool {
        self.node(spot).is_damaged
    }

    /// True when nothing at or below this spot was left out, so that its values mean what was written. Recursion is
    /// bounded by the depth of the file format.
    pub fn is_sound(&self, spot: Spot) -> bool {
        let node = self.node(spot);
        let below = node.below.start..node.below.end;
        self.is_sound || !node.is_damaged && below.into_iter().all(|child| self.is_sound(Spot(child)))
    }

    /// Items of a list that were wrong are left out of its value: those that stay get their places.
    pub fn put_good_first(&mut self, list: Spot, is_good: &[bool]) {
        let below = self.node(list).below.range();
        let of = |nodes: &[Node], good: bool| -> Vec<Node> {
            nodes.iter().zip(is_good).filter(|(_, is)| **is == good).map(|(node, _)| *node).collect()
        };
        let nodes = &mut self.nodes[below];
        let sorted = [of(nodes, true), of(nodes, false)].concat();
        nodes.copy_from_slice(&sorted);
    }

    /// Puts a key below a table that lacks it, standing where `like` stands, and with everything below `like` if
    /// `whole`. Spots of the table's other children are old from then on.
    pub fn graft(&mut self, table: Spot, key: &str, like: Spot, whole: bool) -> Spot {
        let mut node = *self.node(like);
        node.name = self.named(key);
        if !whole {
            (node.below, node.is_damaged) = (Part::default(), false);
        }
        let mut children = self.nodes[self.node(table).below.range()].to_vec();
        let at = children.partition_point(|child| self.name(child) < key);
        children.insert(at, node);
        let start = self.nodes.len() as u32;
        self.nodes.extend(children);
        self.node_mut(table).below = Part { start, end: self.nodes.len() as u32 };
        Spot(start).after(at)
    }

    /// Forgets what is below a spot.
    pub fn clear(&mut self, spot: Spot) {
        self.node_mut(spot).below = Part::default();
    }

    fn named(&mut self, name: &str) -> Part {
        let start = self.names.len() as u32;
        self.names.push_str(name);
        Part { start, end: self.names.len() as u32 }
    }

    fn name(&self, node: &Node) -> &str {
        &self.names[node.name.range()]
    }

    fn node(&self, spot: Spot) -> &Node {
        &self.nodes[spot.0 as usize]
    }

    fn node_mut(&mut self, spot: Spot) -> &mut Node {
        &mut self.nodes[spot.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[pool.shop] backends = [x, y, z]`, each at bytes of its own.
    fn shop() -> (Marks, Spot, Spot) {
        let mut marks = Marks::default();
        let pool = marks.grow(Spot::ROOT, [("pool", 1..5, 0..11)].into_iter());
        let shop = marks.grow(pool, [("shop", 6..10, 0..11)].into_iter());
        let list = marks.grow(shop, [("backends", 12..20, 23..32)].into_iter());
        marks.grow(list, [("", 24..25, 24..25), ("", 27..28, 27..28), ("", 30..31, 30..31)].into_iter());
        (marks, shop, list)
    }

    #[test]
    fn keys_and_items_are_found_where_they_are_and_nowhere_else() {
        let (marks, shop, list) = shop();

        assert_eq!(marks.below(shop, "backends"), Some(list));
        assert_eq!((marks.key(list), marks.value(list)), (12..20, 23..32));
        assert_eq!(marks.below(shop, "backend"), None);
        assert_eq!(marks.item(list, 2).map(|item| marks.value(item)), Some(30..31));
        assert_eq!(marks.item(list, 3), None);
        assert_eq!(marks.children(shop).collect::<Vec<_>>(), [("backends", list)]);
    }

    #[test]
    fn damage_is_seen_from_above_and_not_from_beside() {
        let (mut marks, shop, list) = shop();
        let [first, second] = [0, 1].map(|index| marks.item(list, index).unwrap());
        marks.note_damage(second);

        assert!(marks.is_sound(first) && !marks.is_sound(second) && !marks.is_sound(shop));
        assert!(marks.is_damaged(second) && !marks.is_damaged(list));
    }

    #[test]
    fn items_that_stay_move_up_with_their_marks() {
        let (mut marks, _, list) = shop();
        marks.put_good_first(list, &[true, false, true]);

        let bytes = [0, 1, 2].map(|index| marks.value(marks.item(list, index).unwrap()));
        assert_eq!(bytes, [24..25, 30..31, 27..28]);
    }

    #[test]
    fn a_graft_brings_what_is_below_and_keeps_the_order() {
        let (mut marks, shop, list) = shop();
        marks.note_damage(marks.item(list, 0).unwrap());
        let bare = marks.graft(shop, "a", list, false);
        let whole = marks.graft(shop, "z", list, true);

        let keys: Vec<_> = marks.children(shop).map(|(key, _)| key).collect();
        assert_eq!(keys, ["a", "backends", "z"]);
        assert_eq!((marks.item(bare, 0), marks.item(whole, 2).is_some()), (None, true));
        assert!(marks.is_sound(bare) && !marks.is_sound(whole));
    }
}
