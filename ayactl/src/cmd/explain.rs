//! `ayactl explain`: why requests go where they go.

use std::fmt::Write as _;

use aya_api::command::explain::{ExplainBackend, ExplainPick, ExplainRequest, GetRequests};
use aya_api::command::pools::GetPools;
use aya_api::view::{
    AttemptView, AutoRuleView, BackendView, Candidate, PartView, PickExplanation, RequestExplanation, Scored,
    classes_in_words,
};

use super::targets::find;
use crate::args::ExplainArgs;
use crate::failure::Failure;
use crate::render::cell::{Cell, UNKNOWN};
use crate::render::table::{Grid, draw};
use crate::render::{self, Align, View};
use crate::session::Session;
use crate::time;

/// Width of the bar beside a share.
const BAR: f64 = 20.0;

/// Runs the verb.
pub async fn run(session: &mut Session<'_, '_>, args: &ExplainArgs) -> Result<u8, Failure> {
    if args.failed && args.what != "requests" {
        let hint = "ayactl explain requests [POOL] --failed";
        return Err(Failure::usage("--failed is about requests", hint));
    }
    let text = match (args.what.as_str(), &args.name) {
        ("pick", Some(pool)) => pick(session, pool, args).await?,
        ("request", Some(id)) => request(session, id).await?,
        ("requests", pool) => requests(session, pool.clone(), args.failed).await?,
        ("pick", None) => return Err(Failure::usage("which pool?", "ayactl explain pick POOL")),
        ("request", None) => {
            return Err(Failure::usage(
                "which request?",
                "ayactl explain request ID; `ayactl explain requests` lists them",
            ));
        }
        (id, None) if id.contains('/') => backend(session, id).await?,
        (other, _) => {
            let message = format!("\"{other}\" is nothing that can be explained");
            return Err(Failure::usage(message, "pick POOL, request ID, requests [POOL], or POOL/BACKEND"));
        }
    };
    session.print(&text)?;
    Ok(0)
}

async fn pick(session: &mut Session<'_, '_>, pool: &str, args: &ExplainArgs) -> Result<String, Failure> {
    known_pool(session, pool).await?;
    let asked = ExplainPick { pool: pool.to_owned(), key: args.key.clone(), rule: args.rule };
    let found = session.client.call(&asked).await?;
    if let Some(text) = render::document(&found, &session.view)? {
        return Ok(text);
    }
    Ok(pick_text(&found, &session.view))
}

async fn known_pool(session: &mut Session<'_, '_>, pool: &str) -> Result<(), Failure> {
    let pools = session.client.call(&GetPools).await?;
    if pools.iter().any(|known| known.name == pool) {
        return Ok(());
    }
    Err(Failure::not_found("pool", pool, pools.iter().map(|known| known.name.as_str())))
}

async fn backend(session: &mut Session<'_, '_>, id: &str) -> Result<String, Failure> {
    let pools = session.client.call(&GetPools).await?;
    let all: Vec<BackendView> = pools.into_iter().flat_map(|pool| pool.backends).collect();
    let found = find(&all, id)?;
    let [index] = found[..] else {
        return Err(Failure::usage(
            "one backend at a time",
            "`ayactl explain pick POOL` shows all of a pool",
        ));
    };
    let (pool, backend) = (all[index].pool.clone(), all[index].name.clone());
    let explained = session.client.call(&ExplainBackend { pool, backend }).await?;
    if let Some(text) = render::document(&explained, &session.view)? {
        return Ok(text);
    }
    let mut text = format!("{}\n", explained.verdict);
    for reason in &explained.reasons {
        let _ = writeln!(text, "  - {reason}");
    }
    let _ = write!(text, "\n{}", pick_text(&explained.pick, &session.view));
    Ok(text)
}

async fn request(session: &mut Session<'_, '_>, id: &str) -> Result<String, Failure> {
    let found = session.client.call(&ExplainRequest { id: id.to_owned() }).await?;
    if let Some(text) = render::document(&found, &session.view)? {
        return Ok(text);
    }
    Ok(request_text(&found, &session.view))
}

async fn requests(
    session: &mut Session<'_, '_>,
    pool: Option<String>,
    failed: bool,
) -> Result<String, Failure> {
    if let Some(pool) = &pool {
        known_pool(session, pool).await?;
    }
    let is_part = pool.is_some() || failed;
    let all = session.client.call(&GetRequests { pool, failed, limit: None }).await?;
    if all.is_empty() {
        session.note(if is_part {
            "no such request is kept; `ayactl explain requests` lists all"
        } else {
            "no request is kept: none failed or was tried again, and none was sampled yet"
        });
    }
    render::list(all, &session.view)
}

fn by_rule(rule: Option<u64>) -> String {
    rule.map_or_else(String::new, |rule| format!(", by rule {rule}"))
}

fn pick_text(pick: &PickExplanation, view: &View) -> String {
    let by_rule = by_rule(pick.rule);
    let mut text = format!("Pool:      {}\nAlgorithm: {}{by_rule}\n", pick.pool, pick.algorithm);
    for AutoRuleView { rule, when, arm, .. } in pick.rules.iter().filter(|rule| Some(rule.rule) != pick.rule)
    {
        let _ = writeln!(text, "Others:    {arm}, by rule {rule} ({when})");
    }
    let _ = writeln!(text, "Score:     {}; the {} wins", pick.unit, pick.wins);
    if let Some(classes) = classes_in_words(pick.candidates.iter().map(|one| one.class.as_deref())) {
        let _ = writeln!(text, "Classes:   {classes}");
    }
    let _ = writeln!(text, "Seen by:   {}", pick.by);
    if let Some(key) = &pick.key {
        let _ = writeln!(text, "Key:       {key}");
    }
    let _ = writeln!(text, "Next:      {}", pick.next_in_words());
    for part in &pick.parts {
        let _ = writeln!(text, "{}", part_text(part));
    }
    let columns = [
        ("BACKEND", Align::Left),
        ("SCORE", Align::Right),
        ("CLASS", Align::Left),
        ("IN FLIGHT", Align::Right),
        ("LATENCY", Align::Right),
        ("WEIGHT", Align::Right),
        ("MEANT", Align::Right),
        ("GOT", Align::Right),
        ("", Align::Left),
        ("WHY NOT", Align::Left),
    ];
    let rows = pick.candidates.iter().map(candidate_row);
    let _ = write!(text, "\n{}", draw(&Grid { headings: columns.to_vec(), rows: rows.collect() }, view));
    text
}

fn candidate_row(candidate: &Candidate) -> Vec<Cell> {
    let unknown = || UNKNOWN.to_owned();
    let percent = |share: f64| format!("{:.1}%", share * 100.0);
    let weight = if candidate.ease < 1.0 {
        format!("{} at {:.0}%", candidate.weight, candidate.ease * 100.0)
    } else {
        candidate.weight.to_string()
    };
    let in_flight = if candidate.others > 0.0 {
        format!("{}+{:.0}", candidate.in_flight, candidate.others)
    } else {
        candidate.in_flight.to_string()
    };
    let bar = "#".repeat((candidate.share.unwrap_or(0.0) * BAR).round() as usize);
    vec![
        Cell::text(&candidate.backend),
        Cell::text(candidate.score.map_or_else(unknown, |score| format!("{score:.2}"))),
        Cell::text(candidate.class.as_deref().unwrap_or("")),
        Cell::text(in_flight),
        Cell::text(candidate.latency_ms.map_or_else(unknown, ms)),
        Cell::text(weight),
        Cell::text(candidate.expected_share.map_or_else(unknown, percent)),
        Cell::text(candidate.share.map_or_else(unknown, percent)),
        Cell::text(bar),
        Cell::text(why_not(candidate)),
    ]
}

fn why_not(candidate: &Candidate) -> String {
    match (&candidate.excluded, &candidate.why) {
        (Some(word), Some(why)) => format!("{word}: {why}"),
        _ => candidate.despite.clone().unwrap_or_default(),
    }
}

fn part_text(part: &PartView) -> String {
    let panic = if part.in_panic { ", in panic: health is ignored" } else { "" };
    let mut text = format!(
        "Priority {}: takes {:.0} % of the requests, {} of {} healthy, {} used{panic}",
        part.priority,
        part.share * 100.0,
        part.healthy,
        part.ready,
        part.members
    );
    for zone in &part.zones {
        let name = zone.zone.as_deref().unwrap_or("(none)");
        let (used, keeps) = (zone.used * 100.0, zone.keeps * 100.0);
        let _ = write!(text, "\n  zone {name}: {used:.0} % used, keeps {keeps:.0} % of its requests");
    }
    text
}

fn request_text(request: &RequestExplanation, view: &View) -> String {
    let mut text = format!("Request:   {}\nId:        {}\n", request.request, request.id);
    let _ = writeln!(text, "Began:     {}, took {}", time::stamp(request.at_ms), ms(request.took_ms));
    let _ = writeln!(text, "Client:    {} by listener {}", request.client, request.listener);
    let route = request.route.as_deref().unwrap_or(UNKNOWN);
    let pool = request.pool.as_deref().unwrap_or(UNKNOWN);
    let _ = writeln!(text, "Route:     {route} → pool {pool}");
    if let (Some(algorithm), Some(unit)) = (&request.algorithm, &request.unit) {
        let _ = writeln!(text, "Algorithm: {algorithm}{} (score: {unit})", by_rule(request.rule));
    }
    let seen = request.attempts.iter().flat_map(|attempt| attempt.candidates.iter().flatten());
    if let Some(classes) = classes_in_words(seen.map(|scored| scored.class.as_deref())) {
        let _ = writeln!(text, "Classes:   {classes}");
    }
    let status = if request.status == 0 { "none".to_owned() } else { request.status.to_string() };
    let reason = request.reason.as_deref().map(|reason| format!(", {reason}")).unwrap_or_default();
    let detail = request.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
    let _ = writeln!(text, "Answer:    {status}{reason}{detail}");
    if let Some(fault) = &request.fault {
        let _ = writeln!(text, "Fault:     hit by {fault}");
    }
    let steps = [
        ("picked", request.picked_ms),
        ("connected", request.connected_ms),
        ("first byte", request.first_byte_ms),
    ];
    let known: Vec<String> =
        steps.iter().filter_map(|(name, at)| at.map(|at| format!("{name} at {}", ms(at)))).collect();
    if !known.is_empty() {
        let _ = writeln!(text, "Times:     {}", known.join(", "));
    }
    if request.attempts.is_empty() {
        text.push_str("\nNo backend was asked.\n");
    }
    for (number, attempt) in request.attempts.iter().enumerate() {
        let _ = write!(text, "\n{}", attempt_text(number + 1, attempt, view));
    }
    text
}

fn attempt_text(number: usize, attempt: &AttemptView, view: &View) -> String {
    let detail = attempt.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let mut text = format!(
        "Attempt {number}: {} at {}, took {}: {}{detail}; it had {:.0} in flight\n",
        attempt.backend,
        ms(attempt.began_ms),
        ms(attempt.took_ms),
        attempt.outcome,
        attempt.in_flight
    );
    match &attempt.candidates {
        None => text.push_str("  What the pick saw is no longer known, or a session bound the client.\n"),
        Some(candidates) => {
            let columns = [
                ("CANDIDATE", Align::Left),
                ("SCORE", Align::Right),
                ("CLASS", Align::Left),
                ("IN FLIGHT", Align::Right),
                ("", Align::Left),
            ];
            let rows = candidates.iter().enumerate().map(|(place, scored)| scored_row(place, scored));
            text.push_str(&draw(&Grid { headings: columns.to_vec(), rows: rows.collect() }, view));
            if attempt.left_out > 0 {
                let _ = writeln!(text, "  and {} more that were not recorded", attempt.left_out);
            }
        }
    }
    text
}

fn scored_row(place: usize, scored: &Scored) -> Vec<Cell> {
    vec![
        Cell::text(&scored.backend),
        Cell::text(scored.score.map_or_else(|| UNKNOWN.to_owned(), |score| format!("{score:.2}"))),
        Cell::text(scored.class.as_deref().unwrap_or("")),
        Cell::text(scored.in_flight.to_string()),
        Cell::text(if place == 0 { "picked" } else { "" }),
    ]
}

fn ms(ms: f64) -> String {
    if ms >= 1000.0 { format!("{:.2} s", ms / 1e3) } else { format!("{ms:.1} ms") }
}
