//! Faults for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aya_api::condition::{Condition, Unit};
use aya_api::fault::{ChaosLimits, ChaosView, FaultState, FaultView, Per, StopState, StopView};
use aya_api::view::PoolView;

use crate::failure::Failure;
use crate::render::cell::{Cell, visible};
use crate::render::table::{Grid, draw};
use crate::render::{self, Align, View};
use crate::time;

fn field(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{:<13}{}", format!("{name}:"), visible(value.to_owned()));
}

fn percent(share: f64) -> String {
    let rounded = format!("{:.2}", share * 100.0);
    format!("{} %", rounded.trim_end_matches('0').trim_end_matches('.'))
}

/// Everything about one fault.
pub(super) fn fault(fault: &FaultView, view: &View) -> Result<String, Failure> {
    if let Some(text) = render::document(fault, view)? {
        return Ok(text);
    }
    if !matches!(view.format, crate::args::Format::Table | crate::args::Format::Wide) {
        return render::list(vec![fault.clone()], view);
    }
    let mut text = String::new();
    field(&mut text, "Fault", &format!("{} {}", fault.id, fault.fault));
    field(&mut text, "Target", &fault.target.to_string());
    field(&mut text, "Backends", &fault.backends.join(" "));
    field(&mut text, "State", &state(fault, view.now_ms));
    let why = fault.reason.as_deref().unwrap_or("no reason was given");
    let run = fault.run.as_ref().map(|run| format!(", part of the run {run}")).unwrap_or_default();
    field(&mut text, "By", &format!("{}{run}: {why}", fault.by));
    field(&mut text, "Asked", &asked(fault));
    field(&mut text, "Observed", &observed(fault));
    let skipped = skips(fault);
    field(&mut text, "Skipped", if skipped.is_empty() { "none" } else { &skipped });
    field(&mut text, "Held now", &fault.observed.held.to_string());
    field(&mut text, "Limits", &limits(&fault.limits));
    for stop in &fault.stop_if {
        field(&mut text, "Stop if", &condition(stop, view.now_ms));
    }
    Ok(text)
}

fn state(fault: &FaultView, now_ms: u64) -> String {
    let ended_by = fault.ended_by.as_deref().unwrap_or("no reason was given");
    match fault.state {
        FaultState::Planned => "planned: nobody is hit".to_owned(),
        FaultState::Active => {
            let lease = fault.lease_ends_ms.map(|at| format!("; its lease {}", time::ending(now_ms, at)));
            let started = time::age(now_ms, fault.started_ms);
            let ends = time::ending(now_ms, fault.ends_ms);
            format!("active for {started}, ends {ends}{}", lease.unwrap_or_default())
        }
        FaultState::Ended => {
            let ended_ms = fault.ended_ms.unwrap_or(fault.ends_ms);
            let after = time::setting(ended_ms.saturating_sub(fault.started_ms));
            format!("ended {} ago, after {after}: {ended_by}", time::age(now_ms, ended_ms))
        }
    }
}

fn asked(fault: &FaultView) -> String {
    let per = match fault.per {
        Per::Request => "requests",
        Per::Connection => "connections",
    };
    format!("{} of {per}, seed {}", percent(fault.share), fault.seed)
}

/// `4.9 % (4.1 % to 5.8 %): 60 of 1234`.
fn observed(fault: &FaultView) -> String {
    let seen = &fault.observed;
    match (seen.share, seen.low, seen.high) {
        (Some(share), Some(low), Some(high)) => {
            let (share, low, high) = (percent(share), percent(low), percent(high));
            format!("{share} ({low} to {high}): {} of {}", seen.hit, seen.matched)
        }
        _ => "nothing matched".to_owned(),
    }
}

fn skips(fault: &FaultView) -> String {
    let skipped = fault.observed.skipped.iter().map(|s| format!("{} {}", s.count, s.cause));
    skipped.collect::<Vec<_>>().join(", ")
}

fn condition(stop: &StopView, now_ms: u64) -> String {
    let state = match stop.state {
        StopState::Clear => "clear",
        StopState::Pending => "holds, not for long enough yet",
        StopState::Met => "met",
        StopState::NoData => "no data",
    };
    let value =
        stop.value.map(|value| format!(", is {}", figure(&stop.condition, value))).unwrap_or_default();
    format!("{}: {state} for {}{value}", stop.condition, time::age(now_ms, stop.since_ms))
}

/// A value with the unit of its condition.
fn figure(condition: &str, value: f64) -> String {
    match condition.parse::<Condition>().map(|condition| condition.metric.unit()) {
        Ok(Unit::Share) => percent(value),
        Ok(Unit::Time) => format!("{value:.1} ms"),
        Ok(Unit::PerSecond) => format!("{value:.1}/s"),
        Ok(Unit::Count | Unit::Word) | Err(_) => format!("{value}"),
    }
}

fn limits(limits: &ChaosLimits) -> String {
    let ChaosLimits { max_backends, max_traffic, min_ready, max_held } = limits;
    let parts = [
        max_traffic.map(|share| format!("at most {} of a pool's requests", percent(share))),
        max_backends.map(|most| format!("at most {most} backends")),
        min_ready.map(|least| format!("{least} of a pool stay without")),
        max_held.map(|most| format!("holds at most {most}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// One line about a fault that goes on.
pub(super) fn live(fault: &FaultView, now_ms: u64) -> String {
    let ends = time::ending(now_ms, fault.ends_ms);
    let mut line = format!("{} {} for {}, {ends}", fault.id, fault.fault, fault.target);
    let _ = write!(line, " · asked {}, seen {}", percent(fault.share), observed(fault));
    let skipped = skips(fault);
    if !skipped.is_empty() {
        let _ = write!(line, " · skipped {skipped}");
    }
    line
}

/// Whom a fault would hit.
pub(super) fn plan(
    fault: &FaultView,
    reached: &BTreeMap<&str, usize>,
    pools: &[PoolView],
    view: &View,
) -> Result<String, Failure> {
    if !matches!(view.format, crate::args::Format::Table | crate::args::Format::Wide) {
        return render::list(vec![fault.clone()], view);
    }
    let mut text = format!("would inject {} for {}\n", fault.fault, visible(fault.target.to_string()));
    field(&mut text, "Asked", &asked(fault));
    field(&mut text, "Ends", &format!("after {}", time::setting(fault.ends_ms - fault.started_ms)));
    field(&mut text, "Limits", &limits(&fault.limits));
    for stop in &fault.stop_if {
        field(&mut text, "Stop if", &stop.condition);
    }
    let rows = pools.iter().filter_map(|pool| {
        let hit = *reached.get(pool.name.as_str())?;
        let of_pool = pool.backends.iter().filter(|backend| fault.backends.contains(&backend.id));
        let names: Vec<&str> = of_pool.clone().map(|backend| backend.name.as_str()).collect();
        let rate: f64 = of_pool.map(|backend| backend.traffic.rate).sum();
        Some(vec![
            Cell::text(pool.name.as_str()),
            Cell::text(format!("{hit} of {}", pool.backends.len())),
            Cell::number(rate * fault.share, 1),
            Cell::number(pool.traffic.rate, 1),
            Cell::text(names.join(" ")),
        ])
    });
    let headings = vec![
        ("POOL", Align::Left),
        ("BACKENDS", Align::Left),
        ("AT MOST HIT/S", Align::Right),
        ("REQ/S", Align::Right),
        ("NAMES", Align::Left),
    ];
    let _ = write!(text, "\n{}", draw(&Grid { headings, rows: rows.collect() }, view));
    Ok(text)
}

/// Whether faults may be injected, and which are.
pub(super) fn chaos(chaos: &ChaosView, view: &View) -> Result<String, Failure> {
    if let Some(text) = render::document(chaos, view)? {
        return Ok(text);
    }
    if !matches!(view.format, crate::args::Format::Table | crate::args::Format::Wide) {
        return render::list(chaos.faults.clone(), view);
    }
    let mut text = lock_line(chaos, view.now_ms) + "\n";
    if !chaos.faults.is_empty() {
        let _ = write!(text, "\n{}", render::list(chaos.faults.clone(), view)?);
    }
    Ok(text)
}

/// Who may inject, in one line.
pub(in crate::cmd) fn lock_line(chaos: &ChaosView, now_ms: u64) -> String {
    let active = chaos.faults.len() as u64;
    let active = format!("{} injected", time::count(active, "fault"));
    match &chaos.lock {
        Some(lock) => {
            let since = time::age(now_ms, lock.since_ms);
            visible(format!("faults are locked by {} for {since}: {}; {active}", lock.by, lock.reason))
        }
        None if !chaos.allowed => format!("faults are not allowed by the configuration; {active}"),
        None => format!("faults may be injected; {active}"),
    }
}
