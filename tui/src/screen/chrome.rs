//! What surrounds every screen: the daemon and its totals, alarms, the stale banner, notices, keys.

use aya_api::view::Status;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{SCREENS, ScreenId, alarms};
use crate::figure;
use crate::keymap::{self, Action, Binding};
use crate::model::{Dialog, Link, Model, Notice};
use crate::theme::Tone;
use crate::update::scope;
use crate::widget::strip::{self, Fact};
use crate::widget::table::{self, Cell};

/// How long something worth saying stays, in milliseconds; bad news stay until something else is said.
const NOTICE_MS: u64 = 20_000;

/// From this width on, rates are followed by what was counted since the start.
const WIDE: u16 = 110;

/// Draws the lines above the screen; `tabs` follow the daemon on the first line.
pub(super) fn header(model: &Model, buf: &mut Buffer, area: Rect, tabs: Vec<Fact>) {
    let theme = model.theme;
    let mut facts = daemon_facts(model);
    facts.extend(tabs);
    strip::draw(buf, theme, (area.x, area.y), area.width, facts);
    if let Some(status) = &model.status {
        let facts = total_facts(model, status, area.width >= WIDE);
        strip::draw(buf, theme, (area.x, area.y + 1), area.width, facts);
    }
    let (tone, text) = state_line(model, area.width);
    let line = Rect { y: area.y + 2, height: 1, ..area };
    table::put(buf, (area.x, line.y), area.width, &Cell::new(text, tone), theme);
    if tone == Tone::Banner {
        buf.set_style(line, theme.style(tone));
    }
}

/// The screens with their keys; the one on show stays longest.
pub(super) fn tabs(model: &Model) -> Vec<Fact> {
    let tab = |(rank, screen): (u8, &super::Screen)| {
        let text = format!("{} {}", screen.hotkey, screen.title);
        if screen.id == model.screen {
            Fact::new(4, text, Tone::Selected)
        } else {
            Fact::new(rank, text, Tone::Muted)
        }
    };
    (20..).zip(SCREENS).map(tab).collect()
}

/// Draws the lines below the screen; where typing goes, when somebody types there.
pub(super) fn footer(model: &Model, buf: &mut Buffer, area: Rect) -> Option<Position> {
    let theme = model.theme;
    let (notice_y, keys_y) = (area.bottom() - 2, area.bottom() - 1);
    strip::draw(buf, theme, (area.x, keys_y), area.width, key_facts(model));
    if let Some(Dialog::Filter { .. }) = &model.dialog {
        let text = match model.screen {
            ScreenId::Events => &model.journal.filter.text,
            ScreenId::Listeners => &model.wiring.filter.text,
            ScreenId::Requests => &model.requests.filter.text,
            _ => &model.table.filter.text,
        };
        let end = table::put(
            buf,
            (area.x, notice_y),
            area.width,
            &Cell::new(format!("/{text}"), Tone::Strong),
            theme,
        );
        return Some(Position::new(end.min(area.right() - 1), notice_y));
    }
    let standing = standing(model);
    let cell = match notice(model) {
        None => standing,
        // A filter hides rows; nothing may hide the filter.
        Some(notice) if standing.text.is_empty() => Cell::new(notice.text.clone(), notice.tone),
        Some(notice) => Cell::new(format!("{} - {}", standing.text, notice.text), notice.tone),
    };
    table::put(buf, (area.x, notice_y), area.width, &cell, theme);
    None
}

/// The keys that do something now: no orders where orders are refused, no key for the screen on show.
fn key_facts(model: &Model) -> Vec<Fact> {
    let is_inert = model.inert_because().is_some();
    let has_faults = model.status.as_ref().is_some_and(|status| !status.chaos.faults.is_empty());
    let works = |action: Action| {
        let orders =
            matches!(action, Action::Order(_) | Action::WeightBy(_) | Action::Algorithm | Action::StopFault);
        let lists = matches!(action, Action::Open | Action::Filter | Action::OnlyFailed | Action::OnlyPool);
        let faults = matches!(action, Action::Panic | Action::StopFault);
        action != Action::Show(model.screen)
            && (!faults || has_faults)
            && !(orders && is_inert)
            && !(lists && model.reads_one())
    };
    let bindings = keymap::bindings(scope(model)).filter(|binding| works(binding.action));
    let fact = |(rank, b): (u8, &Binding)| {
        let word = b.footer?;
        // Help and quit are what a lost operator looks for, so they stay longest.
        let is_first = matches!(word, "help" | "quit" | "yes" | "no" | "PANIC")
            || (b.action == Action::Show(ScreenId::Chaos) && has_faults);
        let rank = if is_first { 0 } else { rank.saturating_add(1) };
        Some(Fact::new(rank, key_hint(model, b.label, word), Tone::Muted))
    };
    (0..).zip(bindings).filter_map(fact).collect()
}

fn key_hint(model: &Model, label: &str, word: &str) -> String {
    let label = label.split_whitespace().next().unwrap_or(label);
    let label = if label.is_ascii() || !model.theme.glyphs.arrow.is_ascii() { label } else { "BS" };
    format!("{label} {word}")
}

/// Before the first answer: what is tried, why it does not work yet, and what to do.
pub(super) fn waiting(model: &Model, buf: &mut Buffer, area: Rect) -> Position {
    let mut lines = vec![(Tone::Strong, format!("connecting to ayad at {}", model.socket.display()))];
    if let Link::Lost { cause, hint, .. } = &model.link {
        lines.push((Tone::Plain, String::new()));
        lines.push((Tone::Bad, cause.clone()));
        lines.extend(
            table::wrap(hint, area.width.saturating_sub(4)).into_iter().map(|line| (Tone::Plain, line)),
        );
    }
    for (y, (tone, text)) in (area.y + 1..area.bottom()).zip(lines) {
        table::put(buf, (area.x + 2, y), area.width.saturating_sub(2), &Cell::new(text, tone), model.theme);
    }
    Position::new(area.x, area.y + 1)
}

/// A terminal too small for any screen: the one thing an operator must know, in as many lines as there are.
pub(super) fn tiny(model: &Model, buf: &mut Buffer) -> Option<Position> {
    let area = buf.area;
    if area.is_empty() {
        return None;
    }
    let size = format!("{}x{} is too small;", area.width, area.height);
    let state = match &model.status {
        None => "ayad: no answer yet".to_owned(),
        Some(status) => {
            let (out, all) = alarms::out_of(model, status);
            let word = if model.is_stale() {
                "STALE"
            } else if out == 0 {
                "ok"
            } else {
                "NOT OK"
            };
            format!("ayad: {}/{all} {word}", all - out)
        }
    };
    let mut lines = table::wrap(&size, area.width);
    lines.extend(table::wrap(&state, area.width));
    if let Some(status) = &model.status {
        let alarms = alarms::all(model, status, model.shown_ms());
        lines.extend(alarms.into_iter().flat_map(|(_, text)| table::wrap(&text, area.width)));
    }
    for (y, line) in (area.top()..area.bottom()).zip(lines) {
        table::put(buf, (area.x, y), area.width, &Cell::new(line, Tone::Plain), model.theme);
    }
    Some(Position::new(area.x, area.y))
}

fn daemon_facts(model: &Model) -> Vec<Fact> {
    let socket = model.socket.display();
    let place = match &model.context {
        Some(context) => format!("{context} at {socket}"),
        None => socket.to_string(),
    };
    let Some(status) = &model.status else {
        return vec![Fact::new(0, "ayad", Tone::Strong), Fact::new(1, place, Tone::Plain)];
    };
    let daemon = &status.daemon;
    let up = figure::span(model.shown_ms().saturating_sub(daemon.started_ms));
    let age = |at_ms: u64| figure::age(model.shown_ms().saturating_sub(at_ms));
    let upgraded = daemon.upgraded.as_ref().map(|upgrade| format!("upgraded {} ago", age(upgrade.at_ms)));
    let mut facts = vec![
        Fact::new(0, format!("ayad {}", daemon.version), Tone::Strong),
        Fact::new(1, place, Tone::Plain),
        Fact::new(2, format!("up {up}"), Tone::Plain),
        Fact::new(3, format!("config {}", daemon.generation), Tone::Plain),
        Fact::new(7, upgraded.unwrap_or_default(), Tone::Plain),
        Fact::new(6, figure::plural(daemon.workers as usize, "worker"), Tone::Plain),
    ];
    if let Some(bytes) = daemon.resident_bytes {
        facts.push(Fact::new(9, format!("{:.1} MiB", bytes as f64 / 1_048_576.0), Tone::Plain));
    }
    if model.read_only {
        facts.push(Fact::new(1, "read-only", Tone::Warn));
    }
    facts
}

fn total_facts(model: &Model, status: &Status, is_wide: bool) -> Vec<Fact> {
    let rate: f64 = status.pools.iter().map(|pool| pool.traffic.rate).sum();
    let in_flight: u64 = status.pools.iter().map(|pool| pool.traffic.in_flight).sum();
    let class = |class: usize, label: &str| {
        let total = format!("{} in all", figure::count(status.daemon.responses[class]));
        match model.pulse.class_rate(class) {
            // One picture alone tells no rate.
            None => (format!("{label} {total}"), String::new(), Tone::Plain),
            Some(now) => {
                let tone = if class == 4 && now > 0.0 { Tone::Warn } else { Tone::Plain };
                let total = if is_wide { format!("({total})") } else { String::new() };
                (format!("{label} {}/s", figure::rate(now)), total, tone)
            }
        }
    };
    let (client, client_total, client_tone) = class(3, "4xx");
    let (server, server_total, server_tone) = class(4, "5xx");
    let drill = match status.chaos.faults.len() {
        0 => String::new(),
        some => format!("CHAOS: {}", figure::plural(some, "fault")),
    };
    let mut facts = vec![
        Fact::new(0, drill, Tone::Banner),
        Fact::new(0, format!("{} req/s", figure::rate(rate)), Tone::Strong),
        Fact::new(4, format!("{in_flight} in flight"), Tone::Plain),
        Fact::new(3, client, client_tone),
        Fact::new(7, client_total, Tone::Muted),
        Fact::new(1, server, server_tone),
        Fact::new(6, server_total, Tone::Muted),
    ];
    facts.extend(refused_facts(model, status));
    facts
}

/// What the proxy itself refused or failed, the most frequent reason first; nothing when it never did.
fn refused_facts(model: &Model, status: &Status) -> Vec<Fact> {
    let mut reasons: Vec<_> = status.daemon.reasons.iter().filter(|reason| reason.count > 0).collect();
    if reasons.is_empty() {
        return Vec::new();
    }
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
    let total = reasons.iter().fold(0_u64, |sum, reason| sum.saturating_add(reason.count));
    let (text, tone) = match model.pulse.refused_rate() {
        None => (format!("refused {} in all", figure::count(total)), Tone::Plain),
        Some(now) if now > 0.0 => (format!("refused {}/s", figure::rate(now)), Tone::Warn),
        Some(_) => ("refused 0/s".to_owned(), Tone::Plain),
    };
    let mut facts = vec![Fact::new(2, text, tone)];
    for (rank, reason) in (10..).zip(reasons.into_iter().take(8)) {
        facts.push(Fact::new(rank, format!("{} {}", reason.name, figure::count(reason.count)), Tone::Muted));
    }
    facts
}

/// The line that must never lie: stale, frozen, alarms, or all well.
fn state_line(model: &Model, width: u16) -> (Tone, String) {
    if model.is_stale() {
        return (Tone::Banner, stale_banner(model, width));
    }
    if let Some(frozen) = &model.frozen {
        let age = figure::span(model.now_ms.saturating_sub(frozen.at_ms));
        return (Tone::Banner, format!("FROZEN {age} - f shows the present again"));
    }
    match &model.status {
        Some(status) => alarms::line(model, status, width),
        None => (Tone::Plain, String::new()),
    }
}

/// Loses the socket first and then the cause when it gets narrow, but never the age or the retry.
fn stale_banner(model: &Model, width: u16) -> String {
    let age = figure::span(model.now_ms.saturating_sub(model.heard_ms));
    let socket = model.socket.display();
    let (cause, retry) = match &model.link {
        Link::Lost { cause, retry_at_ms, .. } => {
            let seconds = retry_at_ms.saturating_sub(model.now_ms).div_ceil(1_000);
            let retry = if seconds == 0 { "retrying".into() } else { format!("retry in {seconds}s") };
            (format!(": {cause}"), retry)
        }
        Link::Connecting | Link::Live => (String::new(), "waiting".to_owned()),
    };
    if model.status.is_none() {
        return format!("CONNECTING {age} - {retry}");
    }
    let wordings = [
        format!("STALE {age} - ayad does not answer at {socket}{cause} - {retry}"),
        format!("STALE {age} - ayad does not answer{cause} - {retry}"),
    ];
    let fitting = wordings.into_iter().find(|text| table::width(text) <= width);
    fitting.unwrap_or_else(|| format!("STALE {age} - no answer - {retry}"))
}

fn notice(model: &Model) -> Option<&Notice> {
    let keeps =
        |notice: &&Notice| notice.tone == Tone::Bad || model.now_ms.saturating_sub(notice.at_ms) < NOTICE_MS;
    model.notice.as_ref().filter(keeps)
}

/// When nothing is to be said: what narrows the view, so that nobody forgets a filter.
fn standing(model: &Model) -> Cell {
    let mut parts = Vec::new();
    let filter = match model.screen {
        ScreenId::Events => &model.journal.filter,
        ScreenId::Listeners => &model.wiring.filter,
        ScreenId::Requests => &model.requests.filter,
        ScreenId::Overview
        | ScreenId::Backend
        | ScreenId::Pool
        | ScreenId::Chaos
        | ScreenId::Runs
        | ScreenId::Help => &model.table.filter,
    };
    let is_wide = matches!(
        model.screen,
        ScreenId::Listeners | ScreenId::Pool | ScreenId::Requests | ScreenId::Chaos | ScreenId::Runs
    );
    let has_filter = !matches!(model.screen, ScreenId::Chaos | ScreenId::Runs);
    if let Some(pool) = model.table.pool.as_ref().filter(|_| !is_wide) {
        parts.push(format!("only pool {pool}"));
    }
    if has_filter && !filter.is_empty() {
        parts.push(format!("filter: {}", filter.text));
    }
    if model.screen == ScreenId::Requests && model.requests.open.is_none() {
        parts.extend(model.requests.only_failed.then(|| "only failed".to_owned()));
        parts.extend(model.requests.pool.as_ref().map(|pool| format!("only pool {pool}")));
    }
    if let Some((lines, room)) = page(model) {
        return Cell::new(if lines > room { "j and k scroll" } else { "" }, Tone::Muted);
    }
    if !parts.is_empty() {
        parts.push("Esc shows everything".into());
    }
    Cell::new(parts.join(" - "), Tone::Warn)
}

/// How many lines the screen on show has and how many of them fit, where it scrolls as one page.
fn page(model: &Model) -> Option<(usize, usize)> {
    let room = usize::from(super::body_height(model));
    match model.screen {
        ScreenId::Help => Some((super::help::height(model), room)),
        ScreenId::Pool => Some((super::pool::height(model), room)),
        ScreenId::Requests => {
            model.requests.open.as_ref().map(|_| (super::requests::open_height(model), room))
        }
        ScreenId::Backend => model.why.in_full.then(|| super::backend::explained(model)),
        ScreenId::Events => model.journal.open.as_ref().map(|_| (super::events::open_height(model), room)),
        ScreenId::Chaos => Some(super::chaos::height(model)),
        ScreenId::Overview | ScreenId::Listeners | ScreenId::Runs => None,
    }
}
