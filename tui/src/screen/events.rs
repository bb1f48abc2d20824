//! What happened, newest at the bottom. The last line is followed until somebody moves up to read.

use aya_api::event::{Event, Severity};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::figure;
use crate::model::{Entry, Model};
use crate::theme::{Theme, Tone};
use crate::widget::page::{self, Line};
use crate::widget::strip::Fact;
use crate::widget::table::{self, Cell, Slot};

/// Draws the entries that pass the filter and says where the focus is.
pub(crate) fn view(model: &Model, buf: &mut Buffer, area: Rect) -> Option<Position> {
    let theme = model.theme;
    if let Some(entry) = &model.journal.open {
        let lines = whole(model, entry, area.width);
        page::draw(buf, theme, area, &lines, model.journal.open_scroll);
        return Some(Position::new(area.x, area.y));
    }
    let shown = model.journal.shown();
    let height = usize::from(area.height.saturating_sub(1));
    let titles = [(0, "UTC"), (10, "LEVEL"), (18, "SUBJECT"), (subject_end(area), "WHAT")];
    for (x, title) in titles {
        table::put(buf, (area.x + 2 + x, area.y), area.width, &Cell::new(title, Tone::Title), theme);
    }
    follow_state(model, buf, area);
    if shown.is_empty() {
        let text = if model.journal.filter.is_empty() {
            "nothing has happened yet; changes of state, orders and reloads appear here"
        } else {
            "nothing passes the filter; Esc shows everything"
        };
        table::put(
            buf,
            (area.x + 2, area.y + 1),
            area.width.saturating_sub(2),
            &Cell::new(text, Tone::Muted),
            theme,
        );
        return Some(Position::new(area.x, area.y + 1));
    }
    let focus = (shown.len() - 1).saturating_sub(model.journal.below);
    let first = window(shown.len(), focus, height);
    let mut position = None;
    for (at, y) in (first..shown.len()).zip(area.y + 1..area.bottom()) {
        if at == focus {
            let marker = Cell::new(theme.glyphs.marker, Tone::Strong);
            table::put(buf, (area.x, y), 2, &marker, theme);
            position = Some(Position::new(area.x, y));
        }
        entry_row(theme, buf, (area, y), shown[at]);
    }
    position
}

/// Lines of the entry that is read.
pub(crate) fn open_height(model: &Model) -> usize {
    model.journal.open.as_ref().map_or(0, |entry| whole(model, entry, model.size.0).len())
}

/// Everything about one entry, with nothing cut.
fn whole(model: &Model, entry: &Entry, width: u16) -> Vec<Line> {
    let when = |at_ms: u64| {
        let age = figure::age(model.shown_ms().saturating_sub(at_ms));
        let facts = vec![
            Fact::new(0, format!("{} UTC", figure::time_of_day(at_ms)), Tone::Plain),
            Fact::new(1, format!("{age} ago"), Tone::Muted),
        ];
        Line::Facts("when", facts)
    };
    let event = match entry {
        Entry::Event(event) => event,
        Entry::Note { at_ms, text } => {
            let mut lines = vec![Line::at(0, Cell::new("dashboard", Tone::Strong)), when(*at_ms)];
            lines.extend(page::sentence("note", text, Tone::Accent, width));
            return lines;
        }
    };
    let (word, tone) = level(event.severity);
    let mut lines = vec![
        Line::at(0, Cell::new(event.subject.clone(), Tone::Strong)),
        Line::Facts("level", vec![Fact::new(0, word, tone)]),
        when(event.at_ms),
    ];
    let change = format!("{}{}", event.kind, change(model.theme, event));
    lines.extend(page::sentence("what", &change, Tone::Plain, width));
    let rest =
        [("by", event.by.as_deref()), ("cause", Some(event.cause.as_str())), ("order", event.op.as_deref())];
    for (label, text) in rest {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            lines.extend(page::sentence(label, text, Tone::Plain, width));
        }
    }
    lines.push(Line::Facts("number", vec![Fact::new(0, event.seq.to_string(), Tone::Muted)]));
    lines
}

/// First entry to show: the newest at the bottom, unless the focus is above that.
fn window(count: usize, focus: usize, height: usize) -> usize {
    count.saturating_sub(height).min(focus)
}

fn follow_state(model: &Model, buf: &mut Buffer, area: Rect) {
    let text = match model.journal.below {
        0 => "following".to_owned(),
        below => format!("{below} newer below, G follows"),
    };
    let width = table::width(&text);
    let x = area.right().saturating_sub(width + 1);
    table::put(buf, (x, area.y), width, &Cell::new(text, Tone::Muted), model.theme);
}

/// Where the column after the subject starts, counted from the first.
fn subject_end(area: Rect) -> u16 {
    if area.width >= 110 { 44 } else { 35 }
}

fn entry_row(theme: Theme, buf: &mut Buffer, (area, y): (Rect, u16), entry: &Entry) {
    let (at_ms, level, subject, cell) = match entry {
        Entry::Event(event) => (
            event.at_ms,
            level(event.severity),
            event.subject.as_str(),
            Cell::new(what(theme, event), Tone::Plain),
        ),
        Entry::Note { at_ms, text } => {
            (*at_ms, ("note", Tone::Accent), "dashboard", Cell::new(text.clone(), Tone::Accent))
        }
    };
    let x = area.x + 2;
    let last = subject_end(area);
    let time = Cell::new(figure::time_of_day(at_ms), Tone::Muted);
    table::draw_cell(buf, theme, y, Slot { x, width: 8, right: false }, &time);
    table::draw_cell(buf, theme, y, Slot { x: x + 10, width: 7, right: false }, &Cell::new(level.0, level.1));
    let subject = Cell::new(subject, Tone::Strong);
    table::draw_cell(buf, theme, y, Slot { x: x + 18, width: last - 19, right: false }, &subject);
    let rest = area.right().saturating_sub(x + last);
    table::draw_cell(buf, theme, y, Slot { x: x + last, width: rest, right: false }, &cell);
}

fn level(severity: Severity) -> (&'static str, Tone) {
    match severity {
        Severity::Info => ("info", Tone::Muted),
        Severity::Warning => ("warning", Tone::Warn),
        Severity::Error => ("error", Tone::Bad),
    }
}

/// `health up → down: refused`, `admin ready → draining by ann: deploy 42`.
fn what(theme: Theme, event: &Event) -> String {
    let change = change(theme, event);
    let by = event.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let cause = if event.cause.is_empty() { String::new() } else { format!(": {}", event.cause) };
    format!("{}{change}{by}{cause}", event.kind)
}

/// ` up → down`, with the blank before it; empty when nothing has a value.
fn change(theme: Theme, event: &Event) -> String {
    let arrow = theme.glyphs.arrow;
    match (&event.from, &event.to) {
        (Some(from), Some(to)) => format!(" {from} {arrow} {to}"),
        (None, Some(to)) => format!(" {arrow} {to}"),
        (Some(from), None) => format!(" was {from}"),
        (None, None) => String::new(),
    }
}
