//! The last seconds of a load test: achieved rate and response time, with faults and events under the same axis.

use aya_api::run::{LoadView, RunState, RunView};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::faults;
use crate::figure;
use crate::model::{Entry, Model};
use crate::theme::Tone;
use crate::widget::page::LABEL;
use crate::widget::sparkline;
use crate::widget::table::{self, Cell};

/// Lowest plot that says anything, with its title.
const LOWEST: u16 = 3;

/// Letters of the events that are marked.
const LETTERS: &[(&str, char)] = &[
    ("breaker", 'b'),
    ("breaker-order", 'b'),
    ("health", 'h'),
    ("outlier", 'o'),
    ("admin", 'a'),
    ("weight", 'w'),
    ("algorithm", 'g'),
    ("panic", 'p'),
    ("reload", 'r'),
    ("note", 'n'),
];

/// What they mean.
const LEGEND: &str =
    "b breaker  h health  o outlier  a admin  w weight  g algorithm  p panic  r reload  n note";

/// Draws what fits: the rate, below it the response time, below that the marks.
pub(super) fn draw(model: &Model, buf: &mut Buffer, area: Rect, run: &RunView, load: &LoadView) {
    let Some(status) = &model.status else { return };
    let seconds = load.achieved_spark.len();
    if area.height < LOWEST || seconds == 0 {
        return;
    }
    // The axis ends when the run was last heard of, not now: a run that is over does not move on.
    let is_over = !matches!(run.run.state, RunState::Preparing | RunState::Running);
    let end_ms = if is_over { run.told_ms } else { status.at_ms };
    let columns = seconds.min(usize::from(area.width.saturating_sub(LABEL)));
    let skip = seconds - columns;
    let marks = faults::seconds(faults::known(status), end_ms, columns);
    let axis = Axis { model, marks: &marks, columns };
    let marked = 2.min(area.height.saturating_sub(LOWEST));
    let plots = area.height - marked;
    let upper = if plots >= 2 * LOWEST { plots.div_ceil(2) } else { plots };
    let offered = load.offered_spark.iter().copied().fold(0.0, f64::max);
    let achieved: Vec<u32> = load.achieved_spark[skip..].iter().map(|rate| rate.round() as u32).collect();
    let top =
        figure::round_up(achieved.iter().copied().max().map_or(0, u64::from).max(offered.round() as u64));
    let title = format!("achieved, last {columns} s, full bar {}/s", figure::rate(top as f64));
    axis.plot(buf, Rect { height: upper, ..area }, title, &achieved, top);
    if plots > upper {
        let p99: Vec<u32> = load.p99_spark.iter().skip(skip).map(|ms| (ms * 1e3).round() as u32).collect();
        let top = figure::round_up(p99.iter().copied().max().map_or(0, u64::from));
        let title = format!("response p99, full bar {}", figure::latency(top as f64 / 1e3));
        let rest = Rect { y: area.y + upper, height: plots - upper, ..area };
        axis.plot(buf, rest, title, &p99, top);
    }
    if marked == 2 {
        let rule = faults::rule(faults::known(status), model.theme.glyphs, end_ms, columns);
        axis.line(buf, (area, area.bottom() - 2), "faults", &rule, Tone::Warn);
        axis.line(buf, (area, area.bottom() - 1), "events", &events(model, end_ms, columns), Tone::Plain);
        axis.legend(buf, (area, area.bottom() - 1));
    }
}

struct Axis<'a> {
    model: &'a Model,
    marks: &'a [bool],
    columns: usize,
}

impl Axis<'_> {
    fn start(&self, area: Rect) -> u16 {
        area.right().saturating_sub(u16::try_from(self.columns).unwrap_or(area.width))
    }

    fn plot(&self, buf: &mut Buffer, area: Rect, title: String, values: &[u32], top: u64) {
        let rest = super::titled(self.model, buf, area, title);
        sparkline::draw(buf, self.model.theme, rest, values, top, self.marks);
    }

    /// What the letters mean, where there is room for all of it beside them.
    fn legend(&self, buf: &mut Buffer, (area, y): (Rect, u16)) {
        let room = self.start(area).saturating_sub(area.x + LABEL + 1);
        if table::width(LEGEND) <= room {
            table::put(buf, (area.x + LABEL, y), room, &Cell::new(LEGEND, Tone::Muted), self.model.theme);
        }
    }

    fn line(&self, buf: &mut Buffer, (area, y): (Rect, u16), label: &str, text: &str, tone: Tone) {
        table::put(buf, (area.x, y), LABEL, &Cell::new(label, Tone::Muted), self.model.theme);
        let width = area.right().saturating_sub(self.start(area));
        table::put(buf, (self.start(area), y), width, &Cell::new(text, tone), self.model.theme);
    }
}

/// A letter in each second in which something happened; of several the last.
fn events(model: &Model, end_ms: u64, columns: usize) -> String {
    let mut cells = vec![' '; columns];
    let begins_ms = end_ms.saturating_sub(columns as u64 * 1000);
    for entry in &model.journal.entries {
        let Entry::Event(event) = entry else { continue };
        let letter = LETTERS.iter().find(|(kind, _)| *kind == event.kind).map(|(_, letter)| *letter);
        let at = event.at_ms.checked_sub(begins_ms).map(|ms| (ms / 1000) as usize);
        if let (Some(letter), Some(cell)) = (letter, at.and_then(|at| cells.get_mut(at))) {
            *cell = letter;
        }
    }
    cells.into_iter().collect()
}
