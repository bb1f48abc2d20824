//! One backend with its past: the three axes with cause, who, since and until; traffic; what changed, what the
//! checks said, how latencies are spread.

mod guard;
mod reason;
mod signal;
mod spread;

use aya_api::view::{BackendDetail, BackendView, PoolView};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::overview;
use crate::faults;
use crate::figure;
use crate::model::Model;
use crate::theme::{Glyphs, Tone};
use crate::why;
use crate::widget::page::LABEL;
use crate::widget::strip::{self, Fact};
use crate::widget::table::{self, Cell};
use crate::widget::{bars, sparkline};

/// Lines of the state at the top, with an empty one; signals have one more.
const STATE: u16 = 7;

/// Draws the selected backend.
pub(crate) fn view(model: &Model, buf: &mut Buffer, area: Rect) -> Option<Position> {
    let focus = Some(Position::new(area.x, area.y));
    let Some((pool, backend)) = model.selected() else {
        let text = match &model.table.selected {
            Some(id) => format!("{id} is gone: the configuration does not name it any more"),
            None => "no backend is selected: choose one on the overview and press Enter".into(),
        };
        table::put(
            buf,
            (area.x + 2, area.y + 1),
            area.width.saturating_sub(2),
            &Cell::new(text, Tone::Muted),
            model.theme,
        );
        return focus;
    };
    let detail = model.detail.as_deref().filter(|detail| detail.backend.id == backend.id);
    title(model, buf, area, backend, detail);
    let lines = STATE + guard::lines(backend);
    state(model, buf, Rect { y: area.y + 1, height: lines.min(area.height - 1), ..area }, (pool, backend));
    if signal::is_known(backend) && area.height > lines + 1 {
        signal::line(model, buf, Rect { y: area.y + lines, height: 1, ..area }, backend, LABEL);
    }
    let above = above(backend);
    let rest = Rect { y: area.y + above, height: area.height.saturating_sub(above), ..area };
    if rest.is_empty() {
        return focus;
    }
    if model.why.in_full {
        reason::draw(model, buf, rest, &reason::full(model, area.width), model.why.scroll);
        return focus;
    }
    let why = reason::short(model, rest.height, area.width);
    reason::draw(model, buf, rest, &why, 0);
    let above = u16::try_from(why.len() + 1).unwrap_or(rest.height).min(rest.height);
    let rest = Rect { y: rest.y + above, height: rest.height - above, ..rest };
    if rest.is_empty() {
        return focus;
    }
    if let Some(detail) = detail {
        past(model, buf, rest, backend, detail);
    } else {
        let lost = |cause: &String| format!("its past cannot be read: {cause}");
        let text = model.detail_error.as_ref().map_or_else(|| "reading its past".to_owned(), lost);
        let cell = Cell::new(text, Tone::Muted);
        table::put(buf, (rest.x + 2, rest.y + 1), rest.width, &cell, model.theme);
    }
    focus
}

/// Lines of the past that can be scrolled through.
pub(crate) fn past_len(model: &Model) -> usize {
    model.detail.as_ref().map_or(0, |detail| detail.history.len().max(detail.checks.len()))
}

/// Lines of the explanation in full, and how many of them fit.
pub(crate) fn explained(model: &Model) -> (usize, usize) {
    let above = model.selected().map_or(0, |(_, backend)| above(backend));
    let room = super::body_height(model).saturating_sub(above);
    (reason::full(model, model.size.0).len(), usize::from(room))
}

/// Lines over the explanation and the past.
fn above(backend: &BackendView) -> u16 {
    1 + STATE + guard::lines(backend) + u16::from(signal::is_known(backend))
}

fn title(model: &Model, buf: &mut Buffer, area: Rect, b: &BackendView, detail: Option<&BackendDetail>) {
    let mut facts = vec![
        Fact::new(0, b.id.clone(), Tone::Strong),
        Fact::new(1, b.address.clone(), Tone::Plain),
        Fact::new(4, b.zone.as_ref().map(|zone| format!("zone {zone}")).unwrap_or_default(), Tone::Plain),
        Fact::new(
            5,
            if b.tags.is_empty() { String::new() } else { format!("tags {}", b.tags.join(",")) },
            Tone::Plain,
        ),
    ];
    if let Some(defined) = detail.and_then(|detail| detail.defined.as_ref()) {
        facts.push(Fact::new(3, format!("defined in {defined}"), Tone::Muted));
    }
    facts.push(Fact::new(6, format!("rev {}", b.rev), Tone::Muted));
    strip::draw(buf, model.theme, (area.x, area.y), area.width, facts);
}

fn state(model: &Model, buf: &mut Buffer, area: Rect, (pool, b): (&PoolView, &BackendView)) {
    let now_ms = model.shown_ms();
    let since = |at_ms: u64| format!("for {}", figure::span(now_ms.saturating_sub(at_ms)));
    let left = |until_ms: u64| format!("reverts in {}", figure::left(until_ms.saturating_sub(now_ms)));
    let (admin, health, breaker) = (&b.admin, &b.health, &b.breaker);
    let by = admin.by.as_deref().unwrap_or("the configuration");
    let reason = admin.reason.as_ref().map(|reason| format!("\"{reason}\"")).unwrap_or_default();
    let restored = if admin.restored { "restored after a restart" } else { "" };
    let checked =
        health.checked_ms.map(|at_ms| format!("checked {} ago", figure::age(now_ms.saturating_sub(at_ms))));
    let retry =
        breaker.retry_ms.map(|at_ms| format!("next try in {}", figure::left(at_ms.saturating_sub(now_ms))));
    let mut lines: Vec<(&str, Tone, String, Vec<String>)> = vec![
        (
            "admin",
            why::admin_tone(admin.state),
            admin.state.to_string(),
            vec![
                since(admin.since_ms),
                format!("by {by}"),
                reason,
                admin.until_ms.map(left).unwrap_or_default(),
                restored.into(),
            ],
        ),
        (
            "health",
            why::health_tone(health.state),
            health.state.to_string(),
            vec![
                since(health.since_ms),
                health.cause.clone(),
                checked.unwrap_or_default(),
                format!("check: {}", pool.check),
            ],
        ),
        (
            "breaker",
            why::breaker_tone(breaker.state),
            breaker.state.to_string(),
            guard::breaker(breaker, now_ms, since(breaker.since_ms), retry),
        ),
    ];
    lines.extend(guard::standing(b, now_ms));
    lines.extend(traffic_lines(model, b));
    for (y, (label, tone, value, facts)) in (area.top()..area.bottom()).zip(lines) {
        let theme = model.theme;
        table::put(buf, (area.x, y), LABEL, &Cell::new(label, Tone::Muted), theme);
        table::put(buf, (area.x + LABEL, y), 10, &Cell::new(value, tone), theme);
        let x = area.x + LABEL + 11;
        let facts = (0..).zip(facts).map(|(rank, text)| Fact::new(rank, text, Tone::Plain)).collect();
        strip::draw(buf, theme, (x, y), area.right().saturating_sub(x), facts);
    }
}

fn traffic_lines(model: &Model, b: &BackendView) -> Vec<(&'static str, Tone, String, Vec<String>)> {
    let Glyphs { none, arrow, .. } = model.theme.glyphs;
    let known = |value: Option<String>| value.unwrap_or_else(|| (*none).to_owned());
    let traffic = &b.traffic;
    let latency = |value: fn(&aya_api::view::Latency) -> f64| {
        known(traffic.latency.map(|l| figure::latency(value(&l))))
    };
    let changed = b.weight != b.configured_weight;
    let weight =
        if changed { format!("{} {arrow} {}", b.configured_weight, b.weight) } else { b.weight.to_string() };
    let until = b
        .weight_until_ms
        .map(|at_ms| format!("reverts in {}", figure::left(at_ms.saturating_sub(model.shown_ms()))));
    let plan = match b.share_expected {
        Some(share) => figure::share(share),
        None if b.eligible => "adapts".to_owned(),
        None => known(None),
    };
    vec![
        (
            "weight",
            if changed { Tone::Warn } else { Tone::Plain },
            weight,
            vec![
                format!("share: plan {plan}, got {}", known(b.share_actual.map(figure::share))),
                b.ease
                    .filter(|_| b.standing.is_none())
                    .map(|ease| format!("gets {} of its weight", figure::share(ease)))
                    .unwrap_or_default(),
                until.unwrap_or_default(),
                if b.weight_restored { "restored after a restart".into() } else { String::new() },
            ],
        ),
        (
            "traffic",
            Tone::Plain,
            format!("{}/s", figure::rate(traffic.rate)),
            vec![
                format!("errors {}", known(traffic.error_share.map(figure::errors))),
                format!("p50 {}", latency(|l| l.p50_ms)),
                format!("p99 {}", latency(|l| l.p99_ms)),
                format!("max {}", latency(|l| l.max_ms)),
                format!("p90 {}", latency(|l| l.p90_ms)),
            ],
        ),
        (
            "requests",
            Tone::Plain,
            format!("{} open", traffic.in_flight),
            vec![
                format!("{} in all", figure::count(traffic.requests)),
                format!("{} failed", figure::count(traffic.failures)),
                format!("{} connections, {} idle", b.connections, b.idle_connections),
            ],
        ),
    ]
}

/// Left: what changed and what the checks said. Right: how latencies are spread, and the last minute.
fn past(model: &Model, buf: &mut Buffer, area: Rect, b: &BackendView, detail: &BackendDetail) {
    let half = area.width / 2;
    let left = Rect { width: half.saturating_sub(1), ..area };
    let right = Rect { x: area.x + half + 1, width: area.width.saturating_sub(half + 1), ..area };
    let upper = area.height.div_ceil(2);
    let split = |column: Rect| {
        (
            Rect { height: upper, ..column },
            Rect { y: column.y + upper, height: column.height - upper, ..column },
        )
    };
    let ((history, checks), (histogram, chart)) = (split(left), split(right));
    section(
        model,
        buf,
        history,
        "changes, newest first",
        &history_lines(model, detail),
        "none since the start",
    );
    section(model, buf, checks, "checks, newest first", &check_lines(model, detail), "none yet");
    spread_section(model, buf, histogram, detail);
    chart_section(model, buf, chart, b);
}

fn heading(model: &Model, buf: &mut Buffer, area: Rect, text: String) -> Rect {
    table::put(buf, (area.x, area.y), area.width, &Cell::new(text, Tone::Title), model.theme);
    Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
}

fn section(model: &Model, buf: &mut Buffer, area: Rect, title: &str, lines: &[Cell], empty: &str) {
    if area.is_empty() {
        return;
    }
    let hidden = model.detail_scroll.min(lines.len().saturating_sub(1));
    let rest = heading(model, buf, area, title.to_owned());
    if lines.is_empty() {
        table::put(buf, (rest.x, rest.y), rest.width, &Cell::new(empty, Tone::Muted), model.theme);
    }
    for (y, cell) in (rest.top()..rest.bottom()).zip(lines.iter().skip(hidden)) {
        table::put(buf, (rest.x, y), rest.width, cell, model.theme);
    }
}

fn history_lines(model: &Model, detail: &BackendDetail) -> Vec<Cell> {
    let arrow = model.theme.glyphs.arrow;
    let line = |t: &aya_api::view::Transition| {
        let age = figure::age(model.shown_ms().saturating_sub(t.at_ms));
        let by = t.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let cause = if t.cause.is_empty() { String::new() } else { format!(": {}", t.cause) };
        Cell::new(format!("{age:>4}  {} {} {arrow} {}{by}{cause}", t.axis, t.from, t.to), Tone::Plain)
    };
    detail.history.iter().map(line).collect()
}

fn check_lines(model: &Model, detail: &BackendDetail) -> Vec<Cell> {
    let line = |check: &aya_api::view::CheckView| {
        let age = figure::age(model.shown_ms().saturating_sub(check.at_ms));
        let took = figure::latency(check.took_us as f64 / 1e3);
        let (word, tone) = if check.passed { ("passed", Tone::Good) } else { ("failed", Tone::Bad) };
        let cause = if check.passed { String::new() } else { format!("  {}", check.cause) };
        Cell::new(format!("{age:>4}  {word}  {took:>6}{cause}"), tone)
    };
    detail.checks.iter().map(line).collect()
}

fn spread_section(model: &Model, buf: &mut Buffer, area: Rect, detail: &BackendDetail) {
    if area.is_empty() {
        return;
    }
    let rest = heading(model, buf, area, "latencies of the last 60 s".into());
    let bars = spread::bars(&detail.histogram, usize::from(rest.height), model.theme.glyphs.range);
    if bars.is_empty() {
        table::put(buf, (rest.x, rest.y), rest.width, &Cell::new("no requests", Tone::Muted), model.theme);
    }
    bars::draw(buf, model.theme, rest, &bars);
}

fn chart_section(model: &Model, buf: &mut Buffer, area: Rect, b: &BackendView) {
    if area.is_empty() {
        return;
    }
    let top = figure::round_up(u64::from(b.spark.iter().copied().max().unwrap_or(0)));
    let scale = figure::rate(top as f64);
    let rest = heading(model, buf, area, format!("req/s, last 60 s, full bar {scale}/s"));
    let Some(status) = &model.status else { return };
    let columns = rest.width.min(60);
    let plot = Rect { width: columns, ..rest };
    let own = || faults::known(status).filter(|fault| faults::is_at(fault, &b.id));
    let shown = usize::from(columns).min(b.spark.len());
    let rule = faults::rule(own(), model.theme.glyphs, status.at_ms, shown);
    let has_rule = !rule.trim().is_empty() && plot.height > 1;
    let plot = Rect { height: plot.height - u16::from(has_rule), ..plot };
    let marks = overview::marks(model, b);
    sparkline::draw(buf, model.theme, plot, &b.spark, top, &marks);
    if has_rule {
        let x = plot.right().saturating_sub(u16::try_from(shown).unwrap_or(columns));
        table::put(buf, (x, plot.bottom()), columns, &Cell::new(rule, Tone::Warn), model.theme);
    }
}
