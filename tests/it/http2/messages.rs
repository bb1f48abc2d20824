//! What is passed on between the two protocols, in every mix.

use aya_tests::backend::{Backend, Then};
use aya_tests::client;
use aya_tests::daemon::Daemon;
use aya_tests::h2::frames::{self, Raw};
use aya_tests::h2::{self, Client, Incoming, Server, request, run};
use http::{HeaderMap, Request, Response};

use super::{before_h1, before_h2};

/// Answers with the method, path, fields, body and trailers of the request, and trailers of its own.
async fn echo(incoming: Incoming) {
    let Incoming { request, mut respond, .. } = incoming;
    let (parts, mut recv) = request.into_parts();
    let body = h2::read_all(&mut recv).await.expect("the other side is there");
    let trailers = recv.trailers().await.expect("the other side is there").unwrap_or_default();
    let mut text = format!("{} {}\n", parts.method, parts.uri);
    for (name, value) in parts.headers.iter().chain(&trailers) {
        text.extend([name.as_str(), ": ", value.to_str().expect("fields are text"), "\n"]);
    }
    let text = format!("{text}{} bytes of {:?}", body.len(), body.first().copied());
    let response = Response::builder().header("x-from", "h2").body(()).expect("it is valid");
    let mut send = respond.send_response(response, false).expect("the other side is there");
    h2::send_all(&mut send, text.as_bytes(), false).await.expect("the other side is there");
    send.send_trailers(HeaderMap::from_iter([(
        "x-end".parse().expect("it is valid"),
        "1".parse().expect("it is valid"),
    )]))
    .expect("the other side is there");
}

#[test]
fn a_request_by_http2_reaches_an_http1_backend_and_its_answer_comes_back() {
    let backend = Backend::echo();
    let daemon = before_h1(backend.address);
    let address = daemon.address();
    run(async {
        let client = Client::connect(address).await;
        let answer = client.get("/a/b?c=d").await;

        assert_eq!(answer.status, 200);
        let text = answer.text();
        assert!(text.starts_with("GET /a/b?c=d HTTP/1.1\nhost: test.example\n"), "{text}");
        assert!(text.contains("\nx-forwarded-for: 127.0.0.1\n"), "{text}");
        assert!(answer.field("connection").is_none() && answer.field("transfer-encoding").is_none());
    });
}

#[test]
fn bodies_of_any_size_pass_from_http2_to_http1_in_both_directions() {
    let backend = Backend::with(|visit| {
        let body = visit.body()?;
        let is_chunked = visit.head.lists("transfer-encoding", "chunked");
        let text = "x".repeat(body.bytes.len());
        if is_chunked { visit.raw_answer(chunked(&text)) } else { visit.answer(200, &text) }
    });
    let daemon = before_h1(backend.address);
    let address = daemon.address();
    run(async {
        let client = Client::connect(address).await;
        for size in [1, 100, 16_384, 16_385, 70_000, 1_000_000] {
            let body = vec![b'b'; size];
            let answer = client.ask(request("POST", "/"), &body).await;
            assert_eq!((answer.status, answer.body.len()), (200, size));

            let known = Request::builder().method("POST").uri("http://a/").header("content-length", size);
            let answer = client.ask(known.body(()).unwrap(), &body).await;
            assert_eq!((answer.status, answer.body.len()), (200, size));
            assert_eq!(answer.field("content-length"), Some(size.to_string().as_str()));
        }
    });
}

fn chunked(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{text}\r\n0\r\n\r\n", text.len())
}

#[test]
fn bodies_and_trailers_pass_between_two_sides_of_http2() {
    let backend = Server::with(echo);
    let daemon = before_h2(backend.address);
    let address = daemon.address();
    run(async {
        let client = Client::connect(address).await;
        let (response, mut send) = client.begin(request("POST", "/up"), false).await;
        h2::send_all(&mut send, &vec![7; 300_000], false).await.unwrap();
        send.send_trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), "9".parse().unwrap())])).unwrap();
        let answer = h2::whole(response.await.unwrap()).await.unwrap();

        let text = answer.text();
        assert!(text.starts_with("POST http://test.example/up\n"), "{text}");
        assert!(text.contains("\nx-sum: 9\n") && text.ends_with("300000 bytes of Some(7)"), "{text}");
        assert_eq!((answer.field("x-from"), answer.trailer("x-end")), (Some("h2"), Some("1")));
    });
}

#[test]
fn bodies_and_trailers_pass_from_http1_to_http2() {
    let backend = Server::with(echo);
    let daemon = before_h2(backend.address);
    let mut client = client::Client::connect(daemon.address());

    client.send("POST /up HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx-sum: 9\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.status, 200);
    let text = answer.text();
    assert!(text.starts_with("POST http://a/up\n") && text.ends_with("5 bytes of Some(97)"), "{text}");
    assert!(text.contains("\nx-sum: 9\n") && !text.contains("transfer-encoding"), "{text}");
    assert_eq!(answer.body.trailers, [("x-end".to_owned(), "1".to_owned())]);

    client.send("GET /again HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(client.answer().text().ends_with("0 bytes of None"));
}

#[test]
fn answers_without_a_body_have_none() {
    let backend = Server::with(|incoming: Incoming| async move {
        let status = incoming.request.uri().path()[1..].parse().unwrap();
        incoming.answer(status, "");
    });
    let daemon = before_h2(backend.address);
    let mut one = client::Client::connect(daemon.address());
    for status in [200, 204, 304, 404] {
        one.send(format!("GET /{status} HTTP/1.1\r\nhost: a\r\n\r\n"));
        let answer = one.answer();
        assert_eq!((answer.status, answer.text()), (status, String::new()));
        let address = daemon.address();
        run(async {
            let two = Client::connect(address).await;
            let answer = two.get(&format!("/{status}")).await;
            assert_eq!((answer.status, answer.text()), (status, String::new()));
        });
    }
    one.send("HEAD /200 HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(one.answer_to_head().field("content-length"), None);
}

#[test]
fn interim_answers_pass_on() {
    let backend = Backend::with(|visit| {
        visit.write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")?;
        visit.answer(200, "late")
    });
    let behind = Server::with(|mut incoming: Incoming| async move {
        let hints = Response::builder().status(103).header("link", "</a>").body(()).unwrap();
        incoming.respond.send_informational(hints).unwrap();
        incoming.answer(200, "late");
    });
    for daemon in [before_h1(backend.address), before_h2(behind.address)] {
        let address = daemon.address();
        run(async {
            let client = Client::connect(address).await;
            let (mut response, _send) = client.begin(request("GET", "/"), true).await;
            let hints = std::future::poll_fn(|cx| response.poll_informational(cx)).await;
            let hints = hints.unwrap().unwrap();
            assert_eq!((hints.status().as_u16(), &hints.headers()["link"]), (103, &"</a>".parse().unwrap()));
            assert_eq!(h2::whole(response.await.unwrap()).await.unwrap().text(), "late");
        });
    }
}

#[test]
fn cookies_arrive_as_one_and_the_authority_must_agree_with_the_host() {
    let backend = Backend::echo();
    let daemon = before_h1(backend.address);
    let address = daemon.address();
    run(async {
        let client = Client::connect(address).await;
        let crumbs = Request::get("http://a/").header("cookie", "a=1").header("cookie", "b=2");
        let answer = client.ask(crumbs.body(()).unwrap(), b"").await;
        assert!(answer.text().contains("\ncookie: a=1; b=2\n"), "{}", answer.text());

        let same = Request::get("http://a.example/").header("host", "A.example").body(()).unwrap();
        assert_eq!(client.ask(same, b"").await.status, 200);
        let other = Request::get("http://a.example/").header("host", "b.example").body(()).unwrap();
        let answer = client.ask(other, b"").await;
        assert_eq!((answer.status, answer.field("x-aya-reason")), (400, Some("bad-host")));
    });
}

#[test]
fn a_preface_may_come_in_pieces_and_requests_right_behind_it() {
    let backend = Backend::saying("hello");
    let daemon = before_h1(backend.address);
    let hello = [frames::PREFACE, &frames::frame(frames::SETTINGS, 0, 0, &[])].concat();
    let get = frames::frame(frames::HEADERS, 5, 1, &frames::get("/", &[]));
    let all = [hello, get].concat();
    for cut in [1, 3, 4, 18, 23, 24, 25, 33, 40] {
        let mut raw = Raw::silent(daemon.address());
        raw.send(&all[..cut]);
        raw.send(&all[cut..]);
        let data = raw.until(frames::DATA, 1).unwrap();
        assert_eq!(data.payload, b"hello", "cut at {cut}");
    }
}

#[test]
fn a_listener_without_http2_refuses_it() {
    let backend = Backend::saying("hello");
    let pool = aya_tests::daemon::pool(&[("one", backend.address)], "");
    let daemon = Daemon::start(&pool.replace("[pool.main]", "http2 = false\n[pool.main]"));
    let mut client = client::Client::connect(daemon.address());
    client.send(frames::PREFACE);
    assert_eq!(client.answer().status, 400);
    client.expect_close();
}

#[test]
fn a_head_over_the_limit_is_refused_with_its_reason() {
    let backend = Backend::saying("hello");
    let daemon = before_h1(backend.address);
    let address = daemon.address();
    run(async {
        let client = Client::connect(address).await;
        let long = Request::get("http://a/").header("x-long", "y".repeat(16_400)).body(()).unwrap();
        let answer = client.ask(long, b"").await;
        assert_eq!((answer.status, answer.field("x-aya-reason")), (431, Some("headers-too-large")));
        assert_eq!(client.get("/").await.status, 200, "the connection goes on");
    });
}

#[test]
fn a_body_over_the_limit_is_refused_and_other_requests_go_on() {
    let backend = Backend::saying("hello");
    let pool = aya_tests::daemon::pool(&[("one", backend.address)], "");
    let daemon = Daemon::start(&pool.replace("[pool.main]", "limits = { body = \"1KiB\" }\n[pool.main]"));
    let address = daemon.address();
    run(async {
        let client = Client::connect(address).await;
        let (response, mut send) = client.begin(request("POST", "/"), false).await;
        // How much is taken depends on who is faster.
        drop(h2::send_all(&mut send, &[0; 2000], false).await);
        let answer = h2::whole(response.await.unwrap()).await.unwrap();
        assert_eq!((answer.status, answer.field("x-aya-reason")), (413, Some("body-too-large")));
        assert_eq!(client.get("/").await.status, 200);
    });
}

#[test]
fn an_answer_that_is_cut_off_is_reset_and_never_looks_whole() {
    let short = Backend::with(|visit| {
        visit.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")?;
        Ok(Then::Close)
    });
    let chunks = Backend::with(|visit| {
        visit.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")?;
        Ok(Then::Close)
    });
    let resets = Server::with(|mut incoming: Incoming| async move {
        let mut send = incoming.respond.send_response(Response::new(()), false).unwrap();
        // So much that some of it has arrived when the rest is taken.
        h2::send_all(&mut send, &vec![b'x'; 500_000], false).await.unwrap();
        send.send_reset(::h2::Reason::INTERNAL_ERROR);
    });
    let daemons = [before_h1(short.address), before_h1(chunks.address), before_h2(resets.address)];
    for daemon in &daemons {
        let address = daemon.address();
        run(async {
            let client = Client::connect(address).await;
            let error = client.try_ask(request("GET", "/"), b"").await.unwrap_err();
            assert!(error.is_reset() && error.is_remote(), "{error:?}");
        });
    }
    let mut client = client::Client::connect(daemons[2].address());
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(client.try_answer().is_err(), "no last chunk comes");
}
