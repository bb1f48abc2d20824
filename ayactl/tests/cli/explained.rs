//! Explanations, as a daemon gives them.

use std::fmt::Write as _;

use aya_api::view::{
    AttemptView, AutoRuleView, BackendExplanation, Candidate, PartView, PickExplanation, RequestExplanation,
    Scored, ZoneView,
};

use crate::bench::run;
use crate::fake::Fake;
use crate::fixture::{self, NOW};

fn candidate(name: &str) -> Candidate {
    Candidate {
        backend: format!("shop/{name}"),
        excluded: None,
        why: None,
        despite: None,
        score: Some(4.25),
        class: Some("cold".into()),
        in_flight: 3,
        others: 0.0,
        latency_ms: Some(4.2),
        weight: 1,
        ease: 1.0,
        expected_share: None,
        share: Some(0.6),
    }
}

pub(crate) fn pick() -> PickExplanation {
    let warming =
        Candidate { ease: 0.4, share: Some(0.4), others: 2.0, score: Some(9.0), ..candidate("web-2") };
    let hot = Candidate { class: Some("hot".into()), score: Some(5.0), ..warming };
    let down = Candidate {
        excluded: Some("health".into()),
        why: Some("checks or traffic say that it is not up".into()),
        score: None,
        class: None,
        latency_ms: None,
        expected_share: Some(0.0),
        share: Some(0.0),
        ..candidate("web-3")
    };
    let asked = Candidate { despite: Some("down, but may be picked: panic".into()), ..candidate("web-4") };
    PickExplanation {
        at_ms: NOW,
        pool: "shop".into(),
        algorithm: "hot-cold".into(),
        unit: "ms expected while cold, requests in flight when hot".into(),
        wins: "least".into(),
        by: "worker 0".into(),
        needs_key: false,
        rule: None,
        rules: vec![AutoRuleView {
            rule: 2,
            when: "route reports".into(),
            arm: "least-connections".into(),
            holds: true,
            requests: Some(12),
        }],
        key: None,
        next: Some("shop/web-1".into()),
        parts: vec![PartView {
            priority: 0,
            share: 1.0,
            healthy: 2,
            ready: 3,
            in_panic: false,
            members: 3,
            zones: vec![ZoneView { zone: Some("a".into()), used: 0.3, keeps: 1.0 }],
        }],
        candidates: vec![candidate("web-1"), hot, down, asked],
    }
}

pub(crate) fn backend() -> BackendExplanation {
    BackendExplanation {
        verdict: "shop/web-3 got 0.0 % of the requests of the last 60 s, and gets no new ones".into(),
        reasons: vec!["its health is down (refused)".into()],
        pick: pick(),
    }
}

pub(crate) fn request() -> RequestExplanation {
    let scored = |name: &str, score: f64| Scored {
        backend: format!("shop/{name}"),
        score: Some(score),
        class: Some("cold".into()),
        in_flight: 3,
    };
    let attempt = |name: &str, outcome: &str, candidates| AttemptView {
        backend: format!("shop/{name}"),
        outcome: outcome.into(),
        detail: None,
        began_ms: 0.1,
        took_ms: 12.5,
        in_flight: 4.0,
        candidates,
        left_out: 0,
    };
    RequestExplanation {
        fault: None,
        id: "4f1c0e1d8a3b5c7d9e0f1a2b3c4d5e6f".into(),
        at_ms: NOW,
        took_ms: 31.0,
        listener: "web".into(),
        client: "10.0.0.7".into(),
        request: "GET shop.example.com/cart".into(),
        route: Some("shop".into()),
        pool: Some("shop".into()),
        algorithm: Some("hot-cold".into()),
        unit: Some("ms expected while cold, requests in flight when hot".into()),
        rule: Some(1),
        status: 200,
        reason: None,
        detail: None,
        sampled: false,
        attempts: vec![
            attempt("web-2", "connect-refused", Some(vec![scored("web-2", 3.1), scored("web-1", 4.0)])),
            attempt("web-1", "200", None),
        ],
        picked_ms: None,
        connected_ms: None,
        first_byte_ms: None,
    }
}

#[test]
fn explanations_read_like_this() {
    let fake = Fake::start(fixture::status());
    let mut all = String::new();
    for line in [
        "explain pick shop",
        "explain shop/web-1",
        "explain request 4f1c0e1d8a3b5c7d9e0f1a2b3c4d5e6f",
        "explain requests",
    ] {
        let ran = run(&fake.socket(), line);
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{line}");
        writeln!(all, "$ ayactl {line}\n{}", ran.out).unwrap();
    }
    insta::assert_snapshot!(all);
    assert_eq!(run(&fake.socket(), "explain pick shpo").status, 3);
    assert_eq!(run(&fake.socket(), "explain weather").status, 2);
    assert_eq!(run(&fake.socket(), "explain requests shpo").status, 3);
    assert_eq!(run(&fake.socket(), "explain pick shop --failed").status, 2);
}
