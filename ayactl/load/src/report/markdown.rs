//! The report as Markdown, for a pull request.

use std::fmt::Write as _;

use super::{Latency, MEANINGS, Report, number, time};

/// Text in a cell or a line of Markdown: nothing in it becomes markup.
pub fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '#' => safe.extend(['\\', c]),
            // Before a space or a figure they begin no element, and conditions are to be read. First in a line, `>` would
            // begin a quotation.
            '<' | '>'
                if !safe.is_empty()
                    && chars.peek().is_some_and(|next| *next == ' ' || next.is_ascii_digit()) =>
            {
                safe.push(c);
            }
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

impl Report {
    /// The report as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("**{}**\n\n", plain(&self.verdict_line()));
        for reason in &self.verdict.reasons {
            let _ = writeln!(text, "- {}", plain(reason));
        }
        if let Some(why) = &self.ended_early {
            let _ = writeln!(text, "- ended early: {}", plain(why));
        }
        let _ = writeln!(
            text,
            "\n{} · {} · {} s · {} model · seed {}\n",
            plain(&self.asked.url),
            plain(&self.asked.profile),
            number(self.duration_s),
            plain(&self.asked.model),
            self.asked.seed
        );
        if let Some(input) = &self.asked.input {
            let _ = writeln!(text, "Requests of {}\n", plain(&input.in_words()));
        }
        let heads: Vec<&str> = self.response.columns().iter().map(|(name, _)| *name).collect();
        let _ = writeln!(
            text,
            "| Latency | requests | {} |\n|:--|--:{}|",
            heads.join(" | "),
            "|--:".repeat(heads.len())
        );
        for (name, latency) in self.latencies() {
            row(&mut text, &plain(&name), &latency);
        }
        self.gates_below(&mut text);
        if let Some(peak) = &self.peak {
            let _ = writeln!(text, "\n{peak}.");
        }
        if let Some(comparison) = &self.comparison {
            let _ = write!(text, "\n{}", comparison.markdown());
        }
        self.failures_below(&mut text);
        self.split_below(&mut text);
        for added in &self.overhead {
            let [low, high] = added.interval_ms.map(|ms| time(Some(ms)));
            let _ = writeln!(
                text,
                "\nThe proxy adds {} at p{} (95 % interval {low} to {high}).",
                time(Some(added.added_ms)),
                added.percentile
            );
        }
        if let Some(caution) = self.several_backends() {
            let _ = writeln!(text, "\nCaution: {caution}.");
        }
        text.push('\n');
        for (name, meaning) in MEANINGS {
            let _ = writeln!(text, "- **{name}**: {meaning}");
        }
        let _ = writeln!(text, "\nAgain: <code>{}</code>", plain(&self.asked.command));
        text
    }

    fn failures_below(&self, text: &mut String) {
        if !self.failures.is_empty() {
            text.push_str("\n| Without an answer | count | first |\n|:--|--:|:--|\n");
            for failure in &self.failures {
                let _ = writeln!(
                    text,
                    "| {} | {} | {} |",
                    plain(&failure.kind),
                    failure.count,
                    plain(&failure.first)
                );
            }
        }
    }

    fn split_below(&self, text: &mut String) {
        if !self.backends.is_empty() {
            text.push_str("\n| Backend (means) | requests | send lag | proxy queue | retries | backend | rest | p99 |\n|:--|--:|--:|--:|--:|--:|--:|--:|\n");
            for one in &self.backends {
                let parts = [one.lag_ms, one.queue_ms, one.retries_ms, one.backend_ms, one.rest_ms];
                let parts = parts.map(|ms| time(Some(ms))).join(" | ");
                let _ = writeln!(
                    text,
                    "| {} | {} | {parts} | {} |",
                    plain(&one.name),
                    one.count,
                    time(one.p99_ms)
                );
            }
        }
    }

    fn gates_below(&self, text: &mut String) {
        if self.gates.is_empty() {
            return;
        }
        text.push_str("\n| Objective | holds | value |\n|:--|:--|--:|\n");
        for gate in &self.gates {
            let holds = match gate.holds {
                Some(true) => "yes",
                Some(false) => "**no**",
                None => "no data",
            };
            let _ = writeln!(text, "| {} | {holds} | {} |", plain(&gate.condition), plain(&gate.value));
        }
    }

    /// The three latencies, then those by status where there is more than one.
    pub(super) fn latencies(&self) -> Vec<(String, Latency)> {
        let mut all = vec![
            ("Response time".to_owned(), self.response.clone()),
            ("Service time".to_owned(), self.service.clone()),
        ];
        all.extend(self.lag.clone().map(|lag| ("Send lag".to_owned(), lag)));
        if self.statuses.len() > 1 {
            all.extend(
                self.statuses.iter().map(|row| (format!("response, {}", row.status), row.response.clone())),
            );
        }
        all
    }
}

fn row(text: &mut String, name: &str, latency: &Latency) {
    let values: Vec<String> = latency.columns().iter().map(|(_, ms)| time(*ms)).collect();
    let _ = writeln!(text, "| {name} | {} | {} |", latency.count, values.join(" | "));
}
