//! Faults: what is injected, at whom, for how long, what came of it, and what would end it.

use aya_api::fault::{ChaosView, FaultView, Observed, StopState, StopView};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::faults;
use crate::figure;
use crate::model::Model;
use crate::theme::{Theme, Tone};
use crate::widget::page::{self, Column, Line, left, right};
use crate::widget::strip::Fact;
use crate::widget::table::Cell;

/// Cells of the bar that shows how much of its time a fault has left.
const BAR: usize = 8;

/// Draws the faults and says where the selected one is.
#[expect(clippy::unnecessary_wraps, reason = "every screen has the same shape")]
pub(crate) fn view(model: &Model, buf: &mut Buffer, area: Rect) -> Option<Position> {
    let Some(status) = &model.status else { return Some(Position::new(area.x, area.y)) };
    let (lines, focus) = lines(model, &status.chaos, area.width);
    let scroll = scroll(model, &lines, focus, area.height);
    page::draw(buf, model.theme, area, &lines, scroll);
    let below = u16::try_from(focus.saturating_sub(scroll)).unwrap_or(0);
    Some(Position::new(area.x, area.y + below.min(area.height.saturating_sub(1))))
}

/// Lines there are, and how many fit.
pub(crate) fn height(model: &Model) -> (usize, usize) {
    let room = usize::from(super::body_height(model));
    let lines = model.status.as_ref().map_or(0, |status| lines(model, &status.chaos, model.size.0).0.len());
    (lines, room)
}

/// First line on show: as far down as was asked for, unless the selected fault would not be seen.
fn scroll(model: &Model, lines: &[Line], focus: usize, height: u16) -> usize {
    let room = usize::from(height);
    let top = lines.len().saturating_sub(room);
    model.chaos.scroll.min(top).min(focus).max((focus + 1).saturating_sub(room))
}

/// Everything, and the number of the line with the focus.
fn lines(model: &Model, chaos: &ChaosView, width: u16) -> (Vec<Line>, usize) {
    let now_ms = model.shown_ms();
    let mut lines = head(chaos, now_ms, width);
    lines.push(Line::Gap);
    let mut focus = lines.len();
    let selected = model.chaos.position(&chaos.faults);
    if chaos.faults.is_empty() {
        lines.extend(nothing(chaos, width));
    } else {
        let rows = chaos.faults.iter().enumerate();
        let rows = rows.map(|(at, fault)| row(model, fault, Some(at) == selected)).collect();
        focus += 1 + selected.unwrap_or(0);
        lines.extend(page::grid(&columns(), rows, width));
    }
    if let Some(fault) = selected.and_then(|at| chaos.faults.get(at)) {
        lines.push(Line::Gap);
        lines.extend(whole(fault, now_ms, width));
    }
    if !chaos.ended.is_empty() {
        lines.push(Line::Gap);
        lines.push(Line::heading("ended, newest first"));
        lines.extend(chaos.ended.iter().map(|fault| ended(model, fault)));
    }
    (lines, focus)
}

/// How much there may be, and who keeps others from injecting.
fn head(chaos: &ChaosView, now_ms: u64, width: u16) -> Vec<Line> {
    let limits = &chaos.limits;
    let count = |limit: Option<u32>, words: &str| limit.map_or_else(String::new, |n| format!("{words} {n}"));
    let traffic = limits.max_traffic.map(|share| format!("traffic at most {}", figure::share(share)));
    let active = match chaos.faults.len() {
        0 if chaos.longest_ms == 0 => Fact::new(0, "not known", Tone::Muted),
        0 => Fact::new(0, "no fault is injected", Tone::Good),
        some => Fact::new(0, format!("{} injected", figure::plural(some, "fault")), Tone::Warn),
    };
    let longest = match chaos.longest_ms {
        0 => String::new(),
        some => format!("at most {} each", figure::span(some)),
    };
    let facts = vec![
        active,
        Fact::new(1, longest, Tone::Muted),
        Fact::new(2, count(limits.max_backends, "backends at most"), Tone::Muted),
        Fact::new(3, traffic.unwrap_or_default(), Tone::Muted),
        Fact::new(4, count(limits.min_ready, "left alone at least"), Tone::Muted),
        Fact::new(5, count(limits.max_held, "held at most"), Tone::Muted),
    ];
    let mut lines = vec![Line::Facts("chaos", facts)];
    if let Some(lock) = &chaos.lock {
        let age = figure::span(now_ms.saturating_sub(lock.since_ms));
        let text = format!(
            "nobody can inject: locked by {} for {age}, \"{}\"; `ayactl chaos unlock` allows it again",
            lock.by, lock.reason
        );
        lines.extend(page::sentence("LOCKED", &text, Tone::Bad, width));
    }
    lines
}

fn nothing(chaos: &ChaosView, width: u16) -> Vec<Line> {
    let text = if chaos.longest_ms == 0 {
        "this daemon knows no faults: it is older than the dashboard"
    } else if !chaos.allowed {
        "the configuration does not allow faults: [chaos] allow = false"
    } else if chaos.lock.is_some() {
        "faults cannot be injected while they are locked"
    } else {
        "inject one with `ayactl chaos latency POOL/BACKEND --mean 200ms --for 30s`, or run an experiment with \
         `ayactl chaos run`; every fault has an end"
    };
    page::sentence("", text, Tone::Muted, width)
}

fn columns() -> [Column; 9] {
    [
        left("", 1, 0),
        left("ID", 4, 0),
        left("FAULT", 16, 0).up_to(32),
        left("AT", 14, 0).up_to(26),
        right("ASKED", 5, 2),
        right("SEEN", 6, 1),
        right("AT 99 %", 13, 4),
        right("HELD", 5, 3),
        left("TIME LEFT", 16, 0),
    ]
}

fn row(model: &Model, fault: &FaultView, has_focus: bool) -> Vec<Cell> {
    let theme = model.theme;
    let observed = &fault.observed;
    let tone = if is_off(fault) { Tone::Warn } else { Tone::Plain };
    vec![
        Cell::new(if has_focus { theme.glyphs.marker } else { "" }, Tone::Strong),
        Cell::new(fault.id.clone(), Tone::Strong),
        Cell::new(fault.fault.to_string(), Tone::Plain),
        Cell::new(fault.target.to_string(), Tone::Plain),
        Cell::new(asked(fault, theme), Tone::Plain),
        Cell::new(observed.share.map_or_else(|| theme.glyphs.none.to_owned(), figure::errors), tone),
        Cell::new(interval(observed, theme), Tone::Muted),
        Cell::new(observed.held.to_string(), Tone::Plain),
        Cell::new(time_left(fault, model.shown_ms(), theme), Tone::Accent),
    ]
}

/// The share asked for, of what has shares.
fn asked(fault: &FaultView, theme: Theme) -> String {
    if fault.fault.has_share() { figure::errors(fault.share) } else { theme.glyphs.none.to_owned() }
}

/// What it hit; nothing for what is for backends as a whole.
fn hit(fault: &FaultView) -> Option<String> {
    let Observed { hit, matched, .. } = fault.observed;
    fault.fault.has_share().then(|| format!("{} of {} hit", figure::count(hit), figure::count(matched)))
}

/// True when what is seen cannot be what was asked for.
fn is_off(fault: &FaultView) -> bool {
    let Observed { low: Some(low), high: Some(high), .. } = fault.observed else { return false };
    fault.share < low || fault.share > high
}

fn interval(observed: &Observed, theme: Theme) -> String {
    match (observed.low, observed.high) {
        (Some(low), Some(high)) => {
            format!("{}{}{}", figure::errors(low), theme.glyphs.range, figure::errors(high))
        }
        _ => theme.glyphs.none.to_owned(),
    }
}

/// `34s    █████`: the figure first, because it stays when the window is narrow.
fn time_left(fault: &FaultView, now_ms: u64, theme: Theme) -> String {
    let all_ms = fault.ends_ms.saturating_sub(fault.started_ms).max(1);
    let left_ms = fault.ends_ms.saturating_sub(now_ms);
    let cells = (left_ms * BAR as u64).div_ceil(all_ms).min(BAR as u64) as usize;
    let bar = theme.glyphs.bar.repeat(cells);
    format!("{:<7} {bar}", figure::left(left_ms))
}

/// Everything about one fault.
fn whole(fault: &FaultView, now_ms: u64, width: u16) -> Vec<Line> {
    let age = figure::span(now_ms.saturating_sub(fault.started_ms));
    let reason = fault.reason.as_ref().map(|reason| format!("\"{reason}\"")).unwrap_or_default();
    let run = fault.run.as_ref().map(|run| format!("part of {run}")).unwrap_or_default();
    let observed = &fault.observed;
    let mut lines = vec![
        Line::heading(format!("{} in full: {}", fault.id, fault.fault)),
        Line::Facts(
            "by",
            vec![
                Fact::new(0, fault.by.clone(), Tone::Strong),
                Fact::new(1, format!("{age} ago"), Tone::Plain),
                Fact::new(0, reason, Tone::Plain),
                Fact::new(2, run, Tone::Plain),
                Fact::new(3, format!("seed {}", fault.seed), Tone::Muted),
            ],
        ),
    ];
    lines.extend(page::sentence("at", &backends(fault), Tone::Plain, width));
    let skipped = observed.skipped.iter().filter(|skipped| skipped.count > 0);
    let mut facts: Vec<Fact> =
        hit(fault).map(|counts| Fact::new(0, counts, Tone::Plain)).into_iter().collect();
    facts.extend(skipped.map(|skipped| {
        Fact::new(1, format!("{} skipped: {}", figure::count(skipped.count), skipped.cause), Tone::Warn)
    }));
    if !facts.is_empty() {
        lines.push(Line::Facts("seen", facts));
    }
    lines.extend(fault.stop_if.iter().map(|stop| stop_line(stop, now_ms)));
    if let Some(lease_ms) = fault.lease_ends_ms {
        let left = figure::left(lease_ms.saturating_sub(now_ms));
        let text = format!("attached to its caller; without it, it ends in {left}");
        lines.push(Line::Facts("lease", vec![Fact::new(0, text, Tone::Plain)]));
    }
    lines
}

fn backends(fault: &FaultView) -> String {
    match fault.backends.len() {
        0 => "no backend: nothing can be hit".to_owned(),
        _ => fault.backends.join(", "),
    }
}

fn stop_line(stop: &StopView, now_ms: u64) -> Line {
    let (word, tone) = match stop.state {
        StopState::Clear => ("does not hold", Tone::Good),
        StopState::Pending => ("holds, not yet for long enough", Tone::Warn),
        StopState::Met => ("holds: the fault ends", Tone::Bad),
        StopState::NoData => ("NO DATA to judge by", Tone::Warn),
    };
    let since = figure::span(now_ms.saturating_sub(stop.since_ms));
    let value = stop.value.map(|value| format!("now {}", value_in_words(&stop.condition, value)));
    Line::Facts(
        "ends if",
        vec![
            Fact::new(0, stop.condition.clone(), Tone::Strong),
            Fact::new(0, word, tone),
            Fact::new(1, value.unwrap_or_default(), Tone::Plain),
            Fact::new(2, format!("for {since}"), Tone::Muted),
        ],
    )
}

/// The value of a condition's metric, with its unit; the bare number for conditions of newer daemons.
pub(super) fn value_in_words(condition: &str, value: f64) -> String {
    use aya_api::condition::{Condition, Unit};
    match condition.parse::<Condition>().map(|condition| condition.metric.unit()) {
        Ok(Unit::Time) => figure::latency(value),
        Ok(Unit::Share) => figure::errors(value),
        Ok(Unit::PerSecond) => format!("{}/s", figure::rate(value)),
        Ok(Unit::Count | Unit::Word) | Err(_) => format!("{value:.0}"),
    }
}

fn ended(model: &Model, fault: &FaultView) -> Line {
    let at_ms = fault.ended_ms.unwrap_or(fault.ends_ms);
    let hit = hit(fault).map(|hit| format!(", {hit}")).unwrap_or_default();
    let text = format!(
        "{}  {}  {} at {}: {}{hit}",
        figure::time_of_day(at_ms),
        fault.id,
        fault.fault,
        fault.target,
        fault.ended_by.as_deref().unwrap_or("over"),
    );
    let tone = if model.shown_ms().saturating_sub(at_ms) < 10_000 { Tone::Plain } else { Tone::Muted };
    Line::at(0, Cell::new(text, tone))
}

/// What stopping the selected fault would do; absent when none is injected.
pub(crate) fn selected(model: &Model) -> Option<&FaultView> {
    let faults = &model.status.as_ref()?.chaos.faults;
    faults.get(model.chaos.position(faults)?)
}

/// Words for the alarm line: every fault, and a lock.
pub(super) fn alarms(chaos: &ChaosView, now_ms: u64) -> Vec<(Tone, String)> {
    let mut alarms: Vec<(Tone, String)> = chaos
        .faults
        .iter()
        .map(|fault| (Tone::Warn, format!("fault {}", faults::in_words(fault, now_ms))))
        .collect();
    if let Some(lock) = &chaos.lock {
        alarms.push((Tone::Warn, format!("faults are locked by {}", lock.by)));
    }
    alarms
}
