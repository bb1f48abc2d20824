//! Curves and bars as SVG, for the page.

use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 44.0;
const TOP: f64 = 14.0;
const RIGHT: f64 = 16.0;

/// Colours that are told apart by most eyes (Okabe and Ito), and then again with other dashes.
const COLORS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f", "#b8a100"];

/// A curve: points from left to right, the second number in ms.
pub(super) struct Curve<'c> {
    pub(super) name: &'c str,
    pub(super) points: Vec<(f64, f64)>,
}

/// The axis below curves.
pub(super) struct Axis {
    pub(super) title: &'static str,
    pub(super) from: f64,
    pub(super) to: f64,
    /// Where something is written, and what.
    pub(super) ticks: Vec<(f64, String)>,
}

/// The colour of the series at `index`.
pub(super) fn color(index: usize) -> &'static str {
    COLORS[index % COLORS.len()]
}

fn dashes(index: usize) -> &'static str {
    if index < COLORS.len() { "" } else { " stroke-dasharray=\"6 4\"" }
}

/// Text as it may stand in HTML and SVG.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
    safe
}

/// Curves over an axis, latencies upward on a logarithmic scale.
pub(super) fn curves(title: &str, axis: &Axis, curves: &[Curve<'_>]) -> String {
    let all = curves.iter().flat_map(|curve| curve.points.iter().map(|(_, ms)| *ms)).filter(|ms| *ms > 0.0);
    let (low, high) = all.fold((f64::INFINITY, 0.0_f64), |(low, high), ms| (low.min(ms), high.max(ms)));
    if !low.is_finite() {
        return String::new();
    }
    let (bottom, span) = (low.log10(), (high.log10() - low.log10()).max(0.1));
    let y = |ms: f64| HEIGHT - BOTTOM - (ms.max(1e-9).log10() - bottom) / span * (HEIGHT - BOTTOM - TOP);
    let x = |at: f64| LEFT + (at - axis.from) / (axis.to - axis.from).max(1e-9) * (WIDTH - LEFT - RIGHT);
    let mut svg = opening(title, HEIGHT);
    for power in low.log10().floor() as i32..=high.log10().ceil() as i32 {
        for digit in [1.0, 2.0, 5.0] {
            let ms = digit * 10_f64.powi(power);
            if (low..=high).contains(&ms) {
                let at = y(ms);
                let _ = write!(
                    svg,
                    "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                     text-anchor=\"end\">{ms}</text>",
                    WIDTH - RIGHT,
                    LEFT - 8.0,
                    at + 4.0
                );
            }
        }
    }
    for (at, written) in &axis.ticks {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x(*at),
            HEIGHT - BOTTOM + 18.0,
            escaped(written)
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text><text x=\"4\" y=\"12\">ms</text>",
        f64::midpoint(LEFT, WIDTH - RIGHT),
        HEIGHT - 6.0,
        escaped(axis.title)
    );
    for (index, curve) in curves.iter().enumerate() {
        let points: Vec<String> =
            curve.points.iter().map(|(at, ms)| format!("{:.1},{:.1}", x(*at), y(*ms))).collect();
        let _ = write!(
            svg,
            "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\"{} points=\"{}\"><title>{}</title></polyline>",
            color(index),
            dashes(index),
            points.join(" "),
            escaped(curve.name)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// The shares of backends: a group of bars for each backend, one bar for each series.
pub(super) fn bars(title: &str, names: &[String], series: &[Vec<f64>]) -> String {
    let most = series.iter().flatten().copied().fold(0.0, f64::max);
    if most <= 0.0 || names.is_empty() {
        return String::new();
    }
    let group = (WIDTH - LEFT - RIGHT) / names.len() as f64;
    let bar = group * 0.8 / series.len() as f64;
    let mut svg = opening(title, HEIGHT);
    for (line, part) in [0.0, 0.25, 0.5, 0.75, 1.0].iter().enumerate() {
        let at = HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP);
        let class = if line == 0 { "axis" } else { "grid" };
        let _ = write!(
            svg,
            "<path class=\"{class}\" d=\"M{LEFT} {at:.1}H{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"end\">{:.1} %</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0,
            part * most * 100.0
        );
    }
    // Names are written where there is room for them.
    let every = (names.len() as f64 * 60.0 / (WIDTH - LEFT - RIGHT)).ceil().max(1.0) as usize;
    for (place, name) in names.iter().enumerate() {
        let from = LEFT + group * (place as f64 + 0.1);
        for (index, shares) in series.iter().enumerate() {
            let share = shares.get(place).copied().unwrap_or(0.0);
            let tall = share / most * (HEIGHT - BOTTOM - TOP);
            let _ = write!(
                svg,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{bar:.2}\" height=\"{tall:.1}\" fill=\"{}\"><title>{}: {:.2} \
                 %</title></rect>",
                from + bar * index as f64,
                HEIGHT - BOTTOM - tall,
                color(index),
                escaped(name),
                share * 100.0
            );
        }
        if place % every == 0 {
            let (x, y) = (from + group * 0.4, HEIGHT - BOTTOM + 18.0);
            let _ = write!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>",
                escaped(name)
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

fn opening(title: &str, height: f64) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">", escaped(title))
}
