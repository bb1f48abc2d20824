//! Answers that come before the request is whole, clients that end early, and bodies that nobody wants.

use std::sync::Arc;
use std::time::Duration;

use aya_tests::backend::{Backend, Then};
use aya_tests::client::Client;
use aya_tests::daemon::{Daemon, LISTEN, members};
use aya_tests::tape::{Reply, Tape, When};
use aya_tests::wait::{self, Gate};

use super::{Bench, Outcome, case};

/// More than the proxy reads of a body that nobody wants.
const LARGE: usize = 1 << 20;

fn post(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")
}

/// A daemon that answers everything by itself.
fn without_routes() -> Bench {
    let tape = Tape::start();
    let daemon = Daemon::start(&format!(
        "{LISTEN}[pool.main]\nhealth = {{ kind = \"none\" }}\nbackends = {}\n\
         [route.next]\nmatch = {{ path = \"/next\" }}\npool = \"main\"",
        members(&[("one", tape.address())])
    ));
    Bench { daemon, tape }
}

#[test]
fn a_small_body_is_thrown_away_behind_an_answer_of_the_proxy() {
    let request = "GET /next HTTP/1.1\r\nhost: a\r\n\r\n";
    let goes_on = Outcome::Replaced(404, "no-route");
    let chunks = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    without_routes().play(&[
        case("no body", "POST / HTTP/1.1\r\nhost: a\r\n\r\n", goes_on.clone()),
        case("a length", post(5) + "hello", goes_on.clone()),
        case("a body that looks like a request", post(request.len()) + request, goes_on.clone()),
        case("chunks", format!("{chunks}5\r\nhello\r\n0\r\n\r\n"), goes_on.clone()),
        case("trailers", format!("{chunks}5\r\nhello\r\n0\r\nb: c\r\n\r\n"), goes_on.clone()),
        case("60 KiB", post(60 << 10) + &"x".repeat(60 << 10), goes_on),
    ]);
}

#[test]
fn a_large_body_ends_the_connection_behind_an_answer_of_the_proxy() {
    let bench = without_routes();
    bench.tape.play(Reply::ok());
    let mut client = Client::connect(bench.daemon.address());
    let request = "GET /next HTTP/1.1\r\nhost: a\r\n\r\n";

    // The proxy may close before it has read everything.
    drop(client.try_send(post(LARGE) + &request.repeat(LARGE / request.len())));
    let answer = client.answer();

    assert_eq!((answer.status, answer.reason()), (404, Some("no-route")));
    client.expect_close();
    assert_eq!(bench.tape.heard().len(), 0, "a body is never taken for a request");
}

#[test]
fn an_early_answer_reaches_a_client_that_still_sends() {
    let too_large = "HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno";
    for then in [Then::Close, Then::Keep] {
        let bench = Bench::new();
        bench.tape.play(Reply { when: When::Head, then, ..Reply::new(too_large) });
        let mut client = Client::connect(bench.daemon.address());

        client.send(post(LARGE));
        client.send("x".repeat(1000));
        let answer = client.answer();
        assert_eq!((answer.status, answer.text().as_str()), (413, "no"), "{then:?}");
        // The rest is thrown away, or the connection ends.
        drop(client.try_send("x".repeat(LARGE - 1000)));
        client.rest();
        bench.expect_sound().expect("the daemon goes on");
    }
}

#[test]
fn a_connection_goes_on_behind_an_early_answer_when_little_is_left_of_the_body() {
    let bench = Bench::new();
    bench.tape.play(Reply { when: When::Head, ..Reply::ok() });
    let mut client = Client::connect(bench.daemon.address());

    client.send(post(1000));
    assert_eq!(client.answer().status, 200);
    client.send("x".repeat(1000));

    bench.expect_goes_on(&mut client).expect("the rest of the body is thrown away");
    assert!(
        bench.tape.heard().iter().all(|heard| !heard.starts_with(b"x")),
        "nothing of it is taken for a request"
    );
}

#[test]
fn a_request_that_the_client_abandons_is_never_completed() {
    let chunks = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    for sent in [
        post(100) + "half of it",
        format!("{chunks}5\r\nhello\r\n"),
        format!("{chunks}5\r\nhello\r\n0"),
        format!("{chunks}5\r\nhello\r\n0\r\n"),
        format!("{chunks}5\r\nhello\r\n0\r\nb: c\r\n"),
        format!("{chunks}ff\r\nhello"),
    ] {
        for half in [true, false] {
            let bench = Bench::new();
            let mut client = Client::connect(bench.daemon.address());
            client.send(&sent);
            wait::until_true("the backend has a connection", || bench.tape.open_connections() == 1);
            if half {
                client.finish_sending();
                client.expect_close();
            }
            drop(client);

            wait::until_true("the request broke off", || bench.tape.open_connections() == 0);
            assert_eq!(bench.tape.heard().len(), 0, "{sent:?}");
            bench.expect_sound().expect("the daemon goes on");
        }
    }
}

#[test]
fn a_client_that_ends_its_half_with_its_request_gets_the_answer() {
    let bench = Bench::new();
    for sent in ["GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), post(5) + "hello"] {
        bench.tape.play(Reply::ok());
        let mut client = Client::connect(bench.daemon.address());
        client.send_and_finish(&sent);

        assert_eq!(client.answer().text(), "ok");
        client.expect_close();
    }
    bench.expect_sound().expect("the daemon goes on");
}

#[test]
fn a_client_that_ends_its_half_later_has_given_up() {
    let bench = Bench::new();
    // A head is never answered while more of it is missing.
    bench.tape.play(Reply::new(""));
    let mut client = Client::connect(bench.daemon.address());
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    wait::until_true("the backend has the request", || bench.tape.heard().len() == 1);
    // Longer than what is sent together.
    Gate::default().linger(Duration::from_millis(50));
    client.finish_sending();

    wait::until_true("the backend is rid of it", || bench.tape.open_connections() == 0);
    client.expect_close();
    bench.expect_sound().expect("the daemon goes on");
}

#[test]
fn a_client_that_leaves_at_once_does_not_hold_its_backend() {
    let bench = Bench::new();
    bench.tape.play(Reply::new(""));
    let get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut client = Client::connect(bench.daemon.address());
    client.send_and_finish(get);
    wait::until_true("the backend has the request", || bench.tape.heard().len() == 1);
    drop(client);

    wait::until_true("the backend is rid of it", || bench.tape.open_connections() == 0);
    bench.expect_sound().expect("the daemon goes on");
}

#[test]
fn a_client_that_sends_far_ahead_and_leaves_does_not_hold_its_backend() {
    let bench = Bench::new();
    bench.tape.play(Reply::new(""));
    let mut client = Client::connect(bench.daemon.address());
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1500));
    wait::until_true("the backend has the first", || bench.tape.heard().len() == 1);
    Gate::default().linger(Duration::from_millis(50));
    drop(client);

    wait::until_true("the backend is rid of it", || bench.tape.open_connections() == 0);
    bench.expect_sound().expect("the daemon goes on");
}

#[test]
fn a_client_that_ended_its_half_is_asked_whether_it_is_there_and_gets_its_answer() {
    let asked = Arc::new(Gate::default());
    let seen = Arc::clone(&asked);
    let backend = Backend::with(move |visit| {
        seen.pass();
        visit.answer(200, "late")
    });
    let daemon = Daemon::balancing(&[("one", backend.address)], "");
    let mut client = Client::connect(daemon.address());
    client.send_and_finish("GET / HTTP/1.1\r\nhost: a\r\n\r\n");

    assert_eq!(client.answer().status, 100);
    asked.open();
    assert_eq!(client.answer().text(), "late");
    client.expect_close();
}

#[test]
fn a_client_of_http_1_0_that_ended_its_half_is_not_asked() {
    // Longer than it takes before others are asked.
    let backend = Backend::slow("late", Duration::from_millis(1300));
    let daemon = Daemon::balancing(&[("one", backend.address)], "");
    let mut client = Client::connect(daemon.address());
    client.send_and_finish("GET / HTTP/1.0\r\n\r\n");

    assert_eq!(client.answer().text(), "late");
    client.expect_close();
}

#[test]
fn requests_that_were_sent_ahead_of_the_end_of_a_half_are_all_answered() {
    let bench = Bench::new();
    bench.tape.play(Reply::ok());
    let mut client = Client::connect(bench.daemon.address());
    client.send_and_finish("GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(3));

    for _ in 0..3 {
        assert_eq!(client.answer().text(), "ok");
    }
    client.expect_close();
}
