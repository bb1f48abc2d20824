//! Colours and glyphs.
//!
//! Sixteen colours or none, and a second set of glyphs for terminals without Unicode. A colour never carries
//! a meaning alone: every state is also a word. There are no user themes; the palette of sixteen already is
//! the operator's.

use ratatui::style::{Color as Ink, Modifier, Style};

use crate::Color;

/// What a piece of text means; the theme decides how that looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tone {
    /// Ordinary text.
    Plain,
    /// What the eye should find first.
    Strong,
    /// Labels, and figures that are not known.
    Muted,
    /// Works as it should.
    Good,
    /// Ordered by people, or only half working.
    Warn,
    /// Does not work.
    Bad,
    /// Keys, titles of boxes, bars.
    Accent,
    /// Column titles.
    Title,
    /// A line over the whole width that must not be missed.
    Banner,
    /// The row or the choice with the focus.
    Selected,
    /// Everything, while the picture is old.
    Stale,
}

/// Characters that differ between Unicode and ASCII.
#[derive(Debug)]
pub struct Glyphs {
    /// Stands for a figure that is not known; never zero.
    pub none: &'static str,
    /// Between before and after.
    pub arrow: &'static str,
    /// Between the edges of a range.
    pub range: &'static str,
    /// Where text was cut.
    pub ellipsis: &'static str,
    /// In front of the focused row.
    pub marker: &'static str,
    /// In front of a line that explains the row above.
    pub elbow: &'static str,
    /// Sorted upwards.
    pub ascending: &'static str,
    /// Sorted downwards.
    pub descending: &'static str,
    /// All is well.
    pub good: &'static str,
    /// Worth a look.
    pub warn: &'static str,
    /// Broken.
    pub bad: &'static str,
    /// Bars from empty to full, in eighths.
    pub levels: [&'static str; 9],
    /// One cell of a horizontal bar.
    pub bar: &'static str,
    /// Corners and edges of a box: top left, top right, bottom left, bottom right, horizontal, vertical.
    pub frame: [&'static str; 6],
}

const UNICODE: Glyphs = Glyphs {
    none: "–",
    arrow: "→",
    range: "–",
    ellipsis: "…",
    marker: "▸",
    elbow: "└",
    ascending: "▲",
    descending: "▼",
    good: "●",
    warn: "▲",
    bad: "✗",
    levels: [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    bar: "█",
    frame: ["┌", "┐", "└", "┘", "─", "│"],
};

const ASCII: Glyphs = Glyphs {
    none: "-",
    arrow: "->",
    range: "-",
    ellipsis: "~",
    marker: ">",
    elbow: "`",
    ascending: "^",
    descending: "v",
    good: "*",
    warn: "!",
    bad: "x",
    levels: [" ", ".", ".", ":", ":", "+", "+", "#", "#"],
    bar: "#",
    frame: ["+", "+", "+", "+", "-", "|"],
};

/// Turns meaning into looks.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    colored: bool,
    /// Characters to draw with.
    pub glyphs: &'static Glyphs,
}

impl Theme {
    /// A theme for what the terminal can show.
    pub fn new(color: Color, ascii: bool) -> Self {
        Self { colored: color != Color::None, glyphs: if ascii { &ASCII } else { &UNICODE } }
    }

    /// How `tone` looks.
    pub fn style(self, tone: Tone) -> Style {
        if self.colored { colored(tone) } else { colorless(tone) }
    }
}

fn colored(tone: Tone) -> Style {
    let style = Style::new();
    match tone {
        Tone::Plain => style,
        Tone::Strong => style.add_modifier(Modifier::BOLD),
        Tone::Muted | Tone::Stale => style.fg(Ink::DarkGray),
        Tone::Good => style.fg(Ink::Green),
        Tone::Warn => style.fg(Ink::Yellow),
        Tone::Bad => style.fg(Ink::Red).add_modifier(Modifier::BOLD),
        Tone::Accent => style.fg(Ink::Cyan),
        Tone::Title => style.fg(Ink::DarkGray).add_modifier(Modifier::BOLD),
        Tone::Banner => style.fg(Ink::Black).bg(Ink::Yellow).add_modifier(Modifier::BOLD),
        Tone::Selected => style.add_modifier(Modifier::REVERSED),
    }
}

fn colorless(tone: Tone) -> Style {
    let style = Style::new();
    match tone {
        Tone::Plain | Tone::Good | Tone::Accent => style,
        Tone::Muted | Tone::Stale => style.add_modifier(Modifier::DIM),
        Tone::Strong | Tone::Warn => style.add_modifier(Modifier::BOLD),
        Tone::Bad => style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
        Tone::Title => style.add_modifier(Modifier::UNDERLINED),
        Tone::Banner => style.add_modifier(Modifier::BOLD | Modifier::REVERSED),
        Tone::Selected => style.add_modifier(Modifier::REVERSED),
    }
}
