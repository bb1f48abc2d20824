//! Heads that are too large are refused as soon as that is known, with the reason that fits.

use super::{Bench, Outcome, case};

#[test]
fn heads_over_a_limit_are_refused() {
    let refused =
        |name: &str, sent: String, status, reason| case(name, sent, Outcome::Refused(status, reason));
    let get = |target: &str, fields: &str| format!("GET {target} HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
    let kib = |count: usize| "x".repeat(count << 10);
    Bench::new().play(&[
        refused("a target of 17 KiB", get(&format!("/{}", kib(17)), ""), 414, "uri-too-long"),
        refused("a target without end", format!("GET /{}", kib(17)), 414, "uri-too-long"),
        refused("a method without end", kib(17), 414, "uri-too-long"),
        refused("a field of 64 KiB", get("/", &format!("b: {}\r\n", kib(64))), 431, "headers-too-large"),
        refused("a name of 64 KiB", get("/", &format!("{}: b\r\n", kib(64))), 431, "headers-too-large"),
        refused("64 KiB of small fields", get("/", &"b: c\r\n".repeat(11_000)), 431, "headers-too-large"),
        refused("101 fields", get("/", &"b: c\r\n".repeat(100)), 431, "headers-too-large"),
        refused(
            "a field without end",
            format!("GET / HTTP/1.1\r\nhost: a\r\nb: {}", kib(17)),
            431,
            "headers-too-large",
        ),
    ]);
}

#[test]
fn expectations_that_nobody_knows_are_refused() {
    let expecting =
        |value: &str| format!("POST / HTTP/1.1\r\nhost: a\r\nexpect: {value}\r\ncontent-length: 1\r\n\r\nx");
    let refused = |value: &str| case(value, expecting(value), Outcome::Refused(417, "expectation-failed"));
    Bench::new().play(&[refused("200-ok"), refused("100-continue, 200-ok"), refused("100"), refused("")]);
}
