//! The percentile distribution of the response time, as the tools of `HdrHistogram` write and plot it.

use std::fmt::Write as _;

use super::Report;

/// Lines for each halving of what is left to 100 %.
const PER_HALVING: u32 = 5;

impl Report {
    /// The distribution as text (`.hgrm`), in milliseconds.
    pub fn hgrm(&self) -> String {
        let hist = &self.response.hist;
        let total = hist.count();
        let mut text = format!(
            "{:>12} {:>14} {:>10} {:>14}\n\n",
            "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
        );
        let (mut seen, mut next, mut halvings) = (0_u64, 0.0, 0);
        for (value, count) in hist.pairs() {
            seen += count;
            let reached = seen as f64 / total as f64;
            if reached < next && seen < total {
                continue;
            }
            let ms = *value as f64 / 1e6;
            if seen == total {
                let _ = writeln!(text, "{ms:>12.3} {:>14.12} {seen:>10}", 1.0);
                break;
            }
            let _ = writeln!(text, "{ms:>12.3} {reached:>14.12} {seen:>10} {:>14.2}", 1.0 / (1.0 - reached));
            while next <= reached {
                halvings += 1;
                next = 1.0 - 0.5_f64.powf(f64::from(halvings) / f64::from(PER_HALVING));
            }
        }
        let mean = hist.mean_ms().unwrap_or(0.0);
        let squares =
            hist.pairs().iter().map(|(v, n)| (*v as f64 / 1e6 - mean).powi(2) * *n as f64).sum::<f64>();
        let deviation = if total > 0 { (squares / total as f64).sqrt() } else { 0.0 };
        let max = hist.max_ms().unwrap_or(0.0);
        let _ = writeln!(text, "#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]");
        let _ = writeln!(text, "#[Max     = {max:>12.3}, Total count    = {total:>12}]");
        text
    }
}
