//! Load tests through the real binaries: against the daemon's listener, and against what is not there.

mod inputs;
mod results;

use std::process::{Command, Output};

use aya_api::command::runs::GetRuns;
use aya_api::exit::Exit;
use aya_api::run::RunState;
use aya_tests::backend::Backend;
use aya_tests::binary;
use aya_tests::daemon::{Daemon, Setup};
use serde_json::Value;

fn shop() -> (Daemon, [Backend; 2]) {
    let backends = ["a", "b"].map(Backend::saying);
    let [a, b] = backends.each_ref().map(|backend| backend.address);
    let text = format!(
        "[listen.main]\nbind = \"127.0.0.1:0\"\n[pool.shop]\nbackends = [{{ name = \"a\", address = \"{a}\" }}, \
         {{ name = \"b\", address = \"{b}\" }}]\nhealth = {{ kind = \"none\" }}\nalgorithm = \"round-robin\"\n[route.shop]\npool = \"shop\"\n"
    );
    (Setup::new(&text).start(), backends)
}

fn loadtest(daemon: Option<&Daemon>, words: &[&str]) -> Output {
    let mut command = Command::new(binary::ayactl());
    match daemon {
        Some(daemon) => command.arg("--socket").arg(daemon.socket()),
        None => command.args(["--socket", "/nowhere/ayad.sock"]),
    };
    command.arg("loadtest").args(words).output().expect("ayactl runs")
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{error}: {}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// A busy machine may make the generator late, which is told and is no failure here.
fn is_whole(output: &Output) -> bool {
    [Exit::Done, Exit::Invalid].map(|exit| Some(i32::from(exit as u8))).contains(&output.status.code())
}

#[test]
fn without_a_url_the_listener_of_the_daemon_is_tested_and_tells_where_the_time_went() {
    let (daemon, _backends) = shop();
    let output = loadtest(Some(&daemon), &["-r", "50", "-d", "2s", "-o", "json", "/x"]);
    assert!(is_whole(&output), "{output:?}");
    let report = report(&output);
    assert_eq!((&report["offered"], &report["achieved"]), (&100.into(), &100.into()));
    let mut names: Vec<&str> = report["backends"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["shop/a", "shop/b"]);
    let runs = daemon.control.call(&GetRuns);
    let run = runs.iter().find(|run| run.run.title.ends_with("/x")).expect("the daemon was told");
    assert_eq!(run.run.state, RunState::Done);
    assert!(run.run.verdict.is_some());
}

#[test]
fn gates_decide_the_exit_status_and_every_report_is_written() {
    let (daemon, _backends) = shop();
    let folder = tempfile::tempdir().expect("a folder");
    let formats = ["html", "md", "json", "junit", "hgrm", "csv"];
    let outputs: Vec<String> =
        formats.iter().map(|format| format!("{format}={}", folder.path().join(format).display())).collect();
    let mut words = vec!["-n", "20", "-r", "100", "-d", "1s", "--slo", "err<1%", "--slo", "p50>60s"];
    for output in &outputs {
        words.extend(["--report", output]);
    }
    let output = loadtest(Some(&daemon), &words);
    let expected = [Exit::Gate, Exit::Invalid].map(|exit| Some(i32::from(exit as u8)));
    assert!(expected.contains(&output.status.code()), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("holds    err<1%") && text.contains("FAILS    p50>60s"), "{text}");
    for format in formats {
        let written = std::fs::read_to_string(folder.path().join(format)).expect(format);
        assert!(written.len() > 50, "{format}: {written}");
    }
}

#[test]
fn a_closed_loop_and_another_method_reach_the_backends() {
    let (daemon, _backends) = shop();
    let words = ["--closed", "-c", "4", "-n", "40", "-m", "post", "--body", "hello", "-o", "json", "/"];
    let output = loadtest(Some(&daemon), &words);
    assert!(is_whole(&output), "{output:?}");
    assert_eq!(report(&output)["achieved"], 40);
}

#[test]
fn what_cannot_be_is_told_before_anything_is_sent() {
    let gone = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        format!("http://{}/", socket.local_addr().expect("it is bound"))
    };
    for (words, exit, part) in [
        (&["http://192.0.2.1/"][..], Exit::NotPermitted, "--allow-target 192.0.2.1"),
        (&[gone.as_str()][..], Exit::Error, "does not take connections"),
        (&["/x"][..], Exit::Unreachable, "/nowhere/ayad.sock"),
        (&["-r", "0", "http://127.0.0.1:9/"][..], Exit::Usage, "less than one request"),
        (&["-r", "-5", "http://127.0.0.1:9/"][..], Exit::Usage, "below zero"),
        (&["--slo", "p99<50", "http://127.0.0.1:9/"][..], Exit::Usage, "is not a time"),
        (&["--slo", "shop: err<1%", "http://127.0.0.1:9/"][..], Exit::Usage, "leave \"shop:\" out"),
        (&["--report", "html=/nowhere/a.html", "http://127.0.0.1:9/"][..], Exit::Error, "/nowhere/a.html"),
        (&["--warmup", "10s", "http://127.0.0.1:9/"][..], Exit::Usage, "warm-up"),
        (&["-H", "no colon", "http://127.0.0.1:9/"][..], Exit::Usage, "NAME: VALUE"),
        (&["--profile", "/nowhere/p.toml", "http://127.0.0.1:9/"][..], Exit::Error, "/nowhere/p.toml"),
    ] {
        let output = loadtest(None, words);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(i32::from(exit as u8)), "{words:?}: {told}");
        assert!(told.contains(part), "{words:?}: {told}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn the_greatest_rate_is_found_and_confirmed() {
    let (daemon, _backends) = shop();
    let words = ["--find-max", "rate<45", "-r", "10", "-d", "1s", "-o", "json", "/"];
    let output = loadtest(Some(&daemon), &words);
    // A machine that is too busy for 45 requests a second finds less, or nothing.
    if output.status.code() == Some(0) {
        let report = report(&output);
        assert_eq!(report["gates"][0]["holds"], true);
        assert!(
            report["asked"]["profile"].as_str().is_some_and(|profile| profile.ends_with("/2s")),
            "{report}"
        );
    }
}

#[test]
fn what_the_configuration_allows_is_the_most() {
    let backend = Backend::saying("a");
    let text = format!(
        "[loadtest]\nmax_rate = 50\n[listen.main]\nbind = \"127.0.0.1:0\"\n[pool.shop]\nbackends = [\"{}\"]\n\
         health = {{ kind = \"none\" }}\n[route.shop]\npool = \"shop\"\n",
        backend.address
    );
    let daemon = Setup::new(&text).start();
    // The rate of a closed loop is nobody's to promise.
    for words in [&["-r", "10..60/1s", "/"][..], &["--closed", "-c", "1", "-n", "1", "/"]] {
        let output = loadtest(Some(&daemon), words);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(8), "{told}");
        assert!(told.contains("max_rate"), "{told}");
    }
    let words = ["--find-max", "err<100%", "-r", "40", "-d", "300ms", "--no-live", "/"];
    let output = loadtest(Some(&daemon), &words);
    let told = String::from_utf8_lossy(&output.stderr);
    let tried =
        told.lines().filter_map(|line| line.split_once("trying ")?.1.split_once("/s")?.0.parse().ok());
    let tried: Vec<u32> = tried.collect();
    assert!(!tried.is_empty() && tried.iter().all(|rate| *rate <= 50), "{told}");
}
