//! The comparison as one page of HTML: table, curves and shares, with nothing to load from anywhere.

use std::fmt::Write as _;

use aya_sim::{Comparison, Outcome, Verdict};

use super::chart::{Axis, Curve, bars, color, curves, escaped, legend, round_step};

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.3rem}h2{font-size:1.05rem;margin:2rem 0 .3rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{text-align:left}
.wide{overflow-x:auto}.key{display:inline-block;width:.8em;height:.8em;margin-right:.5em;border-radius:2px}
svg{width:100%;height:auto}svg.sample{width:2.6em;height:.6em;margin-right:.4em}
.legend span{display:inline-block;margin-right:1.2em}svg text{font:12px system-ui,sans-serif;fill:currentColor}
.grid{stroke:var(--line)}.axis{stroke:currentColor}.bad{color:#c22}p{margin:.4rem 0}";

/// Draws the page.
pub(super) fn draw(comparison: &Comparison, verdict: &Verdict) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         <h1>{title}</h1>\n<p>{seeds} of the same requests for every algorithm, in virtual time. A request that failed \
         or was given up counts as the deadline.</p>\n",
        title = escaped(&comparison.about),
        seeds = match comparison.seeds.len() {
            1 => "One run".to_owned(),
            some => format!("Means of {some} runs"),
        },
    );
    page.push_str(&table(comparison));
    expectations(&mut page, verdict);
    let legend = legend(comparison.arms.iter().map(|arm| arm.arm.as_str()));
    section(&mut page, "Latency by share of requests", &format!("{legend}{}", distribution(comparison)));
    section(&mut page, "99th percentile over time", &format!("{legend}{}", over_time(comparison)));
    let shares: Vec<Vec<f64>> = comparison.arms.iter().map(|arm| arm.shares.clone()).collect();
    let bars = bars("shares of backends", &comparison.backends, &shares);
    let order = "<p>The bars of a backend stand in the order of the table.</p>";
    section(&mut page, "Shares of backends", &format!("{order}{bars}"));
    page.push_str("</html>\n");
    page
}

fn section(page: &mut String, title: &str, svg: &str) {
    let _ = writeln!(page, "<h2>{title}</h2>\n{svg}");
}

fn table(comparison: &Comparison) -> String {
    let base =
        comparison.base.as_deref().map_or_else(String::new, |base| format!("<th>p99 / {}", escaped(base)));
    let mut html = format!(
        "<div class=\"wide\"><table>\n<tr><th>Arm<th>p50 ms<th>p99 ms<th>±<th>p99.9 ms{base}<th>Gap closed %\
         <th>Failed<th>Most / fair</tr>\n"
    );
    for (index, arm) in comparison.arms.iter().enumerate() {
        let none = || "–".to_owned();
        let known = |number: Option<f64>| number.map_or_else(none, |number| format!("{number:.2}"));
        let ratio = arm.ratio.map(|ratio| ratio[1]);
        let ratio = comparison.base.as_ref().map_or_else(String::new, |_| format!("<td>{}", known(ratio)));
        let _ = writeln!(
            html,
            "<tr><td><span class=\"key\" style=\"background:{}\"></span>{}<td>{:.1}<td>{:.1}<td>{}<td>{:.1}{ratio}\
             <td>{}<td>{:.1}<td>{}</tr>",
            color(index),
            escaped(&arm.arm),
            arm.p50_ms.mean,
            arm.p99_ms.mean,
            super::rows::deviation(arm).map_or_else(none, |deviation| format!("{deviation:.1}")),
            arm.p999_ms.mean,
            arm.gap_closed.map_or_else(none, |gap| format!("{:.1}", gap[1] * 100.0)),
            arm.failures.mean,
            known(Some(arm.most_share.worst).filter(|most| *most > 0.0)),
        );
    }
    html.push_str(
        "</table></div>\n<p>Gap closed: how much of the way from round robin to the oracle, which knows every queue and \
         speed, at the 99th percentile. Most / fair: the largest share of a backend in any 5 s against its fair one.</p>\n",
    );
    html
}

fn expectations(page: &mut String, verdict: &Verdict) {
    let held = verdict.checked - verdict.violations.len();
    let _ = writeln!(page, "<p>{held} of {} expectations hold.</p>", verdict.checked);
    for violation in &verdict.violations {
        let _ = writeln!(page, "<p class=\"bad\">{}</p>", escaped(&violation.to_string()));
    }
}

fn each(comparison: &Comparison, points: impl Fn(&Outcome) -> Vec<(f64, f64)>) -> Vec<Curve<'_>> {
    comparison.arms.iter().map(|arm| Curve { name: &arm.arm, points: points(arm) }).collect()
}

/// The share of requests from which on latencies are drawn.
const LEAST_SHARE: f64 = 0.02;

/// Shares of requests stand where their tails are: 90, 99 and 99.9 % at equal distances.
fn distribution(comparison: &Comparison) -> String {
    let place = |share: f64| -(1.0 - share).max(1e-9).log10();
    let ticks = [(0.0, "0 %"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %")];
    let axis = Axis {
        title: "share of requests that were answered by then",
        from: 0.0,
        to: 3.5,
        ticks: ticks.map(|(share, written)| (place(share), written.to_owned())).to_vec(),
    };
    let points = each(comparison, |arm| {
        // The very fastest would take half of the scale, and nobody asks for them.
        let shown = arm.distribution.iter().filter(|point| point.at >= LEAST_SHARE);
        shown.map(|point| (place(point.at), point.ms)).collect()
    });
    curves("latency by share of requests", &axis, &points)
}

fn over_time(comparison: &Comparison) -> String {
    let times = || comparison.arms.iter().flat_map(|arm| arm.over_time.iter().map(|point| point.at));
    let (from, to) = times().fold((f64::INFINITY, 0.0_f64), |(from, to), at| (from.min(at), to.max(at)));
    let step = round_step(to - from, 8.0);
    let (first, last) = ((from / step).ceil() as u32, (to / step).floor() as u32);
    let tick = |n: u32| f64::from(n) * step;
    let axis = Axis {
        title: "seconds",
        from,
        to,
        ticks: (first..=last).map(|n| (tick(n), ((tick(n) * 1e3).round() / 1e3).to_string())).collect(),
    };
    let points = each(comparison, |arm| arm.over_time.iter().map(|point| (point.at, point.ms)).collect());
    curves("99th percentile over time", &axis, &points)
}
