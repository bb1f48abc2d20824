//! Results of load tests through the real binaries: kept, listed, told again, compared, merged.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use aya_api::exit::Exit;
use aya_tests::backend::Backend;
use aya_tests::binary;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{is_whole, report};

/// A person with a state folder of their own and a server to load; no daemon.
struct Desk {
    folder: TempDir,
    server: Backend,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), server: Backend::saying("a") }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.server.address)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary::ayactl());
        command.current_dir(self.folder.path()).env("XDG_STATE_HOME", self.folder.path().join("state"));
        command.args(["--socket", "/nowhere/ayad.sock", "loadtest"]).args(words);
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("ayactl runs")
    }

    fn start(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ayactl runs")
    }

    /// A recording of `seconds` made of one second that was seen, valid and with its latencies times `factor`.
    fn stretched(&self, name: &str, seconds: usize, factor: u64) {
        let output = self.run(&["-r", "200", "-d", "1s", &self.url(), "-o", "json"]);
        assert!(is_whole(&output), "{output:?}");
        let mut report = report(&output);
        let slower = |hist: &mut Value| {
            for pair in hist.as_array_mut().expect("pairs") {
                pair[0] = json!(pair[0].as_u64().expect("nanoseconds") * factor);
            }
        };
        slower(&mut report["response"]["hist"]);
        let mut step = report["steps"][0].clone();
        slower(&mut step["response"]);
        for (count, value) in [("offered", 200), ("sent", 200), ("achieved", 200), ("ended", 200)] {
            step[count] = json!(value);
        }
        report["steps"] = vec![step; seconds].into();
        report["duration_s"] = json!(seconds as f64);
        report["offered"] = json!(200 * seconds);
        report["achieved"] = json!(200 * seconds);
        report["response"]["count"] = json!(200 * seconds);
        report["verdict"]["word"] = json!("valid");
        std::fs::write(self.file(name), report.to_string()).expect("it can be written");
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ends by itself")
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn exit(exit: Exit) -> i32 {
    i32::from(exit as u8)
}

#[test]
fn recordings_are_kept_listed_and_told_again() {
    let desk = Desk::new();
    let output = desk.run(&["list", "-o", "json"]);
    assert_eq!((code(&output), report(&output)), (0, json!([])));
    let run = ["-r", "50", "-d", "1s", &desk.url(), "--save", "monday"];
    let output = desk.run(&run);
    assert!(is_whole(&output) && told(&output).contains("kept as monday"), "{output:?}");
    // The name is taken: nothing is sent.
    let output = desk.run(&run);
    assert_eq!(code(&output), exit(Exit::Conflict), "{}", told(&output));
    assert!(output.stdout.is_empty() && told(&output).contains("--replace"), "{}", told(&output));
    let output = desk.run(&[&run[..], &["--replace", "-n", "7"]].concat());
    assert!(is_whole(&output), "{output:?}");
    let listed = report(&desk.run(&["list", "-o", "json"]));
    assert_eq!(
        (&listed[0]["name"], &listed[0]["sent"], listed.as_array().map(Vec::len)),
        (&json!("monday"), &json!(7), Some(1))
    );
    let html = desk.file("again.html");
    let output = desk.run(&["report", "last", "--report", &format!("html={}", html.display())]);
    assert!(code(&output) == 0 && told(&output).contains("response time"), "{}", told(&output));
    assert!(std::fs::read_to_string(html).expect("it was written").contains("<!doctype html>"));
    // What is kept is the report itself, and a file of it is as good as its name.
    let kept = desk.file("state/aya/loadtests/monday.json");
    let again = desk.run(&["report", kept.to_str().expect("text"), "-o", "json"]);
    assert_eq!(report(&again), report(&desk.run(&["report", "monday", "-o", "json"])));
}

#[test]
fn what_cannot_be_kept_or_compared_is_told_before_anything_is_sent() {
    let desk = Desk::new();
    desk.stretched("before.json", 20, 1);
    for (words, status, part) in [
        (&["--save", "a/b"][..], Exit::Usage, "a file's name"),
        (&["-q", "list"], Exit::Usage, "put options behind it"),
        (&["--save", "last"], Exit::Usage, "newest recording"),
        (&["--baseline", "none"], Exit::NotFound, "there is no run \"none\""),
        (&["--baseline", "before.json", "--regress", "p99<-1%"], Exit::Usage, "write it like p99>+10%"),
        (
            &["--baseline", "before.json", "-r", "20"],
            Exit::Invalid,
            "the rates differ: 200/s before, 20.0/s after",
        ),
        (&["--baseline", "before.json", "--closed"], Exit::Invalid, "the loops differ"),
    ] {
        let url = desk.url();
        let target: &[&str] = if words.contains(&"list") { &[] } else { &[&url] };
        let output = desk.run(&[words, target].concat());
        assert_eq!(code(&output), exit(status), "{words:?}: {}", told(&output));
        assert!(output.stdout.is_empty() && told(&output).contains(part), "{words:?}: {}", told(&output));
    }
}

#[test]
fn two_recordings_are_compared_and_limits_decide_the_exit_status() {
    let desk = Desk::new();
    desk.stretched("before.json", 20, 1);
    desk.stretched("slow.json", 20, 50);
    desk.stretched("short.json", 5, 50);
    let output = desk.run(&["compare", "before.json", "slow.json", "-o", "json"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    let compared = report(&output);
    assert_eq!(compared["figures"][0]["finding"], "worse", "{compared}");
    assert_eq!(compared["figures"][4]["finding"], "no-difference", "{compared}");
    assert_eq!(compared["ranks"]["finding"], "worse", "{compared}");
    let output =
        desk.run(&["compare", "before.json", "slow.json", "--regress", "p99>+10%", "--regress", "err>+0.1%"]);
    assert_eq!(code(&output), exit(Exit::Gate), "{}", told(&output));
    let text = told(&output);
    assert!(
        text.contains("FAILS") && text.contains("or worse: 95 % interval") && text.contains("holds"),
        "{text}"
    );
    let output = desk.run(&["compare", "slow.json", "before.json", "--regress", "p99>+10%", "--md"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    assert!(told(&output).starts_with("**better: "), "{}", told(&output));
    // Nothing is concluded from five seconds, and a limit that cannot be judged does not pass.
    let output = desk.run(&["compare", "before.json", "short.json", "--regress", "p99>+10%"]);
    assert_eq!(code(&output), exit(Exit::Gate), "{}", told(&output));
    assert!(told(&output).contains("too few seconds to tell"), "{}", told(&output));
}

#[test]
fn a_run_is_compared_with_its_baseline_and_says_so_in_every_report() {
    let desk = Desk::new();
    desk.stretched("before.json", 20, 1);
    let (md, junit) = (desk.file("a.md"), desk.file("a.xml"));
    let reports = [format!("md={}", md.display()), format!("junit={}", junit.display())];
    let mut words = vec!["-r", "200", "-d", "1s", "--baseline", "before.json", "--regress", "p99>+10%"];
    for report in &reports {
        words.extend(["--report", report]);
    }
    let url = desk.url();
    words.push(&url);
    let output = desk.run(&words);
    // One second is too short to judge by, and a busy machine makes the run invalid.
    assert!([exit(Exit::Gate), exit(Exit::Invalid)].contains(&code(&output)), "{}", told(&output));
    assert!(told(&output).contains("unjudged   p99>+10%"), "{}", told(&output));
    assert!(std::fs::read_to_string(md).expect("written").contains("- before: before.json"));
    assert!(std::fs::read_to_string(junit).expect("written").contains("against before.json: p99&gt;+10%"));
}

#[test]
fn parts_of_a_plan_begin_together_and_make_it_whole() {
    let desk = Desk::new();
    let url = desk.url();
    let part = |number: &'static str, file: &'static str| {
        let plan = ["-r", "40", "-d", "2s", "-c", "11", "--slo", "err<1%", "--arrivals", "burst:4", &url];
        let turn = ["agent", "--at", "+4s", "--part", number, "--out", file, "-o", "name"];
        desk.start(&[&turn[..], &plan].concat())
    };
    let parts = [part("1/3", "a.json"), part("2/3", "b.json"), part("3/3", "c.json")];
    for child in parts {
        let output = child.wait_with_output().expect("it ends");
        assert!(is_whole(&output), "{}", told(&output));
    }
    let output = desk.run(&["merge", "a.json", "b.json", "c.json", "--out", "all.json", "-o", "json"]);
    assert!(is_whole(&output), "{}", told(&output));
    let all = report(&output);
    assert_eq!((&all["sent"], &all["asked"]["connections"]), (&json!(80), &json!(11)));
    assert_eq!(all["gates"][0]["holds"], true);
    assert_eq!(all["generators"].as_array().map(Vec::len), Some(3));
    assert!(desk.file("all.json").exists());
    let output = desk.run(&["merge", "a.json", "b.json", "-o", "json"]);
    assert!(told(&output).contains("these are missing: 3"), "{}", told(&output));
    let output = desk.run(&["merge", "a.json", "a.json"]);
    assert_eq!(code(&output), exit(Exit::Invalid), "{}", told(&output));
    for (words, status, hint) in [
        (
            &["--at", "+5s", "--part", "1/3", "--out", "d.json", "http://192.0.2.1/"][..],
            Exit::NotPermitted,
            "--allow-target",
        ),
        (&["--at", "+10ms", "--part", "1/3", "--out", "d.json", &url], Exit::Deadline, "seconds ahead"),
        (&["--at", "+5s", "--part", "4/3", "--out", "d.json", &url], Exit::Usage, "1/3"),
        (&["--at", "+5s", "--part", "1/3", "--out", "d.json", "-c", "2", "-n", "1", &url], Exit::Usage, "-c"),
    ] {
        let output = desk.run(&[&["agent"], words].concat());
        assert_eq!(code(&output), exit(status), "{words:?}: {}", told(&output));
        assert!(output.stdout.is_empty() && told(&output).contains(hint), "{words:?}: {}", told(&output));
    }
}
