//! Backends that fail in every way, and what the client is told.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};

use aya_tests::backend::{Backend, Then};
use aya_tests::client::{Answer, Client, ask, get, request};
use aya_tests::daemon::{Daemon, Setup, pool};
use aya_tests::wait;

use super::{before, refusals};

fn expect(answer: &Answer, status: u16, reason: &str) {
    assert_eq!((answer.status, answer.reason()), (status, Some(reason)), "{:?}", answer.head);
}

fn with_timeouts(backend: &Backend, timeouts: &str) -> Daemon {
    Daemon::balancing(&[("one", backend.address)], &format!("timeouts = {{ {timeouts} }}"))
}

#[test]
fn garbage_from_a_backend_is_answered_with_502() {
    for garbage in [
        "no http at all\r\n\r\n",
        "HTTP/1.1 abc Bad\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad field: 1\r\n\r\n",
        "\0\0\0\r\n\r\n",
    ] {
        let backend = Backend::with(move |visit| {
            visit.write(garbage)?;
            visit.wait_for_close();
            Ok(Then::Close)
        });
        let daemon = before(&backend);

        expect(&get(daemon.address(), "/"), 502, "bad-response");
        assert_eq!(daemon.control.backend("main/one").traffic.failures, 1);
    }
}

#[test]
fn endless_fields_from_a_backend_are_answered_with_502() {
    let backend = Backend::with(|visit| {
        visit.write("HTTP/1.1 200 OK\r\n")?;
        while visit.write(format!("x-more: {}\r\n", "y".repeat(1000))).is_ok() {}
        Ok(Then::Close)
    });
    let daemon = before(&backend);

    expect(&get(daemon.address(), "/"), 502, "bad-response");
}

#[test]
fn a_backend_that_closes_before_it_answers_is_told_as_502() {
    let before_reading = Backend::raw(drop);
    let after_reading = Backend::with(|_| Ok(Then::Close));
    let inside_the_head = Backend::with(|visit| {
        visit.write("HTTP/1.1 200 OK\r\ncontent-le")?;
        Ok(Then::Close)
    });

    for backend in [before_reading, after_reading, inside_the_head] {
        let daemon = before(&backend);
        expect(&get(daemon.address(), "/"), 502, "closed-early");
    }
}

#[test]
fn a_truncated_answer_is_never_completed() {
    let by_length = Backend::with(|visit| {
        visit.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")?;
        Ok(Then::Close)
    });
    let by_chunks = Backend::with(|visit| {
        visit.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")?;
        Ok(Then::Close)
    });
    let inside_a_chunk = Backend::with(|visit| {
        visit.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nhalf")?;
        Ok(Then::Close)
    });

    for backend in [by_length, by_chunks, inside_a_chunk] {
        let daemon = before(&backend);
        let mut client = Client::connect(daemon.address());
        client.send(request("GET", "/", &[]));
        assert!(client.try_answer().is_err(), "the client took half an answer for a whole one");
        wait::until_true("it is recorded", || refusals(&daemon, "truncated") == 1);
        assert_eq!(daemon.control.backend("main/one").traffic.failures, 1);
    }
}

#[test]
fn an_answer_that_stops_in_the_middle_is_cut() {
    let backend = Backend::with(|visit| {
        visit.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")?;
        visit.wait_for_close();
        Ok(Then::Close)
    });
    let daemon = with_timeouts(&backend, "idle = \"150ms\"");
    let mut client = Client::connect(daemon.address());

    client.send(request("GET", "/", &[]));

    assert!(client.try_answer().is_err());
    wait::until_true("it is recorded", || refusals(&daemon, "idle-timeout") == 1);
    backend.expect_no_connections();
}

#[test]
fn an_answer_that_does_not_begin_is_told_as_504() {
    let backend = Backend::silent();
    let daemon = with_timeouts(&backend, "first_byte = \"150ms\"");

    expect(&get(daemon.address(), "/"), 504, "first-byte-timeout");
    backend.expect_no_connections();
    assert_eq!(daemon.control.backend("main/one").traffic.failures, 1);
}

#[test]
fn a_request_that_takes_too_long_as_a_whole_is_told_as_504() {
    let backend = Backend::silent();
    let daemon = with_timeouts(&backend, "request = \"150ms\"");

    expect(&get(daemon.address(), "/"), 504, "request-timeout");
    backend.expect_no_connections();
}

#[test]
fn a_connection_that_is_not_accepted_in_time_is_told_as_504() {
    let (full, _waiting) = full_backlog();
    let keys = "timeouts = { connect = \"150ms\" }";
    let daemon = Daemon::balancing(&[("one", full.local_addr().expect("it is bound"))], keys);

    expect(&get(daemon.address(), "/"), 504, "connect-timeout");
}

#[test]
fn the_time_for_one_attempt_holds_for_its_connection_as_well() {
    let (full, _waiting) = full_backlog();
    let keys = "timeouts = { connect = \"60s\" }\nretry = { per_try = \"150ms\" }";
    let daemon = Daemon::balancing(&[("one", full.local_addr().expect("it is bound"))], keys);

    expect(&get(daemon.address(), "/"), 504, "connect-timeout");
}

/// A socket whose queue is full, so that the system answers no further connection; and what fills it.
fn full_backlog() -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let address = listener.local_addr().expect("it is bound");
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, std::time::Duration::from_millis(100)) {
        waiting.push(stream);
        assert!(waiting.len() < 10_000, "the queue does not fill");
    }
    (listener, waiting)
}

#[test]
fn without_an_eligible_backend_the_answer_is_503() {
    let backend = Backend::saying("never");
    let daemon = before(&backend);
    daemon.control.set_admin("main/one", aya_api::axis::Admin::Maint);

    expect(&get(daemon.address(), "/"), 503, "no-backend");
    assert_eq!(backend.requests(), 0);
}

#[test]
fn a_pool_that_refuses_altogether_is_told_as_502() {
    let daemon = Daemon::balancing(&[("one", Backend::refusing().address)], "");

    expect(&get(daemon.address(), "/"), 502, "connect-refused");
}

#[test]
fn an_answer_before_the_whole_request_was_sent_is_passed_on() {
    let backend = Backend::with(|visit| {
        visit.write("HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno")?;
        visit.wait_for_close();
        Ok(Then::Close)
    });
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send(request("POST", "/", &[("content-length", "1000000")]) + "the beginning");
    let answer = client.answer();

    assert_eq!((answer.status, answer.text().as_str()), (401, "no"));
}

#[test]
fn more_than_the_announced_answer_is_not_taken_for_the_next_one() {
    let backend = Backend::with(|visit| {
        visit.raw_answer(
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        )
    });
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    for _ in 0..3 {
        client.send(request("GET", "/", &[]));
        assert_ne!(client.answer().text(), "evil");
    }
}

#[test]
fn an_answer_of_the_proxy_leaves_the_connection_usable() {
    let backend = Backend::with(|visit| match visit.target() {
        "/bad" => Ok(Then::Close),
        _ => visit.answer(200, "good"),
    });
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send(request("GET", "/bad", &[]));
    assert_eq!(client.answer().status, 502);
    client.send(request("GET", "/", &[]));
    assert_eq!(client.answer().text(), "good");
}

#[test]
fn an_upgrade_nobody_asked_for_is_answered_with_502() {
    let backend = Backend::raw(|mut stream: TcpStream| {
        drop(
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
        );
        drop(std::io::copy(&mut stream, &mut std::io::sink()));
    });
    let daemon = before(&backend);

    expect(&get(daemon.address(), "/"), 502, "bad-response");
    backend.expect_no_connections();
}

#[test]
fn the_access_log_names_reason_backend_and_steps() {
    let backend = Backend::saying("logged");
    let refusing: SocketAddr = Backend::refusing().address;
    let text = pool(&[("one", backend.address), ("gone", refusing)], "algorithm = \"round-robin\"");
    let setup = Setup::new(&text);
    let path = setup.folder().join("access.jsonl");
    let daemon = setup.daemon(&format!("access_log = \"{}\"", path.display())).start();

    for _ in 0..3 {
        assert_eq!(get(daemon.address(), "/logged?x=1").status, 200);
    }
    ask(daemon.address(), "no http\r\n\r\n");
    let folder = daemon.keep_setup();
    daemon.stop();

    let text = std::fs::read_to_string(path).expect("the log was written");
    drop(folder);
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    assert_eq!(lines.len(), 4, "{text}");
    for line in &lines[..3] {
        assert_eq!(
            (&line["backend"], &line["status"], &line["uri"]),
            (&"one".into(), &200.into(), &"/logged?x=1".into())
        );
        assert!(line["timing_us"]["total"].is_u64() && line["timing_us"]["connect"].is_u64(), "{line}");
        assert_eq!(line["bytes_sent"], 6);
    }
    let attempts: u64 = lines[..3].iter().filter_map(|line| line["attempts"].as_u64()).sum();
    assert_eq!(attempts, 4, "one request was sent on after a refusal");
    assert_eq!((&lines[3]["status"], &lines[3]["reason"]), (&400.into(), &"bad-request".into()));
}
