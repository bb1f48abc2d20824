//! What the daemon explains: why a backend gets its share, one pool with its next pick, requests with their attempts.

use aya_api::view::{
    AttemptView, AutoArm, AutoRuleView, AutoView, BackendExplanation, Candidate, PartView, PickExplanation,
    RequestExplanation, Scored, Status, ZoneView,
};
use aya_tui::message::{BackendRef, Effect, Request, Watch};
use aya_tui::model::Model;
use aya_tui::screen::ScreenId;

use super::fixture::crowded_status;
use super::world::{MINUTE, SECOND};
use super::{
    Color, KeyCode, Message, NOW_MS, Options, detail, hear, live, options, picture, press, select, snapshot,
    status, strike,
};

const UNIT: &str = "ms expected while cold, requests in flight when hot";
const LOOKED_AT: [(u16, u16); 2] = [(80, 24), (120, 40)];

fn candidate(name: &str, class: &str, score: f64) -> Candidate {
    Candidate {
        backend: format!("shop/{name}"),
        excluded: None,
        why: None,
        despite: None,
        score: Some(score),
        class: Some(class.into()),
        in_flight: 3,
        others: 0.0,
        latency_ms: Some(4.2),
        weight: 1,
        ease: 1.0,
        expected_share: None,
        share: Some(0.21),
    }
}

fn kept_out(name: &str, word: &str, why: &str) -> Candidate {
    Candidate {
        excluded: Some(word.into()),
        why: Some(why.into()),
        score: None,
        class: None,
        latency_ms: None,
        expected_share: Some(0.0),
        share: Some(0.0),
        ..candidate(name, "", 0.0)
    }
}

pub(crate) fn pick() -> PickExplanation {
    let part = |priority: u8, share: f64, in_panic: bool, zones| {
        let (healthy, ready, members) = (1, 4, 4);
        PartView { priority, share, healthy, ready, in_panic, members, zones }
    };
    let zone = |name: &str, used: f64, keeps: f64| ZoneView { zone: Some(name.into()), used, keeps };
    PickExplanation {
        at_ms: NOW_MS,
        pool: "shop".into(),
        algorithm: "hot-cold".into(),
        unit: UNIT.into(),
        wins: "least".into(),
        by: "worker 0".into(),
        needs_key: false,
        rule: None,
        rules: Vec::new(),
        key: None,
        next: Some("shop/web-5".into()),
        parts: vec![
            part(0, 0.35, true, vec![zone("a", 0.91, 0.8), zone("b", 0.3, 1.0)]),
            part(1, 0.65, false, Vec::new()),
        ],
        candidates: vec![
            candidate("web-1", "cold", 4.25),
            Candidate { ease: 0.4, others: 12.0, ..candidate("web-2", "hot", 15.0) },
            kept_out("web-3", "health", "checks or traffic say that it is not up"),
            kept_out("web-4", "admin", "people want it drained or out of service"),
            candidate("web-5", "due", 61.5),
            kept_out("web-6", "breaker", "its breaker holds requests back"),
        ],
    }
}

fn why(id: &str) -> Message {
    let reasons = [
        "ann wants it draining: kernel update",
        "among the others it is suspected: failure share 9% of 120 against a median of 0.2%, 9.1 deviations",
        "it gets 40 % of its weight of 1: how it stands among the others",
        "hot-cold scores it 4.25 (ms expected while cold, requests in flight when hot; the least wins): place 1 of 2 \
         among those that are cold (not busier than usual), behind 1 of a better class",
        "it has 4 requests in flight",
    ];
    let explained = BackendExplanation {
        verdict: format!(
            "{id} got 18.0 % of the requests of the last 60 s, and gets no new ones: people want it drained"
        ),
        reasons: reasons.map(str::to_owned).to_vec(),
        pick: pick(),
    };
    Message::Why { id: id.into(), came: Ok(Box::new(explained)) }
}

fn arm(name: &str, value: Option<f64>, e_value: Option<f64>) -> AutoArm {
    AutoArm { name: name.into(), learned: true, value, samples: 4_200, e_value, blocked_until_ms: None }
}

fn rule(rule: u64, when: &str, arm: &str, requests: Option<u64>) -> AutoRuleView {
    AutoRuleView { rule, when: when.into(), arm: arm.into(), holds: requests.is_some(), requests }
}

fn choosing() -> Status {
    let mut status = status();
    let pool = &mut status.pools[1];
    pool.algorithm.name = "peak-ewma".into();
    pool.algorithm.auto = Some(AutoView {
        arm: "peak-ewma decay=5s".into(),
        since_ms: NOW_MS - 3 * MINUTE,
        reason: "better than hot-cold: p99 31.0 ms in place of 44.2 ms, e-value 71.4 of 60".into(),
        mode: "enforce".into(),
        objective: "p99".into(),
        margin: 0.05,
        epoch_ms: 45_000,
        enough: 60.0,
        is_held: false,
        is_on_trial: true,
        rule: None,
        rules: vec![
            rule(1, "route reports", "least-connections", Some(5_120)),
            rule(2, "22:00-06:00", "round-robin", None),
        ],
        switches: 1,
        lost_notes: 0,
        arms: vec![
            arm("hot-cold", Some(0.044_2), Some(0.2)),
            arm("peak-ewma decay=5s", Some(0.031), None),
            AutoArm {
                blocked_until_ms: Some(NOW_MS + 9 * MINUTE),
                ..arm("least-connections", Some(0.052), Some(0.0))
            },
            AutoArm { learned: false, samples: 0, ..arm("p2c", None, None) },
        ],
    });
    status
}

fn on_pool(size: (u16, u16), name: &str) -> Model {
    let mut model = live(size);
    hear(&mut model, Message::Status(Box::new(choosing())));
    select(&mut model, &format!("{name}/{}", if name == "shop" { "web-1" } else { "blue" }));
    strike(&mut model, "5");
    model
}

fn scored(name: &str, class: &str, score: f64) -> Scored {
    Scored { backend: format!("shop/{name}"), score: Some(score), class: Some(class.into()), in_flight: 3 }
}

fn attempt(name: &str, outcome: &str, began_ms: f64, candidates: Option<Vec<Scored>>) -> AttemptView {
    AttemptView {
        backend: format!("shop/{name}"),
        outcome: outcome.into(),
        detail: None,
        began_ms,
        took_ms: 12.5,
        in_flight: 4.0,
        candidates,
        left_out: 0,
    }
}

fn request(number: u64) -> RequestExplanation {
    let seen =
        vec![scored("web-5", "due", 61.5), scored("web-1", "cold", 4.25), scored("web-2", "hot", 15.0)];
    let (status, reason, attempts) = match number % 3 {
        0 => {
            let reset = AttemptView {
                detail: Some("Connection reset by peer".into()),
                left_out: 2,
                ..attempt("web-5", "reset", 0.2, Some(seen))
            };
            (200, None, vec![reset, attempt("web-1", "200", 13.1, None)])
        }
        1 => (503, Some("no-backend".to_owned()), Vec::new()),
        _ => (200, None, vec![attempt("web-1", "200", 0.2, None)]),
    };
    let sampled = number % 3 == 2;
    RequestExplanation {
        id: format!("4f1c0e1d8a3b5c7d9e0f1a2b3c4d5e{number:02x}"),
        at_ms: NOW_MS - number * SECOND,
        took_ms: 31.0,
        rule: None,
        fault: (number == 0).then(|| "f7 reset before the answer".to_owned()),
        listener: "web".into(),
        client: "10.0.0.7".into(),
        request: format!("GET shop.example.com/cart/{number}"),
        route: Some("shop".into()),
        pool: Some("shop".into()),
        algorithm: Some("hot-cold".into()),
        unit: Some(UNIT.into()),
        status,
        reason,
        detail: None,
        sampled,
        attempts,
        picked_ms: sampled.then_some(0.1),
        connected_ms: sampled.then_some(0.4),
        first_byte_ms: sampled.then_some(12.0),
    }
}

fn kept(numbers: std::ops::Range<u64>) -> Message {
    let all = numbers.map(request).collect();
    Message::Requests { pool: None, only_failed: false, came: Ok(all) }
}

fn on_requests(size: (u16, u16)) -> Model {
    let mut model = live(size);
    strike(&mut model, "6");
    hear(&mut model, kept(0..30));
    model
}

fn watched(effects: &[Effect]) -> Vec<&Watch> {
    let asked = effects.iter().filter_map(|effect| match effect {
        Effect::Ask(Request::Watch(watch)) => Some(watch),
        _ => None,
    });
    asked.collect()
}

#[test]
fn a_backend_says_why_it_gets_its_share_shortly_and_in_full() {
    for size in LOOKED_AT {
        let mut model = live(size);
        select(&mut model, "shop/web-4");
        press(&mut model, KeyCode::Enter);
        hear(&mut model, Message::Detail(Box::new(detail())));
        hear(&mut model, why("shop/web-4"));
        snapshot("why", &model);
        strike(&mut model, "e");
        snapshot("why_in_full", &model);
        strike(&mut model, "G");
        assert!(picture(&model).contains("web-6"), "the end can be read: {}", picture(&model));
        press(&mut model, KeyCode::Esc);
        assert_eq!(model.screen, ScreenId::Backend);
        assert!(picture(&model).contains("changes, newest first"));
    }
}

#[test]
fn a_share_that_cannot_be_explained_says_so_and_that_of_another_backend_is_not_shown() {
    let mut model = live((120, 40));
    select(&mut model, "shop/web-4");
    press(&mut model, KeyCode::Enter);
    hear(&mut model, why("shop/web-1"));
    assert!(picture(&model).contains("asking why it gets its share"), "{}", picture(&model));
    hear(&mut model, Message::Why { id: "shop/web-4".into(), came: Err("no answer within 2s".into()) });
    assert!(picture(&model).contains("its share cannot be explained: no answer within 2s"));
}

#[test]
fn a_pool_shows_its_next_pick_its_parts_and_how_it_chooses() {
    for size in LOOKED_AT {
        let mut model = on_pool(size, "shop");
        hear(&mut model, Message::Pick { pool: "shop".into(), came: Ok(Box::new(pick())) });
        snapshot("pool", &model);
    }
    let plain = Options { color: Color::None, ..options() };
    let mut model = Model::new(&plain, (120, 40), NOW_MS);
    hear(&mut model, Message::Status(Box::new(choosing())));
    select(&mut model, "shop/web-1");
    strike(&mut model, "5");
    hear(&mut model, Message::Pick { pool: "shop".into(), came: Ok(Box::new(pick())) });
    for word in
        ["PANIC", "ON TRIAL", "due", "steers", "next", "breaker: its breaker holds", "20% spills over"]
    {
        assert!(picture(&model).contains(word), "{word} without colour: {}", picture(&model));
    }
}

#[test]
fn every_pool_can_be_reached_those_without_backends_too() {
    let mut model = live((80, 24));
    let mut all = status();
    all.pools[1].backends.clear();
    hear(&mut model, Message::Status(Box::new(all)));
    let effects = strike(&mut model, "5");
    assert_eq!(watched(&effects), [&Watch::Pool("api".into())]);
    let effects = strike(&mut model, "n");
    assert_eq!(watched(&effects), [&Watch::Pool("shop".into())]);
    hear(&mut model, Message::Pick { pool: "api".into(), came: Ok(Box::new(pick())) });
    assert!(picture(&model).contains("asking what the next pick would see"), "{}", picture(&model));
    let nobody = PickExplanation { candidates: Vec::new(), next: None, parts: Vec::new(), ..pick() };
    hear(&mut model, Message::Pick { pool: "shop".into(), came: Ok(Box::new(nobody)) });
    assert!(picture(&model).contains("nobody can be picked"));
    assert!(picture(&model).contains("the pool has no backends"));
    assert_eq!(watched(&strike(&mut model, "N")), [&Watch::Pool("api".into())]);
    assert_eq!(watched(&press(&mut model, KeyCode::Esc)), [&Watch::Nothing]);
}

#[test]
fn sixty_candidates_with_long_names_are_told_apart_and_can_be_scrolled() {
    let mut model = live((80, 24));
    hear(&mut model, Message::Status(Box::new(crowded_status(1, 60))));
    strike(&mut model, "5");
    let candidates = (0..60).map(|n| Candidate {
        backend: format!("pool-0/backend-in-a-far-away-data-centre-{n}.internal"),
        ..candidate("", "cold", 4.0)
    });
    let many = PickExplanation { pool: "pool-0".into(), candidates: candidates.collect(), ..pick() };
    hear(&mut model, Message::Pick { pool: "pool-0".into(), came: Ok(Box::new(many)) });
    assert!(picture(&model).contains("…0.internal"), "{}", picture(&model));
    strike(&mut model, "G");
    assert!(picture(&model).contains("…59.internal"), "{}", picture(&model));
}

#[test]
fn requests_are_listed_and_one_of_them_is_read() {
    for size in LOOKED_AT {
        let mut model = on_requests(size);
        snapshot("requests", &model);
        let effects = press(&mut model, KeyCode::Enter);
        assert_eq!(watched(&effects), [&Watch::Nothing], "nothing is asked for while one is read");
        snapshot("request", &model);
        let effects = press(&mut model, KeyCode::Esc);
        assert_eq!(watched(&effects), [&Watch::Requests { pool: None, only_failed: false }]);
        strike(&mut model, "jj");
        press(&mut model, KeyCode::Enter);
        assert!(picture(&model).contains("picked after 0.1ms  connected after 0.4ms  first byte after 12ms"));
    }
}

#[test]
fn a_request_stays_selected_while_newer_ones_come_and_the_first_row_follows_the_newest() {
    let mut model = on_requests((80, 24));
    strike(&mut model, "jjj");
    let selected = model.requests.focused().unwrap().id.clone();
    let all = (0..40).map(|n| RequestExplanation { at_ms: NOW_MS + 20 * SECOND - n * SECOND, ..request(n) });
    let newer: Vec<_> = all.take(20).chain((0..30).map(request)).collect();
    hear(&mut model, Message::Requests { pool: None, only_failed: false, came: Ok(newer) });
    assert_eq!(model.requests.focused().unwrap().id, selected);
    assert!(picture(&model).contains('▸'), "{}", picture(&model));
    strike(&mut model, "g");
    hear(&mut model, kept(5..30));
    assert_eq!(model.requests.focused().unwrap().id, request(5).id);
}

#[test]
fn only_failed_and_only_one_pool_are_asked_of_the_daemon() {
    let mut model = on_requests((80, 24));
    let failed = Watch::Requests { pool: None, only_failed: true };
    assert_eq!(watched(&strike(&mut model, "x")), [&failed]);
    assert!(picture(&model).contains("only failed - Esc shows everything"), "{}", picture(&model));
    hear(&mut model, kept(0..3));
    assert!(model.requests.asked.answer.is_none(), "an answer to the question before is not shown");
    press(&mut model, KeyCode::Esc);
    hear(&mut model, kept(0..3));
    let pool = Watch::Requests { pool: Some("shop".into()), only_failed: false };
    assert_eq!(watched(&strike(&mut model, "o")), [&pool]);
    strike(&mut model, "1");
    assert_eq!(model.watching, Watch::Nothing);
}

#[test]
fn a_frozen_screen_keeps_what_was_explained() {
    let mut model = on_requests((80, 24));
    strike(&mut model, "f");
    let before = picture(&model);
    hear(&mut model, kept(7..9));
    assert_eq!(picture(&model), before);
    strike(&mut model, "f");
    hear(&mut model, kept(7..9));
    assert_ne!(picture(&model), before);
}

#[test]
fn a_backend_is_watched_under_its_name() {
    let mut model = live((80, 24));
    select(&mut model, "shop/web-1");
    let target = BackendRef { pool: "shop".into(), backend: "web-1".into() };
    assert_eq!(watched(&strike(&mut model, "2")), [&Watch::Backend(target)]);
    assert_eq!(watched(&strike(&mut model, "?")), [&Watch::Nothing]);
}

#[test]
fn a_pool_in_panic_says_so_and_is_not_said_to_serve_nothing() {
    let mut model = live((120, 40));
    let mut all = status();
    (all.pools[0].eligible, all.pools[0].in_panic) = (0, true);
    hear(&mut model, Message::Status(Box::new(all)));
    let shown = picture(&model);
    assert!(shown.contains("api in PANIC: health is ignored"), "{shown}");
    assert!(!shown.contains("SERVES NOTHING"), "{shown}");
    assert!(shown.lines().any(|line| line.starts_with("api") && line.contains("PANIC")), "{shown}");
}

#[test]
fn a_pool_that_chooses_by_itself_can_be_told_what_it_uses_now() {
    let algorithms: Vec<_> = super::fixture::algorithms();
    let all = choosing();
    let own = algorithms.iter().find(|algorithm| algorithm.name == "p2c").expect("it is in the table");
    let mut pool = all.pools[1].clone();
    pool.algorithm.name = "p2c".into();
    let plan = aya_tui::plan::plan_algorithm(&pool, own).expect("it is a change");
    assert_eq!(plan.change, ("algorithm".into(), "auto (p2c)".into(), "p2c".into()));
    assert!(plan.effects.iter().any(|(_, text)| text.contains("ayactl algorithm set shop auto")), "{plan:?}");
    pool.algorithm.auto = None;
    assert!(aya_tui::plan::plan_algorithm(&pool, own).is_err());
}
