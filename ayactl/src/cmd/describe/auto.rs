//! How a pool chooses its algorithm: what steers and why, and what is known about each arm.

use std::fmt::Write as _;

use aya_api::view::{AutoArm, AutoRuleView, AutoView};

use super::field;
use crate::render::cell::{UNKNOWN, visible};
use crate::time::{self, setting};

/// The lines about it.
pub(super) fn fields(text: &mut String, auto: &AutoView, now_ms: u64) {
    let AutoView { arm, since_ms, reason, mode, objective, margin, epoch_ms, enough, .. } = auto;
    let mut line = format!("{arm} for {}: {reason}", time::age(now_ms, *since_ms));
    if auto.is_held {
        line.push_str("; waits, because somebody has ordered an algorithm");
    } else if auto.is_on_trial {
        line.push_str("; on trial");
    }
    field(text, "Auto", &line);
    let percent = margin * 100.0;
    let rule = auto.rule.map_or_else(String::new, |rule| format!(", rule {rule} holds"));
    let line = format!(
        "{mode}, low {objective}, margin {percent:.0} %, every {}, {}{rule}",
        setting(*epoch_ms),
        time::plural(auto.switches, "switch", "switches")
    );
    more(text, &line);
    for arm in &auto.arms {
        more(text, &one(arm, objective, *enough, now_ms));
    }
    for AutoRuleView { rule, when, arm, holds, requests } in &auto.rules {
        let state = if *holds { "in force" } else { "not now" };
        let requests =
            requests.map_or_else(String::new, |count| format!(", {}", time::count(count, "request")));
        more(text, &format!("rule {rule}, {when}: {arm}, {state}{requests}"));
    }
}

/// A further line of the field above.
fn more(text: &mut String, line: &str) {
    let _ = writeln!(text, "{:<13}{}", "", visible(line.to_owned()));
}

fn one(arm: &AutoArm, objective: &str, enough: f64, now_ms: u64) -> String {
    let mut line = format!("- {}: ", arm.name);
    if !arm.learned {
        line.push_str("by rules alone");
        return line;
    }
    line.push_str(&arm.value.map_or_else(|| UNKNOWN.to_owned(), |value| shown(value, objective)));
    let _ = write!(line, " of {} samples", arm.samples);
    if let Some(e_value) = arm.e_value {
        let _ = write!(line, ", e-value {e_value:.1} of {enough:.0}");
    }
    if let Some(until) = arm.blocked_until_ms {
        let _ = write!(line, ", tried again {}", time::until(now_ms, until));
    }
    line
}

fn shown(value: f64, objective: &str) -> String {
    if objective == "errors" { format!("{:.2} %", value * 100.0) } else { format!("{:.1} ms", value * 1e3) }
}
