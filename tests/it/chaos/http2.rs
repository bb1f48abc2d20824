//! Faults where clients or backends speak HTTP/2, and by client connection.

use aya_api::fault::Per;
use aya_tests::backend::Backend;
use aya_tests::client::{Client, ask, request};
use aya_tests::h2::{self, Server, run};
use aya_tests::wait;

use super::{Inside, fault, order};

const BODY: &str = "a body of some length, so that there is something to cut, change and slice";

#[test]
fn backends_that_speak_http2_are_hit() {
    for (json, status, is_body) in [
        (r#"{"kind":"error","status":418,"body":"tea"}"#, 418, false),
        (r#"{"kind":"slice","bytes":10,"pause_us":100}"#, 200, true),
        (r#"{"kind":"slow-close","delay_ms":20}"#, 200, true),
        (r#"{"kind":"bandwidth","down":5000}"#, 200, true),
        (r#"{"kind":"latency","mean_ms":20}"#, 200, true),
        (r#"{"kind":"corrupt","one_in":5}"#, 200, false),
        (r#"{"kind":"truncate","after_bytes":0}"#, 502, false),
    ] {
        let backend = Server::saying(BODY);
        let keys = "protocol = \"h2\"\nretry = { attempts = 1 }";
        let daemon = Inside::http(&[("one", backend.address)], keys);
        daemon.all(fault(json));
        let answer = ask(daemon.address(), request("GET", "/", &[]));
        assert_eq!((answer.status, answer.text() == BODY), (status, is_body), "{json}");
        daemon.calm();
        let answer = ask(daemon.address(), request("GET", "/", &[]));
        assert_eq!((answer.status, answer.text().as_str()), (200, BODY), "after {json}");
    }
}

#[test]
fn clients_that_speak_http2_are_told() {
    let backend = Backend::saying("one");
    let daemon = Inside::http(&[("one", backend.address)], "");
    let active = daemon.all(fault(r#"{"kind":"hang"}"#));
    run(async {
        let client = h2::Client::connect(daemon.address()).await;
        let (response, _) = client.begin(h2::request("GET", "/"), true).await;
        let waiting = tokio::spawn(response);
        let held = active.clone();
        tokio::task::spawn_blocking(move || {
            wait::until("it is held", || (held.observed().held == 1).then_some(()));
        })
        .await
        .expect("it is held");
        daemon.calm();
        let answer = h2::whole(waiting.await.expect("it ends").expect("it is answered")).await;
        let answer = answer.expect("a whole answer");
        assert_eq!((answer.status, answer.field("x-aya-fault")), (200, Some("f1 hang")));
    });
}

#[test]
fn all_requests_of_a_connection_that_is_hit_are_hit() {
    let backend = Backend::saying("one");
    let daemon = Inside::http(&[("one", backend.address)], "");
    let mut error = order(fault(r#"{"kind":"error","status":418}"#));
    (error.per, error.share) = (Per::Connection, 0.5);
    let active = daemon.inject(error);
    let mut hit = 0;
    for _ in 0..40 {
        let mut client = Client::connect(daemon.address());
        let statuses: Vec<_> = (0..3)
            .map(|_| {
                client.send(request("GET", "/", &[]));
                client.answer().status
            })
            .collect();
        assert!(statuses.iter().all(|status| *status == statuses[0]), "{statuses:?}");
        hit += u64::from(statuses[0] == 418);
    }
    let seen = active.observed();
    assert_eq!((seen.matched, seen.hit), (40, hit));
    assert!((8..=32).contains(&hit), "{hit}");
}

#[test]
fn an_error_answers_what_has_a_body_and_what_wants_none() {
    let backend = Backend::saying("one");
    let daemon = Inside::http(&[("one", backend.address)], "");
    daemon.all(fault(r#"{"kind":"error","status":503,"body":"gone"}"#));
    let mut client = Client::connect(daemon.address());
    client.send(request("POST", "/", &[("content-length", "5")]) + "hello");
    assert_eq!(client.answer().text(), "gone");
    client.send(request("HEAD", "/", &[]));
    assert_eq!(client.answer_to_head().status, 503);
    client.send(request("GET", "/", &[]));
    assert_eq!(client.answer().text(), "gone");
    assert_eq!(backend.requests(), 0);
}
