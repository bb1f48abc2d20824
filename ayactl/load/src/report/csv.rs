//! The steps as CSV and as a JSON object a line.

use std::fmt::Write as _;

use serde_json::json;

use super::{Report, Step};

const HEAD: &str = "second,offered,sent,achieved,failed,p50_ms,p99_ms,p999_ms,lag_p99_ms";

fn values(step: &Step) -> [Option<f64>; 8] {
    let percentile = |percent| step.response.percentile_ms(percent);
    [
        step.offered.map(|n| n as f64),
        Some(step.sent as f64),
        Some(step.achieved as f64),
        Some(step.failed as f64),
        percentile(50.0),
        percentile(99.0),
        percentile(99.9),
        step.lag_p99_ms,
    ]
}

impl Report {
    /// A line for each step, with a head; what is not known is empty.
    pub fn csv(&self) -> String {
        let mut text = format!("{HEAD}\n");
        for (index, step) in self.steps.iter().enumerate() {
            let _ = write!(text, "{}", index as f64 * self.step_s);
            for value in values(step) {
                let _ = write!(text, ",{}", value.map_or_else(String::new, |value| value.to_string()));
            }
            text.push('\n');
        }
        text
    }

    /// A JSON object for each step, a line each.
    pub fn jsonl(&self) -> String {
        let mut text = String::new();
        for (index, step) in self.steps.iter().enumerate() {
            let mut object = json!({ "second": index as f64 * self.step_s });
            for (name, value) in HEAD.split(',').skip(1).zip(values(step)) {
                object[name] = json!(value);
            }
            let _ = writeln!(text, "{object}");
        }
        text
    }
}
