//! Requests and answers of every form arrive as they were sent.

use aya_tests::backend::{Backend, Then};
use aya_tests::client::{Client, ask, get, request};
use aya_tests::message::chunk;

use super::before;

#[test]
fn a_get_is_answered_by_the_backend() {
    let backend = Backend::saying("hello");
    let daemon = before(&backend);

    let answer = get(daemon.address(), "/some/path?and=query");

    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert_eq!(answer.reason(), None);
    assert_eq!(backend.heads()[0].line, "GET /some/path?and=query HTTP/1.1");
}

#[test]
fn a_post_arrives_with_its_body_and_length() {
    let backend = Backend::echo();
    let daemon = before(&backend);

    let text = request("POST", "/", &[("content-length", "5")]) + "a\r\n\0b";
    let answer = ask(daemon.address(), text);

    assert!(answer.text().ends_with("\n\na\r\n\0b"), "{}", answer.text());
    assert_eq!(backend.heads()[0].field("content-length"), Some("5"));
    assert_eq!(backend.heads()[0].field("transfer-encoding"), None);
}

#[test]
fn answers_without_a_body_leave_the_connection_in_step() {
    let backend = Backend::with(|visit| match visit.target() {
        "/none" => visit.raw_answer("HTTP/1.1 204 No Content\r\nx-form: none\r\n\r\n"),
        "/same" => visit.raw_answer("HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\netag: \"1\"\r\n\r\n"),
        _ => visit.answer(200, "full"),
    });
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send(request("GET", "/none", &[]));
    let none = client.answer();
    client.send(request("GET", "/same", &[]));
    let same = client.answer();
    client.send(request("HEAD", "/", &[]));
    let head = client.answer_to_head();
    client.send(request("GET", "/", &[]));
    let full = client.answer();

    assert_eq!((none.status, none.field("x-form")), (204, Some("none")));
    assert_eq!((same.status, same.field("etag")), (304, Some("\"1\"")));
    assert_eq!((head.status, head.field("content-length")), (200, Some("4")));
    assert_eq!(full.text(), "full");
    assert_eq!(backend.connections(), 1, "one upstream connection carried all four");
}

#[test]
fn chunks_pass_both_ways() {
    let backend = Backend::with(|visit| {
        let body = visit.body()?;
        visit.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        visit.write(chunk(&body.bytes))?;
        visit.write(chunk(b" and back"))?;
        visit.raw_answer("0\r\n\r\n")
    });
    let daemon = before(&backend);

    let mut client = Client::connect(daemon.address());
    client.send(request("POST", "/", &[("transfer-encoding", "chunked")]));
    client.send(chunk(b"there"));
    client.send(chunk(b" "));
    client.send("0\r\n\r\n");
    let answer = client.answer();

    assert_eq!(answer.text(), "there  and back");
    assert!(backend.heads()[0].lists("transfer-encoding", "chunked"));
    client.send(request("POST", "/", &[("content-length", "2")]) + "ok");
    assert_eq!(client.answer().text(), "ok and back");
}

#[test]
fn trailers_pass_both_ways() {
    let backend = Backend::with(|visit| {
        let body = visit.body()?;
        let sum = body.trailers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-sum"));
        let sum = sum.map_or("missing", |(_, value)| value).to_owned();
        visit.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-got\r\n\r\n")?;
        visit.write(chunk(b"body"))?;
        visit.raw_answer(format!("0\r\nx-got: {sum}\r\n\r\n"))
    });
    let daemon = before(&backend);

    let fields = [("transfer-encoding", "chunked"), ("trailer", "x-sum"), ("te", "trailers")];
    let text = request("POST", "/", &fields) + "4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n";
    let answer = ask(daemon.address(), text);

    assert_eq!(answer.text(), "body");
    assert_eq!(answer.body.trailers, [("x-got".to_owned(), "42".to_owned())]);
}

#[test]
fn an_expectation_is_met_by_the_backend_before_the_body_comes() {
    let backend = Backend::with(|visit| {
        visit.write("HTTP/1.1 100 Go On\r\nx-who: backend\r\n\r\n")?;
        let body = visit.body()?;
        visit.answer(200, &body.text())
    });
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send(request("PUT", "/", &[("content-length", "4"), ("expect", "100-continue")]));
    let interim = client.head();
    client.send("body");
    let answer = client.answer();

    assert_eq!((interim.word(1), interim.field("x-who")), ("100", Some("backend")));
    assert_eq!(answer.text(), "body");
    assert_eq!(backend.heads()[0].field("expect"), Some("100-continue"));
}

#[test]
fn an_expectation_that_the_backend_ignores_is_met_by_the_proxy() {
    let backend = Backend::echo();
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    for _ in 0..2 {
        client.send(request("PUT", "/", &[("content-length", "4"), ("expect", "100-continue")]));
        let interim = client.head();
        client.send("body");

        assert_eq!(interim.word(1), "100");
        assert!(client.answer().text().ends_with("\n\nbody"));
    }
}

#[test]
fn an_answer_instead_of_100_ends_the_connection() {
    let backend = Backend::with(|visit| {
        visit.write("HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno")?;
        visit.wait_for_close();
        Ok(Then::Close)
    });
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send(request("PUT", "/", &[("content-length", "4"), ("expect", "100-continue")]));
    let answer = client.answer();

    assert_eq!((answer.status, answer.text().as_str()), (401, "no"));
    assert!(answer.head.lists("connection", "close"), "nobody knows whether the body still comes");
    client.expect_close();
    backend.expect_no_connections();
}

#[test]
fn interim_answers_reach_only_clients_that_know_them() {
    let backend = Backend::with(|visit| {
        visit.write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")?;
        visit.write("HTTP/1.1 102 Processing\r\n\r\n")?;
        visit.answer(200, "final")
    });
    let daemon = before(&backend);

    let mut client = Client::connect(daemon.address());
    client.send(request("GET", "/", &[]));
    let hints = client.head();
    assert_eq!((hints.word(1), hints.field("link")), ("103", Some("</a>")));
    assert_eq!(client.head().word(1), "102");
    assert_eq!(client.answer().text(), "final");

    let old = ask(daemon.address(), "GET / HTTP/1.0\r\n\r\n");
    assert_eq!((old.status, old.text().as_str()), (200, "final"));
}

#[test]
fn connections_are_reused_on_both_sides() {
    let backend = Backend::saying("again");
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    for _ in 0..20 {
        client.send(request("GET", "/", &[]));
        assert_eq!(client.answer().text(), "again");
    }

    assert_eq!((backend.requests(), backend.connections()), (20, 1));
    assert_eq!(daemon.control.listeners()[0].accepted, 1);
}

#[test]
fn answers_without_a_body_leave_the_upstream_connection_for_the_next() {
    const MANY: usize = 50;
    let backend = Backend::with(|visit| match visit.target() {
        "/none" => visit.raw_answer("HTTP/1.1 204 No Content\r\n\r\n"),
        "/same" => visit.raw_answer("HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n"),
        "/empty" => visit.answer(200, ""),
        _ => visit.answer(200, "full"),
    });

    for (method, target) in
        [("HEAD", "/"), ("HEAD", "/empty"), ("GET", "/empty"), ("GET", "/none"), ("GET", "/same")]
    {
        let daemon = before(&backend);
        let already = backend.connections();
        let mut kept = Client::connect(daemon.address());
        for _ in 0..MANY {
            kept.send(request(method, target, &[]));
            assert!(kept.answer_to_head().status < 400);
            let mut other = Client::connect(daemon.address());
            other.send(request(method, target, &[("connection", "close")]));
            assert!(other.answer_to_head().status < 400);
        }
        assert_eq!(backend.connections() - already, 1, "{MANY} times {method} {target}");
    }
}

#[test]
fn an_answer_that_ends_with_the_connection_reaches_the_client_whole() {
    let backend = Backend::with(|visit| {
        visit.write("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end")?;
        Ok(Then::Close)
    });
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send(request("GET", "/", &[]));
    assert_eq!(client.answer().text(), "until the end");
    client.send(request("GET", "/", &[]));
    assert_eq!(client.answer().text(), "until the end", "the client's connection goes on");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::with(|visit| {
        let target = visit.target().to_owned();
        visit.answer(200, &target)
    });
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    let all: String = (0..10).map(|n| request("GET", &format!("/{n}"), &[])).collect();
    client.send(all);

    for n in 0..10 {
        assert_eq!(client.answer().text(), format!("/{n}"));
    }
}

#[test]
fn an_http_1_0_client_is_served_without_chunks() {
    let backend = Backend::with(|visit| {
        visit.raw_answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nold\r\n0\r\n\r\n")
    });
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send("GET /old HTTP/1.0\r\n\r\n");
    let answer = client.answer();

    assert_eq!((answer.status, answer.text().as_str()), (200, "old"));
    assert_eq!(answer.field("transfer-encoding"), None);
    client.expect_close();
    assert_eq!(backend.heads()[0].line, "GET /old HTTP/1.1");
}

#[test]
fn an_http_1_0_client_may_keep_its_connection() {
    let backend = Backend::saying("kept");
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
        let answer = client.answer();
        assert_eq!(answer.text(), "kept");
        assert!(answer.head.lists("connection", "keep-alive"), "{:?}", answer.head);
    }
}

#[test]
fn a_target_in_absolute_form_must_agree_with_the_host() {
    let backend = Backend::echo();
    let daemon = before(&backend);
    let asked = |host: &str| {
        let fields = format!("GET http://shop.example:81/p?q=1 HTTP/1.1\r\n{host}\r\n");
        ask(daemon.address(), fields)
    };

    let other = asked("host: other.example\r\n");
    assert_eq!((other.status, other.reason()), (400, Some("bad-host")));
    assert_eq!(backend.requests(), 0);
    assert_eq!(asked("host: shop.example:81\r\n").status, 200);

    let seen = &backend.heads()[0];
    assert_eq!(seen.line, "GET /p?q=1 HTTP/1.1");
    assert_eq!(seen.field("host"), Some("shop.example:81"));
}

#[test]
fn secrets_in_a_target_never_reach_the_backend() {
    let backend = Backend::saying("ok");
    let daemon = before(&backend);

    for user in ["me:secret", "secret", ":secret", "secret@me"] {
        let target = format!("http://{user}@shop.example:81/p");
        let answer = ask(daemon.address(), format!("GET {target} HTTP/1.1\r\nhost: shop.example:81\r\n\r\n"));
        assert!(matches!(answer.status, 200 | 400), "{target}: {:?}", answer.head);
    }

    for seen in backend.heads() {
        assert!(!format!("{seen:?}").contains("secret"), "{seen:?}");
        assert_eq!(seen.field("host"), Some("shop.example:81"));
        assert_eq!(seen.field("x-forwarded-host"), Some("shop.example:81"));
    }
}

#[test]
fn a_target_of_another_scheme_is_answered_with_400() {
    let backend = Backend::saying("never");
    let daemon = before(&backend);

    for scheme in ["ftp", "https", "ws", "file", "httpx"] {
        let text = format!("GET {scheme}://shop.example/p HTTP/1.1\r\nhost: shop.example\r\n\r\n");
        let answer = ask(daemon.address(), text);
        assert_eq!((answer.status, answer.reason()), (400, Some("bad-request")), "{scheme}");
    }
    assert_eq!(backend.requests(), 0);
    assert_eq!(
        ask(daemon.address(), "GET HTTP://a/ HTTP/1.1\r\nhost: a\r\n\r\n").status,
        200,
        "it has no case"
    );
}

#[test]
fn a_client_that_asks_for_the_end_gets_it() {
    let backend = Backend::saying("bye");
    let daemon = before(&backend);
    let mut client = Client::connect(daemon.address());

    client.send(request("GET", "/", &[("connection", "close")]));

    assert_eq!(client.answer().text(), "bye");
    client.expect_close();
    let mut other = Client::connect(daemon.address());
    other.send(request("GET", "/", &[]));
    other.answer();
    assert_eq!(backend.connections(), 1, "the backend's connection is none of the client's business");
}

#[test]
fn empty_lines_before_a_request_are_skipped() {
    let backend = Backend::saying("fine");
    let daemon = before(&backend);

    let answer = ask(daemon.address(), format!("\r\n{}", request("GET", "/", &[])));

    assert_eq!(answer.text(), "fine");
}
