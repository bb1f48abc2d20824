//! All pools with their backends: the screen that is open while nothing is wrong, and the first one to look at
//! when something is.

use aya_api::view::{AlgorithmView, BackendView, PoolView};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::body;
use crate::column::{self, ColumnId, Placed};
use crate::faults;
use crate::figure;
use crate::model::Model;
use crate::rows::{self, Row};
use crate::theme::Tone;
use crate::why;
use crate::widget::sparkline;
use crate::widget::strip::{self, Fact};
use crate::widget::table::{self, Cell, Slot};

/// Cells in front of a row, for the marker.
const MARGIN: u16 = 2;

/// What is under the mouse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hit {
    /// The title of a column.
    Title(ColumnId),
    /// The row of a backend, or the line that explains it.
    Backend(String),
}

/// Draws the table and says where the selected row is.
pub(crate) fn view(model: &Model, buf: &mut Buffer, area: Rect) -> Option<Position> {
    let placed = column::place(model, area.x + MARGIN, area.width.saturating_sub(MARGIN));
    titles(model, buf, area.y, &placed);
    let lines = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let mut focus = None;
    let mut top = 1;
    let name_width = placed.first().map_or(0, |placed| placed.slot.width);
    for (y, row) in (lines.top()..lines.bottom()).zip(visible(model)) {
        match row {
            Row::Pool(pool) => pool_row(model, buf, (area, y), &placed, pool),
            Row::Backend(pool, backend) => {
                top = spark_top(pool).max(top.min(1));
                let start = table::common_start(pool.backends.iter().map(|b| b.name.as_str()), name_width);
                if backend_row(model, buf, (area, y), &placed, (backend, top, start)) {
                    focus = Some(Position::new(area.x, y));
                }
            }
            Row::Reason(backend) => reason_row(model, buf, (area, y), backend),
            Row::Nothing(text) => {
                let cell = Cell::new(text, Tone::Muted);
                table::put(buf, (area.x + MARGIN, y), area.width.saturating_sub(MARGIN), &cell, model.theme);
            }
            Row::Gap => {}
        }
    }
    focus.or(Some(Position::new(area.x, area.y)))
}

/// What of the overview is at a cell of the terminal.
pub(crate) fn hit(model: &Model, x: u16, y: u16) -> Option<Hit> {
    let area = body(Rect::new(0, 0, model.size.0, model.size.1));
    if y == area.y {
        let at = |placed: &&Placed| x >= placed.slot.x && x < placed.slot.x + placed.slot.width;
        return columns(model).iter().find(at).map(|placed| Hit::Title(placed.column.id));
    }
    let line = usize::from(y.checked_sub(area.y + 1)?);
    if y >= area.bottom() {
        return None;
    }
    match visible(model).nth(line)? {
        Row::Backend(_, backend) | Row::Reason(backend) => Some(Hit::Backend(backend.id.clone())),
        Row::Pool(_) | Row::Nothing(_) | Row::Gap => None,
    }
}

/// The columns on show.
pub(crate) fn columns(model: &Model) -> Vec<Placed> {
    column::place(model, MARGIN, model.size.0.saturating_sub(MARGIN))
}

fn visible(model: &Model) -> impl Iterator<Item = Row<'_>> {
    rows::rows(model).into_iter().skip(model.table.scroll)
}

fn titles(model: &Model, buf: &mut Buffer, y: u16, placed: &[Placed]) {
    for Placed { column, slot } in placed {
        let mut title = column.title.to_owned();
        if model.table.sort == Some(column.id) {
            let glyphs = model.theme.glyphs;
            title.push_str(if model.table.reversed { glyphs.ascending } else { glyphs.descending });
            if table::width(&title) > slot.width {
                title.remove(column.title.len() - 1);
            }
        }
        table::draw_cell(buf, model.theme, y, *slot, &Cell::new(title, Tone::Title));
    }
}

fn pool_row(model: &Model, buf: &mut Buffer, (area, y): (Rect, u16), placed: &[Placed], pool: &PoolView) {
    let theme = model.theme;
    let figures = placed.iter().find(|p| column::pool_cell(p.column.id, pool, theme.glyphs).is_some());
    let end = figures.map_or(area.right(), |p| p.slot.x);
    let has_p50 = placed.iter().any(|p| p.column.id == ColumnId::P50);
    let width = end.saturating_sub(area.x + 1);
    strip::draw(buf, theme, (area.x, y), width, pool_facts(model, pool, has_p50));
    for Placed { column, slot } in placed {
        if let Some(cell) = column::pool_cell(column.id, pool, theme.glyphs) {
            table::draw_cell(buf, theme, y, *slot, &cell);
        }
        if column.id == ColumnId::Spark {
            let scale = figure::rate(spark_top(pool) as f64);
            let text = format!("{} = {scale}/s", theme.glyphs.levels[8]);
            table::draw_cell(buf, theme, y, *slot, &Cell::new(text, Tone::Muted));
        }
    }
}

/// A pool on one line: how it picks, how many of its backends can be picked.
pub(super) fn pool_facts(model: &Model, pool: &PoolView, has_p50: bool) -> Vec<Fact> {
    // One that is tried would be counted every other moment.
    let serving = pool.backends.iter().filter(|backend| !backend.is_out()).count();
    let eligible = format!("{serving} of {} eligible", pool.backends.len());
    let tone = match serving {
        0 => Tone::Bad,
        n if n < pool.backends.len() => Tone::Warn,
        _ => Tone::Plain,
    };
    let mut facts = vec![
        Fact::new(0, pool.name.clone(), Tone::Strong),
        Fact::new(2, pool.algorithm.name.clone(), Tone::Accent),
        Fact::new(3, auto_words(&pool.algorithm), Tone::Accent),
        Fact::new(3, override_words(&pool.algorithm, model.shown_ms()), Tone::Warn),
        Fact::new(6, configured_words(&pool.algorithm), Tone::Muted),
        Fact::new(1, eligible, tone),
        Fact::new(0, if pool.in_panic { "PANIC: health is ignored" } else { "" }, Tone::Bad),
        Fact::new(1, fault_words(model, pool), Tone::Warn),
    ];
    if !has_p50 && let Some(latency) = pool.traffic.latency {
        facts.push(Fact::new(4, format!("p50 {}", figure::latency(latency.p50_ms)), Tone::Plain));
    }
    if let Some(sticky) = &pool.algorithm.sticky {
        facts.push(Fact::new(5, format!("sticky {sticky}"), Tone::Muted));
    }
    // Alone in a line of words, "none" would not say what there is none of.
    let check = if pool.check == "none" { "no check".to_owned() } else { pool.check.clone() };
    facts.push(Fact::new(7, check, Tone::Muted));
    facts
}

/// That the pool chooses its algorithm by itself, and what is to know of that; empty where somebody has ordered one.
fn auto_words(algorithm: &AlgorithmView) -> String {
    match &algorithm.auto {
        Some(auto) if auto.is_held => String::new(),
        Some(auto) if auto.is_on_trial => "(auto, on trial)".to_owned(),
        Some(auto) if auto.mode == "shadow" => "(auto, only advises)".to_owned(),
        Some(_) => "(auto)".to_owned(),
        None => String::new(),
    }
}

/// How the running algorithm differs from the configuration; empty when it does not.
fn override_words(algorithm: &AlgorithmView, now_ms: u64) -> String {
    if !algorithm.overridden {
        return String::new();
    }
    let verb = if algorithm.restored { "restored" } else { "set" };
    match algorithm.until_ms {
        Some(until_ms) => format!("({verb}, {} left)", figure::age(until_ms.saturating_sub(now_ms))),
        None => format!("({verb})"),
    }
}

/// How many faults are injected at its backends; empty for none.
fn fault_words(model: &Model, pool: &PoolView) -> String {
    let faults = model.status.iter().flat_map(|status| &status.chaos.faults);
    match faults.filter(|fault| faults::is_in(fault, &pool.name)).count() {
        0 => String::new(),
        some => figure::plural(some, "fault"),
    }
}

fn configured_words(algorithm: &AlgorithmView) -> String {
    if algorithm.overridden { format!("config {}", algorithm.configured) } else { String::new() }
}

/// Draws one backend; true when it is the selected one.
fn backend_row(
    model: &Model,
    buf: &mut Buffer,
    (area, y): (Rect, u16),
    placed: &[Placed],
    (backend, top, start): (&BackendView, u64, usize),
) -> bool {
    let theme = model.theme;
    let selected = model.table.selected.as_deref() == Some(backend.id.as_str());
    for Placed { column, slot } in placed {
        if column.id == ColumnId::Spark {
            let marks = marks(model, backend);
            let place = Rect::new(slot.x, y, slot.width, 1);
            sparkline::draw(buf, theme, place, &backend.spark, top, &marks);
        } else {
            let mut cell = column::cell(column.id, backend, model.shown_ms(), theme.glyphs);
            if column.id == ColumnId::Name {
                cell.text = table::tell_apart(&cell.text, start, slot.width, theme.glyphs.ellipsis);
            }
            table::draw_cell(buf, theme, y, *slot, &cell);
        }
    }
    if selected {
        table::put(buf, (area.x, y), MARGIN, &Cell::new(theme.glyphs.marker, Tone::Strong), theme);
        let name = placed.first().map_or(0, |p| p.slot.width);
        buf.set_style(Rect::new(area.x, y, MARGIN + name, 1).intersection(area), theme.style(Tone::Selected));
    }
    selected
}

fn reason_row(model: &Model, buf: &mut Buffer, (area, y): (Rect, u16), backend: &BackendView) {
    let now_ms = model.shown_ms();
    let faults = model.status.iter().flat_map(|status| faults::at_backend(status, &backend.id));
    let faults = faults.map(|fault| (Tone::Warn, format!("fault {}", faults::briefly(fault, now_ms))));
    let why = why::remark(backend, now_ms).map(|why| (why.tone, why.long));
    let reasons: Vec<(Tone, String)> = why.into_iter().chain(faults).collect();
    let Some(tone) = reasons.iter().map(|(tone, _)| *tone).max() else { return };
    let words: Vec<&str> = reasons.iter().map(|(_, words)| words.as_str()).collect();
    let elbow = model.theme.glyphs.elbow;
    let cell = Cell::new(format!("{elbow} {}", words.join("; ")), tone);
    let slot = Slot { x: area.x + MARGIN + 1, width: area.width.saturating_sub(MARGIN + 1), right: false };
    table::draw_cell(buf, model.theme, y, slot, &cell);
}

/// The seconds of its sparkline in which a fault was injected at a backend.
pub(super) fn marks(model: &Model, backend: &BackendView) -> Vec<bool> {
    model.status.as_ref().map_or_else(Vec::new, |status| {
        let faults = faults::known(status).filter(|fault| faults::is_at(fault, &backend.id));
        faults::seconds(faults, status.at_ms, backend.spark.len())
    })
}

/// The scale of a pool's sparklines: round, and common to its backends so that rows compare.
fn spark_top(pool: &PoolView) -> u64 {
    let highest = pool.backends.iter().flat_map(|b| &b.spark).copied().max().unwrap_or(0);
    figure::round_up(u64::from(highest))
}
