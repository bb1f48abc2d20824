//! Reads, and what is no call at all.

use aya_api::command::{COMMANDS, Method, Spec};
use aya_tests::client::{get, request};
use aya_tests::load;
use aya_tests::wait;
use ayad::metrics::names;

use super::pair;

#[test]
fn every_read_of_the_table_answers() {
    let pair = pair();

    // One request is looked for in `explain`.
    let is_read = |spec: &&Spec| {
        spec.method == Method::Get && !spec.path.ends_with("/stream") && !spec.path.ends_with("{id}")
    };
    for spec in COMMANDS.iter().filter(is_read) {
        let path = spec.path.replace("{pool}", "main").replace("{backend}", "one");
        let answer = pair.daemon.control.ask("GET", &path, &[], "");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(!answer.body.bytes.is_empty(), "{path}");
        if spec.reply.is_some() {
            answer.json();
        }
    }
}

#[test]
fn status_shows_the_whole_picture() {
    let pair = pair();
    load::send(pair.daemon.address(), 10).expect_all_fine();

    let status = pair.daemon.control.status();

    assert_eq!(status.daemon.pid, pair.daemon.pid());
    assert_eq!((status.daemon.generation, status.daemon.workers), (1, 1));
    assert_eq!(status.daemon.state, "running");
    assert_eq!(status.daemon.responses[1], 10);
    assert!(status.daemon.config.is_some_and(|path| path.ends_with("ayad.toml")));
    let [pool] = &status.pools[..] else { panic!("{:?}", status.pools) };
    assert_eq!((pool.name.as_str(), pool.eligible, pool.traffic.requests), ("main", 2, 10));
    assert_eq!(pool.backends.iter().map(|b| b.traffic.requests).collect::<Vec<_>>(), [5, 5]);
    assert_eq!(pool.backends[0].share_expected, Some(0.5));
    let [listener] = &status.listeners[..] else { panic!("{:?}", status.listeners) };
    assert_eq!((listener.name.as_str(), listener.accepted), ("main", 1));
}

#[test]
fn every_object_with_a_revision_carries_it_as_an_etag() {
    let pair = pair();

    for path in ["/v1/pools/main", "/v1/backends/main/one"] {
        let answer = pair.daemon.control.ask("GET", path, &[], "");
        let body = answer.json();
        let rev = body.get("rev").or_else(|| body["backend"].get("rev")).expect("the object has a revision");
        assert_eq!(answer.field("etag"), Some(format!("\"{rev}\"").as_str()), "{path}");
    }
}

#[test]
fn a_backend_shows_its_latencies_once_it_has_some() {
    let pair = pair();
    load::send(pair.daemon.address(), 40).expect_all_fine();

    let seen = wait::until("a sample was taken", || {
        let detail = pair.daemon.control.detail("main/one");
        detail.backend.traffic.latency.map(|latency| (latency, detail))
    });

    let (latency, detail) = seen;
    assert!(latency.p50_ms > 0.0 && latency.p50_ms <= latency.p99_ms && latency.p99_ms <= latency.max_ms);
    assert_eq!(detail.histogram.iter().map(|bucket| bucket.count).sum::<u64>(), 20);
    assert!(detail.histogram.iter().all(|bucket| bucket.from_ms < bucket.to_ms));
    assert!(detail.defined.is_some_and(|place| place.contains("ayad.toml:")));
}

#[test]
fn what_does_not_exist_is_named_with_a_suggestion() {
    let pair = pair();

    for (method, path, status, code, hint) in [
        ("GET", "/v1/statsu", 404, "not-found", "/v1/status"),
        ("GET", "/nothing/like/it", 404, "not-found", ""),
        ("GET", "/v1/pools/mian", 404, "not-found", "main"),
        ("GET", "/v1/backends/main/on", 404, "not-found", "main/one"),
        ("DELETE", "/v1/status", 405, "method-not-allowed", "GET"),
        ("GET", "/v1/backends/main/one/weight", 405, "method-not-allowed", "PUT"),
        ("GET", "/v1/status?depth=2", 400, "bad-request", "openapi"),
        ("GET", "/v1/events?since=yesterday", 400, "bad-request", "number"),
    ] {
        let answer = pair.daemon.control.ask(method, path, &[], "");
        let error = answer.json();
        assert_eq!((answer.status, error["code"].as_str()), (status, Some(code)), "{path}");
        assert!(!error["message"].as_str().expect("it has a message").is_empty(), "{path}");
        assert!(error["hint"].as_str().expect("it has a hint").contains(hint), "{path}: {error}");
        if status == 405 {
            assert_eq!(answer.field("allow"), Some(hint), "{path}");
        }
    }
}

#[test]
fn a_body_that_is_not_understood_changes_nothing() {
    let pair = pair();
    let path = "/v1/backends/main/one/weight";

    for (body, word) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("[]", "an array"),
        ("[7]", "an array"),
        ("{\"weight\": \"heavy\"}", "heavy"),
        ("{\"weight\": -1}", "-1"),
        ("{\"weight\": 4294967296}", "4294967296"),
        ("{\"weight\": 1001}", "1000"),
        ("{\"wight\": 2}", "wight"),
        ("{\"weight\": 2, \"more\": 1}", "more"),
    ] {
        let answer = pair.daemon.control.ask("PUT", path, &[], body);
        let error = answer.json();
        assert_eq!((answer.status, error["code"].as_str()), (400, Some("bad-value")), "{body}: {error}");
        let told = format!("{} {}", error["message"], error["hint"]);
        assert!(told.contains(word), "{body}: {told}");
    }
    assert_eq!(pair.daemon.control.backend("main/one").weight, 1);
    assert!(pair.daemon.control.call(&aya_api::command::operations::GetOperations).is_empty());
}

#[test]
fn an_oversized_body_is_refused() {
    let pair = pair();

    let body = format!("{{\"weight\": {}}}", "1".repeat(70_000));
    let answer = pair.daemon.control.ask("PUT", "/v1/backends/main/one/weight", &[], &body);

    assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("too-large")));
}

#[test]
fn bytes_that_are_no_call_do_not_hurt() {
    let pair = pair();
    let control = &pair.daemon.control;

    for bytes in [
        "no http\r\n\r\n",
        "GET / HTTP/1.1\r\nbad field: x\r\n\r\n",
        "PUT /v1/reload HTTP/1.1\r\ncontent-length: x\r\n\r\n",
    ] {
        let mut client = control.connect();
        client.send(bytes);
        let told = client.rest();
        assert!(told.starts_with(b"HTTP/1.1 400"), "{:?}", String::from_utf8_lossy(&told));
    }
    let endless = "x".repeat(1 << 20);
    let mut client = control.connect();
    drop(client.try_send(format!("GET / HTTP/1.1\r\nx: {endless}\r\n\r\n")));
    drop(client);
    drop(control.connect());

    assert_eq!(control.raw(request("GET", "/v1/status", &[("connection", "close")])).status, 200);
}

#[test]
fn openapi_lists_every_call() {
    let pair = pair();

    let document = pair.daemon.control.ask("GET", "/v1/openapi.json", &[], "").json();

    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
    for spec in COMMANDS {
        let operation = &document["paths"][spec.path][spec.method.as_str().to_ascii_lowercase()];
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{}", spec.path);
    }
}

#[test]
fn every_metric_is_emitted() {
    let pair = pair();
    get(pair.daemon.address(), "/");

    let text = pair.daemon.control.text("/metrics");

    // Listeners without TLS have none of these; `tls::seen` and `tls::acme` look for them.
    let of_tls = [names::HANDSHAKES, names::CERTIFICATE_END, names::ACME_FAILURES];
    // Nor have pools that do not hedge; `proxy::hedge` looks for them.
    let of_hedges = [names::POOL_HEDGE_DELAY, names::POOL_HEDGES, names::POOL_HEDGES_WON];
    // Nor have pools whose backends are all in the file; `discovery::file` looks for them.
    // Nor have backends that report nothing (`signals`) or whose breaker nobody orders (`guard`), or pools that were told their algorithm (`auto`).
    let of_sources =
        ["ayad_discovery_", "ayad_backend_signal", "ayad_backend_breaker_forced", "ayad_pool_auto"];
    let is_of_source =
        |metric: &names::Metric| of_sources.iter().any(|prefix| metric.name.starts_with(prefix));
    let is_elsewhere =
        |metric: &_| of_tls.contains(metric) || of_hedges.contains(metric) || is_of_source(metric);
    for metric in names::ALL.iter().filter(|metric| !is_elsewhere(metric)) {
        assert!(text.contains(&format!("# HELP {} ", metric.name)), "{} has no help", metric.name);
        let samples = text.lines().filter(|line| line.starts_with(metric.name)).count();
        assert!(samples > 0, "{} has no sample", metric.name);
    }
    assert!(text.contains("ayad_responses_total{class=\"2xx\"} 1"), "{text}");
    assert!(text.trim_end().ends_with("# EOF"));
}

#[test]
fn metrics_are_served_on_an_address_of_their_own_and_nothing_else_is() {
    let one = aya_tests::backend::Backend::saying("one");
    let text = aya_tests::daemon::pool(&[("one", one.address)], "");
    // A port that is free now; the daemon does not tell which one it took for port 0.
    let free = aya_tests::backend::Backend::refusing();
    let daemon =
        aya_tests::daemon::Setup::new(&text).daemon(&format!("admin_listen = \"{}\"", free.address)).start();

    let metrics = get(free.address, "/metrics");
    let status = get(free.address, "/v1/status");

    assert_eq!(metrics.status, 200);
    assert!(metrics.text().contains("ayad_build_info"));
    assert_eq!((status.status, status.json()["code"].as_str()), (404, Some("not-found")));
    drop(daemon);
}

#[test]
fn the_api_answers_while_the_proxy_is_saturated() {
    let pair = pair();
    let control = pair.daemon.control.again();
    let mut answered = 0;

    let load = load::Load { requests: 3000, connections: 32, fields: &[] };
    let tally = load::run_while(pair.daemon.address(), &load, || {
        assert_eq!(control.status().daemon.state, "running");
        answered += 1;
    });

    tally.expect_all_fine();
    // It took turns with thousands of requests, instead of waiting for their end.
    assert!(answered >= 10, "the API answered {answered} times only");
}
