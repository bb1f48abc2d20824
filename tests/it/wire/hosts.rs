//! Who is asked: exactly one host, and the same in every place that names it.

use super::{Bench, Case, Outcome, case, passed};

fn bad_host(name: &str, sent: &str) -> Case {
    case(name, sent, Outcome::Refused(400, "bad-host"))
}

fn host(value: &str) -> String {
    format!("GET / HTTP/1.1\r\nhost: {value}\r\n\r\n")
}

#[test]
fn what_is_not_one_host_is_refused() {
    let mut cases = vec![
        bad_host("none", "GET / HTTP/1.1\r\n\r\n"),
        bad_host("two", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"),
        bad_host("twice the same", "GET / HTTP/1.1\r\nhost: a\r\nHost: a\r\n\r\n"),
        bad_host("one of two is empty", "GET / HTTP/1.1\r\nhost: a\r\nhost:\r\n\r\n"),
        bad_host("two in HTTP/1.0", "GET / HTTP/1.0\r\nhost: a\r\nhost: a\r\n\r\n"),
        bad_host("empty", "GET / HTTP/1.1\r\nhost:\r\n\r\n"),
        bad_host("only spaces", "GET / HTTP/1.1\r\nhost:   \r\n\r\n"),
    ];
    let values = [
        "a b",
        "a, b",
        "a,b c",
        "a/b",
        "a?b",
        "a#b",
        "a@b",
        "u:p@a",
        "a:b",
        "a:-1",
        "a:80:80",
        "a:999999",
        ":80",
        "[::1",
        "::1]",
        "[::1]x",
        "[]",
        "[g::1]",
        "a\\b",
        "\"a\"",
        "<a>",
        "a\tb",
        "http://a",
        "ä.example",
    ];
    cases.extend(values.map(|value| bad_host(value, &host(value))));
    Bench::new().play(&cases);
}

#[test]
fn every_way_to_write_a_host_arrives() {
    let values = [
        "a",
        "A.Example",
        "a:80",
        "a:",
        "127.0.0.1",
        "127.0.0.1:65535",
        "[::1]",
        "[::1]:8080",
        "a_b",
        "xn--4ca",
        "a.",
    ];
    let cases: Vec<_> = values.iter().map(|value| case(*value, host(value), passed(host(value)))).collect();
    Bench::new().play(&cases);
}

#[test]
fn a_target_in_absolute_form_agrees_with_its_connection_and_its_host() {
    let bad = |target: &str, host: &str, reason| {
        let sent = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        case(format!("{target} at {host}"), sent, Outcome::Refused(400, reason))
    };
    let good = |target: &str, host: &str, path: &str| {
        let sent = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        case(
            format!("{target} at {host}"),
            sent,
            passed(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n")),
        )
    };
    Bench::new().play(&[
        good("http://a/p?q", "a", "/p?q"),
        good("http://a", "a", "/"),
        good("http://a?q", "a", "/?q"),
        good("HTTP://A/p", "a", "/p"),
        good("http://a:80/p", "a", "/p"),
        good("http://a:/p", "a:80", "/p"),
        good("http://[::1]:81/p", "[::1]:81", "/p"),
        bad("http://a/p", "b", "bad-host"),
        bad("http://a:81/p", "a", "bad-host"),
        bad("http://a/p", "a:443", "bad-host"),
        bad("http:///p", "a", "bad-host"),
        bad("http://a.b/p", "a", "bad-host"),
        bad("http://u@a/p", "a", "bad-request"),
        bad("http://a@b/p", "a", "bad-request"),
        bad("https://a/p", "a", "bad-request"),
        bad("ftp://a/p", "a", "bad-request"),
        bad("http:/a/p", "a", "bad-request"),
        bad("//a/../../p", "a", "bad-request"),
        bad("a/p", "a", "bad-request"),
        bad("a:80", "a", "bad-request"),
        bad("?q", "a", "bad-request"),
        bad("*", "a", "bad-request"),
        bad("/p#f", "a", "bad-request"),
    ]);
}

#[test]
fn methods_with_a_form_of_target_of_their_own_get_only_that() {
    let own = |name: &str, sent: &str, status, reason| case(name, sent, Outcome::Refused(status, reason));
    let options = "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n";
    Bench::new().play(&[
        case("the server as a whole", options, passed(options)),
        case("the same in absolute form", "OPTIONS http://a HTTP/1.1\r\nhost: a\r\n\r\n", passed(options)),
        own("a tunnel", "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n", 501, "not-implemented"),
        own("a tunnel in HTTP/1.0", "CONNECT a:443 HTTP/1.0\r\n\r\n", 501, "not-implemented"),
        own("a tunnel to a path", "CONNECT / HTTP/1.1\r\nhost: a\r\n\r\n", 501, "not-implemented"),
    ]);
}
