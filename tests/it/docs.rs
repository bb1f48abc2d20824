//! What the documentation says is so: every command of the README runs, every path it or the architecture
//! names exists, what it shows is what the dashboard draws, and its lists are complete.

mod fences;
mod session;

use std::collections::BTreeSet;

use aya_core::pick::PICKERS;

use self::fences::{Fence, fences};
use self::session::Session;
use crate::source::{exists, read, rust_files};

/// Every document whose paths are checked.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "ayad/docs/ARCHITECTURE.md",
    "ayad/docs/CHANGELOG.md",
    "ayad/docs/GAMEDAY.md",
    "ayad/docs/LEXICON.md",
    "ayad/docs/PERFORMANCE.md",
    "ayad/docs/TENETS.md",
    "ayad/docs/adr/0001-one-snapshot-pointer.md",
    "ayad/docs/adr/0002-the-clients-task-drives-the-upstream-connection.md",
    "ayad/docs/adr/0003-one-lazy-timer-per-connection.md",
    "ayad/docs/adr/0004-configuration-is-validated-against-its-own-schema.md",
    "ayad/docs/adr/0005-the-control-thread-is-the-only-writer.md",
    "ayad/docs/adr/0006-one-boxed-picker-per-worker-and-pool.md",
    "ayad/docs/adr/0007-hyper-now-an-http1-codec-of-our-own-later.md",
    "ayad/docs/adr/0008-sockets-belong-to-addresses.md",
    "ayad/docs/adr/0009-an-upgrade-passes-sockets-over-a-private-pair.md",
    "ayad/docs/adr/0010-an-http1-codec-of-our-own.md",
    "ayad/docs/adr/0011-one-head-for-all-protocols.md",
    "ayad/docs/adr/0012-strict-by-default.md",
    "ayad/docs/adr/0013-a-half-closed-with-its-request-waits.md",
    "ayad/docs/adr/0014-paths-have-one-normal-form.md",
    "ayad/docs/adr/0015-large-bodies-are-spliced.md",
];

#[test]
fn every_command_of_the_readme_runs() {
    let mut session = Session::new();
    for Fence { language, about, text, line } in fences(&read("README.md")) {
        match (language.as_str(), about.as_str()) {
            ("toml", file) => session.write(file, &text),
            ("sh", "") => text.lines().for_each(|command| session.run(command)),
            ("sh", "daemon") => text.lines().for_each(|command| session.start_daemon(command)),
            // What only ends when somebody ends it: the command and its flags must exist.
            ("sh", "terminal") => text.lines().for_each(|command| session.run(&format!("{command} --help"))),
            ("sh", "ci") => text.lines().for_each(is_run_by_ci),
            ("text", _) => {}
            _ => panic!("README.md:{line}: no test knows a block of {language} that is about {about:?}"),
        }
    }
    session.stop_daemon();
}

/// Builds for minutes or needs the whole tree: `.ci/run` runs it instead.
fn is_run_by_ci(command: &str) {
    let run = read(".ci/run");
    for part in command.split("&&").map(str::trim) {
        let known = part.trim_start_matches("target/");
        assert!(run.contains(known), ".ci/run does not run {part}");
    }
}

#[test]
fn the_readme_shows_the_dashboard_as_it_is_drawn() {
    let snapshot = read("tui/tests/snapshots/screens__overview_120x40.snap");
    let drawn: Vec<&str> = snapshot.lines().collect();
    let shown = fences(&read("README.md")).into_iter().find(|fence| fence.about == "dashboard").unwrap();

    let mut below = drawn.iter();
    for line in shown.text.lines().filter(|line| !line.is_empty()) {
        assert!(below.any(|drawn| *drawn == line), "not drawn, or not there: {line}");
    }
    assert!(shown.text.lines().count() > 10);
}

#[test]
fn the_readme_names_every_algorithm() {
    let readme = read("README.md");
    for spec in PICKERS {
        assert!(readme.contains(&format!("`{}`", spec.name)), "{} is not in README.md", spec.name);
    }
}

#[test]
fn every_path_in_the_documents_exists() {
    for document in DOCUMENTS {
        let text = read(document);
        for path in paths(&text) {
            // NAME stands for what is to be written: its folder must be there.
            let path = path.split("NAME").next().unwrap_or_default().trim_end_matches('/');
            assert!(exists(path), "{document} names {path}");
        }
    }
    assert!(paths(&read("ayad/docs/ARCHITECTURE.md")).len() > 40);
}

#[test]
fn every_part_of_the_daemon_and_of_a_requests_way_is_on_the_map() {
    let map = read("ayad/docs/ARCHITECTURE.md");
    for source in rust_files("ayad/src") {
        let folder = source.path.rsplit_once('/').map(|(folder, _)| folder);
        if matches!(folder, Some("ayad/src" | "ayad/src/proxy")) {
            assert!(map.contains(&format!("`{}`", source.path)), "{} is not in ARCHITECTURE.md", source.path);
        }
    }
}

#[test]
fn every_decision_has_its_four_parts() {
    for document in DOCUMENTS.iter().filter(|document| document.contains("/adr/")) {
        let text = read(document);
        for part in ["## Context", "## Decision", "## Consequences", "## Would revisit if"] {
            assert!(text.contains(part), "{document} lacks {part}");
        }
        assert!(read("ayad/docs/ARCHITECTURE.md").contains(document), "the map does not lead to {document}");
    }
}

#[test]
fn the_justfile_has_every_step_and_no_other() {
    let (justfile, run) = (read(".justfile"), read(".ci/run"));
    let steps = run.split_once("STEPS=(").and_then(|(_, rest)| rest.split_once(')')).unwrap().0;
    for step in steps.split_whitespace() {
        assert!(run.contains(&format!("step_{step}() {{")), "{step} is not written");
        // Tools are looked for before everything else, and nobody wants that alone.
        assert!(step == "tools" || justfile.contains(&format!(".ci/run {step}\n")), "{step} has no recipe");
    }
    for step in justfile.lines().filter_map(|line| line.trim().strip_prefix(".ci/run ")) {
        assert!(steps.split_whitespace().any(|known| known == step), "{step} is no step");
    }
}

#[test]
fn every_measurement_is_in_the_script_and_in_the_document() {
    let (script, document) = (read(".ci/bench/run"), read("ayad/docs/PERFORMANCE.md"));
    let written: BTreeSet<&str> = script
        .lines()
        .filter_map(|line| line.strip_prefix("bench_")?.split_once("() {").map(|(case, _)| case))
        // It measures nothing, but starts everything for whoever wants to.
        .filter(|case| *case != "up")
        .collect();
    let fences = fences(&document);
    let commands = fences.iter().filter(|fence| fence.language == "sh").flat_map(|fence| fence.text.lines());
    let shown =
        commands.filter_map(|line| line.strip_prefix(".ci/bench/run ")).flat_map(str::split_whitespace);

    assert_eq!(shown.collect::<BTreeSet<_>>(), written);
}

/// Words in backticks that name a place in this repository.
fn paths(text: &str) -> Vec<&str> {
    const ENDINGS: &[&str] = &[".rs", ".md", ".toml"];
    let outside_fences = text.split("```").step_by(2);
    let words = outside_fences.flat_map(|part| part.split('`').skip(1).step_by(2));
    let in_tree = |word: &&str| {
        let top = word.split('/').next().unwrap_or_default();
        let is_path = word.contains('/') && !word.starts_with('/') && !word.contains([' ', '*', '{', '$']);
        is_path && (exists(top) || ENDINGS.iter().any(|ending| word.ends_with(ending)))
    };
    words.filter(in_tree).collect()
}
