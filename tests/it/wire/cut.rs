//! It makes no difference where the network cuts a message in two.

use aya_tests::tape::{Pieces, Reply};

use super::{Bench, Case, Outcome, Verdict, answered, case, passed};

const GET: &str = "GET /%61?b HTTP/1.1\r\nHost: a\r\nConnection: x\r\nx: y\r\n\r\n";
const HEARD: &str = "GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;x\r\nhello\r\na\r\n0123456789\r\n0\r\nb: c\r\n\r\n";
const ANSWER: &str =
    "HTTP/1.1 200 OK\r\nb: c\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n";

fn at_every_position(bench: &Bench, case: &Case, bytes: usize) {
    let failed: Vec<_> = (1..bytes)
        .filter_map(|at| {
            let verdict: Verdict = bench.play_one(case, Pieces::At(at));
            verdict.err().map(|why| format!("{} cut at {at}: {why}", case.name))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn a_head_may_be_cut_anywhere() {
    at_every_position(&Bench::new(), &case("a GET", GET, passed(HEARD)), GET.len());
}

#[test]
fn a_chunked_body_may_be_cut_anywhere() {
    at_every_position(&Bench::new(), &case("a POST", POST, passed(POST)), POST.len());
}

#[test]
fn two_requests_may_be_cut_anywhere() {
    let sent = [POST, GET].concat();
    let heard = vec![POST.to_owned(), HEARD.to_owned()];
    let both = case("two requests", &sent, Outcome::Passed { heard, goes_on: true });
    at_every_position(&Bench::new(), &both, sent.len());
}

#[test]
fn an_answer_may_be_cut_anywhere() {
    let whole = Outcome::Exactly { answer: ANSWER.into(), goes_on: true };
    at_every_position(&Bench::new(), &answered("an answer", Reply::new(ANSWER), whole), ANSWER.len());
}

#[test]
fn a_bad_head_may_be_cut_anywhere_and_is_refused() {
    let bad = "GET / HTTP/1.1\r\nhost: a\r\nb : c\r\n\r\n";
    let refused = case("a bad head", bad, Outcome::Refused(400, "bad-request"));
    at_every_position(&Bench::new(), &refused, bad.len());
}
