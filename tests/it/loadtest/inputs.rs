//! Load tests that play what was typed, lists, recordings of a browser, and access logs.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use aya_api::exit::Exit;
use aya_tests::backend::Backend;
use aya_tests::binary;
use aya_tests::daemon::{Daemon, Setup};
use aya_tests::wait;
use serde_json::{Value, json};

use super::{is_whole, loadtest, report};

/// A backend that takes down what it is asked for: request line, body, and some fields.
struct Witness {
    backend: Backend,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Witness {
    fn new() -> Self {
        let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
        let to = Arc::clone(&seen);
        let backend = Backend::with(move |visit| {
            let body = visit.body()?.text();
            let field = |name: &str| visit.head.field(name).map(str::to_owned);
            let what = json!({
                "method": visit.head.word(0), "target": visit.target(), "body": body, "host": field("host"),
                "id": field("x-id"), "secret": field("x-secret"), "auth": field("authorization"),
                "agent": field("user-agent"), "cookie": field("cookie"),
            });
            to.lock().unwrap_or_else(PoisonError::into_inner).push(what);
            visit.answer(200, "ok")
        });
        Self { backend, seen }
    }

    fn url(&self) -> String {
        format!("http://{}", self.backend.address)
    }

    /// What was seen since the last call; one field of each, in the order of coming.
    fn take(&self, field: &str) -> Vec<String> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        seen.iter().map(|one| one[field].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// All of what was seen since the last call, in an order that does not depend on threads.
    fn sorted(&self) -> Vec<String> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let mut all: Vec<String> = seen.iter().map(Value::to_string).collect();
        all.sort_unstable();
        all
    }
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn put(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("it can be written");
        path.display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// A daemon in front of a witness, with an access log.
fn logged(witness: &Witness, folder: &Path, more: &str) -> (Daemon, PathBuf) {
    let log = folder.join("access.log");
    let text = format!(
        "{more}\n[listen.main]\nbind = \"127.0.0.1:0\"\n[pool.shop]\nbackends = [\"{}\"]\nhealth = {{ kind = \"none\" }}\n\
         [route.shop]\npool = \"shop\"\n",
        witness.backend.address
    );
    (Setup::new(&text).daemon(&format!("access_log = {:?}", log.display().to_string())).start(), log)
}

#[test]
fn the_request_of_a_number_is_the_same_whatever_the_threads() {
    let (witness, files) = (Witness::new(), Files::new());
    let table = files.put("t.csv", "name,age\nann,1\nbob,2\n");
    let url = format!("{}/item/{{{{zipf 1.1 100}}}}?n={{{{seq}}}}&u={{{{csv {table} name}}}}", witness.url());
    let mut runs = Vec::new();
    for threads in ["1", "3"] {
        let words = ["-r", "200", "-n", "30", "-m", "post", "--body", "{\"r\": {{rand 1..9}}}", "-H"];
        let words = [&words[..], &["x-id: {{uuid}}", "--seed", "7", "--threads", threads, &url]].concat();
        let output = loadtest(None, &[&words[..], &["-o", "json"]].concat());
        assert!(is_whole(&output), "{output:?}");
        runs.push(witness.sorted());
    }
    assert_eq!((runs[0].len(), &runs[0]), (30, &runs[1]));
    let first: Vec<&String> = runs[0].iter().filter(|one| one.contains("n=0&u=ann")).collect();
    assert_eq!(first.len(), 1, "{:?}", runs[0]);
    // What is to stand as it is does.
    let output = loadtest(None, &["-n", "1", "--no-templates", "-H", "x-id: {{seq}}", &witness.url()]);
    assert!(is_whole(&output), "{output:?}");
    assert_eq!(witness.take("id"), ["{{seq}}"]);
}

#[test]
fn bodies_headers_and_credentials_of_files_reach_the_target_and_no_report() {
    let (witness, files) = (Witness::new(), Files::new());
    let body = files.put("body", "from {{seq}} a file");
    let headers = files.put("headers", "x-secret: s3cr3t\n\nx-id: a\n");
    let auth = files.put("auth", "user:pa55word\n");
    let formats = ["html", "md", "json", "junit", "csv"];
    let outputs: Vec<String> =
        formats.iter().map(|format| format!("{format}={}", files.path(format).display())).collect();
    let (url, at) = (witness.url(), format!("@{body}"));
    let mut words =
        vec!["-n", "2", "-m", "PUT", "--body", &at, "--header-file", &headers, "--auth-file", &auth];
    for output in &outputs {
        words.extend(["--report", output]);
    }
    words.push(&url);
    let output = loadtest(None, &words);
    assert!(is_whole(&output), "{output:?}");
    let seen = witness.sorted();
    assert!(seen.len() == 2 && seen[0].contains("\"body\":\"from 0 a file\""), "{seen:?}");
    for part in ["\"method\":\"PUT\"", "\"secret\":\"s3cr3t\"", "Basic dXNlcjpwYTU1d29yZA=="] {
        assert!(seen.iter().all(|one| one.contains(part)), "{part}: {seen:?}");
    }
    let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let written = formats.map(|format| std::fs::read_to_string(files.path(format)).expect(format));
    for text in told.iter().chain(&written) {
        for secret in ["s3cr3t", "pa55word", "dXNlcjpwYTU1d29yZA"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
    let mut child = Command::new(binary::ayactl())
        .args(["--socket", "/nowhere/ayad.sock", "loadtest", "-n", "1", "-m", "POST", "--body", "@-", &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("ayactl runs");
    child.stdin.take().expect("a pipe").write_all(b"piped").expect("it reads");
    child.wait().expect("it ends");
    assert_eq!(witness.take("body"), ["piped"]);
}

#[test]
fn a_list_is_sent_in_order_or_by_weight_and_to_the_host_that_it_names() {
    let (witness, files) = (Witness::new(), Files::new());
    let url = witness.url();
    let list = files.put("urls", &format!("# shop\n/a\n\nPOST {url}/b?n={{{{seq}}}}\nDELETE /c\n"));
    let words = ["--closed", "-c", "1", "-n", "5", "--urls", &list, "--body", "x", "-o", "json"];
    let output = loadtest(None, &words);
    assert!(is_whole(&output), "{output:?}");
    let report = report(&output);
    assert_eq!(report["asked"]["input"]["requests"], 3);
    let bodies: Vec<Value> = witness.seen.lock().expect("nobody panicked").clone();
    assert_eq!(bodies.iter().map(|one| &one["body"]).collect::<Vec<_>>(), ["", "x", "", "", "x"]);
    assert_eq!(witness.take("target"), ["/a", "/b?n=1", "/c", "/a", "/b?n=4"]);
    let weights = files.put("weights", "9 /often\n1 /seldom\n0 /never\n");
    let output = loadtest(None, &["--closed", "-c", "1", "-n", "200", "--urls", &weights, &url]);
    assert!(is_whole(&output), "{output:?}");
    let often = witness.take("target").iter().filter(|target| *target == "/often").count();
    assert!((160..=199).contains(&often), "{often} of 200");
    // A target without a host leaves that of the list.
    let hosts = files.put("hosts", "http://shop.example.com/a\nhttp://Other.example.com:80/b\n");
    let (daemon, _) = logged(&witness, files.0.path(), "");
    let output = loadtest(Some(&daemon), &["--closed", "-c", "1", "-n", "2", "--urls", &hosts, "/"]);
    assert!(is_whole(&output), "{output:?}");
    assert_eq!(witness.take("host"), ["shop.example.com", "other.example.com"]);
}

fn entry(method: &str, url: &str, more: &str) -> String {
    format!(
        "{{\"startedDateTime\":\"2025-10-10T13:55:36Z\",\"request\":{{\"method\":\"{method}\",\"url\":\"{url}\",\"headers\":[\
         {{\"name\":\"Cookie\",\"value\":\"sid=topsecret\"}},{{\"name\":\"X-Id\",\"value\":\"{{{{seq}}}}\"}},\
         {{\"name\":\"User-Agent\",\"value\":\"browser\"}}]{more}}},\"response\":{{\"status\":200}}}}"
    )
}

#[test]
fn a_recording_is_played_for_one_host_and_says_what_it_skipped() {
    let (witness, files) = (Witness::new(), Files::new());
    let post = ",\"postData\":{\"mimeType\":\"text/plain\",\"text\":\"bought\"}";
    let entries = [
        entry("GET", "https://shop.example.com/a?b#c", ""),
        entry("GET", "https://cdn.example.com/x.js", ""),
        entry("GET", "data:image/png;base64,AAAA", ""),
        entry("POST", "https://shop.example.com/pay", post),
    ];
    // Answers of more than is ever kept.
    let answer = "x".repeat(66 << 20);
    let text = format!("{{\"log\":{{\"entries\":[{}],\"_more\":\"{answer}\"}}}}", entries.join(","));
    let har = files.put("shop.har", &text);
    let url = witness.url();
    let words = ["--closed", "-c", "1", "-n", "3", "--har", &har, "-H", "x-id: mine", "-o", "json", &url];
    let output = loadtest(None, &words);
    assert!(is_whole(&output), "{output:?}");
    let told = report(&output);
    let input = &told["asked"]["input"];
    assert_eq!(
        (&input["kind"], &input["requests"], &input["skipped"]),
        (&"har".into(), &2.into(), &2.into())
    );
    assert!(input["why"].as_str().is_some_and(|why| why.contains("1 to other hosts than shop.example.com")));
    assert!(!told.to_string().contains("topsecret"), "{told}");
    let seen = witness.seen.lock().expect("nobody panicked").clone();
    let expected = [("GET", "/a?b", ""), ("POST", "/pay", "bought"), ("GET", "/a?b", "")];
    for (one, (method, target, body)) in seen.iter().zip(expected) {
        assert_eq!([&one["method"], &one["target"], &one["body"]], [method, target, body], "{one}");
        let own = [&one["cookie"], &one["id"], &one["agent"]];
        assert_eq!(own, ["sid=topsecret", "mine", "browser"], "{one}");
        assert_eq!(one["host"], witness.backend.address.to_string(), "{one}");
    }
    // What a recording holds is no template.
    let output = loadtest(None, &["-n", "1", "--har", &har, &url]);
    assert!(is_whole(&output), "{output:?}");
    assert!(witness.take("id").contains(&"{{seq}}".to_owned()));
}

/// A log of AYA with a request at each of these milliseconds.
fn own_log(at: &[u64]) -> String {
    let mut text = String::new();
    for (number, at) in at.iter().enumerate() {
        let total = number as u64 % 3 * 10_000;
        let line = json!({
            "time_ms": 1_760_104_536_000_u64 + at + total / 1000, "method": if number % 2 == 0 { "GET" } else { "POST" },
            "host": format!("h{}.example.com", number % 2), "uri": format!("/{number}"), "protocol": "HTTP/1.1",
            "timing_us": { "total": total },
        });
        let _ = writeln!(text, "{line}");
    }
    text
}

/// Requests of the seconds that have any, by their planned moments.
fn offered(report: &Value) -> Vec<u64> {
    let steps = report["steps"].as_array().expect("a list");
    steps.iter().filter_map(|step| step["offered"].as_u64()).filter(|count| *count > 0).collect()
}

#[test]
fn a_log_is_replayed_at_its_moments_as_often_and_as_fast_as_one_likes() {
    let (witness, files) = (Witness::new(), Files::new());
    let log = files.put("a.log", &own_log(&[0, 100, 900, 1_100, 4_020, 4_110, 4_200, 5_900]));
    let url = witness.url();
    for (words, expected) in [
        (&["--speed", "2"][..], &[4, 4][..]),
        (&["--speed", "2", "--threads", "3", "--warmup", "1s"][..], &[4][..]),
        (&["--speed", "5", "--loop", "2"][..], &[7, 1, 5, 3][..]),
        (&["--speed", "2x", "-d", "1s"][..], &[4][..]),
        (&["--speed", "10", "--loop", "-n", "12"][..], &[8, 4][..]),
    ] {
        let words = [&["--replay", &log, "-o", "json", &url][..], words].concat();
        let output = loadtest(None, &words);
        assert!(is_whole(&output), "{words:?}: {output:?}");
        let report = report(&output);
        assert_eq!(offered(&report), expected, "{words:?}: {report}");
        assert_eq!(report["achieved"], expected.iter().sum::<u64>(), "{words:?}");
    }
    witness.sorted();
    let output = loadtest(None, &["--replay", &log, "--speed", "10", "--threads", "1", "--body", "x", &url]);
    assert!(is_whole(&output), "{output:?}");
    let seen = witness.sorted();
    assert_eq!(seen.len(), 8);
    for number in 0..8 {
        let body = if number % 2 == 0 { "" } else { "x" };
        let whole = |one: &&String| {
            one.contains(&format!("\"target\":\"/{number}\""))
                && one.contains(&format!("\"body\":\"{body}\""))
        };
        assert_eq!(seen.iter().filter(whole).count(), 1, "{number}: {seen:?}");
    }
}

#[test]
fn the_daemons_own_access_log_can_be_replayed() {
    let (witness, files) = (Witness::new(), Files::new());
    let (daemon, log) = logged(&witness, files.0.path(), "[loadtest]\nmax_rate = 500");
    let hosts = files.put("hosts", "http://a.example.com/1?q=%20\nPOST http://b.example.com/2\n/3\n");
    let words = ["-r", "50", "-n", "30", "--urls", &hosts, "/"];
    let output = loadtest(Some(&daemon), &words);
    assert!(is_whole(&output), "{output:?}");
    let mut before = witness.take("target");
    let lines = || std::fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    wait::until_true("the access log has all requests", || lines() == 30);
    let copy = files.put("copy.log", &std::fs::read_to_string(&log).expect("it is there"));
    let output = loadtest(Some(&daemon), &["--replay", &copy, "--speed", "2", "-o", "json"]);
    assert!(is_whole(&output), "{output:?}");
    let report = report(&output);
    assert_eq!((&report["achieved"], &report["asked"]["input"]["skipped"]), (&30.into(), &0.into()));
    let hosts = witness.seen.lock().expect("nobody panicked").clone();
    assert_eq!(hosts.iter().filter(|one| one["host"] == "b.example.com").count(), 10);
    let mut after = witness.take("target");
    before.sort_unstable();
    after.sort_unstable();
    assert_eq!(before, after);
    // What the configuration allows holds for a log as well.
    let dense = files.put("dense.log", &own_log(&(0..100).collect::<Vec<_>>()));
    let output = loadtest(Some(&daemon), &["--replay", &dense, "--loop", "6", "--speed", "1000"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(is_whole(&output), "a round has a second of its own: {told}");
    let denser = files.put("denser.log", &own_log(&(0..600).collect::<Vec<_>>()));
    let output = loadtest(Some(&daemon), &["--replay", &denser]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(i32::from(Exit::NotPermitted as u8)), "{told}");
}

#[test]
fn what_of_a_log_cannot_be_read_is_counted_and_the_first_is_named() {
    let (witness, files) = (Witness::new(), Files::new());
    let text = format!("{}rubbish\n{{\"time_ms\":1,\n", own_log(&[0, 10]));
    let log = files.put("a.log", &text);
    let output = loadtest(None, &["--replay", &log, &witness.url()]);
    assert!(is_whole(&output), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("2 requests, 2 skipped: the first is line 3: there is no date"), "{told}");
    assert_eq!(witness.take("target").len(), 2);
}

#[test]
fn an_input_that_cannot_be_is_told_before_anything_is_sent() {
    let (witness, files) = (Witness::new(), Files::new());
    let url = witness.url();
    let log = files.put("good.log", &own_log(&[0, 10]));
    let put = |name: &str, text: &str| files.put(name, text);
    let (empty, none) = (put("empty", ""), put("none.log", "a\nb\n"));
    let years = put("years.log", &own_log(&[0, 90_000_000_000]));
    let (blank, brace) = (put("blank", "/ok\n/a b\n"), put("brace", "/ok\n/{{what}}\n"));
    let strange = put("strange", &format!("{url}/a\nhttp://192.0.2.1/\n"));
    let (foreign, har) =
        (put("foreign", "http://192.0.2.1/\n"), put("cut.har", "{\"log\":{\n\"entries\":[{\"re"));
    let bad = put("bad.har", &format!("{{\"log\":{{\"entries\":[{}]}}}}", entry("G T", "http://h/", "")));
    let table = put("t.csv", "a\n\"x\ny\"\n");
    let (braces, field) = (put("braces", "{{name}}"), format!("x: {{{{csv {table} a}}}}"));
    let at = format!("@{braces}");
    for (words, exit, part) in [
        (&["--urls", "/nowhere/u"][..], Exit::Error, "/nowhere/u: No such file"),
        (&["--urls", &empty][..], Exit::Error, "there is no URL in it"),
        (&["--urls", &blank][..], Exit::Error, "blank:2: \"/a b\""),
        (&["--urls", &brace][..], Exit::Error, "brace:2: template"),
        (&["--urls", &strange][..], Exit::NotPermitted, "strange:2: it goes to http://192.0.2.1"),
        (&["--urls", &strange, &url][..], Exit::NotPermitted, "strange:2: it goes to http://192.0.2.1"),
        (&["--urls", &foreign][..], Exit::NotPermitted, "--allow-target 192.0.2.1"),
        (&["--har", &har, &url][..], Exit::Error, "cut.har:2: it is no HAR file"),
        (&["--har", &empty, &url][..], Exit::Error, "it ends too early"),
        (&["--har", &bad, &url][..], Exit::Error, "entry 1: \"G T http://h/\" is no request"),
        (&["--replay", &empty, &url][..], Exit::Error, "there is no line in it"),
        (&["--replay", &none, &url][..], Exit::Error, "none.log:1: there is no date"),
        (&["--replay", &years, &url][..], Exit::Usage, "over 1041 days"),
        (&["--replay", "/dev/null", &url][..], Exit::Usage, "no regular file"),
        (&["--replay", &log, &url, "--loop"][..], Exit::Usage, "has no end"),
        (&["--replay", &log, &url, "-r", "5"][..], Exit::Usage, "cannot be used with"),
        (&["--replay", &log, &url, "--speed", "0"][..], Exit::Usage, "2 is twice as fast"),
        (&["--speed", "2", &url][..], Exit::Usage, "--replay"),
        (&["--body", "{{seq", &url][..], Exit::Error, "--no-templates"),
        (&["--body", &at, &url][..], Exit::Error, "braces"),
        (&["-H", &field, &url][..], Exit::Usage, "value of header x has characters"),
        (&["-H", "x: {{rand 5..1}}", &url][..], Exit::Usage, "5..1"),
        (&["-H", "content-length: 5", &url][..], Exit::Usage, "is written by the generator"),
    ] {
        let output = loadtest(None, words);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(i32::from(exit as u8)), "{words:?}: {told}");
        assert!(told.contains(part), "{words:?}: {told}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
    assert_eq!(witness.backend.requests(), 0);
}
