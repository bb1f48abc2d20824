//! One page of HTML that needs nothing else to be read: no library, no font, no network.
//!
//! Whoever has something to tell fills a [`Page`] from top to bottom; [`plot`] draws figures for it. Everything that is
//! given as text is escaped here, so callers hand over what they have.

use std::fmt::Write as _;

pub mod plot;
mod scale;
mod svg;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// How good or bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As hoped.
    Good,
    /// To be looked at.
    Warn,
    /// Failed.
    Bad,
    /// Neither.
    Plain,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Plain => "plain",
        }
    }
}

/// One figure of the summary.
#[derive(Clone, Debug)]
pub struct Card {
    /// What it is, e.g. `response p99`.
    pub name: String,
    /// The figure with its unit.
    pub value: String,
    /// One more line in small type; may be empty.
    pub note: String,
}

/// A cell of a table.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell in the colour of `tone`.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }
}

impl Cell {
    /// The same text in the colour of `tone`.
    #[must_use]
    pub fn colored(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }
}

/// A page in the making.
#[derive(Debug)]
pub struct Page {
    title: String,
    body: String,
    contents: Vec<(usize, String)>,
}

impl Page {
    /// A page with a title and nothing else.
    pub fn new(title: &str) -> Self {
        Self { title: title.to_owned(), body: String::new(), contents: Vec::new() }
    }

    /// The verdict, which comes first: a line in a colour, and sentences below it.
    pub fn verdict(&mut self, tone: Tone, line: &str, sentences: &[String]) {
        let _ = write!(
            self.body,
            "<div class=\"verdict {}\" role=\"status\"><strong>{}</strong>",
            tone.class(),
            escaped(line)
        );
        for sentence in sentences {
            let _ = write!(self.body, "<p>{}</p>", escaped(sentence));
        }
        self.body.push_str("</div>\n");
    }

    /// A row of cards.
    pub fn cards(&mut self, cards: &[Card]) {
        self.body.push_str("<dl class=\"cards\">");
        for Card { name, value, note } in cards {
            let (name, value, note) = (escaped(name), escaped(value), escaped(note));
            let _ =
                write!(self.body, "<div><dt>{name}</dt><dd>{value}</dd><dd class=\"note\">{note}</dd></div>");
        }
        self.body.push_str("</dl>\n");
    }

    /// Begins a section; it is in the table of contents.
    pub fn section(&mut self, title: &str) {
        let number = self.contents.len() + 1;
        let _ = writeln!(self.body, "<h2 id=\"s{number}\">{}</h2>", escaped(title));
        self.contents.push((number, title.to_owned()));
    }

    /// A paragraph.
    pub fn text(&mut self, text: &str) {
        let _ = writeln!(self.body, "<p>{}</p>", escaped(text));
    }

    /// Text as it was written, e.g. a command.
    pub fn code(&mut self, text: &str) {
        let _ = writeln!(self.body, "<pre tabindex=\"0\">{}</pre>", escaped(text));
    }

    /// Terms with their meanings.
    pub fn terms(&mut self, terms: &[(&str, &str)]) {
        self.body.push_str("<dl class=\"terms\">");
        for (term, meaning) in terms {
            let _ = write!(self.body, "<dt>{}</dt><dd>{}</dd>", escaped(term), escaped(meaning));
        }
        self.body.push_str("</dl>\n");
    }

    /// A table; columns of figures lean to the right, the others and the first to the left.
    pub fn table(&mut self, caption: &str, head: &[&str], rows: &[Vec<Cell>]) {
        let _ = write!(
            self.body,
            "<div class=\"wide\" tabindex=\"0\"><table><caption>{}</caption><thead><tr>",
            escaped(caption)
        );
        let figures: Vec<bool> =
            (0..head.len()).map(|column| column > 0 && is_figures(rows, column)).collect();
        for (name, is_figures) in head.iter().zip(&figures) {
            let class = if *is_figures { " class=\"n\"" } else { "" };
            let _ = write!(self.body, "<th scope=\"col\"{class}>{}</th>", escaped(name));
        }
        self.body.push_str("</tr></thead><tbody>");
        for row in rows {
            self.body.push_str("<tr>");
            for (column, Cell { text, tone }) in row.iter().enumerate() {
                let side = if figures.get(column).copied().unwrap_or(false) { "n " } else { "" };
                let _ = write!(self.body, "<td class=\"{side}{}\">{}</td>", tone.class(), escaped(text));
            }
            self.body.push_str("</tr>");
        }
        self.body.push_str("</tbody></table></div>\n");
    }

    /// A figure, as one of [`plot`]'s drawings gives it.
    pub fn figure(&mut self, figure: &plot::Figure) {
        self.body.push_str(figure.html());
    }

    /// The page. `data` is a file name with JSON that the page carries and offers for download.
    pub fn finish(self, data: Option<(&str, &str)>) -> String {
        let title = escaped(&self.title);
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
             script-src 'unsafe-inline'; img-src data:\">\n<meta name=\"viewport\" content=\"width=device-width, \
             initial-scale=1\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        );
        if self.contents.len() > 2 {
            page.push_str("<nav aria-label=\"Contents\">");
            for (number, title) in &self.contents {
                let _ = write!(page, "<a href=\"#s{number}\">{}</a> ", escaped(title));
            }
            page.push_str("</nav>\n");
        }
        page.push_str(&self.body);
        if let Some((name, json)) = data {
            let _ = write!(
                page,
                "<h2>Data</h2>\n<p><button type=\"button\" id=\"save\" data-name=\"{}\">Save what this page was made of \
                 as JSON</button></p>\n<script type=\"application/json\" id=\"data\">{}</script>\n",
                escaped(name),
                in_script(json)
            );
        }
        let _ = write!(page, "</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n");
        page
    }
}

/// Whether all that stands in a column are figures with their units, or nothing.
fn is_figures(rows: &[Vec<Cell>], column: usize) -> bool {
    let texts = || rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.as_str());
    let is_figure = |text: &str| {
        let digits = text.trim_start_matches(['+', '-', '−', '–', '<', '>', '≤', '≥', '×', ' ']);
        digits.is_empty()
            || (digits.starts_with(|c: char| c.is_ascii_digit()) && digits.split_whitespace().count() <= 2)
    };
    texts().all(is_figure) && texts().any(|text| !text.is_empty())
}

/// Text as it may stand in HTML and SVG, in elements and in quoted attributes.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() && c != '\n' && c != '\t' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// JSON as it may stand in a script element: nothing in it can end the element.
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::plot::{Mark, Scale, Series, Span, TimePlot};

    const EVIL: &str = "</script><script>alert('x')</script>\"><img src=x onerror=alert(1)>";

    fn page() -> String {
        let mut page = Page::new(EVIL);
        page.verdict(Tone::Bad, EVIL, &[EVIL.to_owned()]);
        page.cards(&[Card { name: EVIL.into(), value: EVIL.into(), note: EVIL.into() }]);
        page.section(EVIL);
        page.code(EVIL);
        page.terms(&[(EVIL, EVIL)]);
        page.table(EVIL, &[EVIL], &[vec![EVIL.into()]]);
        let plot = TimePlot {
            title: EVIL.into(),
            unit: EVIL.into(),
            scale: Scale::Linear,
            times: vec![0.0, 1.0, 2.0],
            series: vec![Series { name: EVIL.into(), values: vec![Some(1.0), None, Some(3.0)] }],
            marks: vec![Mark { at: 1.0, label: EVIL.into() }],
            spans: vec![Span { from: 0.5, to: 1.5, label: EVIL.into() }],
        };
        page.figure(&plot.draw());
        page.finish(Some((EVIL, &serde_json::json!({ "text": EVIL }).to_string())))
    }

    #[test]
    fn nothing_that_is_given_becomes_markup() {
        let page = page();
        assert!(!page.contains("<img"), "an element got in");
        assert_eq!(page.matches("<script>").count(), 1, "only the page's own script");
        assert_eq!(page.matches("</script>").count(), page.matches("<script").count());
    }

    #[test]
    fn words_lean_to_the_left_and_figures_to_the_right() {
        let mut page = Page::new("t");
        let rows =
            [vec!["a".into(), "1.5 ms".into(), "holds".into()], vec!["b".into(), "–".into(), "3".into()]];
        page.table("c", &["name", "p99", "result"], &rows);
        let html = page.finish(None);
        assert!(html.contains("<th scope=\"col\" class=\"n\">p99</th>"));
        assert!(html.contains("<th scope=\"col\">result</th>"));
        assert!(html.contains("<td class=\"n plain\">1.5 ms</td>"));
        assert!(html.contains("<td class=\"plain\">3</td>"), "one word makes a column one of words");
    }

    #[test]
    fn labels_of_marks_are_whole_and_on_rows_of_their_own() {
        let label = "breaker: img/img-2 half-open → closed";
        let mark = |at| Mark { at, label: label.into() };
        let plot = TimePlot {
            title: "t".into(),
            unit: "ms".into(),
            scale: Scale::Linear,
            times: vec![0.0, 10.0],
            series: Vec::new(),
            marks: vec![mark(4.0), mark(4.1)],
            spans: Vec::new(),
        };
        let figure = plot.draw();
        assert_eq!(figure.html().matches(&format!(">{label}<title>")).count(), 2);
        assert!(figure.html().contains("\"top\":44.0"), "the area begins below both rows");
    }

    #[test]
    fn a_page_loads_nothing() {
        let page = page();
        for word in ["http://", "https://", "src=\"", "@import", "url("] {
            assert!(!page.contains(word), "{word}");
        }
    }
}
