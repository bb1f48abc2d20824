//! The house stands as drawn: packages depend downward, decisions know neither sockets nor clocks, the steps
//! of a request know nothing of each other, and every table has one file an entry.
//!
//! The sources are read as text. That is rough and enough: a `use` line is where a dependency begins, and
//! code in `mod tests` may import what it likes. Lengths of functions are clippy's business.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{self, Source, imports, manifest, modules, production, read, rust_files};

/// Package, folder, floor, and which packages of the workspace its production code may use.
const FLOORS: &[(&str, &str, u32, &[&str])] = &[
    ("aya-api", "ayad/api", 0, &[]),
    ("aya-core", "ayad/core", 0, &[]),
    ("aya-sim", "ayad/sim", 1, &["aya-core"]),
    ("aya-load", "ayactl/load", 1, &["aya-api"]),
    ("aya-tui", "tui", 1, &["aya-api"]),
    ("ayad", "ayad", 2, &["aya-api", "aya-core"]),
    ("ayactl", "ayactl", 2, &["aya-api", "aya-load", "aya-sim", "aya-tui"]),
    ("aya-tests", "tests", 3, &["aya-api", "aya-core", "aya-sim", "aya-tui", "ayad"]),
];

/// The way of a request through `ayad/src/proxy`.
const STEPS: &[&str] =
    &["accept", "parse", "route", "guard", "admit", "pick", "forward", "respond", "record"];

/// Longest source file, in lines.
const LONGEST_FILE: usize = 420;

#[test]
fn every_package_stands_on_a_floor() {
    let root = manifest("");
    let members: BTreeSet<&str> =
        root["workspace"]["members"].as_array().unwrap().iter().filter_map(|m| m.as_str()).collect();

    assert_eq!(members, FLOORS.iter().map(|(_, folder, ..)| *folder).collect());
    for (name, folder, ..) in FLOORS {
        assert_eq!(manifest(folder)["package"]["name"].as_str(), Some(*name), "{folder}");
    }
}

#[test]
fn packages_depend_on_lower_floors_only() {
    let floor_of: BTreeMap<&str, u32> = FLOORS.iter().map(|(name, _, floor, _)| (*name, *floor)).collect();
    for (name, folder, floor, allowed) in FLOORS {
        let manifest = manifest(folder);
        for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let used = manifest.get(kind).and_then(toml::Value::as_table).into_iter().flatten();
            for (dependency, _) in used.filter(|(dependency, _)| floor_of.contains_key(dependency.as_str())) {
                assert!(floor_of[dependency.as_str()] < *floor, "{name} stands no higher than {dependency}");
                let is_named = allowed.contains(&dependency.as_str());
                assert!(is_named || kind == "dev-dependencies", "{name} may not use {dependency}");
            }
        }
    }
}

#[test]
fn decisions_know_no_sockets_files_clocks_or_environment() {
    const FORBIDDEN: &[&str] = &[
        "std::env",
        "std::fs",
        "std::io",
        "std::net::Tcp",
        "std::net::Udp",
        "std::os",
        "std::process",
        "std::thread",
        "std::time::Instant",
        "std::time::SystemTime",
        "hyper",
        "log",
        "rand",
        "tokio",
        "tracing",
    ];
    let core = manifest("ayad/core");
    assert!(core["dependencies"].as_table().unwrap().is_empty(), "aya-core depends on something");
    for source in rust_files("ayad/core/src") {
        for import in imports(&source.production) {
            let forbidden = FORBIDDEN.iter().find(|name| source::begins_with(&import, name));
            assert_eq!(forbidden, None, "{} imports {import}", source.path);
        }
        for name in ["Instant::now", "SystemTime::now", "thread_rng", "RandomState", "env::var"] {
            assert!(!source.production.contains(name), "{} uses {name}", source.path);
        }
    }
}

#[test]
fn steps_of_a_request_do_not_import_each_other() {
    let mut wrong = Vec::new();
    for step in STEPS {
        let text = production(&read(&format!("ayad/src/proxy/{step}.rs")));
        wrong.extend(siblings(step, &text).map(|other| format!("{step} imports {other}")));
    }
    assert!(wrong.is_empty(), "what passes between steps belongs to none of them:\n{}", wrong.join("\n"));
}

#[test]
fn an_import_of_another_step_is_seen_however_it_is_written() {
    for text in ["use super::{hop, record};", "use crate::proxy::record::note;", "super::record::note();"] {
        assert_eq!(siblings("forward", text).collect::<Vec<_>>(), ["record"], "{text}");
    }
    assert_eq!(siblings("forward", "use super::between::Target;\nuse super::forward::x;").count(), 0);
}

/// The other steps that a step knows.
fn siblings(step: &str, text: &str) -> impl Iterator<Item = &'static str> {
    let imports = imports(text);
    STEPS.iter().copied().filter(move |other| {
        let paths = [format!("super::{other}"), format!("crate::proxy::{other}")];
        let is_imported = |path| imports.iter().any(|import| source::begins_with(import, path));
        *other != step && paths.iter().any(|path| is_imported(path) || text.contains(&format!("{path}::")))
    })
}

/// What no module of a folder may import.
#[test]
fn parts_of_the_daemon_look_downward_only() {
    const NEVER: &[(&str, &[&str])] = &[
        ("ayad/src/proxy", &["crate::control", "crate::health", "crate::server", "crate::shutdown"]),
        ("ayad/src/control", &["crate::proxy", "crate::upstream", "crate::server", "crate::shutdown"]),
        ("ayad/src/health", &["crate::proxy", "crate::control", "crate::server"]),
        ("ayad/src/upstream", &["crate::proxy", "crate::control", "crate::health", "crate::server"]),
        ("ayad/src/state", &["crate::proxy", "crate::control", "crate::health", "crate::server"]),
        ("ayad/src/config", &["crate::proxy", "crate::control", "crate::health", "crate::state"]),
        (
            "ayad/src/tls",
            &["crate::proxy", "crate::control", "crate::health", "crate::state", "crate::server"],
        ),
        ("ayad/src/certificates", &["crate::proxy", "crate::control", "crate::health", "crate::server"]),
        ("ayad/src/metrics", &["crate::proxy", "crate::control", "crate::server"]),
    ];
    let mut wrong = Vec::new();
    for (folder, never) in NEVER {
        for source in modules(folder) {
            let imports = imports(&source.production);
            for name in *never {
                if imports.iter().any(|import| source::begins_with(import, name)) {
                    wrong.push(format!("{} imports {name}", source.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn one_file_of_the_daemon_reads_the_clock() {
    for source in rust_files("ayad/src").into_iter().filter(|s| s.path != "ayad/src/clock.rs") {
        for name in ["Instant::now", "SystemTime::now", ".elapsed()"] {
            assert!(!source.production.contains(name), "{} uses {name}", source.path);
        }
    }
}

#[test]
fn files_stay_readable() {
    for (_, folder, ..) in FLOORS {
        for Source { path, text, .. } in rust_files(folder) {
            let lines = text.lines().count();
            assert!(lines <= LONGEST_FILE, "{path} has {lines} lines");
            assert!(text.starts_with("//!"), "{path} does not say what it is");
        }
    }
}

#[test]
fn every_entry_of_a_table_has_a_file() {
    // Where the table is, what an entry looks like there, and where the files are.
    const TABLES: &[(&str, &str, &str, &str)] = &[
        ("ayad/core/src/pick.rs", "pub static PICKERS", "::SPEC", "ayad/core/src/pick"),
        ("ayad/src/health.rs", "pub const PROBES", "::SPEC", "ayad/src/health"),
        ("ayad/api/src/command.rs", "pub const COMMANDS", "::SPEC", "ayad/api/src/command"),
        ("tui/src/screen.rs", "pub const SCREENS", "::view", "tui/src/screen"),
    ];
    for (file, start, ending, folder) in TABLES {
        let names = source::table(&read(file), start, ending);
        assert!(!names.is_empty(), "{file} has no {start}");
        for name in &names {
            assert!(source::exists(&format!("{folder}/{name}.rs")), "{name} of {start} has no file");
        }
        let with_entry = rust_files(folder).into_iter().filter(|s| s.production.contains("const SPEC"));
        for source in with_entry.filter(|_| *ending == "::SPEC") {
            let stem = source.path.rsplit('/').next().unwrap().trim_end_matches(".rs");
            assert!(names.contains(stem), "{} is not in {start}", source.path);
        }
    }
}

#[test]
fn every_command_has_a_handler_of_its_name() {
    for name in source::table(&read("ayad/api/src/command.rs"), "pub const COMMANDS", "::SPEC") {
        assert!(source::exists(&format!("ayad/src/control/{name}.rs")), "{name} has no handler");
    }
}
