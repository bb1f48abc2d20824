//! Load tests, experiments and game days that are under way or ended lately: offered, achieved and lag, gates, verdict.

mod parts;
mod plot;

use aya_api::run::{GateState, LoadView, RunKind, RunState, RunView};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::figure;
use crate::model::Model;
use crate::theme::Tone;
use crate::widget::page::{self, Column, Line, left};
use crate::widget::strip::Fact;
use crate::widget::table::{self, Cell};

/// Most runs that are listed: the daemon keeps more, which nobody looks for here.
const MAX_LISTED: usize = 6;
/// Lines that a plot of a load is to have, with the gap above it, in windows of this many lines.
const PLOTTED: usize = 7;
const HIGH_ENOUGH: u16 = 18;

/// Draws the runs, and the selected one in full.
#[expect(clippy::unnecessary_wraps, reason = "every screen has the same shape")]
pub(crate) fn view(model: &Model, buf: &mut Buffer, area: Rect) -> Option<Position> {
    let Some(status) = &model.status else { return Some(Position::new(area.x, area.y)) };
    if status.runs.is_empty() {
        let text = "no load test, experiment or game day was run lately: `ayactl loadtest`, `ayactl chaos run`, \
                    `ayactl gameday run`";
        let mut lines = vec![Line::Gap];
        lines.extend(page::sentence("", text, Tone::Muted, area.width));
        page::draw(buf, model.theme, area, &lines, 0);
        return Some(Position::new(area.x, area.y));
    }
    let selected = model.runs.position(&status.runs).unwrap_or(0);
    let listed = MAX_LISTED.min(usize::from(area.height / 4)).max(1);
    let first = (selected + 1).saturating_sub(listed);
    let listed = status.runs.iter().enumerate().skip(first).take(listed);
    let rows: Vec<_> = listed.map(|(at, run)| row(model, run, at == selected)).collect();
    let mut lines = page::grid(&columns(), rows, area.width);
    let focus = area.y + 1 + u16::try_from(selected - first).unwrap_or(0);
    if let Some(run) = status.runs.get(selected) {
        lines.push(Line::Gap);
        lines.extend(whole(model, run, area.width));
        let has_plot = run.run.load.is_some() && area.height >= HIGH_ENOUGH;
        let plotted = if has_plot { PLOTTED } else { 0 };
        let room = usize::from(area.height).saturating_sub(lines.len() + plotted);
        lines.extend(parts::lines(model, &run.run, room));
        page::draw(buf, model.theme, area, &lines, 0);
        let used = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(1);
        if used < area.height
            && let Some(load) = &run.run.load
        {
            let rest = Rect { y: area.y + used, height: area.height - used, ..area };
            plot::draw(model, buf, rest, run, load);
        }
    }
    Some(Position::new(area.x, focus.min(area.bottom().saturating_sub(1))))
}

fn columns() -> [Column; 6] {
    [
        left("", 1, 0),
        left("KIND", 10, 1),
        left("STATE", 15, 0),
        left("TIME", 22, 0),
        left("BY", 10, 2),
        left("RUN", 20, 0),
    ]
}

fn row(model: &Model, run: &RunView, has_focus: bool) -> Vec<Cell> {
    let (word, tone) = verdict(run).unwrap_or_else(|| state(run.run.state));
    vec![
        Cell::new(if has_focus { model.theme.glyphs.marker } else { "" }, Tone::Strong),
        Cell::new(kind(run.run.kind), Tone::Plain),
        Cell::new(word, tone),
        Cell::new(time(model, run), Tone::Plain),
        Cell::new(run.by.clone(), Tone::Plain),
        Cell::new(run.run.title.clone(), Tone::Strong),
    ]
}

/// The words that the verdict of a run that is done begins with: `VALID`, `NO PROOF`.
fn verdict(run: &RunView) -> Option<(&str, Tone)> {
    let text = run.run.verdict.as_deref().filter(|_| run.run.state == RunState::Done)?;
    let (words, _) = text.split_once(": ")?;
    if !words.chars().all(|c| c.is_ascii_uppercase() || matches!(c, '-' | ' ')) {
        return None;
    }
    // The figures can be trusted, and say that something did not hold.
    if words == "VALID" && run.run.gates.iter().any(|gate| gate.state == GateState::Fails) {
        return Some(("GATES FAIL", Tone::Bad));
    }
    let tone = match words {
        "VALID" | "HELD" => Tone::Good,
        "FAILED" => Tone::Bad,
        _ => Tone::Warn,
    };
    Some((words, tone))
}

fn kind(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Load => "load",
        RunKind::Experiment => "experiment",
        RunKind::Gameday => "game day",
    }
}

fn state(state: RunState) -> (&'static str, Tone) {
    match state {
        RunState::Preparing => ("preparing", Tone::Accent),
        RunState::Running => ("running", Tone::Accent),
        RunState::Done => ("done", Tone::Plain),
        RunState::Aborted => ("aborted", Tone::Warn),
        RunState::Lost => ("LOST", Tone::Bad),
    }
}

/// How far it is, or how long ago it was heard of last.
fn time(model: &Model, run: &RunView) -> String {
    let now_ms = model.shown_ms();
    let span = |ms: u64| figure::span(ms);
    match run.run.state {
        RunState::Preparing | RunState::Running => {
            let so_far = span(now_ms.saturating_sub(run.run.started_ms));
            match run.run.ends_ms {
                Some(ends_ms) => format!("{so_far}, {} left", span(ends_ms.saturating_sub(now_ms))),
                None => so_far,
            }
        }
        RunState::Done | RunState::Aborted => {
            let took = span(run.told_ms.saturating_sub(run.run.started_ms));
            format!("{took}, {} ago", figure::age(now_ms.saturating_sub(run.told_ms)))
        }
        RunState::Lost => format!("silent for {}", span(now_ms.saturating_sub(run.told_ms))),
    }
}

fn whole(model: &Model, run: &RunView, width: u16) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(verdict) = &run.run.verdict {
        lines.extend(page::sentence("verdict", verdict, Tone::Strong, width));
    }
    if let Some(load) = &run.run.load {
        lines.extend(load_lines(model, load));
    }
    lines
}

fn load_lines(model: &Model, load: &LoadView) -> Vec<Line> {
    let none = || model.theme.glyphs.none.to_owned();
    let ms = |value: Option<f64>| value.map_or_else(none, figure::latency);
    let offered = load.offered.map(|rate| format!("offered {}/s", figure::rate(rate)));
    let behind = load.offered.is_some_and(|offered| load.achieved < offered * 0.99);
    let lag = load.lag_p99_ms.map(|lag| format!("send lag p99 {}", figure::latency(lag)));
    let failing = load.error_share.is_some_and(|share| share > 0.0);
    vec![
        Line::Facts(
            "target",
            vec![
                Fact::new(0, load.url.clone(), Tone::Plain),
                Fact::new(1, format!("{} loop", load.model), Tone::Plain),
                Fact::new(2, format!("{} sent", figure::count(load.total)), Tone::Muted),
            ],
        ),
        Line::Facts(
            "rate",
            vec![
                Fact::new(0, offered.unwrap_or_default(), Tone::Plain),
                Fact::new(2, format!("sent {}/s", figure::rate(load.sent)), Tone::Plain),
                Fact::new(
                    0,
                    format!("achieved {}/s", figure::rate(load.achieved)),
                    if behind { Tone::Warn } else { Tone::Plain },
                ),
                Fact::new(1, lag.unwrap_or_default(), Tone::Plain),
                Fact::new(3, format!("{} in flight", load.in_flight), Tone::Plain),
            ],
        ),
        Line::Facts(
            "response",
            vec![
                Fact::new(1, format!("p50 {}", ms(load.p50_ms)), Tone::Plain),
                Fact::new(0, format!("p99 {}", ms(load.p99_ms)), Tone::Strong),
                Fact::new(2, format!("p99.9 {}", ms(load.p999_ms)), Tone::Plain),
                Fact::new(3, format!("service p99 {}", ms(load.service_p99_ms)), Tone::Muted),
                Fact::new(
                    0,
                    format!("errors {}", load.error_share.map_or_else(none, figure::errors)),
                    if failing { Tone::Bad } else { Tone::Plain },
                ),
            ],
        ),
    ]
}

/// Puts a title over a plot and returns what is left below it.
fn titled(model: &Model, buf: &mut Buffer, area: Rect, text: String) -> Rect {
    table::put(buf, (area.x, area.y), area.width, &Cell::new(text, Tone::Title), model.theme);
    Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
}
