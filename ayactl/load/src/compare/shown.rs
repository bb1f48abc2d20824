//! A comparison for people: on a terminal and in Markdown. Its cells are the same everywhere.

use std::fmt::Write as _;

use super::limit::{points, signed};
use super::{Comparison, Figure, Finding, Metric, Ranks, Side, Standing};
use crate::html::Tone;
use crate::report::{BOLD, DIM, GREEN, Look, RED, YELLOW, number, paint, percent, plain, time};

/// Headings of the cells of a figure.
pub(crate) const HEADS: [&str; 7] =
    ["figure", "before", "after", "difference", "95 % interval", "change", "finding"];

impl Metric {
    /// What it is, in words.
    const fn label(self) -> &'static str {
        match self {
            Self::P50 => "response p50",
            Self::P90 => "response p90",
            Self::P99 => "response p99",
            Self::P999 => "response p99.9",
            Self::Rate => "rate",
            Self::Errors => "failed",
        }
    }

    fn value(self, value: Option<f64>) -> String {
        match (self, value) {
            (_, None) => "–".to_owned(),
            (Self::Rate, Some(rate)) => format!("{}/s", number(rate)),
            (Self::Errors, Some(share)) => percent(share),
            (_, ms) => time(ms),
        }
    }

    fn difference(self, by: f64) -> String {
        match self {
            Self::Rate => format!("{}/s", signed(by, number)),
            Self::Errors => points(by),
            _ => signed(by, |ms| time(Some(ms))),
        }
    }
}

impl Finding {
    /// In which colour.
    pub(crate) const fn tone(self) -> Tone {
        match self {
            Self::Better => Tone::Good,
            Self::Worse => Tone::Bad,
            Self::NoDifference => Tone::Plain,
            Self::TooFewSeconds | Self::TooFewRequests => Tone::Warn,
        }
    }
}

impl Standing {
    /// In which colour.
    pub(crate) const fn tone(self) -> Tone {
        match self {
            Self::Holds => Tone::Good,
            Self::Exceeded => Tone::Bad,
            Self::NotShown | Self::Unknown => Tone::Warn,
        }
    }
}

impl Figure {
    /// Its cells, as [`HEADS`] call them.
    pub(crate) fn cells(&self) -> [String; 7] {
        let unknown = || "–".to_owned();
        let interval = self.interval.map_or_else(unknown, |[low, high]| match self.metric {
            Metric::Errors => format!("{} to {}", signed(low * 100.0, number), points(high)),
            metric => format!("{} to {}", metric.difference(low), metric.difference(high)),
        });
        [
            self.metric.label().to_owned(),
            self.metric.value(self.before),
            self.metric.value(self.after),
            self.difference.map_or_else(unknown, |by| self.metric.difference(by)),
            interval,
            self.change.map_or_else(unknown, |change| signed(change, percent)),
            self.finding.in_words().to_owned(),
        ]
    }
}

impl Ranks {
    /// What it says, in a sentence without an end.
    pub(crate) fn sentence(&self, step_s: f64) -> String {
        let [before, after] = self.median_ms.map(|ms| time(Some(ms)));
        let step = if step_s > 1.0 { format!("steps of {} s", number(step_s)) } else { "seconds".to_owned() };
        let p = if self.p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {:.3}", self.p) };
        format!(
            "{}: p99 of the {step}: median {before} before, {after} after; slower after in {} of the pairs, {p} (rank test)",
            self.finding.in_words(),
            percent(self.slower)
        )
    }
}

impl Side {
    fn line(&self, steps: &str) -> String {
        format!(
            "{}  {}  {} {steps}, {} requests  {}",
            self.name,
            self.verdict.shout(),
            self.steps,
            self.requests,
            self.url
        )
    }
}

impl Comparison {
    /// What its steps are called.
    fn steps(&self) -> String {
        if self.step_s > 1.0 { format!("steps of {} s", number(self.step_s)) } else { "seconds".to_owned() }
    }

    /// The worst that was found, for a colour.
    pub(crate) fn tone(&self) -> Tone {
        let has = |finding| self.figures.iter().any(|figure| figure.finding == finding);
        match (has(Finding::Worse), has(Finding::Better)) {
            (true, _) => Tone::Bad,
            (false, true) => Tone::Good,
            (false, false) => Tone::Plain,
        }
    }

    /// The comparison as text.
    pub fn terminal(&self, look: Look) -> String {
        let mut text = format!("{}\n", paint(&self.line(), color(self.tone()), look));
        for ruling in &self.limits {
            let word = paint(&format!("{:<9}", ruling.word()), color(ruling.standing.tone()), look);
            let _ = writeln!(text, "  {word}  {}  ({})", ruling.limit, ruling.why);
        }
        for concern in &self.concerns {
            let _ = writeln!(text, "  {}: {}", paint("warning", YELLOW, look), concern.what);
        }
        let steps = self.steps();
        let _ = writeln!(text, "\nbefore  {}", self.before.line(&steps));
        let _ = writeln!(text, "after   {}\n", self.after.line(&steps));
        let [_, before, after, difference, interval, ..] = HEADS;
        let _ = writeln!(text, "{:<15}{before:>9} {after:>9} {difference:>13}  {interval}", "");
        for figure in &self.figures {
            let [label, before, after, difference, interval, change, word] = figure.cells();
            let by = if matches!(figure.finding, Finding::Better | Finding::Worse) && figure.change.is_some()
            {
                format!(" ({change})")
            } else {
                String::new()
            };
            let word = paint(&format!("{word}{by}"), color(figure.finding.tone()), look);
            let _ =
                writeln!(text, "{label:<15}{before:>9} {after:>9} {difference:>13}  {interval:<24}  {word}");
        }
        if let Some(ranks) = &self.ranks {
            let _ = writeln!(text, "\n{}", ranks.sentence(self.step_s));
        }
        let _ = writeln!(text, "{}", paint(&self.method(), DIM, look));
        text
    }

    /// How it was found, in a sentence.
    pub(crate) fn method(&self) -> String {
        let block = match self.block {
            1 => String::new(),
            block => format!(", {block} neighbours at a time"),
        };
        format!(
            "95 % intervals by drawing the {} anew{block}; what differs between runs is not in them",
            self.steps()
        )
    }

    /// The comparison as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("**{}**\n\n", plain(&self.line()));
        let steps = self.steps();
        let _ = writeln!(text, "- before: {}", plain(&self.before.line(&steps)));
        let _ = writeln!(text, "- after: {}", plain(&self.after.line(&steps)));
        for concern in &self.concerns {
            let _ = writeln!(text, "- warning: {}", plain(&concern.what));
        }
        let _ = writeln!(text, "\n| {} |\n|:--|--:|--:|--:|--:|--:|:--|", HEADS.join(" | "));
        for figure in &self.figures {
            let _ = writeln!(text, "| {} |", figure.cells().map(|cell| plain(&cell)).join(" | "));
        }
        if !self.limits.is_empty() {
            text.push_str("\n| Limit | holds | why |\n|:--|:--|:--|\n");
            for ruling in &self.limits {
                let word = match ruling.standing {
                    Standing::Exceeded => "**no**",
                    Standing::Holds => "yes",
                    Standing::NotShown | Standing::Unknown => ruling.word(),
                };
                let _ = writeln!(text, "| {} | {word} | {} |", plain(&ruling.limit), plain(&ruling.why));
            }
        }
        if let Some(ranks) = &self.ranks {
            let _ = writeln!(text, "\n{}.", plain(&ranks.sentence(self.step_s)));
        }
        let _ = writeln!(text, "\n{}.", plain(&self.method()));
        text
    }
}

fn color(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => GREEN,
        Tone::Warn => YELLOW,
        Tone::Bad => RED,
        Tone::Plain => BOLD,
    }
}
