//! Why requests go where they go, as the daemon tells it.

use aya_api::view::{BackendExplanation, PickExplanation, RequestExplanation};
use aya_tests::backend::Backend;
use aya_tests::client::get;
use aya_tests::daemon::{Setup, pool};
use aya_tests::wait::until_true;

#[test]
fn a_pick_shows_scores_and_what_keeps_backends_out() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let daemon = Setup::new(&pool(&[("one", one.address), ("two", two.address)], "")).start();
    get(daemon.address(), "/");
    daemon.control.ask("PUT", "/v1/backends/main/two/admin", &[], "{\"state\":\"maint\"}");

    let text = daemon.control.text("/v1/pools/main/explain");
    let pick: PickExplanation = serde_json::from_str(&text).expect("it is an explanation");

    assert_eq!(
        (pick.algorithm.as_str(), pick.wins.as_str(), pick.by.as_str()),
        ("hot-cold", "least", "worker 0")
    );
    assert_eq!(pick.next.as_deref(), Some("main/one"));
    let [one, two] = &pick.candidates[..] else { panic!("{:?}", pick.candidates) };
    assert!(one.score.is_some() && one.excluded.is_none(), "{one:?}");
    assert_eq!((two.score, two.excluded.as_deref()), (None, Some("admin")));

    let text = daemon.control.text("/v1/backends/main/two/explain");
    let why: BackendExplanation = serde_json::from_str(&text).expect("it is an explanation");
    assert!(why.verdict.contains("gets no new ones"), "{}", why.verdict);
    assert!(why.reasons.iter().any(|reason| reason.contains("wants it maint")), "{:?}", why.reasons);
}

#[test]
fn a_request_that_was_tried_again_is_kept_with_its_attempts_and_their_candidates() {
    let (dead, one) = (Backend::refusing(), Backend::saying("one"));
    let keys = "algorithm = \"first\"\nhealth = { kind = \"none\" }\noutliers = { mode = \"off\" }";
    let text = pool(&[("dead", dead.address), ("one", one.address)], keys);
    let daemon = Setup::new(&text).daemon("explain_sample = \"0%\"\n").start();
    let all = || -> Vec<RequestExplanation> {
        serde_json::from_str(&daemon.control.text("/v1/requests")).expect("a list")
    };

    until_true("a request met the dead backend", || {
        get(daemon.address(), "/cart?x=1");
        all().iter().any(|request| request.attempts.len() == 2)
    });

    let kept = all();
    let request = kept.iter().find(|request| request.attempts.len() == 2).expect("it was there");
    assert_eq!((request.status, request.sampled, request.reason.as_deref()), (200, false, None));
    assert!(request.request.starts_with("GET ") && request.request.ends_with("/cart"), "{}", request.request);
    assert_eq!((request.pool.as_deref(), request.route.as_deref()), (Some("main"), Some("main")));
    assert_eq!(request.attempts[0].outcome, "connect-refused");
    assert_eq!(request.attempts[1].outcome, "200");
    let candidates = request.attempts[0].candidates.as_ref().expect("the pick was taken down");
    assert_eq!(candidates[0].backend, request.attempts[0].backend, "the one that was picked comes first");

    let one = daemon.control.text(&format!("/v1/requests/{}", request.id));
    let one: RequestExplanation = serde_json::from_str(&one).expect("it is an explanation");
    assert_eq!(&one, request);
}

#[test]
fn a_sample_is_kept_and_what_is_not_is_said_to_be_unknown() {
    let one = Backend::saying("one");
    let daemon = Setup::new(&pool(&[("one", one.address)], "")).daemon("explain_sample = \"100%\"\n").start();
    get(daemon.address(), "/a");

    let all: Vec<RequestExplanation> =
        serde_json::from_str(&daemon.control.text("/v1/requests")).expect("a list");
    assert!(all[0].sampled && all[0].picked_ms.is_some() && all[0].first_byte_ms.is_some(), "{all:?}");

    let answer = daemon.control.ask("GET", "/v1/requests/nobody", &[], "");
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("explain_sample"), "{}", answer.text());
}

#[test]
fn requests_are_listed_by_pool_and_outcome_and_no_more_than_asked_for() {
    let one = Backend::saying("one");
    let daemon = Setup::new(&pool(&[("one", one.address)], "")).daemon("explain_sample = \"100%\"\n").start();
    get(daemon.address(), "/a");
    get(daemon.address(), "/b");
    daemon.control.ask("PUT", "/v1/backends/main/one/admin", &[], "{\"state\":\"maint\"}");
    get(daemon.address(), "/c");
    let list = |query: &str| -> Vec<RequestExplanation> {
        serde_json::from_str(&daemon.control.text(&format!("/v1/requests{query}"))).expect("a list")
    };

    assert_eq!(list("").len(), 3);
    assert_eq!(list("?pool=main").len(), 3);
    assert_eq!(list("?pool=other"), []);
    let failed = list("?failed=1&pool=main");
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].is_failed() && failed[0].request.ends_with("/c"), "{failed:?}");
    assert_eq!(list("?limit=1")[0].request, failed[0].request, "the newest comes first");
    assert_eq!(list("?limit=1").len(), 1);
    for wrong in ["?failed=maybe", "?limit=few", "?pol=main"] {
        let answer = daemon.control.ask("GET", &format!("/v1/requests{wrong}"), &[], "");
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.text());
    }
}
