//! `GET /v1/pools/{pool}/explain`, `/v1/backends/{pool}/{backend}/explain`, `/v1/requests` and `/v1/requests/{id}`.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aya_api::axis::{Admin, Breaker, Health};
use aya_api::error::{ApiError, ErrorCode};
use aya_api::view::{
    BackendExplanation, BackendView, Candidate, PartView, PickExplanation, RequestExplanation, SCORE_CLASSES,
    WINDOW_S, ZoneView,
};
use aya_core::axis as core;
use aya_core::hash::{address_key, hash64};
use aya_core::load::Load;
use aya_core::pick::{Ask, Chooser, Class, Explanation, Part, Scale, Tried, Wins, expected_shares};

use super::Shared;
use super::call::Call;
use super::server::Reply;
use crate::clock;
use crate::state::Pool;

/// How long a worker may take to say how it sees a pool: the control API answers within 100 ms however busy they are.
const WORKER_ANSWERS_WITHIN: Duration = Duration::from_millis(50);

/// How far two shares may differ that mean the same.
const ROUNDED: f64 = 0.01;

/// Answers what the next pick of a pool would see.
pub(super) async fn handle_pick(shared: &Shared, call: &Call) -> Result<Reply, ApiError> {
    let pool = shared.borrow().find_pool(&call.values[0])?;
    let key = call.query.get("key").cloned();
    let rule = call.query.get("rule").map(|number| rule_of(&pool, number)).transpose()?;
    Reply::json(&explain(shared, &pool, key, rule).await, Some(pool.rev))
}

/// Answers why a backend gets the share it gets.
pub(super) async fn handle_backend(shared: &Shared, call: &Call) -> Result<Reply, ApiError> {
    let (pool, id) = {
        let control = shared.borrow();
        let backend = control.find_backend(&call.backend_id())?;
        (control.find_pool(&backend.pool)?, backend.id.clone())
    };
    let pick = explain(shared, &pool, None, None).await;
    let candidate = pick.candidates.iter().find(|candidate| candidate.backend == id);
    let gone = || ApiError::new(ErrorCode::NotFound, format!("{id} is gone"), "ask again");
    let candidate = candidate.ok_or_else(gone)?;
    let views = shared.borrow().pool_view(&pool).backends;
    let view = views.iter().find(|view| view.id == id).ok_or_else(gone)?;
    let told = axes(view).into_iter().chain(eased(view)).collect();
    let (verdict, reasons) = (verdict(candidate), reasons(candidate, &pick, told, pool.algorithm.spec.scale));
    Reply::json(&BackendExplanation { verdict, reasons, pick }, Some(pool.rev))
}

/// Answers what became of a request.
pub(super) fn handle_request(shared: &Shared, call: &Call) -> Result<Reply, ApiError> {
    let id = &call.values[0];
    let found = shared.borrow().state.traces.find(id);
    let found = found.ok_or_else(|| {
        let hint = "requests that failed or were tried again are kept for a while, and of the others a sample \
                    (explain_sample in [daemon]); GET /v1/requests lists them";
        ApiError::new(ErrorCode::NotFound, format!("no request \"{id}\" is kept"), hint)
    })?;
    Reply::json(&found, None)
}

/// Answers with the requests that can be explained.
pub(super) fn handle_requests(shared: &Shared, call: &Call) -> Result<Reply, ApiError> {
    let only_failed = match call.query.get("failed").map(String::as_str) {
        None | Some("" | "0") => false,
        Some("1") => true,
        Some(other) => {
            let message = format!("failed is \"{other}\"");
            return Err(ApiError::new(ErrorCode::BadRequest, message, "write failed=1"));
        }
    };
    let limit =
        call.number("limit")?.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let pool = call.query.get("pool");
    let is_wanted = |request: &RequestExplanation| {
        (pool.is_none() || request.pool.as_ref() == pool) && (!only_failed || request.is_failed())
    };
    Reply::json(&shared.borrow().state.traces.newest(limit, is_wanted), None)
}

/// The position of a rule for some requests, by its number.
fn rule_of(pool: &Pool, number: &str) -> Result<u8, ApiError> {
    let rules = pool.auto.as_ref().map_or(&[][..], |auto| &auto.rules.rules);
    let position = number.parse::<u8>().ok().and_then(|number| number.checked_sub(1));
    let is_known = |at: &u8| rules.get(usize::from(*at)).is_some_and(|rule| rule.class.is_some());
    position.filter(is_known).ok_or_else(|| {
        let hint = format!("`ayactl describe {}` lists its rules", pool.name);
        ApiError::new(
            ErrorCode::NotFound,
            format!("pool {} has no rule {number} for some requests", pool.name),
            hint,
        )
    })
}

async fn explain(
    shared: &Shared,
    pool: &Arc<Pool>,
    key: Option<String>,
    rule: Option<u8>,
) -> PickExplanation {
    let (hash, asked, rule) = {
        let control = shared.borrow();
        // Somebody's order beats all rules.
        let rule = rule.filter(|_| !control.is_auto_held(pool));
        let position = control.state.snapshot.load().pools.iter().position(|known| known.uid == pool.uid);
        let hash = key.as_deref().map_or(0, hash_of);
        (hash, position.map(|position| control.state.crew.explain(0, pool, position, hash, rule)), rule)
    };
    let mut answer = None;
    if let Some(asked) = asked {
        answer = tokio::time::timeout(WORKER_ANSWERS_WITHIN, asked).await.ok().and_then(Result::ok);
    }
    let by = if answer.is_some() { "worker 0" } else { "daemon" };
    let explanation = answer.unwrap_or_else(|| {
        let tried = Tried::new();
        let mut chooser = Chooser::new(pool.picks(rule), Arc::clone(&pool.plan), 0, &pool.loads);
        chooser.explain(&pool.loads, &Ask::any(clock::now(), hash, &tried), 0)
    });
    shared.borrow().pick_view(pool, &explanation, by, key, rule)
}

/// A key as requests would have it: an address for a client, anything else for a value.
fn hash_of(key: &str) -> u64 {
    key.parse::<IpAddr>().map_or_else(|_| hash64(key.as_bytes()), address_key)
}

impl super::Control {
    fn pick_view(
        &self,
        pool: &Pool,
        explanation: &Explanation,
        by: &str,
        key: Option<String>,
        rule: Option<u8>,
    ) -> PickExplanation {
        let now = clock::now();
        let algorithm = pool.picks(rule);
        let scale = algorithm.spec.scale;
        let expected = expected_shares(algorithm.spec, &pool.loads, now);
        let seen: Vec<u64> = pool.backends.iter().map(|b| self.sampler.window(b).requests).collect();
        let total: u64 = seen.iter().sum();
        // Shares are meant for those that are well; in panic all are asked.
        let in_panic = explanation.parts.iter().any(|part| part.in_panic);
        let each = explanation.backends.iter().enumerate();
        let candidates = each.map(|(index, found)| {
            let load = &pool.loads[index];
            let (score, excluded) = (found.ok(), found.err());
            let class = score.map_or("", |score| score.class.as_str());
            Candidate {
                backend: pool.backends[index].id.clone(),
                excluded: excluded.map(|word| word.as_str().to_owned()),
                why: excluded.map(|word| word.meaning().to_owned()),
                despite: despite(load).filter(|_| excluded.is_none()),
                score: score.map(|score| f64::from(score.value)).filter(|score| score.is_finite()),
                class: Some(class.to_owned()).filter(|class| !class.is_empty()),
                in_flight: load.in_flight(),
                others: f64::from(load.others(now)),
                latency_ms: load.latency_ns().map(|ns| ns / 1e6),
                weight: load.weight(),
                ease: f64::from(load.ease()) / f64::from(aya_core::load::FULL_EASE),
                expected_share: expected[index].filter(|_| !in_panic),
                share: (total > 0).then(|| seen[index] as f64 / total as f64),
            }
        });
        let candidates: Vec<Candidate> = candidates.collect();
        let needs_key = algorithm.spec.keyed && key.is_none();
        let is_divided = !pool.plan.is_plain();
        let parts = explanation.parts.iter().filter(|_| is_divided);
        PickExplanation {
            at_ms: clock::wall_ms(),
            pool: pool.name.clone(),
            algorithm: algorithm.to_string(),
            unit: scale.unit.to_owned(),
            wins: scale.wins.as_str().to_owned(),
            by: by.to_owned(),
            rule: rule.map(|rule| u64::from(rule) + 1).or_else(|| self.autos.rule(pool)),
            rules: self.autos.in_force(pool),
            needs_key,
            key,
            next: next(&candidates, scale).filter(|_| !needs_key),
            parts: parts.map(|part| part_view(part, &pool.zones)).collect(),
            candidates,
        }
    }
}

/// Of one that is picked all the same, in panic: what its health says against it.
fn despite(load: &Load) -> Option<String> {
    let is_well = matches!(load.health(), core::Health::Up | core::Health::Unknown);
    (!is_well).then(|| format!("{}, but may be picked: panic", load.health().as_str()))
}

/// What the axes of a backend and its standing say, where one of them keeps it from traffic.
fn axes(view: &BackendView) -> Vec<String> {
    let (admin, health, breaker) = (&view.admin, &view.health, &view.breaker);
    let mut words = Vec::new();
    if admin.state != Admin::Ready {
        let by = admin.by.as_deref().unwrap_or("the configuration");
        let reason = admin.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        words.push(format!("{by} wants it {}{reason}", admin.state.as_str()));
    }
    if health.state != Health::Up {
        words.push(format!("its health is {} ({})", health.state.as_str(), health.cause));
    }
    if let Some(order) = &breaker.order {
        let reason = order.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        words.push(format!("{} ordered its breaker {}{reason}", order.by, order.order));
    } else if matches!(breaker.state, Breaker::Open | Breaker::HalfOpen) {
        let cause = breaker.cause.as_deref().map(|cause| format!(" ({cause})")).unwrap_or_default();
        words.push(format!("its breaker is {}{cause}", breaker.state.as_str()));
    }
    if let Some(standing) = &view.standing {
        let shadow =
            if standing.shadow { ", which is only told, as outliers are in shadow mode" } else { "" };
        words.push(format!("among the others it is {}: {}{shadow}", standing.state, standing.cause));
    }
    if let Some(hold) = view.agent.as_ref().and_then(|agent| agent.hold.as_ref()) {
        words.push(format!("its agent says {hold}"));
    }
    words
}

/// What leaves a backend less than its weight.
fn eased(view: &BackendView) -> Option<String> {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let ease = view.ease.filter(|ease| *ease < 1.0 && view.eligible)?;
    let mut causes = Vec::new();
    if view.standing.as_ref().is_some_and(|standing| !standing.shadow) {
        causes.push("how it stands among the others".to_owned());
    }
    let is_known = view.signals.iter().any(|signal| !signal.stale);
    if view.signal_factor < 1.0 {
        let guess = if is_known {
            ""
        } else {
            ", drifting to the mean of the others, as nothing fresh is known of it"
        };
        causes.push(format!("signals leave it {}{guess}", percent(view.signal_factor)));
    }
    // What none of them explains is left to slow start; a step of rounding is not.
    if view.standing.is_none() && ease < view.signal_factor - ROUNDED {
        causes.push("it came into traffic a moment ago and gets more step by step".to_owned());
    }
    Some(format!("it gets {} of its weight of {}: {}", percent(ease), view.weight, causes.join(", ")))
}

/// Whom a pick would take, where that follows from the scores.
fn next(candidates: &[Candidate], scale: Scale) -> Option<String> {
    let open = candidates.iter().filter(|c| c.excluded.is_none());
    let rank = |candidate: &&Candidate| {
        let score = candidate.score.unwrap_or(f64::INFINITY);
        (class_rank(candidate), if scale.wins == Wins::Most { -score } else { score })
    };
    let by_rank = |a: &&Candidate, b: &&Candidate| {
        let (a, b) = (rank(a), rank(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    };
    let best = open.clone().min_by(by_rank).filter(|_| scale.wins != Wins::Chance)?;
    // Whose turn it is among equals only the picker knows, and those that are due are not compared by their scores.
    let is_due = best.class.as_deref() == Some(Class::Due.as_str());
    let is_alike = |other: &&Candidate| {
        if is_due { other.class == best.class } else { by_rank(other, &best).is_eq() }
    };
    (open.filter(is_alike).count() == 1).then(|| best.backend.clone())
}

/// Which class is picked from first: the lowest. Without classes all are alike.
fn class_rank(candidate: &Candidate) -> usize {
    let class = candidate.class.as_deref();
    SCORE_CLASSES.iter().position(|(word, _)| Some(*word) == class).unwrap_or(0)
}

/// A priority group, with the names of its zones.
pub(super) fn part_view(part: &Part, zones: &[String]) -> PartView {
    let zone = |&(number, used, keeps): &(Option<u8>, f32, f32)| ZoneView {
        zone: number.and_then(|number| zones.get(usize::from(number)).cloned()),
        used: f64::from(used),
        keeps: f64::from(keeps),
    };
    PartView {
        priority: part.priority,
        share: part.share,
        healthy: part.healthy,
        ready: part.ready,
        in_panic: part.in_panic,
        members: part.members as u32,
        zones: part.zones.iter().map(zone).collect(),
    }
}

/// Where its score places a backend among those that can be picked.
fn placed(candidate: &Candidate, score: f64, pick: &PickExplanation, scale: Scale) -> String {
    let open = || pick.candidates.iter().filter(|other| other.excluded.is_none());
    let is_better = |other: &&Candidate| match (other.score, scale.wins) {
        (Some(other), Wins::Least) => other < score,
        (Some(other), _) => other > score,
        (None, _) => false,
    };
    let alike = || open().filter(|other| other.class == candidate.class);
    let (place, peers) = (alike().filter(is_better).count() + 1, alike().count());
    let mut text = format!(
        "{} scores it {score:.2} ({}; the {} wins): place {place} of {peers}",
        pick.algorithm, pick.unit, pick.wins
    );
    if let Some((word, meaning)) =
        SCORE_CLASSES.iter().find(|(word, _)| candidate.class.as_deref() == Some(word))
    {
        let before = open().filter(|other| class_rank(other) < class_rank(candidate)).count();
        let behind = if before > 0 { format!(", behind {before} of a better class") } else { String::new() };
        let _ = write!(text, " among those that are {word} ({meaning}){behind}");
    }
    text
}

fn verdict(candidate: &Candidate) -> String {
    let got = match candidate.share {
        Some(share) => format!("got {:.1} % of the requests of the last {WINDOW_S} s", share * 100.0),
        None => format!("got no requests in the last {WINDOW_S} s, as nobody did"),
    };
    match &candidate.why {
        Some(why) => format!("{} {got}, and gets no new ones: {why}", candidate.backend),
        None => match &candidate.despite {
            Some(despite) => format!("{} {got}; it is {despite}", candidate.backend),
            None => format!("{} {got}, and can be picked", candidate.backend),
        },
    }
}

fn reasons(candidate: &Candidate, pick: &PickExplanation, told: Vec<String>, scale: Scale) -> Vec<String> {
    let mut reasons = told;
    if let (Some(score), None) = (candidate.score, &candidate.excluded) {
        reasons.push(placed(candidate, score, pick, scale));
    }
    if let Some(expected) = candidate.expected_share.filter(|share| *share > 0.0) {
        let percent = expected * 100.0;
        reasons.push(format!("its weight of {} means {percent:.1} % of the requests", candidate.weight));
    }
    let (in_flight, others) = (candidate.in_flight, candidate.others);
    let noun = if in_flight == 1 { "request" } else { "requests" };
    if others > 0.0 {
        reasons.push(format!("it has {in_flight} {noun} from here and reports {others:.0} of others"));
    } else {
        reasons.push(format!("it has {in_flight} {noun} in flight"));
    }
    if pick.parts.len() > 1 {
        reasons.extend(pick.parts.iter().map(group));
    } else if pick.parts.iter().any(|part| part.in_panic) {
        reasons.push("so few of its pool are healthy that health is ignored".to_owned());
    }
    reasons
}

/// What a priority group takes, as a reason.
fn group(part: &PartView) -> String {
    let panic = if part.in_panic { ", so few that health is ignored" } else { "" };
    format!(
        "priority {} takes {:.0} % of the requests with {} of {} healthy{panic}",
        part.priority,
        part.share * 100.0,
        part.healthy,
        part.ready
    )
}

#[cfg(test)]
mod tests;
