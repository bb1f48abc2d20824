//! Which rows and entries are shown: words an operator typed.

/// A filter over text: every word must occur, in any case; a leading `!` turns it round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// As it was typed.
    pub text: String,
}

impl Filter {
    /// Most characters of a filter.
    pub const MAX: usize = 64;

    /// True when nothing is filtered.
    pub fn is_empty(&self) -> bool {
        self.text.trim_start_matches('!').trim().is_empty()
    }

    /// True when `text` passes.
    pub fn passes(&self, text: &str) -> bool {
        if self.is_empty() {
            return true;
        }
        let text = text.to_lowercase();
        let (inverse, words) = match self.text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, self.text.as_str()),
        };
        let found = words.to_lowercase().split_whitespace().all(|word| text.contains(word));
        found != inverse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_wants_every_word_and_a_bang_turns_it_round() {
        let filter = |text: &str| Filter { text: text.into() };
        assert!(filter("WEB down").passes("shop/web-1 Down refused"));
        assert!(!filter("web up").passes("shop/web-1 down"));
        assert!(filter("!web").passes("shop/db-1"));
        assert!(!filter("!web").passes("shop/web-1"));
        assert!(filter("!").passes("anything"));
    }
}
