//! Breaker, outliers and slow start of a pool in words.

use std::fmt::Write as _;

use aya_core::breaker::BreakerRules;
use aya_core::outlier::OutlierRules;

use crate::config::Pool;
use crate::config::unit::{show_duration, show_percent};

/// What differs from the defaults, each after a comma.
pub(super) fn summary(pool: &Pool) -> String {
    let mut text = String::new();
    if let Some(rules) = &pool.breaker {
        let _ = write!(text, ", breaker {}, open {}", opens(rules), show_duration(rules.open_for));
    }
    match &pool.outliers {
        None => text.push_str(", outliers off"),
        Some(rules) if !rules.enforce => text.push_str(", outliers in shadow"),
        Some(rules) if *rules != OutlierRules::default() => {
            let most = show_percent(rules.max_ejected);
            let _ = write!(text, ", outliers {} failures, less than {most} ejected", rules.failures);
        }
        Some(_) => {}
    }
    if let Some(rules) = &pool.slow_start {
        let _ = write!(text, ", slow start {}", show_duration(rules.window));
    }
    text
}

/// What opens a breaker: `5 failures, 50% errors or 80% over 1s of 20 calls in 10s`.
fn opens(rules: &BreakerRules) -> String {
    let mut ways = Vec::new();
    if rules.failures > 0 {
        ways.push(format!("{} failures", rules.failures));
    }
    ways.extend(rules.error_share.map(|share| format!("{} errors", show_percent(share))));
    ways.extend(
        rules.slow.map(|slow| format!("{} over {}", show_percent(slow.share), show_duration(slow.over))),
    );
    let mut text = ways.join(" or ");
    if rules.error_share.is_some() || rules.slow.is_some() {
        let _ = write!(text, " of {} calls in {}", rules.min_calls, show_duration(rules.window));
    }
    text
}
