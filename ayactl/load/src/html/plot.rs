//! Figures: curves over time with marks, a heat map, percentile curves, stacked bars.
//!
//! All of them are drawn as SVG, so that they are there without scripts and on paper; the page's script adds the values
//! under the cursor, and moves all cursors over time together.

use std::fmt::Write as _;

use serde_json::{Value, json};

pub use super::scale::Scale;
use super::scale::{Rule, short};
use super::svg::{Canvas, LEFT, RIGHT, TOP, path};
use super::{escaped, in_script};

/// How many colours there are; later series begin again.
const COLORS: usize = 8;

/// A curve; `None` where there is nothing.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it is called in the legend.
    pub name: String,
    /// One value for each point of the axis.
    pub values: Vec<Option<f64>>,
}

/// A moment, drawn as a labelled line.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Seconds since the start.
    pub at: f64,
    /// What happened.
    pub label: String,
}

/// A time from one moment to another, drawn as a shade.
#[derive(Clone, Debug)]
pub struct Span {
    /// Seconds since the start.
    pub from: f64,
    /// Seconds since the start.
    pub to: f64,
    /// What was the case.
    pub label: String,
}

/// A drawn figure.
#[derive(Clone, Debug)]
pub struct Figure(String);

impl Figure {
    /// The figure as HTML.
    pub fn html(&self) -> &str {
        &self.0
    }

    fn new(kind: &str, title: &str, canvas: Canvas, legend: &str, data: &Value) -> Self {
        let mut svg = canvas.svg;
        svg.push_str("<path class=\"cursor\" d=\"\"/></svg>");
        Self(format!(
            "<figure data-plot=\"{kind}\"><figcaption>{}</figcaption>{legend}{svg}<output class=\"read\"></output>\
             <script type=\"application/json\">{}</script></figure>\n",
            escaped(title),
            in_script(&data.to_string())
        ))
    }
}

/// The area of a plot, for the script.
fn area(canvas: &Canvas, mut data: Value) -> Value {
    let fields = [("left", LEFT), ("right", RIGHT), ("top", canvas.top), ("bottom", canvas.bottom)];
    for (name, value) in fields.into_iter().chain([("from", canvas.from), ("to", canvas.to)]) {
        data[name] = json!(value);
    }
    data
}

fn legend<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut html = "<div class=\"legend\">".to_owned();
    for (index, name) in names.enumerate() {
        let color = index % COLORS;
        let _ = write!(
            html,
            "<button type=\"button\" aria-pressed=\"true\"><i class=\"f{color}\"></i>{}</button>",
            escaped(name)
        );
    }
    html.push_str("</div>");
    html
}

fn rounded(value: Option<f64>) -> Value {
    value.filter(|v| v.is_finite()).map_or(Value::Null, |v| json!((v * 1e4).round() / 1e4))
}

fn told(series: &[Series]) -> Value {
    let each = series.iter().map(
        |one| json!({ "name": one.name, "v": one.values.iter().map(|v| rounded(*v)).collect::<Vec<_>>() }),
    );
    each.collect()
}

/// Curves over time, with marks and spans.
#[derive(Clone, Debug)]
pub struct TimePlot {
    /// The caption.
    pub title: String,
    /// The unit of the values, e.g. `ms`.
    pub unit: String,
    /// The scale of the values.
    pub scale: Scale,
    /// The moments, in seconds since the start, ascending.
    pub times: Vec<f64>,
    /// The curves.
    pub series: Vec<Series>,
    /// Moments.
    pub marks: Vec<Mark>,
    /// Times.
    pub spans: Vec<Span>,
}

impl TimePlot {
    /// Draws it.
    pub fn draw(&self) -> Figure {
        let (from, to) = ends(&self.times);
        let mut canvas = Canvas::marked(&self.title, 300.0, (from, to), (&self.marks, &self.spans));
        let all = self.series.iter().flat_map(|one| one.values.iter().flatten().copied());
        let rule = Rule::over(self.scale, all);
        canvas.values(&rule, &self.unit);
        canvas.seconds();
        for (index, one) in self.series.iter().enumerate() {
            let points = self.times.iter().zip(&one.values).map(|(at, value)| {
                value.and_then(|value| rule.place(value)).map(|place| (canvas.x(*at), canvas.y(place)))
            });
            let d = path(points);
            curve(&mut canvas.svg, index, &one.name, &d);
        }
        let step = if self.times.len() > 1 { (to - from) / (self.times.len() - 1) as f64 } else { 1.0 };
        let marks: Vec<Value> = self.marks.iter().map(|m| json!({ "at": m.at, "label": m.label })).collect();
        let spans: Vec<Value> =
            self.spans.iter().map(|s| json!({ "from": s.from, "to": s.to, "label": s.label })).collect();
        let data = json!({
            "unit": self.unit, "x": self.times, "series": told(&self.series), "marks": marks, "spans": spans, "step": step,
        });
        let data = area(&canvas, data);
        Figure::new(
            "time",
            &self.title,
            canvas,
            &legend(self.series.iter().map(|one| one.name.as_str())),
            &data,
        )
    }
}

/// Draws a curve.
fn curve(svg: &mut String, index: usize, name: &str, d: &str) {
    let color = index % COLORS;
    let _ = write!(
        svg,
        "<g data-series=\"{index}\"><path class=\"curve s{color}\" d=\"{d}\"><title>{}</title></path></g>",
        escaped(name)
    );
}

fn ends(times: &[f64]) -> (f64, f64) {
    let (from, to) = (times.first().copied().unwrap_or(0.0), times.last().copied().unwrap_or(1.0));
    if to > from { (from, to) } else { (from, from + 1.0) }
}

/// How many requests took how long when: time to the right, latency upward.
#[derive(Clone, Debug)]
pub struct HeatMap {
    /// The caption.
    pub title: String,
    /// The moments, in seconds since the start, ascending and at equal distances.
    pub times: Vec<f64>,
    /// The rows from below: what each stands for, e.g. `1–2 ms`.
    pub rows: Vec<String>,
    /// For each moment, the count of each row.
    pub cells: Vec<Vec<u64>>,
    /// Moments.
    pub marks: Vec<Mark>,
    /// Times.
    pub spans: Vec<Span>,
}

impl HeatMap {
    /// Draws it.
    pub fn draw(&self) -> Figure {
        let (first, last) = ends(&self.times);
        let step = (last - first) / (self.times.len().max(2) - 1) as f64;
        let edges = (first - step / 2.0, last + step / 2.0);
        let mut canvas = Canvas::marked(&self.title, 320.0, edges, (&self.marks, &self.spans));
        let most = self.cells.iter().flatten().copied().max().unwrap_or(0).max(1) as f64;
        let (wide, tall) = (
            (RIGHT - LEFT) / self.times.len().max(1) as f64,
            (canvas.bottom - canvas.top) / self.rows.len().max(1) as f64,
        );
        canvas.svg.push_str("<g class=\"heat\">");
        for (column, counts) in self.cells.iter().enumerate() {
            for (row, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let shade = 0.12 + 0.88 * (*count as f64 + 1.0).ln() / (most + 1.0).ln();
                let (x, y) = (LEFT + wide * column as f64, canvas.bottom - tall * (row + 1) as f64);
                let _ = write!(
                    canvas.svg,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" opacity=\"{shade:.2}\"/>",
                    wide + 0.1,
                    tall + 0.1
                );
            }
        }
        canvas.svg.push_str("</g>");
        let every = (self.rows.len() / 8).max(1);
        for (row, name) in self.rows.iter().enumerate().step_by(every) {
            let y = canvas.bottom - tall * (row as f64 + 0.5) + 4.0;
            let _ = write!(
                canvas.svg,
                "<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 6.0,
                escaped(name)
            );
        }
        canvas.seconds();
        let data = area(&canvas, json!({ "x": self.times, "rows": self.rows, "cells": self.cells }));
        Figure::new("heat", &self.title, canvas, "", &data)
    }
}

/// Latency by share of requests, with the tail drawn out: 90, 99 and 99.9 % stand at equal distances.
#[derive(Clone, Debug)]
pub struct PercentileCurve {
    /// The caption.
    pub title: String,
    /// Shares from 0 to below 1, ascending.
    pub shares: Vec<f64>,
    /// Latencies in ms for each share.
    pub series: Vec<Series>,
}

impl PercentileCurve {
    /// Draws it.
    pub fn draw(&self) -> Figure {
        let place = |share: f64| -(1.0 - share).max(1e-9).log10();
        let (from, to) = ends(&self.shares.iter().map(|share| place(*share)).collect::<Vec<_>>());
        let mut canvas = Canvas::new(&self.title, 300.0, from, to);
        let rule =
            Rule::over(Scale::Log, self.series.iter().flat_map(|one| one.values.iter().flatten().copied()));
        canvas.values(&rule, "ms");
        for share in [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999_999] {
            if (from..=to + 1e-9).contains(&place(share)) {
                canvas.below(place(share), &format!("{} %", short(share * 100.0)));
            }
        }
        canvas.title_below("share of requests that took no longer");
        for (index, one) in self.series.iter().enumerate() {
            let points = self.shares.iter().zip(&one.values).map(|(share, value)| {
                value.and_then(|value| rule.place(value)).map(|y| (canvas.x(place(*share)), canvas.y(y)))
            });
            let d = path(points);
            curve(&mut canvas.svg, index, &one.name, &d);
        }
        let names: Vec<String> =
            self.shares.iter().map(|share| format!("p{}", short(share * 100.0))).collect();
        let x: Vec<f64> = self.shares.iter().map(|share| place(*share)).collect();
        let data =
            area(&canvas, json!({ "unit": "ms", "x": x, "names": names, "series": told(&self.series) }));
        Figure::new(
            "curve",
            &self.title,
            canvas,
            &legend(self.series.iter().map(|one| one.name.as_str())),
            &data,
        )
    }
}

/// Lying bars made of parts, one bar for each name.
#[derive(Clone, Debug)]
pub struct Bars {
    /// The caption.
    pub title: String,
    /// The unit of the values.
    pub unit: String,
    /// The bars, from above.
    pub names: Vec<String>,
    /// The parts, from the left: one value for each bar.
    pub parts: Vec<Series>,
}

impl Bars {
    /// Draws it.
    pub fn draw(&self) -> Figure {
        let row = 26.0;
        let height = TOP + row * self.names.len() as f64 + 46.0;
        let sum =
            |bar: usize| self.parts.iter().filter_map(|part| part.values.get(bar).copied().flatten()).sum();
        let rule = Rule::over(Scale::Linear, (0..self.names.len()).map(sum));
        let mut canvas = Canvas::new(&self.title, height, 0.0, 1.0);
        for tick in &rule.ticks {
            canvas.below(rule.place(*tick).unwrap_or(0.0), &short(*tick));
        }
        canvas.title_below(&self.unit);
        let mut drawn: Vec<String> = vec![String::new(); self.parts.len()];
        for (bar, name) in self.names.iter().enumerate() {
            let (y, mut at) = (TOP + row * bar as f64, 0.0);
            for (index, part) in self.parts.iter().enumerate() {
                let value = part.values.get(bar).copied().flatten().unwrap_or(0.0).max(0.0);
                let (left, right) = (
                    canvas.x(rule.place(at).unwrap_or(0.0)),
                    canvas.x(rule.place(at + value).unwrap_or(0.0)),
                );
                let _ = write!(
                    drawn[index],
                    "<rect class=\"f{}\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"9\"><title>{}: {} {}</title></rect>",
                    index % COLORS,
                    y + 14.0,
                    right - left,
                    escaped(&part.name),
                    short(value),
                    escaped(&self.unit)
                );
                at += value;
            }
            let label: String = name.chars().take(60).collect();
            let _ = write!(canvas.svg, "<text x=\"{LEFT}\" y=\"{:.1}\">{}</text>", y + 10.0, escaped(&label));
        }
        for (index, part) in drawn.iter().enumerate() {
            let _ = write!(canvas.svg, "<g data-series=\"{index}\">{part}</g>");
        }
        let x: Vec<usize> = Vec::new();
        let data = area(
            &canvas,
            json!({ "unit": self.unit, "x": x, "series": told(&self.parts), "names": self.names }),
        );
        Figure::new(
            "bars",
            &self.title,
            canvas,
            &legend(self.parts.iter().map(|part| part.name.as_str())),
            &data,
        )
    }
}
