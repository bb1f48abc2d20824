//! When a connection goes on and when it ends; several requests at once.

use aya_tests::backend::Then;
use aya_tests::client::Client;
use aya_tests::tape::{Pieces, Reply, write_in};

use super::{Bench, Case, Outcome, answered, case};

/// One request after which the connection goes on, or ends.
fn keeps(name: &str, sent: &str, heard: &str, goes_on: bool) -> Case {
    case(name, sent, Outcome::Passed { heard: vec![heard.into()], goes_on })
}

#[test]
fn a_connection_goes_on_as_version_and_connection_say() {
    let new = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let with = |version: &str, connection: &str| {
        format!("GET / HTTP/{version}\r\nhost: a\r\nconnection: {connection}\r\n\r\n")
    };
    Bench::new().play(&[
        keeps("HTTP/1.1", new, new, true),
        keeps("HTTP/1.1 close", &with("1.1", "close"), new, false),
        keeps("HTTP/1.1 Close", &with("1.1", "Close"), new, false),
        keeps("HTTP/1.1 keep-alive", &with("1.1", "keep-alive"), new, true),
        keeps("HTTP/1.1 both", &with("1.1", "keep-alive, close"), new, false),
        keeps("HTTP/1.1 among others", &with("1.1", "x, close"), new, false),
        keeps("HTTP/1.1 a name with it", &with("1.1", "closed"), new, true),
        keeps("HTTP/1.0", "GET / HTTP/1.0\r\nhost: a\r\n\r\n", new, false),
        keeps("HTTP/1.0 keep-alive", &with("1.0", "Keep-Alive"), new, true),
        keeps("HTTP/1.0 both", &with("1.0", "keep-alive, close"), new, false),
    ]);
}

#[test]
fn an_answer_says_whether_the_connection_goes_on() {
    let ok = |line: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{line}\r\nok");
    let says = |name: &str, sent: &str, line: &str, goes_on| {
        case(name, sent, Outcome::Exactly { answer: ok(line), goes_on })
    };
    Bench::new().play(&[
        says("HTTP/1.1", "GET / HTTP/1.1\r\nhost: a\r\n\r\n", "", true),
        says(
            "HTTP/1.1 close",
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
            "connection: close\r\n",
            false,
        ),
        says("HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "connection: close\r\n", false),
        says(
            "HTTP/1.0 keep-alive",
            "GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n",
            "connection: keep-alive\r\n",
            true,
        ),
    ]);
}

#[test]
fn the_connection_of_a_backend_is_none_of_the_clients_business() {
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let close = |name: &str, reply: &str| {
        let reply = Reply { then: Then::Close, ..Reply::new(reply) };
        answered(name, reply, Outcome::Exactly { answer: ok.into(), goes_on: true })
    };
    Bench::new().play(&[
        close("it closes unsaid", ok),
        close("it says so", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"),
        close("HTTP/1.0", "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"),
    ]);
}

#[test]
fn requests_at_once_are_answered_one_after_the_other() {
    let get = |n: usize| format!("GET /{n} HTTP/1.1\r\nhost: a\r\n\r\n");
    let post = |n: usize| format!("POST /{n} HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello");
    let chunks = |n: usize| {
        format!("PUT /{n} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    };
    let all = |name: &str, requests: Vec<String>| {
        let sent = requests.concat();
        case(name, sent, Outcome::Passed { heard: requests, goes_on: true })
    };
    let mut ends: Vec<String> = (0..3).map(get).collect();
    ends.push("GET /3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".into());
    let heard = vec![get(0), get(1), get(2), get(3)];
    let sent = ends.concat() + &get(4);
    Bench::new().play(&[
        all("two", (0..2).map(get).collect()),
        all("a hundred", (0..100).map(get).collect()),
        all("with bodies", vec![post(0), get(1), chunks(2), post(3), chunks(4), get(5)]),
        case("nothing behind the last", sent, Outcome::Passed { heard, goes_on: false }),
    ]);
}

#[test]
fn a_bad_request_behind_good_ones_is_refused_and_the_good_ones_are_served() {
    let bench = Bench::new();
    let good = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    for pieces in [Pieces::Whole, Pieces::Bytes] {
        for bad in [
            "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
            "\0\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 1\r\n\r\n",
        ] {
            bench.tape.play(Reply::ok());
            let mut client = Client::connect(bench.daemon.address());
            let sent = format!("{good}{good}{bad}{good}");
            drop(write_in(client.socket(), sent.as_bytes(), pieces));

            assert_eq!(client.answer().status, 200);
            assert_eq!(client.answer().status, 200);
            let last = client.answer();
            assert_eq!((last.status, last.reason()), (400, Some("bad-request")), "{bad}");
            client.expect_close();
            assert_eq!(bench.tape.heard().len(), 2);
        }
    }
}

#[test]
fn answers_without_a_body_do_not_disturb_the_next() {
    let bench = Bench::new();
    for reply in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 404 No\r\ncontent-length: 5\r\n\r\n",
    ] {
        for pieces in [Pieces::Whole, Pieces::Bytes] {
            bench.tape.play(Reply { pieces, ..Reply::new(reply) });
            let mut client = Client::connect(bench.daemon.address());
            client.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n");
            let head = client.answer_to_head();

            assert_eq!(head.reason(), None, "{reply}");
            bench.expect_goes_on(&mut client).expect("HEAD leaves nothing behind");
        }
    }
    bench.expect_sound().expect("the daemon goes on");
}

#[test]
fn a_body_behind_an_answer_to_head_is_not_taken_for_the_next_answer() {
    let bench = Bench::new();
    bench.tape.play(Reply::new(
        "HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad",
    ));
    let mut client = Client::connect(bench.daemon.address());
    client.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n");

    assert_eq!(client.answer_to_head().field("content-length"), Some("40"));
    bench.expect_goes_on(&mut client).expect("the next answer is that of the next request");
}
