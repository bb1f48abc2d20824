//! Faults as the dashboard tells them: which ones hit whom, and when they did, as marks under everything that has a time
//! axis.

use aya_api::fault::FaultView;
use aya_api::view::Status;

use crate::figure;
use crate::theme::Glyphs;

/// Faults of the picture that are injected now, and those that ended lately.
pub(crate) fn known(status: &Status) -> impl Iterator<Item = &FaultView> {
    status.chaos.faults.iter().chain(&status.chaos.ended)
}

/// Faults that are injected now at the backend `id`, `pool/backend`.
pub(crate) fn at_backend<'s>(status: &'s Status, id: &'s str) -> impl Iterator<Item = &'s FaultView> {
    status.chaos.faults.iter().filter(move |fault| is_at(fault, id))
}

/// True when `fault` is for the backend `id`.
pub(crate) fn is_at(fault: &FaultView, id: &str) -> bool {
    fault.backends.iter().any(|backend| backend == id)
}

/// True when `fault` is for a backend of `pool`.
pub(crate) fn is_in(fault: &FaultView, pool: &str) -> bool {
    fault.backends.iter().any(|backend| backend.split_once('/').is_some_and(|(own, _)| own == pool))
}

/// `f7 latency 200 ms at shop/web-2, 34s left`.
pub(crate) fn in_words(fault: &FaultView, now_ms: u64) -> String {
    format!("{} {} at {}, {} left", fault.id, fault.fault, fault.target, left(fault, now_ms))
}

/// The same beside a backend that it is for: `f7 latency 200 ms, 5.0%, 34s left`.
pub(crate) fn briefly(fault: &FaultView, now_ms: u64) -> String {
    let share = if fault.fault.has_share() {
        format!(", {} of its requests", figure::errors(fault.share))
    } else {
        String::new()
    };
    format!("{} {}{share}, {} left", fault.id, fault.fault, left(fault, now_ms))
}

/// How long it goes on at most.
pub(crate) fn left(fault: &FaultView, now_ms: u64) -> String {
    figure::left(fault.ends_ms.saturating_sub(now_ms))
}

/// One second of a time axis each, oldest first and the newest ending at `at_ms`: whether one of `faults` was injected.
pub(crate) fn seconds<'f>(
    faults: impl Iterator<Item = &'f FaultView>,
    at_ms: u64,
    count: usize,
) -> Vec<bool> {
    let mut marks = vec![false; count];
    for (from, until) in faults.filter_map(|fault| span(fault, at_ms, count)) {
        marks[from..until].fill(true);
    }
    marks
}

/// The same as one line of `count` cells: where a fault begins its sign and its id, then a rule until it ends.
pub(crate) fn rule<'f>(
    faults: impl Iterator<Item = &'f FaultView>,
    glyphs: &Glyphs,
    at_ms: u64,
    count: usize,
) -> String {
    let mut cells = vec![" ".to_owned(); count];
    let mut spans: Vec<_> = faults.filter_map(|fault| Some((span(fault, at_ms, count)?, fault))).collect();
    spans.sort_by_key(|((from, _), fault)| (*from, fault.started_ms));
    for ((from, until), fault) in spans {
        let label = std::iter::once(glyphs.warn.to_owned()).chain(fault.id.chars().map(String::from));
        let rest = std::iter::repeat_n(glyphs.frame[4].to_owned(), until - from);
        let text = label.chain(rest).take(until - from);
        for (cell, text) in cells[from..until].iter_mut().zip(text) {
            *cell = text;
        }
    }
    cells.concat()
}

/// The seconds of an axis in which a fault was injected; a moment of it counts as one.
fn span(fault: &FaultView, at_ms: u64, count: usize) -> Option<(usize, usize)> {
    let begins_ms = at_ms.saturating_sub(count as u64 * 1000);
    let ended_ms = fault.ended_ms.unwrap_or(at_ms).min(at_ms);
    if ended_ms < begins_ms || fault.started_ms > at_ms || count == 0 {
        return None;
    }
    let second = |ms: u64| (ms.saturating_sub(begins_ms) / 1000) as usize;
    let from = second(fault.started_ms).min(count - 1);
    Some((from, (second(ended_ms.saturating_sub(1)) + 1).clamp(from + 1, count)))
}
