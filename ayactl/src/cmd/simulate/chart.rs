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

/// What tells curves apart beside their colours.
const DASHES: [&str; 5] = ["", "9 4", "3 3", "12 3 3 3", "6 3 2 3 2 3"];

fn dashes(index: usize) -> String {
    match DASHES[index % DASHES.len()] {
        "" => String::new(),
        dash => format!(" stroke-dasharray=\"{dash}\""),
    }
}

/// Which curve is whose: a sample of each with its name.
pub(super) fn legend<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut html = "<p class=\"legend\">".to_owned();
    for (index, name) in names.enumerate() {
        let _ = write!(
            html,
            "<span><svg class=\"sample\" viewBox=\"0 0 36 8\"><path d=\"M0 4H36\" fill=\"none\" stroke=\"{}\" \
             stroke-width=\"2.5\"{}/></svg>{}</span> ",
            color(index),
            dashes(index),
            escaped(name)
        );
    }
    html.push_str("</p>");
    html
}

/// The numbers 1, 2, 5 and their tens from the last below `low` to the first above `high`; closer ones where those are
/// far apart.
fn steps(low: f64, high: f64) -> Vec<f64> {
    let digits: &[f64] =
        if high < low * 8.0 { &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0] } else { &[1.0, 2.0, 5.0] };
    let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let all: Vec<f64> = powers.flat_map(|p| digits.iter().map(move |digit| digit * 10_f64.powi(p))).collect();
    let first = all.iter().rposition(|step| *step <= low).unwrap_or(0);
    let last = all.iter().position(|step| *step >= high).unwrap_or(all.len() - 1);
    all[first..=last.max(first)].to_vec()
}

/// A round distance between marks, so that `span` has at most `most` of them.
pub(super) fn round_step(span: f64, most: f64) -> f64 {
    let least = (span / most).max(1e-9);
    let power = 10_f64.powf(least.log10().floor());
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * power >= least * 0.999_999);
    digit.unwrap_or(10.0) * power
}

fn written(ms: f64) -> String {
    if ms >= 1e3 { format!("{} s", ms / 1e3) } else { format!("{} ms", (ms * 1e4).round() / 1e4) }
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
    let marks = steps(low, high);
    let (low, high) = (marks[0].min(low), marks[marks.len() - 1].max(high));
    let (bottom, span) = (low.log10(), (high.log10() - low.log10()).max(0.1));
    let y = |ms: f64| HEIGHT - BOTTOM - (ms.log10() - bottom) / span * (HEIGHT - BOTTOM - TOP);
    let x = |at: f64| LEFT + (at - axis.from) / (axis.to - axis.from).max(1e-9) * (WIDTH - LEFT - RIGHT);
    let mut svg = opening(title, HEIGHT);
    for (line, ms) in marks.into_iter().enumerate() {
        mark(&mut svg, y(ms), line == 0, &written(ms));
    }
    for (at, written) in &axis.ticks {
        below(&mut svg, x(*at), HEIGHT - BOTTOM + 18.0, written);
    }
    below(&mut svg, f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 6.0, axis.title);
    for (index, curve) in curves.iter().enumerate() {
        // Nothing is answered in no time: a share of 0 has no latency, and no place on this scale.
        let known = curve.points.iter().filter(|(_, ms)| *ms > 0.0);
        let points: Vec<String> = known.map(|(at, ms)| format!("{:.1},{:.1}", x(*at), y(*ms))).collect();
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

/// A line across the chart at a height, with what it stands for.
fn mark(svg: &mut String, at: f64, is_lowest: bool, written: &str) {
    let class = if is_lowest { "axis" } else { "grid" };
    let _ = write!(
        svg,
        "<path class=\"{class}\" d=\"M{LEFT} {at:.1}H{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" \
         text-anchor=\"end\">{written}</text>",
        WIDTH - RIGHT,
        LEFT - 8.0,
        at + 4.0
    );
}

/// Text in the middle of a place below the chart.
fn below(svg: &mut String, x: f64, y: f64, text: &str) {
    let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>", escaped(text));
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
    let step = round_step(most * 100.0, 5.0) / 100.0;
    let lines = (most / step).ceil();
    let top = lines * step;
    for line in 0..=lines as u32 {
        let share = f64::from(line) * step;
        let at = HEIGHT - BOTTOM - share / top * (HEIGHT - BOTTOM - TOP);
        mark(&mut svg, at, line == 0, &format!("{} %", (share * 1e4).round() / 1e2));
    }
    // Names are written where there is room for them.
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let room = (longest as f64 * 7.0 + 8.0).max(24.0);
    let every = (names.len() as f64 * room / (WIDTH - LEFT - RIGHT)).ceil().max(1.0) as usize;
    for (place, name) in names.iter().enumerate() {
        let from = LEFT + group * (place as f64 + 0.1);
        for (index, shares) in series.iter().enumerate() {
            let share = shares.get(place).copied().unwrap_or(0.0);
            let tall = share / top * (HEIGHT - BOTTOM - TOP);
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
            below(&mut svg, from + group * 0.4, HEIGHT - BOTTOM + 18.0, name);
        }
    }
    svg.push_str("</svg>");
    svg
}

fn opening(title: &str, height: f64) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">", escaped(title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_hold_all_there_is() {
        assert_eq!(steps(0.6, 9_800.0).first(), Some(&0.5));
        assert_eq!(steps(0.6, 9_800.0).last(), Some(&10_000.0));
        assert_eq!(steps(22.0, 38.0), [20.0, 30.0, 40.0]);
        assert_eq!(steps(5.0, 5.0), [5.0]);
        let round =
            [(58.0, 6.0), (36.5, 5.0), (0.4, 4.0)].map(|(span, most)| round_step(span, most).to_string());
        assert_eq!(round, ["10", "10", "0.1"]);
    }

    #[test]
    fn what_took_no_time_is_not_drawn() {
        let axis = Axis { title: "share", from: 0.0, to: 1.0, ticks: Vec::new() };
        let svg =
            curves("one", &axis, &[Curve { name: "a", points: vec![(0.0, 0.0), (0.5, 1.0), (1.0, 10.0)] }]);
        let points = svg.split("points=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        assert_eq!(points.split(' ').count(), 2, "{points}");
    }
}
