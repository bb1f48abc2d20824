//! What needs no daemon: help, usage, manual pages, completion, the demo's remedy.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use ayactl::args::command;
use ayactl::console::Facts;
use serde_json::Value;

use crate::bench::{facts, run, run_as};
use crate::fake::Fake;
use crate::fixture;

/// Where a daemon is not needed.
const NOWHERE: &str = "/nonexistent/aya.sock";

fn helps(command: &clap::Command, path: &str, all: &mut String) {
    let ran = run(Path::new(NOWHERE), &format!("{path} --help"));
    assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{path}");
    assert!(ran.out.contains("Examples:\n"), "{path} has no examples");
    writeln!(all, "==== ayactl {path}\n{}", ran.out).unwrap();
    let shown = |verb: &&clap::Command| verb.get_name() != "help" && !verb.is_hide_set();
    for verb in command.get_subcommands().filter(shown) {
        helps(verb, format!("{path} {}", verb.get_name()).trim(), all);
    }
}

#[test]
fn every_verb_has_help_that_ends_with_examples() {
    let mut all = String::new();
    helps(&command(), "", &mut all);
    insta::assert_snapshot!(all);
}

#[test]
fn a_wrong_command_line_exits_with_2_and_suggests() {
    for (line, said) in [
        ("drian shop/web-1", "'drain'"),
        ("get backnds", "'backends'"),
        ("drain", "<POOL/BACKEND>"),
        ("drain a/b --for 5", "write it like 500ms"),
        ("status --wacth", "--watch"),
        ("top --once --plain", "cannot be used with"),
        ("", "Usage"),
    ] {
        let ran = run(Path::new(NOWHERE), line);
        assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{line}: {}", ran.err);
        assert!(ran.err.contains(said), "{line}: {}", ran.err);
    }
    let json = run(Path::new(NOWHERE), "drian -o json");
    let error: Value = serde_json::from_str(&json.err).unwrap();
    assert_eq!(error["code"], "usage");
}

/// A scenario that is played in a moment.
const SCENARIO: &str = r#"
about = "One of <two> is slow"
seed = 1
seeds = 2
duration = "5s"
rate = 100.0
algorithm = "least-connections"
arms = ["peak-ewma", "round-robin", "oracle"]

[[backend]]
name = "fast"
service = { kind = "exponential", mean = "10ms" }

[[backend]]
name = "slow"
service = { kind = "exponential", mean = "60ms" }

[expect]
failures = 0
"#;

#[test]
fn a_simulation_is_a_table_a_plot_a_document_and_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let (file, page) = (dir.path().join("two.toml"), dir.path().join("two.html"));
    std::fs::write(&file, SCENARIO).unwrap();
    let simulate = |rest: &str| run(Path::new(NOWHERE), &format!("simulate {} {rest}", file.display()));

    let shown = simulate(&format!("--ascii --html {}", page.display()));
    assert_eq!(shown.status, 0, "{}", shown.err);
    for part in
        ["One of <two> is slow", "GAP CLOSED %", "oracle  ", "[ p50   o p99", "1 of 1 expectations hold"]
    {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    let html = std::fs::read_to_string(&page).unwrap();
    assert_eq!(html.matches("role=\"img\"").count(), 3);
    assert!(
        html.contains("One of &lt;two&gt; is slow") && !html.contains("<script") && !html.contains("src=")
    );

    let document: Value = serde_json::from_str(&simulate("-o json").out).unwrap();
    assert_eq!(document["arms"][1]["ratio"][1], 1.0);
    assert_eq!(
        (&document["arms"][3]["gap_closed"][1], &document["expectations"]["checked"]),
        (&1.0.into(), &1.into())
    );
    assert_eq!(simulate("-o csv").out, simulate("-o csv").out, "the same seeds give the same numbers");
}

#[test]
fn a_simulation_that_cannot_be_or_does_not_hold_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("two.toml");
    let with = |from: &str, to: &str, rest: &str| {
        std::fs::write(&file, SCENARIO.replace(from, to)).unwrap();
        run(Path::new(NOWHERE), &format!("simulate {} {rest}", file.display()))
    };

    for (from, to, rest, status, said) in [
        ("failures = 0", "p99 = \"1ms\"", "", 6, ""),
        ("seed = 1", "sede = 1", "", 1, "two.toml:3: "),
        ("rate = 100.0", "rate = -1.0", "", 1, "two.toml:6: rate: a number above 0"),
        ("seed = 1", "seed = 1", "--arms hot", 2, "hot-cold"),
        ("seed = 1", "seed = 1", "--set backend.9.slots=1", 2, "backend.9.slots"),
        ("seed = 1", "seed = 1", "--load -1", 2, ""),
        ("seed = 1", "seed = 1", "--set proxies", 2, "proxies=20"),
    ] {
        let ran = with(from, to, rest);
        assert_eq!(ran.status, status, "{to} {rest}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(said), "{to} {rest}: {}", ran.err);
    }
    assert!(with("failures = 0", "p99 = \"1ms\"", "").out.contains("not as expected: p99: "));
}

#[test]
fn versions_need_no_daemon_when_only_the_client_is_asked_for() {
    let ran = run(Path::new(NOWHERE), "version --client");
    assert_eq!((ran.status, ran.out), (0, format!("ayactl  {}\n", env!("CARGO_PKG_VERSION"))));
    assert_eq!(run(Path::new(NOWHERE), "--version").status, 0);
}

#[test]
fn manual_pages_are_written_for_every_verb() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("man1");

    let ran = run(Path::new(NOWHERE), &format!("man --dir {}", dir.display()));

    assert_eq!(ran.status, 0, "{}", ran.err);
    for page in ["ayactl.1", "ayactl-drain.1", "ayactl-weight-set.1"] {
        assert!(ran.out.contains(page) && dir.join(page).is_file(), "{page}: {}", ran.out);
    }
    let main = run(Path::new(NOWHERE), "man").out;
    assert!(main.contains("daemon unreachable"), "{main}");
}

/// The committed files are the output of `ayactl completion`; write them with
/// `for s in bash zsh fish; do ayactl completion $s > completions/ayactl.$s; done`.
#[test]
fn committed_completion_files_are_up_to_date() {
    for shell in ["bash", "zsh", "fish"] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../completions").join(format!("ayactl.{shell}"));
        let committed = std::fs::read_to_string(&path).unwrap();
        assert_eq!(committed, run(Path::new(NOWHERE), &format!("completion {shell}")).out, "{shell}");
    }
}

/// Completes in a real bash with the committed file; nothing on machines without one.
fn bash_completes(words: &[&str], socket: &Path) -> Option<Vec<String>> {
    let binary = Path::new(env!("CARGO_BIN_EXE_ayactl"));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../completions/ayactl.bash");
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let last = words.len() - 1;
    let script = format!(
        "source '{}'; COMP_WORDS=({}); COMP_CWORD={last}; COMP_TYPE=9; \
         _clap_complete_ayactl ayactl '{}' ''; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        file.display(),
        quoted.join(" "),
        words[last]
    );
    let path = format!("{}:/usr/bin:/bin", binary.parent()?.display());
    let mut shell = Command::new("bash");
    shell.args(["--norc", "-c", &script]).env("PATH", path);
    let output = shell.env("AYA_SOCKET", socket).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).lines().map(|line| line.trim().to_owned()).collect())
}

#[test]
fn bash_completes_live_names_and_does_without_a_daemon() {
    let fake = Fake::start(fixture::status());
    let socket = fake.socket();
    let Some(backends) = bash_completes(&["ayactl", "drain", "shop/"], &socket) else { return };
    assert_eq!(backends, ["shop/web-1", "shop/web-2", "shop/web-3"]);
    let algorithms = bash_completes(&["ayactl", "algorithm", "set", "shop", "p"], &socket).unwrap();
    assert_eq!(algorithms, ["p2c"]);
    assert_eq!(bash_completes(&["ayactl", "get", "pools", "s"], &socket).unwrap(), ["shop"]);
    assert_eq!(bash_completes(&["ayactl", "dra"], Path::new(NOWHERE)).unwrap(), ["drain"]);
    let none = bash_completes(&["ayactl", "drain", "shop/"], Path::new(NOWHERE)).unwrap();
    assert!(none.iter().all(String::is_empty), "{none:?}");
}

#[test]
fn bash_completes_columns_of_what_is_listed() {
    let completes = |words: &[&str]| bash_completes(words, Path::new(NOWHERE));
    let Some(columns) = completes(&["ayactl", "get", "backends", "--columns", "name,in"]) else { return };
    assert_eq!(columns, ["name,in-flight"]);
    assert_eq!(completes(&["ayactl", "get", "events", "--sort-by", "sev"]).unwrap(), ["severity"]);
    assert_eq!(completes(&["ayactl", "status", "--sort-by", "el"]).unwrap(), ["eligible"]);
    assert_eq!(completes(&["ayactl", "drain", "--columns", "und"]).unwrap(), ["undo"]);
    assert_eq!(completes(&["ayactl", "get", "pools", "--sort-by", "-p9"]).unwrap(), ["-p99"]);
}

#[test]
fn the_dashboard_off_a_terminal_names_what_to_use_instead() {
    let fake = Fake::start(fixture::status());
    let ran = run(&fake.socket(), "top");
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("--once"), "{}", ran.err);
}

#[test]
fn the_dashboard_on_a_dumb_terminal_points_to_plain_lines() {
    let fake = Fake::start(fixture::status());
    let dumb = Facts { stdin_tty: true, stdout_tty: true, dumb: true, size: Some((80, 24)), ..facts() };

    let ran = run_as(dumb, &fake.socket(), "top", "");

    assert_eq!((ran.status, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("TERM is \"dumb\"") && ran.err.contains("--plain"), "{}", ran.err);
}

#[test]
fn a_socket_named_by_the_environment_is_used_and_an_empty_name_is_none() {
    let fake = Fake::start(fixture::status());
    let ask = |socket: &std::ffi::OsStr| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ayactl"));
        command.args(["get", "pools", "-o", "name"]).env("AYA_SOCKET", socket);
        command.env("XDG_RUNTIME_DIR", "/nonexistent").output().unwrap()
    };

    let named = ask(fake.socket().as_os_str());
    let empty = ask("".as_ref());

    assert_eq!(String::from_utf8_lossy(&named.stdout), "img\nshop\n");
    // Whichever daemon is at the default place answers or does not; the command line is right.
    assert_ne!(empty.status.code(), Some(2), "{}", String::from_utf8_lossy(&empty.stderr));
}

#[test]
fn a_demo_without_ayad_names_the_remedy() {
    let ran = run(Path::new(NOWHERE), "demo --for 1s");
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.err.contains("there is no ayad at") && ran.err.contains("cargo build"), "{}", ran.err);
}
