//! The line of alarms: pools that cannot serve, pools in panic, the daemon, backends, sources, and what surrounds them.

use aya_api::view::{BackendView, Freshness, ListenerView, PoolView, Status};

use crate::figure;
use crate::model::Model;
use crate::theme::Tone;
use crate::why;
use crate::widget::table;

/// One alarm.
type Alarm = (Tone, String);

/// Everything that is wrong, worst first, or that nothing is. What does not fit is counted, so that nobody takes the line
/// for the whole truth.
pub(super) fn line(model: &Model, status: &Status, width: u16) -> Alarm {
    let glyphs = model.theme.glyphs;
    let (out, backends) = out_of(model, status);
    let alarms = all(model, status, model.shown_ms());
    let Some(tone) = alarms.iter().map(|(tone, _)| *tone).max() else {
        return match backends {
            0 => (Tone::Muted, "no backends yet".into()),
            all => (Tone::Good, format!("{} all {} eligible", glyphs.good, figure::plural(all, "backend"))),
        };
    };
    let sign = if tone == Tone::Bad { glyphs.bad } else { glyphs.warn };
    let alarms: Vec<String> = alarms.into_iter().map(|(_, alarm)| alarm).collect();
    let heads = match out {
        0 => vec![format!("{sign} ")],
        out => vec![
            format!("{sign} {out} of {} not eligible: ", figure::plural(backends, "backend")),
            // What is wrong is worth more than of how many.
            format!("{sign} {out}/{backends} out: "),
        ],
    };
    let mut last = String::new();
    for head in &heads {
        for kept in (1..=alarms.len()).rev() {
            last = head.clone() + &counted(&alarms, kept);
            if table::width(&last) <= width {
                return (tone, last);
            }
        }
    }
    (tone, last)
}

fn counted(alarms: &[String], kept: usize) -> String {
    let listed = alarms[..kept].join(", ");
    match alarms.len() - kept {
        0 => listed,
        more => format!("{listed}, +{more} more {}", if more == 1 { "alarm" } else { "alarms" }),
    }
}

/// All of them, worst first.
pub(super) fn all(model: &Model, status: &Status, now_ms: u64) -> Vec<Alarm> {
    let only = model.table.pool.as_ref();
    let pools: Vec<&PoolView> =
        status.pools.iter().filter(|pool| only.is_none_or(|name| pool.name == *name)).collect();
    let mut alarms: Vec<Alarm> = pools.iter().filter_map(|pool| dark(pool)).collect();
    let panicking = pools.iter().filter(|pool| pool.in_panic);
    alarms.extend(panicking.map(|pool| (Tone::Bad, format!("{} in PANIC: health is ignored", pool.name))));
    alarms.extend(daemon(status));
    let mut backends: Vec<(&str, Alarm)> = pools
        .iter()
        .flat_map(|pool| &pool.backends)
        .filter_map(|backend| Some((backend.id.as_str(), out(backend, pools.len() > 1, now_ms)?)))
        .collect();
    backends.sort_by_key(|(id, _)| *id);
    alarms.extend(backends.into_iter().map(|(_, alarm)| alarm));
    alarms.extend(pools.iter().flat_map(|pool| sources(pool, now_ms)));
    for (is_bad, alarm) in status.listeners.iter().flat_map(ListenerView::certificate_alarms) {
        alarms.push((if is_bad { Tone::Bad } else { Tone::Warn }, alarm));
    }
    alarms.extend(super::chaos::alarms(&status.chaos, now_ms));
    alarms.sort_by_key(|(tone, _)| std::cmp::Reverse(*tone));
    alarms
}

/// A pool that answers nothing but errors.
fn dark(pool: &PoolView) -> Option<Alarm> {
    if pool.backends.is_empty() {
        return Some((Tone::Bad, format!("{} has no backends", pool.name)));
    }
    why::is_dark(pool).then(|| (Tone::Bad, format!("{} SERVES NOTHING", pool.name)))
}

fn daemon(status: &Status) -> Vec<Alarm> {
    let daemon = &status.daemon;
    let first = |error: &String| error.lines().next().unwrap_or_default().to_owned();
    let state = (daemon.state != "running").then(|| format!("ayad is {}", daemon.state));
    let reload = daemon.last_reload_error.as_ref().map(first);
    let upgrade = daemon.last_upgrade_error.as_ref().map(first);
    let words = [
        state,
        reload.map(|error| format!("the last reload was refused: {error}")),
        upgrade.map(|error| format!("the last upgrade failed: {error}")),
    ];
    words.into_iter().flatten().map(|words| (Tone::Warn, words)).collect()
}

fn out(backend: &BackendView, has_pool: bool, now_ms: u64) -> Option<Alarm> {
    let why = why::why(backend, now_ms)?;
    let name = if has_pool { &backend.id } else { &backend.name };
    Some((why.tone, format!("{name} {}", why.short)))
}

/// Sources of backends and of numbers that cannot be relied on.
fn sources(pool: &PoolView, now_ms: u64) -> Vec<Alarm> {
    let stale = pool.discovery.iter().filter(|found| found.state == Freshness::Stale).map(|found| {
        let cause = found.cause.as_deref().unwrap_or("no answer");
        (Tone::Warn, format!("{} is stale, {}: {cause}", pool.name, found.source))
    });
    let failing = pool.source_troubles().into_iter().map(|trouble| {
        let age = figure::age(now_ms.saturating_sub(trouble.since_ms));
        (Tone::Warn, format!("{} ({age})", trouble.in_words(&pool.name)))
    });
    stale.chain(failing).collect()
}

/// How many backends are out of traffic, of how many.
pub(super) fn out_of(model: &Model, status: &Status) -> (usize, usize) {
    let shown = |name: &String| model.table.pool.as_ref().is_none_or(|only| only == name);
    let backends = || status.pools.iter().filter(|pool| shown(&pool.name)).flat_map(|pool| &pool.backends);
    (backends().filter(|backend| backend.is_out()).count(), backends().count())
}
