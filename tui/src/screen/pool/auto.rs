//! How a pool chooses its algorithm: the arm that steers and why, and what is known of each arm.

use aya_api::view::{AutoArm, AutoRuleView, AutoView};

use crate::figure;
use crate::model::Model;
use crate::theme::Tone;
use crate::widget::page::{self, Column, Line, left, right};
use crate::widget::strip::Fact;
use crate::widget::table::{self, Cell};

/// The lines about it.
pub(super) fn lines(model: &Model, auto: &AutoView, width: u16) -> Vec<Line> {
    let AutoView { arm, since_ms, reason, mode, objective, margin, epoch_ms, .. } = auto;
    let age = figure::age(model.shown_ms().saturating_sub(*since_ms));
    let state = if auto.is_held {
        "waits: somebody has ordered an algorithm"
    } else if auto.is_on_trial {
        "ON TRIAL: it is taken back when clients get worse"
    } else {
        ""
    };
    let rule = auto.rule.map(|rule| format!("rule {rule} holds")).unwrap_or_default();
    let lost = match auto.lost_notes {
        0 => String::new(),
        lost => format!("{} of workers lost", figure::plural(lost as usize, "note")),
    };
    let switches = match auto.switches {
        1 => "1 switch so far".to_owned(),
        count => format!("{count} switches so far"),
    };
    let mut lines = vec![Line::Facts(
        "auto",
        vec![
            Fact::new(0, arm.clone(), Tone::Strong),
            Fact::new(1, format!("for {age}"), Tone::Plain),
            Fact::new(0, state, Tone::Warn),
            Fact::new(1, rule, Tone::Accent),
        ],
    )];
    lines.extend(page::sentence("because", reason, Tone::Plain, width));
    let advises = if mode == "shadow" { "shadow: it only advises" } else { mode };
    lines.push(Line::Facts(
        "wants",
        vec![
            Fact::new(0, format!("low {objective}"), Tone::Plain),
            Fact::new(1, format!("at least {} better", figure::share(*margin)), Tone::Plain),
            Fact::new(2, format!("decides every {}", figure::span(*epoch_ms)), Tone::Plain),
            Fact::new(3, switches, Tone::Plain),
            Fact::new(0, advises, Tone::Plain),
            Fact::new(4, lost, Tone::Warn),
        ],
    ));
    lines.extend(auto.rules.iter().filter(|rule| rule.holds).map(in_force));
    let longest = auto.arms.iter().map(|arm| table::width(&arm.name)).max().unwrap_or(0);
    let columns: [Column; 6] = [
        left("", 1, 0),
        left("ARM", longest.clamp(8, 32), 0),
        right(title(objective), 8, 2),
        right("SAMPLES", 7, 3),
        right("EVIDENCE", 14, 1),
        left("STANDS", 22, 1),
    ];
    let rows = auto.arms.iter().map(|arm| row(model, auto, arm)).collect();
    lines.extend(page::grid(&columns, rows, width));
    let meaning = format!(
        "evidence: how sure it is that an arm is better; at {:.0} it steers, on trial at first",
        auto.enough
    );
    lines.extend(page::sentence("", &meaning, Tone::Muted, width));
    lines
}

/// A rule in force: what it is for, what picks for that, and how often it did.
fn in_force(rule: &AutoRuleView) -> Line {
    let requests = rule.requests.map(|requests| format!("{} requests", figure::count(requests)));
    let label = if rule.requests.is_some() { "except" } else { "rule" };
    Line::Facts(
        label,
        vec![
            Fact::new(0, rule.when.clone(), Tone::Plain),
            Fact::new(0, rule.arm.clone(), Tone::Strong),
            Fact::new(1, format!("by rule {}", rule.rule), Tone::Muted),
            Fact::new(2, requests.unwrap_or_default(), Tone::Plain),
        ],
    )
}

fn title(objective: &str) -> &'static str {
    match objective {
        "errors" => "ERRORS",
        "mean" => "MEAN",
        _ => "P99",
    }
}

fn row(model: &Model, auto: &AutoView, arm: &AutoArm) -> Vec<Cell> {
    let none = || Cell::new(model.theme.glyphs.none, Tone::Muted);
    let steers = arm.name == auto.arm;
    let value = |value: f64| match auto.objective.as_str() {
        "errors" => figure::errors(value),
        _ => figure::latency(value * 1e3),
    };
    let evidence = arm.e_value.map(|e_value| format!("{e_value:.1} of {:.0}", auto.enough));
    let blocked = arm.blocked_until_ms.map(|at_ms| at_ms.saturating_sub(model.shown_ms()));
    let stands = match blocked {
        _ if steers && auto.is_held => Cell::new("would steer", Tone::Warn),
        _ if steers => Cell::new("steers", Tone::Good),
        _ if !arm.learned => Cell::new("by rules alone", Tone::Muted),
        Some(left) if left > 0 => {
            Cell::new(format!("was worse, tried again in {}", figure::left(left)), Tone::Warn)
        }
        _ => Cell::new("asked in shadow", Tone::Muted),
    };
    vec![
        Cell::new(if steers { model.theme.glyphs.marker } else { "" }, Tone::Strong),
        Cell::new(arm.name.clone(), Tone::Strong),
        arm.value.map_or_else(none, |found| Cell::new(value(found), Tone::Plain)),
        Cell::new(if arm.learned { figure::count(arm.samples) } else { String::new() }, Tone::Plain),
        evidence.map_or_else(none, |text| Cell::new(text, Tone::Plain)),
        stands,
    ]
}
