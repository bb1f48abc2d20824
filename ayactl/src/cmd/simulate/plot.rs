//! Latencies of all arms in the terminal: a line for each from p50 to p99.9, on a logarithmic scale they share.

use std::fmt::Write as _;

use aya_sim::Comparison;

/// Columns when nobody says.
pub(super) const WIDTH: usize = 100;
/// Fewest columns that a scale is drawn in.
const LEAST: usize = 20;

struct Marks {
    p50: char,
    p99: char,
    p999: char,
    line: char,
}

const FULL: Marks = Marks { p50: '┣', p99: '●', p999: '┫', line: '━' };
const ASCII: Marks = Marks { p50: '[', p99: 'o', p999: ']', line: '-' };

pub(super) fn draw(comparison: &Comparison, width: usize, ascii: bool) -> String {
    let marks = if ascii { &ASCII } else { &FULL };
    let label = comparison.arms.iter().map(|arm| arm.arm.chars().count()).max().unwrap_or(0);
    let room = width.saturating_sub(label + 3).max(LEAST);
    let all = comparison.arms.iter().flat_map(|arm| [arm.p50_ms.mean, arm.p99_ms.mean, arm.p999_ms.mean]);
    let (low, high) = all.fold((f64::INFINITY, 0.0_f64), |(low, high), ms| (low.min(ms), high.max(ms)));
    if !(low > 0.0 && high.is_finite()) {
        return String::new();
    }
    let scale = Scale::new(low, high, room);
    let mut text = String::new();
    for arm in &comparison.arms {
        let mut row = vec![' '; room];
        let [p50, p99, p999] =
            [arm.p50_ms.mean, arm.p99_ms.mean, arm.p999_ms.mean].map(|ms| scale.column(ms));
        row[p50..=p999].fill(marks.line);
        row[p50] = marks.p50;
        row[p999] = marks.p999;
        row[p99] = marks.p99;
        let row: String = row.into_iter().collect();
        let _ = writeln!(text, "{:label$}  {}", arm.arm, row.trim_end());
    }
    let _ = writeln!(text, "{:label$}  {}", "", scale.axis());
    let (p50, p99, p999) = (marks.p50, marks.p99, marks.p999);
    let _ = writeln!(text, "{:label$}  {p50} p50   {p99} p99   {p999} p99.9, in ms, logarithmic", "");
    text
}

struct Scale {
    from: f64,
    span: f64,
    room: usize,
}

impl Scale {
    fn new(low: f64, high: f64, room: usize) -> Self {
        let (from, to) = (low.log10(), high.log10());
        Self { from, span: (to - from).max(0.1), room }
    }

    fn column(&self, ms: f64) -> usize {
        let part = (ms.max(1e-9).log10() - self.from) / self.span;
        ((part * (self.room - 1) as f64).round() as usize).min(self.room - 1)
    }

    /// Round numbers where they fall, as far as there is room for them.
    fn axis(&self) -> String {
        let mut line = vec![' '; self.room];
        let mut free = 0;
        for power in self.from.floor() as i32..=(self.from + self.span).ceil() as i32 {
            for digit in [1.0, 2.0, 5.0] {
                let ms = digit * 10_f64.powi(power);
                let part = (ms.log10() - self.from) / self.span;
                let written = if ms < 1.0 { format!("{ms:.3}") } else { format!("{ms:.0}") };
                let written = if ms < 1.0 { written.trim_end_matches('0').to_owned() } else { written };
                if !(0.0..=1.0).contains(&part) {
                    continue;
                }
                let at = self.column(ms);
                if at >= free && at + written.len() <= self.room {
                    line.splice(at..at + written.len(), written.chars());
                    free = at + written.len() + 1;
                }
            }
        }
        line.into_iter().collect::<String>().trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_numbers_stand_where_they_fall() {
        let scale = Scale::new(1.0, 100.0, 41);
        assert_eq!([1.0, 10.0, 100.0].map(|ms| scale.column(ms)), [0, 20, 40]);
        assert_eq!(scale.axis(), "1     2       5     10    20      50");
    }
}
