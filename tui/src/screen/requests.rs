//! Requests that can be explained: those that failed or were tried again, and a sample; and one of them with every
//! attempt.

mod one;

use aya_api::view::RequestExplanation;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::figure;
use crate::model::Model;
use crate::theme::Tone;
use crate::widget::page::{self, Column, Line, left, right};
use crate::widget::table::{self, Cell};

/// Draws the list, or the request that is read.
#[expect(clippy::unnecessary_wraps, reason = "every screen has the same shape")]
pub(crate) fn view(model: &Model, buf: &mut Buffer, area: Rect) -> Option<Position> {
    if let Some(request) = &model.requests.open {
        let lines = one::lines(model, request, area.width);
        page::draw(buf, model.theme, area, &lines, model.requests.open_scroll);
        return Some(Position::new(area.x, area.y));
    }
    let requests = &model.requests;
    let shown = requests.shown();
    if shown.is_empty() {
        let lines = [Line::Gap, Line::at(2, Cell::new(empty_because(model), Tone::Muted))];
        page::draw(buf, model.theme, area, &lines, 0);
        return Some(Position::new(area.x, area.y));
    }
    let window = shown.iter().enumerate().skip(requests.scroll).take(usize::from(area.height));
    let rows = window.map(|(at, request)| row(model, request, at == requests.position)).collect();
    let lines = page::grid(&columns(), rows, area.width);
    page::draw(buf, model.theme, area, &lines, 0);
    follow_state(model, buf, area, shown.len());
    let below = requests.position.saturating_sub(requests.scroll);
    Some(Position::new(area.x, area.y + 1 + u16::try_from(below).unwrap_or(0)))
}

/// Rows of the list that are on show.
pub(crate) fn rows(model: &Model) -> usize {
    usize::from(super::body_height(model)).saturating_sub(1)
}

/// Lines of the request that is read.
pub(crate) fn open_height(model: &Model) -> usize {
    model.requests.open.as_ref().map_or(0, |request| one::lines(model, request, model.size.0).len())
}

fn columns() -> [Column; 9] {
    [
        left("", 1, 0),
        left("UTC", 8, 2),
        right("STATUS", 6, 0),
        right("TOOK", 6, 1),
        right("TRIES", 5, 5),
        left("POOL", 12, 6),
        left("LAST BACKEND", 12, 4),
        left("KEPT FOR", 16, 3),
        left("REQUEST", 16, 0),
    ]
}

fn row(model: &Model, request: &RequestExplanation, has_focus: bool) -> Vec<Cell> {
    let none = || model.theme.glyphs.none.to_owned();
    let tone = tone(request);
    let kept_for = request.reason.clone().unwrap_or_else(|| request.kept_for().to_owned());
    let last = request.attempts.last().map(|attempt| attempt.backend.rsplit('/').next().unwrap_or_default());
    vec![
        Cell::new(if has_focus { model.theme.glyphs.marker } else { "" }, Tone::Strong),
        Cell::new(figure::time_of_day(request.at_ms), Tone::Muted),
        Cell::new(if request.status == 0 { none() } else { request.status.to_string() }, tone),
        Cell::new(figure::latency(request.took_ms), Tone::Plain),
        Cell::new(request.attempts.len().to_string(), Tone::Plain),
        Cell::new(request.pool.clone().unwrap_or_else(none), Tone::Plain),
        Cell::new(last.map_or_else(none, str::to_owned), Tone::Plain),
        Cell::new(kept_for, tone),
        Cell::new(request.request.clone(), Tone::Plain),
    ]
}

/// How a request reads that ended so.
fn tone(request: &RequestExplanation) -> Tone {
    match request.kept_for() {
        "failed" => Tone::Bad,
        "sampled" => Tone::Plain,
        _ => Tone::Warn,
    }
}

fn follow_state(model: &Model, buf: &mut Buffer, area: Rect, count: usize) {
    let text = match model.requests.position {
        0 => format!("{count} newest"),
        newer => format!("{count} newest, {newer} above"),
    };
    let width = table::width(&text);
    let x = area.right().saturating_sub(width + 1);
    table::put(buf, (x, area.y), width, &Cell::new(text, Tone::Muted), model.theme);
}

fn empty_because(model: &Model) -> String {
    let requests = &model.requests;
    if let Some(cause) = &requests.asked.error {
        format!("the requests cannot be read: {cause}")
    } else if requests.asked.answer.is_none() {
        "reading the requests that are kept".into()
    } else if !requests.filter.is_empty() {
        "nothing passes the filter; Esc shows everything".into()
    } else if requests.only_failed || requests.pool.is_some() {
        "no such request is kept; Esc shows all that are".into()
    } else {
        "no request is kept: none failed or was tried again, and none was sampled yet".into()
    }
}
