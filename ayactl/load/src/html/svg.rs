//! The parts that all plots have: frame, axes, marks.

use std::fmt::Write as _;

use super::scale::{Rule, round_step, short};
use super::{escaped, plot};

pub(super) const WIDTH: f64 = 900.0;
pub(super) const LEFT: f64 = 66.0;
pub(super) const RIGHT: f64 = 888.0;
/// Where the area begins when nothing is written above it.
pub(super) const TOP: f64 = 30.0;
/// Height of a row of labels above the area.
const LABEL: f64 = 14.0;
/// Most of these rows.
const LABELS: usize = 5;
/// Most characters of a label; the rest is in its title.
const LONGEST: usize = 64;

/// A drawing in the making, with its area between the axes.
pub(super) struct Canvas {
    pub(super) svg: String,
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Canvas {
    pub(super) fn new(label: &str, height: f64, from: f64, to: f64) -> Self {
        Self::with_top(label, height, TOP, from, to)
    }

    /// One with `marks` and `spans`, whose labels stand in rows above the area.
    pub(super) fn marked(
        label: &str,
        height: f64,
        (from, to): (f64, f64),
        (marks, spans): (&[plot::Mark], &[plot::Span]),
    ) -> Self {
        let bare = Self { svg: String::new(), top: TOP, bottom: 0.0, from, to };
        let labels = bare.labels(marks, spans);
        let rows = labels.iter().map(|label| label.row + 1).max().unwrap_or(0);
        let more = LABEL * rows.saturating_sub(1) as f64;
        let mut canvas = Self::with_top(label, height + more, TOP + more, from, to);
        canvas.draw_marks(marks, spans, &labels);
        canvas
    }

    fn with_top(label: &str, height: f64, top: f64, from: f64, to: f64) -> Self {
        let svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" tabindex=\"0\" aria-label=\"{}; arrow keys move the cursor\">",
            escaped(label)
        );
        Self { svg, top, bottom: height - 42.0, from, to }
    }

    pub(super) fn x(&self, at: f64) -> f64 {
        LEFT + (at - self.from) / (self.to - self.from).max(1e-9) * (RIGHT - LEFT)
    }

    pub(super) fn y(&self, place: f64) -> f64 {
        self.bottom - place * (self.bottom - self.top)
    }

    pub(super) fn values(&mut self, rule: &Rule, unit: &str) {
        for (line, value) in rule.ticks.iter().enumerate() {
            let Some(place) = rule.place(*value).filter(|place| *place <= 1.0 + 1e-9) else { continue };
            let (y, class) = (self.y(place), if line == 0 { "axis" } else { "grid" });
            let _ = write!(
                self.svg,
                "<path class=\"{class}\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{}</text>",
                LEFT - 7.0,
                y + 4.0,
                short(*value)
            );
        }
        let _ = write!(self.svg, "<text class=\"dim\" x=\"2\" y=\"13\">{}</text>", escaped(unit));
    }

    pub(super) fn below(&mut self, at: f64, text: &str) {
        let (x, y) = (self.x(at), self.bottom + 18.0);
        let _ = write!(
            self.svg,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>",
            escaped(text)
        );
    }

    pub(super) fn title_below(&mut self, text: &str) {
        let (x, y) = (f64::midpoint(LEFT, RIGHT), self.bottom + 36.0);
        let _ = write!(
            self.svg,
            "<text class=\"dim\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>",
            escaped(text)
        );
    }

    pub(super) fn seconds(&mut self) {
        let step = round_step(self.to - self.from, 10.0);
        let (first, last) = ((self.from / step).ceil() as i64, (self.to / step + 1e-9).floor() as i64);
        for n in first..=last {
            self.below(n as f64 * step, &short(n as f64 * step));
        }
        self.title_below("seconds since the start");
    }

    /// Where labels stand: each in the lowest row that has room for it, those that find none nowhere.
    fn labels<'m>(&self, marks: &'m [plot::Mark], spans: &'m [plot::Span]) -> Vec<Label<'m>> {
        let lines = marks.iter().map(|mark| (mark.at, mark.label.as_str()));
        let names = spans.iter().map(|span| (span.from.max(self.from), span.label.as_str()));
        let mut all: Vec<_> =
            lines.chain(names).filter(|(at, _)| (self.from..=self.to).contains(at)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut ends = [f64::MIN; LABELS];
        let mut labels = Vec::new();
        for (at, whole) in all {
            let text = shortened(whole);
            let wide = text.chars().count() as f64 * 6.6 + 8.0;
            let left = self.x(at).min(RIGHT - wide).max(LEFT);
            if let Some(row) = ends.iter().position(|end| *end <= left) {
                ends[row] = left + wide;
                labels.push(Label { left, row, text, whole });
            }
        }
        labels
    }

    /// Shaded spans, lines, and their labels.
    fn draw_marks(&mut self, marks: &[plot::Mark], spans: &[plot::Span], labels: &[Label<'_>]) {
        let (top, bottom) = (self.top, self.bottom);
        for plot::Span { from, to, label } in spans {
            let (left, right) = (self.x(from.max(self.from)), self.x(to.min(self.to)));
            let _ = write!(
                self.svg,
                "<rect class=\"span\" x=\"{left:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
                (right - left).max(1.0),
                bottom - top,
                escaped(label)
            );
        }
        for plot::Mark { at, label } in marks.iter().filter(|mark| (self.from..=self.to).contains(&mark.at)) {
            let x = self.x(*at);
            let _ = write!(
                self.svg,
                "<path class=\"mark\" d=\"M{x:.1} {top}V{bottom:.1}\"><title>{}</title></path>",
                escaped(label)
            );
        }
        for Label { left, row, text, whole } in labels {
            let y = top - 6.0 - LABEL * *row as f64;
            let _ = write!(
                self.svg,
                "<text x=\"{left:.1}\" y=\"{y:.1}\">{}<title>{}</title></text>",
                escaped(text),
                escaped(whole)
            );
        }
    }
}

/// The name of a mark or a span, and where it stands.
struct Label<'m> {
    left: f64,
    /// 0 is next to the area.
    row: usize,
    text: String,
    whole: &'m str,
}

fn shortened(label: &str) -> String {
    if label.chars().count() <= LONGEST {
        return label.to_owned();
    }
    let mut text: String = label.chars().take(LONGEST - 1).collect();
    text.push('…');
    text
}

/// A line through points with gaps where there is none; a lone point is a short dash.
pub(super) fn path(points: impl Iterator<Item = Option<(f64, f64)>>) -> String {
    let mut d = String::new();
    let mut is_down = false;
    for point in points {
        match point {
            Some((x, y)) => {
                let _ = write!(d, "{}{x:.1} {y:.1}", if is_down { "L" } else { "M" });
                if !is_down {
                    let _ = write!(d, "h.1");
                }
                is_down = true;
            }
            None => is_down = false,
        }
    }
    d
}
