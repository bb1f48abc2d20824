//! What backends report in their answers, and what clients can do about it: nothing.

use std::sync::{Arc, Mutex};

use aya_tests::backend::Backend;
use aya_tests::client::{ask, get, request};
use aya_tests::wait;

use super::{ONE, cause_of_failure, daemon, expect, signal, told, value};

/// Answers with these fields, which a test may change.
fn reporting(fields: &str) -> (Backend, Arc<Mutex<String>>) {
    let fields = Arc::new(Mutex::new(fields.to_owned()));
    let current = Arc::clone(&fields);
    let backend = Backend::with(move |visit| {
        let fields = current.lock().expect("no holder panics").clone();
        visit.raw_answer(format!("HTTP/1.1 200 OK\r\n{fields}content-length: 2\r\n\r\nok"))
    });
    (backend, fields)
}

#[test]
fn reported_load_is_read_and_not_shown_to_clients() {
    let (backend, fields) = reporting("x-first: 1\r\nX-Aya-Load: cpu=0.25, queue=3\r\nx-last: 2\r\n");
    let daemon = daemon(&backend, "");

    let answer = get(daemon.address(), "/");
    assert_eq!((answer.field("x-aya-load"), answer.field("x-last")), (None, Some("2")));
    let cpu = expect(&daemon, "cpu", 0.25);
    assert_eq!((cpu.source.as_str(), cpu.stale), ("headers", false));
    assert_eq!(value(&daemon, "queue"), Some(3.0));

    for (report, name, expected) in [
        ("endpoint-load-metrics: TEXT mem_utilization=0.5", "memory", 0.5),
        ("endpoint-load-metrics: JSON {\"cpu_utilization\": 0.75}", "cpu", 0.75),
        // cpu_utilization = 0.5
        ("endpoint-load-metrics-bin: CQAAAAAAAOA/", "cpu", 0.5),
    ] {
        *fields.lock().unwrap() = format!("{report}\r\n");
        let answer = get(daemon.address(), "/");
        assert!(answer.head.fields.iter().all(|(name, _)| !name.starts_with("endpoint")), "{report}");
        expect(&daemon, name, expected);
    }
    let metrics = daemon.control.text("/metrics");
    let line = "ayad_backend_signal{pool=\"main\",backend=\"one\",signal=\"cpu\"} 0.5";
    assert!(metrics.contains(line), "{metrics}");
    assert!(daemon.control.backend(ONE).connect_ms.is_some_and(|ms| ms > 0.0));
}

#[test]
fn a_pool_may_pass_reports_on_or_ignore_them() {
    for (mode, is_read) in [("pass", true), ("ignore", false)] {
        let (backend, _) = reporting("x-aya-load: cpu=0.25\r\n");
        let daemon = daemon(&backend, &format!("headers = \"{mode}\""));

        let answer = get(daemon.address(), "/");
        assert_eq!(answer.field("x-aya-load"), Some("cpu=0.25"), "{mode}");
        assert_eq!(value(&daemon, "cpu").is_some(), is_read, "{mode}");
    }
}

#[test]
fn a_client_cannot_say_how_busy_a_backend_is() {
    let backend = Backend::saying("ok");
    let daemon = daemon(&backend, "headers = \"pass\"");
    let forged = [
        ("x-aya-load", "in-flight=1000000, cpu=900"),
        ("Endpoint-Load-Metrics", "TEXT cpu_utilization=900"),
        ("endpoint-load-metrics-bin", "CQAAAAAAAOA/"),
    ];

    assert_eq!(ask(daemon.address(), request("GET", "/", &forged)).status, 200);

    let head = &backend.heads()[0];
    assert!(forged.iter().all(|(name, _)| head.field(&name.to_lowercase()).is_none()), "{head:?}");
    assert!(daemon.control.backend(ONE).signals.is_empty());
}

/// A chunked answer of so many bytes, with this line behind it.
fn chunked(size: usize, trailer: &str) -> Vec<u8> {
    let body = "z".repeat(size);
    format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\nx-end: 1\r\n{trailer}\r\n\r\n")
        .into_bytes()
}

#[test]
fn reports_in_trailers_of_chunked_answers_are_read_and_not_shown() {
    // The large one is moved past the process.
    for size in [2, 1 << 20] {
        for (report, cpu) in [
            ("x-aya-load: cpu=0.25", 0.25),
            ("Endpoint-Load-Metrics: JSON {\"cpu_utilization\": 0.75}", 0.75),
            ("endpoint-load-metrics-bin: CQAAAAAAAOA/", 0.5),
        ] {
            let backend = Backend::with(move |visit| visit.raw_answer(chunked(size, report)));
            let hiding = daemon(&backend, "");
            let answer = get(hiding.address(), "/");
            assert_eq!((answer.status, answer.text().len()), (200, size));
            assert_eq!(answer.body.trailers, [("x-end".to_owned(), "1".to_owned())], "{report}");
            assert_eq!(expect(&hiding, "cpu", cpu).source, "headers");

            let passing = daemon(&backend, "headers = \"pass\"");
            assert_eq!(get(passing.address(), "/").body.trailers.len(), 2, "{report}");
            expect(&passing, "cpu", cpu);
        }
    }
}

#[test]
fn a_client_cannot_say_it_in_trailers_either() {
    let backend = Backend::with(|visit| {
        let seen = visit.body()?.trailers.into_iter().map(|(name, _)| name.to_lowercase());
        visit.answer(200, &seen.collect::<Vec<_>>().join(","))
    });
    let daemon = daemon(&backend, "headers = \"pass\"");
    let forged = "x-aya-load: cpu=0.9\r\nEndpoint-Load-Metrics: TEXT cpu_utilization=0.9\r\n\
                  endpoint-load-metrics-bin: CQAAAAAAAOA/\r\n";
    let head = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";

    let answer = ask(daemon.address(), format!("{head}2\r\nok\r\n0\r\nx-sum: 1\r\n{forged}\r\n"));

    assert_eq!((answer.status, answer.text().as_str()), (200, "x-sum"));
    assert!(daemon.control.backend(ONE).signals.is_empty());
}

#[test]
fn what_cannot_be_true_is_told_once_and_traffic_goes_on() {
    let (backend, fields) = reporting("x-aya-load: cpu=0.5\r\n");
    let daemon = daemon(&backend, "");
    get(daemon.address(), "/");
    expect(&daemon, "cpu", 0.5);

    for report in ["cpu=-1", "cpu=NaN", "cpu=1e300", "busy", "cpu=inf"] {
        *fields.lock().unwrap() = format!("x-aya-load: {report}\r\n");
        assert_eq!(get(daemon.address(), "/").text(), "ok");
    }
    assert_eq!(cause_of_failure(&daemon, "headers"), "x-aya-load: cpu is too large to be true");
    assert_eq!(value(&daemon, "cpu"), Some(0.5), "the last one that could be true stays, and ages");
    assert_eq!(told(&daemon, "not believed: x-aya-load: cpu is negative"), 1);
    assert_eq!(told(&daemon, "believed"), 1);
}

#[test]
fn what_is_old_is_stale() {
    let (backend, _) = reporting("x-aya-load: cpu=0.5\r\n");
    let daemon = daemon(&backend, "expire = \"20ms\"");
    get(daemon.address(), "/");

    wait::until_true("the signal is stale", || {
        signal(&daemon.control.backend(ONE), "cpu").is_some_and(|cpu| cpu.stale && cpu.age_ms > 20)
    });
    assert!(!daemon.control.text("/metrics").contains("signal=\"cpu\""));
}
