//! Which backends stand after a look at where they come from: what a good answer adds and removes, and what a bad one
//! leaves as it was.
//!
//! Sources flap: a name server answers with a part of the set, a list is empty for the moment in which somebody writes
//! it. So nothing leaves at once. A member goes when it was missing from several good answers in a row, and an answer
//! that is empty removes nobody: no operator means "send nothing anywhere" by it. What it deliberately does not do: ask
//! anybody, or read what was answered.

use std::collections::HashMap;
use std::time::Duration;

/// The members of one source, in the order of the newest answer; those that are missing from it come last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster<T> {
    members: Vec<Member<T>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Member<T> {
    name: String,
    value: T,
    /// Good answers in a row without it.
    missed: u32,
}

/// What a good answer changed, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Not there before.
    pub added: Vec<String>,
    /// There before, and different now.
    pub altered: Vec<String>,
    /// Gone.
    pub removed: Vec<String>,
}

impl Changes {
    /// True when the members are what they were.
    pub fn is_none(&self) -> bool {
        self.added.is_empty() && self.altered.is_empty() && self.removed.is_empty()
    }
}

impl<T> Default for Roster<T> {
    fn default() -> Self {
        Self { members: Vec::new() }
    }
}

impl<T: PartialEq> Roster<T> {
    /// The members of an earlier answer of the same source, before the first look of this process.
    pub fn resume(members: impl IntoIterator<Item = (String, T)>) -> Self {
        Self::of(members, 0)
    }

    /// Members that another source had, until this one has answered: its first whole answer decides.
    pub fn adopt(members: impl IntoIterator<Item = (String, T)>) -> Self {
        Self::of(members, u32::MAX - 1)
    }

    fn of(members: impl IntoIterator<Item = (String, T)>, missed: u32) -> Self {
        let members = members.into_iter().map(|(name, value)| Member { name, value, missed });
        Self { members: members.collect() }
    }

    /// Takes a good answer: names with what is known of each, no name twice. An answer that is not `whole` says
    /// nothing about those it does not name. A member is gone when `linger` whole answers in a row did not name it; 1
    /// is at once. `None` when the answer is empty: then everything stays, and counts as it did.
    pub fn take(&mut self, found: Vec<(String, T)>, whole: bool, linger: u32) -> Option<Changes> {
        if found.is_empty() {
            return None;
        }
        let mut before: HashMap<String, Member<T>> =
            self.members.drain(..).map(|member| (member.name.clone(), member)).collect();
        let mut changes = Changes::default();
        for (name, value) in found {
            match before.remove(&name) {
                None => changes.added.push(name.clone()),
                Some(known) if known.value != value => changes.altered.push(name.clone()),
                Some(_) => {}
            }
            self.members.push(Member { name, value, missed: 0 });
        }
        let mut missing: Vec<_> = before.into_values().collect();
        missing.sort_by(|a, b| a.name.cmp(&b.name));
        for mut member in missing {
            member.missed = member.missed.saturating_add(u32::from(whole));
            if member.missed >= linger {
                changes.removed.push(member.name);
            } else {
                self.members.push(member);
            }
        }
        Some(changes)
    }

    /// Adds a member, or puts another value in the place of one of this name.
    pub fn put(&mut self, name: String, value: T) {
        match self.members.iter_mut().find(|member| member.name == name) {
            Some(member) => member.value = value,
            None => self.members.push(Member { name, value, missed: 0 }),
        }
    }

    /// Takes a member out; true if there was one of this name.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.members.len();
        self.members.retain(|member| member.name != name);
        self.members.len() < before
    }

    /// What is known of the member of this name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.members.iter().find(|member| member.name == name).map(|member| &member.value)
    }

    /// What is known of each member.
    pub fn members(&self) -> impl Iterator<Item = &T> {
        self.members.iter().map(|member| &member.value)
    }

    /// Names of those that were missing from the newest answers and have not gone yet.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        let missing = self.members.iter().filter(|member| member.missed > 0);
        missing.map(|member| member.name.as_str())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// How often a source is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Shortest time between two looks.
    pub least: Duration,
    /// Longest time between two looks.
    pub most: Duration,
}

impl Pace {
    /// Time until the next look after a good answer, which holds for `ttl` if it says so.
    pub fn after_answer(&self, ttl: Option<Duration>) -> Duration {
        ttl.unwrap_or(self.most).clamp(self.least, self.most.max(self.least))
    }

    /// Time until the next look after `failures` bad answers in a row: soon, then twice as long each time.
    pub fn after_failure(&self, failures: u32) -> Duration {
        let doubled = self.least.saturating_mul(1 << failures.saturating_sub(1).min(16));
        doubled.min(self.most.max(self.least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Vec<(String, u32)> {
        names.iter().map(|name| ((*name).to_owned(), 1)).collect()
    }

    fn count(roster: &Roster<u32>) -> (usize, Vec<&str>) {
        (roster.len(), roster.missing().collect())
    }

    #[test]
    fn a_member_goes_only_after_it_was_missing_several_times_in_a_row() {
        let mut roster = Roster::resume(found(&["a", "b"]));
        assert!(roster.take(found(&["a"]), true, 2).unwrap().is_none());
        assert!(roster.take(found(&["a", "b"]), true, 2).unwrap().is_none());
        assert!(roster.take(found(&["a"]), true, 2).unwrap().is_none());
        assert_eq!(count(&roster), (2, vec!["b"]));

        let changes = roster.take(found(&["a", "c"]), true, 2).unwrap();

        assert_eq!((changes.added, changes.removed), (vec!["c".to_owned()], vec!["b".to_owned()]));
        assert_eq!(count(&roster), (2, vec![]));
    }

    #[test]
    fn an_empty_answer_changes_nothing_and_half_an_answer_removes_nobody() {
        let mut roster = Roster::resume(found(&["a", "b"]));
        let before = roster.clone();
        assert_eq!(roster.take(Vec::new(), true, 1), None);
        assert_eq!(roster, before);

        assert!(roster.take(found(&["a"]), false, 1).unwrap().is_none());
        assert_eq!(roster.len(), 2);
    }

    #[test]
    fn what_another_source_said_holds_until_the_first_answer() {
        let mut roster = Roster::adopt(found(&["a", "b"]));
        assert_eq!(roster.len(), 2);
        let changes = roster.take(found(&["b"]), true, 5).unwrap();
        assert_eq!(changes.removed, ["a"]);
        assert!(changes.added.is_empty());
    }

    #[test]
    fn a_member_that_says_something_else_is_altered() {
        let mut roster = Roster::resume(found(&["a"]));
        let changes = roster.take(vec![("a".to_owned(), 2)], true, 2).unwrap();
        assert_eq!(changes.altered, ["a"]);
        assert_eq!(roster.members().collect::<Vec<_>>(), [&2]);
    }

    #[test]
    fn the_next_look_is_never_sooner_than_least_and_never_later_than_most() {
        let second = Duration::from_secs(1);
        let pace = Pace { least: second, most: 30 * second };
        assert_eq!(pace.after_answer(None), 30 * second);
        assert_eq!(pace.after_answer(Some(Duration::ZERO)), second);
        assert_eq!(pace.after_answer(Some(5 * second)), 5 * second);
        assert_eq!(pace.after_answer(Some(3600 * second)), 30 * second);
        assert_eq!([1, 2, 3, 40].map(|failures| pace.after_failure(failures).as_secs()), [1, 2, 4, 30]);
    }
}
