//! The parts that all plots have: frame, axes, marks.

use std::fmt::Write as _;

use super::scale::{Rule, round_step, short};
use super::{escaped, plot};

pub(super) const WIDTH: f64 = 900.0;
pub(super) const LEFT: f64 = 66.0;
pub(super) const RIGHT: f64 = 888.0;
pub(super) const TOP: f64 = 30.0;

/// A drawing in the making, with its area between the axes.
pub(super) struct Canvas {
    pub(super) svg: String,
    pub(super) bottom: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Canvas {
    pub(super) fn new(label: &str, height: f64, from: f64, to: f64) -> Self {
        let svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" tabindex=\"0\" aria-label=\"{}; arrow keys move the cursor\">",
            escaped(label)
        );
        Self { svg, bottom: height - 42.0, from, to }
    }

    pub(super) fn x(&self, at: f64) -> f64 {
        LEFT + (at - self.from) / (self.to - self.from).max(1e-9) * (RIGHT - LEFT)
    }

    pub(super) fn y(&self, place: f64) -> f64 {
        self.bottom - place * (self.bottom - TOP)
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

    /// Shaded spans and labelled lines, labels in two rows where they would lie on each other.
    pub(super) fn marks(&mut self, marks: &[plot::Mark], spans: &[plot::Span]) {
        for plot::Span { from, to, label } in spans {
            let (left, right) = (self.x(from.max(self.from)), self.x(to.min(self.to)));
            let _ = write!(
                self.svg,
                "<rect class=\"span\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
                (right - left).max(1.0),
                self.bottom - TOP,
                escaped(label)
            );
        }
        let lines = marks.iter().map(|mark| (mark.at, &mark.label, true));
        let names = spans.iter().map(|span| (span.from.max(self.from), &span.label, false));
        let mut all: Vec<_> =
            lines.chain(names).filter(|(at, ..)| (self.from..=self.to).contains(at)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut ends = [f64::MIN; 2];
        for (at, label, is_line) in all {
            let x = self.x(at);
            let short: String = label.chars().take(26).collect();
            let wide = short.chars().count() as f64 * 6.6 + 8.0;
            let start = x.min(RIGHT - wide).max(LEFT);
            let row = ends.iter().position(|end| *end <= start);
            if is_line {
                let _ = write!(
                    self.svg,
                    "<path class=\"mark\" d=\"M{x:.1} {TOP}V{:.1}\"><title>{}</title></path>",
                    self.bottom,
                    escaped(label)
                );
            }
            if let Some(row) = row {
                ends[row] = start + wide;
                let y = if row == 0 { TOP - 6.0 } else { TOP + 11.0 };
                let _ = write!(self.svg, "<text x=\"{start:.1}\" y=\"{y:.1}\">{}</text>", escaped(&short));
            }
        }
    }
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
