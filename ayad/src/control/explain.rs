//! `GET /v1/pools/{pool}/explain`, `/v1/backends/{pool}/{backend}/explain`, `/v1/requests` and `/v1/requests/{id}`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aya_api::error::{ApiError, ErrorCode};
use aya_api::view::{BackendExplanation, Candidate, PartView, PickExplanation, ZoneView};
use aya_core::hash::{address_key, hash64};
use aya_core::pick::{Ask, Chooser, Exclusion, Explanation, Part, Scale, Tried, Wins, expected_shares};

use super::Shared;
use super::call::Call;
use super::server::Reply;
use crate::clock;
use crate::state::Pool;

/// How long a worker may take to say how it sees a pool: the control API answers within 100 ms however busy they are.
const WORKER_ANSWERS_WITHIN: Duration = Duration::from_millis(50);

/// Answers what the next pick of a pool would see.
pub(super) async fn handle_pick(shared: &Shared, call: &Call) -> Result<Reply, ApiError> {
    let pool = shared.borrow().find_pool(&call.values[0])?;
    let key = call.query.get("key").cloned();
    Reply::json(&explain(shared, &pool, key).await, Some(pool.rev))
}

/// Answers why a backend gets the share it gets.
pub(super) async fn handle_backend(shared: &Shared, call: &Call) -> Result<Reply, ApiError> {
    let (pool, id) = {
        let control = shared.borrow();
        let backend = control.find_backend(&call.backend_id())?;
        (control.find_pool(&backend.pool)?, backend.id.clone())
    };
    let pick = explain(shared, &pool, None).await;
    let candidate = pick.candidates.iter().find(|candidate| candidate.backend == id);
    let gone = || ApiError::new(ErrorCode::NotFound, format!("{id} is gone"), "ask again");
    let candidate = candidate.ok_or_else(gone)?;
    let axes = shared.borrow().why(&id);
    let (verdict, reasons) = (verdict(candidate), reasons(candidate, &pick, axes, pool.algorithm.spec.scale));
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

/// Answers with all requests that can be explained.
pub(super) fn handle_requests(shared: &Shared) -> Result<Reply, ApiError> {
    Reply::json(&shared.borrow().state.traces.all(), None)
}

async fn explain(shared: &Shared, pool: &Arc<Pool>, key: Option<String>) -> PickExplanation {
    let (hash, asked) = {
        let control = shared.borrow();
        let position = control.state.snapshot.load().pools.iter().position(|known| known.uid == pool.uid);
        let hash = key.as_deref().map_or(0, hash_of);
        (hash, position.map(|position| control.state.crew.explain(0, pool, position, hash)))
    };
    let mut answer = None;
    if let Some(asked) = asked {
        answer = tokio::time::timeout(WORKER_ANSWERS_WITHIN, asked).await.ok().and_then(Result::ok);
    }
    let by = if answer.is_some() { "worker 0" } else { "daemon" };
    let explanation = answer.unwrap_or_else(|| {
        let tried = Tried::new();
        let mut chooser = Chooser::new(&pool.algorithm, Arc::clone(&pool.plan), 0, &pool.loads);
        chooser.explain(&pool.loads, &Ask::any(clock::now(), hash, &tried), 0)
    });
    shared.borrow().pick_view(pool, &explanation, by, key)
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
    ) -> PickExplanation {
        let now = clock::now();
        let scale = pool.algorithm.spec.scale;
        let expected = expected_shares(pool.algorithm.spec, &pool.loads, now);
        let seen: Vec<u64> = pool.backends.iter().map(|b| self.sampler.window(b).requests).collect();
        let total: u64 = seen.iter().sum();
        let each = explanation.backends.iter().enumerate();
        let candidates = each.map(|(index, found)| {
            let load = &pool.loads[index];
            let (score, excluded) = (found.ok(), found.err());
            let class = score.map_or("", |score| score.class.as_str());
            Candidate {
                backend: pool.backends[index].id.clone(),
                excluded: excluded.map(|word| word.as_str().to_owned()),
                why: excluded.map(|word| word.meaning().to_owned()),
                score: score.map(|score| f64::from(score.value)).filter(|score| score.is_finite()),
                class: Some(class.to_owned()).filter(|class| !class.is_empty()),
                in_flight: load.in_flight(),
                others: f64::from(load.others(now)),
                latency_ms: load.latency_ns().map(|ns| ns / 1e6),
                weight: load.weight(),
                ease: f64::from(load.ease()) / f64::from(aya_core::load::FULL_EASE),
                expected_share: expected[index],
                share: (total > 0).then(|| seen[index] as f64 / total as f64),
            }
        });
        let candidates: Vec<Candidate> = candidates.collect();
        let is_divided = !pool.plan.is_plain();
        let parts = explanation.parts.iter().filter(|_| is_divided);
        PickExplanation {
            at_ms: clock::wall_ms(),
            pool: pool.name.clone(),
            algorithm: pool.algorithm.to_string(),
            unit: scale.unit.to_owned(),
            wins: scale.wins.as_str().to_owned(),
            by: by.to_owned(),
            key,
            next: next(&candidates, scale),
            parts: parts.map(|part| part_view(part, &pool.zones)).collect(),
            candidates,
        }
    }

    /// What the axes of a backend say, when one of them keeps it from traffic.
    fn why(&self, id: &str) -> Vec<String> {
        let pool = id.split_once('/').and_then(|(pool, _)| self.find_pool(pool).ok());
        let views = pool.map(|pool| self.pool_view(&pool).backends).unwrap_or_default();
        let Some(view) = views.into_iter().find(|backend| backend.id == id) else { return Vec::new() };
        let (admin, health) = (&view.admin, &view.health);
        let mut words = Vec::new();
        if admin.state != aya_api::axis::Admin::Ready {
            let by = admin.by.as_deref().unwrap_or("the configuration");
            let reason = admin.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            words.push(format!("{by} wants it {}{reason}", admin.state.as_str()));
        }
        if health.state != aya_api::axis::Health::Up {
            words.push(format!("its health is {} ({})", health.state.as_str(), health.cause));
        }
        words
    }
}

/// Whom a pick would take, where that follows from the scores.
fn next(candidates: &[Candidate], scale: Scale) -> Option<String> {
    let open = candidates.iter().filter(|c| c.excluded.is_none());
    let rank = |candidate: &&Candidate| {
        let score = candidate.score.unwrap_or(f64::INFINITY);
        (candidate.class.as_deref() == Some("hot"), if scale.wins == Wins::Most { -score } else { score })
    };
    let by_rank = |a: &&Candidate, b: &&Candidate| {
        let (a, b) = (rank(a), rank(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    };
    if scale.wins == Wins::Chance { None } else { open.min_by(by_rank).map(|c| c.backend.clone()) }
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

fn verdict(candidate: &Candidate) -> String {
    let got = match candidate.share {
        Some(share) => format!("got {:.1} % of the requests of the last 60 s", share * 100.0),
        None => "got no requests in the last 60 s, as nobody did".to_owned(),
    };
    match &candidate.why {
        Some(why) => format!("{} {got}, and gets no new ones: {why}", candidate.backend),
        None => format!("{} {got}, and can be picked", candidate.backend),
    }
}

fn reasons(candidate: &Candidate, pick: &PickExplanation, axes: Vec<String>, scale: Scale) -> Vec<String> {
    let mut reasons = axes;
    if candidate.ease < 1.0 {
        let percent = candidate.ease * 100.0;
        reasons.push(format!(
            "it gets {percent:.0} % of its weight: it warms up, is suspected, or follows a signal"
        ));
    }
    if let (Some(score), None) = (candidate.score, &candidate.excluded) {
        let open: Vec<&Candidate> = pick.candidates.iter().filter(|c| c.excluded.is_none()).collect();
        let is_better = |other: &Candidate| match (other.score, scale.wins) {
            (Some(other), Wins::Least) => other < score,
            (Some(other), _) => other > score,
            (None, _) => false,
        };
        let place = open.iter().filter(|c| c.class == candidate.class && is_better(c)).count() + 1;
        let class = candidate.class.as_deref().map(|class| format!("{class}, ")).unwrap_or_default();
        let peers = open.iter().filter(|c| c.class == candidate.class).count();
        reasons.push(format!(
            "{} scores it {score:.2} ({class}{}; the {} wins): place {place} of {peers}",
            pick.algorithm, pick.unit, pick.wins
        ));
    }
    if let Some(expected) = candidate.expected_share.filter(|share| *share > 0.0) {
        let percent = expected * 100.0;
        reasons.push(format!("its weight of {} means {percent:.1} % of the requests", candidate.weight));
    }
    let (in_flight, others) = (candidate.in_flight, candidate.others);
    if others > 0.0 {
        reasons.push(format!("it has {in_flight} requests from here and reports {others:.0} of others"));
    } else {
        reasons.push(format!("it has {in_flight} requests in flight"));
    }
    if candidate.excluded.as_deref() == Some(Exclusion::Priority.as_str()) {
        let groups = pick.parts.iter().map(|part| {
            format!(
                "priority {} takes {:.0} % with {} of {} healthy",
                part.priority,
                part.share * 100.0,
                part.healthy,
                part.ready
            )
        });
        reasons.extend(groups);
    }
    reasons
}
