//! What happened, as far as the dashboard keeps it, and which of it somebody reads.

use std::collections::VecDeque;

use aya_api::event::Event;

use super::filter::Filter;

/// Most events kept; older ones are in the daemon and its journal.
pub const MAX_EVENTS: usize = 1_000;

/// What happened, as far as it is kept.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Oldest first, at most [`MAX_EVENTS`].
    pub entries: VecDeque<Entry>,
    /// How many entries lie below the one with the focus; 0 follows the newest.
    pub below: usize,
    /// Which entries are shown.
    pub filter: Filter,
    /// The one that is read; it stays while others come.
    pub open: Option<Entry>,
    /// First line on show of that one.
    pub open_scroll: usize,
}

/// One line of the journal.
#[derive(Clone, Debug)]
pub enum Entry {
    /// The daemon said it.
    Event(Box<Event>),
    /// The dashboard noticed it.
    Note {
        /// When.
        at_ms: u64,
        /// What.
        text: String,
    },
}

impl Journal {
    /// Adds an entry; a reader who is not at the end stays on the entry they read.
    pub fn push(&mut self, entry: Entry) {
        let shown = self.filter.passes(&entry.searchable());
        if self.below > 0 && shown {
            self.below += 1;
        }
        self.entries.push_back(entry);
        while self.entries.len() > MAX_EVENTS {
            self.entries.pop_front();
        }
        self.clamp();
    }

    /// Entries that pass the filter, oldest first.
    pub fn shown(&self) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| self.filter.passes(&entry.searchable())).collect()
    }

    /// The entry with the focus.
    pub fn focused(&self) -> Option<&Entry> {
        self.shown().iter().rev().nth(self.below).copied()
    }

    /// Keeps the focus on an entry that is shown.
    pub fn clamp(&mut self) {
        if self.below > 0 {
            self.below = self.below.min(self.shown().len().saturating_sub(1));
        }
    }
}

impl Entry {
    /// Everything a filter can find in the entry.
    pub fn searchable(&self) -> String {
        match self {
            Self::Event(event) => {
                let parts = [event.from.as_deref(), event.to.as_deref(), event.by.as_deref()];
                let parts: Vec<&str> = parts.into_iter().flatten().collect();
                format!("{} {} {} {}", event.kind, event.subject, event.cause, parts.join(" "))
            }
            Self::Note { text, .. } => text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_of_old_events_stays_where_they_are() {
        let note = |text: &str| Entry::Note { at_ms: 0, text: text.into() };
        let mut journal = Journal::default();
        journal.push(note("one"));
        journal.push(note("two"));
        journal.below = 1;

        journal.push(note("three"));

        let shown = journal.shown();
        let focus = shown[shown.len() - 1 - journal.below];
        assert_eq!(focus.searchable(), "one");
    }
}
