//! A line of facts of which the least important give way when it gets narrow: whole, never cut in the middle.

use ratatui::buffer::Buffer;

use super::table::{self, Cell};
use crate::theme::{Theme, Tone};

/// One fact of a strip.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) cell: Cell,
    /// 0 stays longest.
    pub(crate) rank: u8,
}

impl Fact {
    pub(crate) fn new(rank: u8, text: impl Into<String>, tone: Tone) -> Self {
        Self { cell: Cell::new(text, tone), rank }
    }
}

/// Cells between two facts.
const GAP: u16 = 2;

/// Keeps the facts that fit into `width`, the most important ones, in their order.
pub(crate) fn fit(mut facts: Vec<Fact>, width: u16) -> Vec<Fact> {
    facts.retain(|fact| !fact.cell.text.is_empty());
    while facts.len() > 1 && length(&facts) > width {
        let last = facts.iter().map(|fact| fact.rank).max().unwrap_or(0);
        let Some(at) = facts.iter().rposition(|fact| fact.rank == last) else { break };
        facts.remove(at);
    }
    facts
}

/// Draws the facts that fit, from `at` on, and returns the column after the last.
pub(crate) fn draw(buf: &mut Buffer, theme: Theme, at: (u16, u16), width: u16, facts: Vec<Fact>) -> u16 {
    let (mut x, y) = at;
    let end = x + width;
    for (index, fact) in fit(facts, width).into_iter().enumerate() {
        if index > 0 {
            x += GAP;
        }
        x = table::put(buf, (x, y), end.saturating_sub(x), &fact.cell, theme);
    }
    x
}

fn length(facts: &[Fact]) -> u16 {
    let gaps = GAP * u16::try_from(facts.len().saturating_sub(1)).unwrap_or(0);
    facts.iter().map(|fact| table::width(&fact.cell.text)).sum::<u16>().saturating_add(gaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_important_fact_gives_way_whole() {
        let facts = || {
            vec![
                Fact::new(0, "shop", Tone::Strong),
                Fact::new(2, "p2c", Tone::Plain),
                Fact::new(1, "4 of 6", Tone::Plain),
            ]
        };
        let kept = |width| fit(facts(), width).into_iter().map(|f| f.cell.text).collect::<Vec<_>>();
        assert_eq!(kept(17), ["shop", "p2c", "4 of 6"]);
        assert_eq!(kept(16), ["shop", "4 of 6"]);
        assert_eq!(kept(3), ["shop"]);
    }
}
