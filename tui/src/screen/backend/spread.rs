//! Groups the buckets of a histogram into as many bars as there are lines, at edges of the series 1, 2, 5, 10.
//!
//! The daemon's buckets are finer than a screen; only whole buckets are moved, so every request is counted in
//! exactly one bar.

use aya_api::view::Bucket;

use crate::figure;
use crate::widget::bars::Bar;

/// Edges in milliseconds; everything above the last is one bar.
const EDGES_MS: [f64; 17] = [
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0,
    60_000.0,
];

/// At most `lines` bars, from fast to slow. With too few lines, neighbours are put together evenly.
pub(super) fn bars(buckets: &[Bucket], lines: usize, range: &str) -> Vec<Bar> {
    let mut counts = [0_u64; EDGES_MS.len() + 1];
    for bucket in buckets {
        let middle = f64::midpoint(bucket.from_ms, bucket.to_ms);
        let class = EDGES_MS.iter().position(|edge| middle < *edge).unwrap_or(EDGES_MS.len());
        counts[class] = counts[class].saturating_add(bucket.count);
    }
    let total = sum(&counts);
    let (Some(first), Some(last)) =
        (counts.iter().position(|count| *count > 0), counts.iter().rposition(|count| *count > 0))
    else {
        return Vec::new();
    };
    let used = &counts[first..=last];
    let step = used.len().div_ceil(lines.max(1));
    let groups = (first..).step_by(step).zip(used.chunks(step));
    groups
        .map(|(class, group)| {
            let value = sum(group);
            let figure = format!("{} {:>5}", figure::count(value), percent(value, total));
            Bar { label: label(class, class + group.len() - 1, range), value, figure }
        })
        .collect()
}

fn sum(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
}

fn percent(value: u64, total: u64) -> String {
    figure::errors(value as f64 / total.max(1) as f64)
}

/// From the lower edge of one class to the upper edge of another: `<1ms`, `1ms–5ms`, `>60s`.
fn label(from: usize, to: usize, range: &str) -> String {
    let edge = |index: usize| EDGES_MS.get(index).map(|ms| short(*ms));
    match (from.checked_sub(1).and_then(edge), edge(to)) {
        (Some(from), Some(to)) => format!("{from}{range}{to}"),
        (Some(from), None) => format!(">{from}"),
        (None, Some(to)) => format!("<{to}"),
        (None, None) => "all".into(),
    }
}

fn short(ms: f64) -> String {
    if ms >= 1_000.0 { format!("{}s", ms / 1_000.0) } else { format!("{ms}ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(from_ms: f64, to_ms: f64, count: u64) -> Bucket {
        Bucket { from_ms, to_ms, count }
    }

    #[test]
    fn every_request_is_in_exactly_one_bar() {
        let buckets =
            [bucket(0.3, 0.4, 5), bucket(1.5, 1.6, 7), bucket(30.0, 31.0, 2), bucket(70_000.0, 80_000.0, 1)];
        for lines in 0..20 {
            let sum: u64 = bars(&buckets, lines, "-").iter().map(|bar| bar.value).sum();
            assert_eq!(sum, 15, "{lines} lines");
        }
    }

    #[test]
    fn bars_are_labelled_with_their_edges() {
        let labels = |lines| {
            bars(&[bucket(1.5, 1.6, 7), bucket(30.0, 31.0, 2)], lines, "-")
                .into_iter()
                .map(|b| b.label)
                .collect::<Vec<_>>()
        };
        assert_eq!(labels(9), ["1ms-2ms", "2ms-5ms", "5ms-10ms", "10ms-20ms", "20ms-50ms"]);
        assert_eq!(labels(3), ["1ms-5ms", "5ms-20ms", "20ms-50ms"]);
    }

    #[test]
    fn no_requests_give_no_bars() {
        assert!(bars(&[], 5, "-").is_empty());
    }
}
