//! What is shown: tables, formats, filters, failures of reads, and the event stream.

use aya_api::event::StreamItem;
use aya_api::view::{DiscoveryView, Freshness};
use std::fmt::Write as _;
use std::path::Path;

use ayactl::console::{Console, Facts};
use serde_json::Value;

use crate::bench::{Impatient, facts, run, run_as};
use crate::fake::Fake;
use crate::fixture;

/// Every command that reads and ends by itself.
const READS: [&str; 17] = [
    "status",
    "get backends",
    "get pools",
    "get routes",
    "get listeners",
    "get events",
    "get algorithms",
    "get operations",
    "describe shop",
    "describe shop/web-3",
    "describe web --listener",
    "describe route shop",
    "weight get",
    "algorithm list",
    "algorithm get",
    "version",
    "metrics",
];

#[test]
fn tables_show_three_axes_with_causes_and_units_in_headings() {
    let fake = Fake::start(fixture::status());
    let mut all = String::new();
    for line in READS {
        let ran = run(&fake.socket(), line);
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{line}");
        writeln!(all, "$ ayactl {line}\n{}", ran.out).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn certificates_show_when_they_end_and_what_is_wrong_with_them() {
    let mut status = fixture::status();
    status.listeners.push(fixture::secure_listener());
    let fake = Fake::start(status);
    let status = run(&fake.socket(), "status").out;
    // The pools below are in another snapshot.
    let (top, _) = status.split_once("\n\nPOOL").unwrap_or((&status, ""));
    let listeners = run(&fake.socket(), "get listeners -o wide").out;
    let one = run(&fake.socket(), "describe secure -o wide").out;
    insta::assert_snapshot!(format!(
        "{top}\n\n$ ayactl get listeners -o wide\n{listeners}\n$ ayactl describe secure -o wide\n{one}"
    ));
}

#[test]
fn a_pool_that_only_gets_connections_speaks_tcp() {
    let mut status = fixture::status();
    status.listeners[0].protocol = "tcp".into();
    let fake = Fake::start(status);

    let described = run(&fake.socket(), "describe shop").out;

    assert!(described.contains("\nProtocol:    tcp, after PROXY protocol v2\n"), "{described}");
    assert!(!described.contains("Kept:"), "{described}");
    let other = run(&fake.socket(), "describe img").out;
    assert!(other.contains("\nProtocol:    http/1.1, after"), "nothing leads there: {other}");
}

#[test]
fn every_read_speaks_every_format() {
    let fake = Fake::start(fixture::status());
    for line in READS.iter().chain(&["top", "completion bash", "man"]) {
        let json = run(&fake.socket(), &format!("{line} -o json"));
        assert_eq!(json.status, 0, "{line}: {}", json.err);
        serde_json::from_str::<Value>(&json.out).unwrap_or_else(|e| panic!("{line}: {e}\n{}", json.out));
        for document in run(&fake.socket(), &format!("{line} -o jsonl")).out.lines() {
            serde_json::from_str::<Value>(document).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
        let yaml = run(&fake.socket(), &format!("{line} -o yaml"));
        serde_norway::from_str::<Value>(&yaml.out).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert!(!run(&fake.socket(), &format!("{line} -o name")).out.is_empty(), "{line}");
        assert!(!run(&fake.socket(), &format!("{line} -o csv")).out.is_empty(), "{line}");
        // The dashboard itself is not a format.
        let wide = run(&fake.socket(), &format!("{line} -o wide"));
        assert!(!wide.out.is_empty() || *line == "top", "{line}");
    }
}

#[test]
fn an_empty_daemon_gives_empty_lists() {
    let fake = Fake::start(fixture::empty());
    for line in READS.iter().filter(|line| line.starts_with("get ")) {
        assert_eq!(run(&fake.socket(), &format!("{line} -o json")).out, "[]\n", "{line}");
        assert_eq!(run(&fake.socket(), &format!("{line} -o jsonl")).out, "", "{line}");
        assert_eq!(run(&fake.socket(), line).out.lines().count(), 1, "{line}");
    }
    assert!(run(&fake.socket(), "status").out.contains("no pools"));
}

#[test]
fn csv_has_every_column_and_raw_values() {
    let fake = Fake::start(fixture::status());

    let ran = run(&fake.socket(), "get backends shop/web-3 -o csv");

    let mut lines = ran.out.lines();
    assert!(
        lines.next().unwrap().starts_with("name,admin,health,breaker,standing,weight,share,rate,in-flight,")
    );
    assert!(lines.next().unwrap().starts_with("shop/web-3,ready,down,closed,in,3,48.0,42.5,3,3.2,104,0.0,"));
}

#[test]
fn lists_can_be_chosen_cut_and_sorted() {
    let fake = Fake::start(fixture::status());

    let ran = run(&fake.socket(), "get backends shop/* --columns name,weight --sort-by -weight --no-headers");

    assert_eq!(ran.out, "shop/web-3  3\nshop/web-1  1\nshop/web-2  1\n");
    let wrong = run(&fake.socket(), "get backends --columns wieght");
    assert_eq!(wrong.status, 2);
    assert!(wrong.err.contains("did you mean \"weight\"?"), "{}", wrong.err);
}

#[test]
fn what_is_not_there_exits_with_3_and_a_suggestion() {
    let fake = Fake::start(fixture::status());
    for (line, hint) in [
        ("get backends shop/web-9", "did you mean \"shop/web-"),
        ("get pools shpo", "did you mean \"shop\"?"),
        ("describe shop/wbe-1", "did you mean \"shop/web-1\"?"),
        ("describe shpo", "did you mean \"shop\"?"),
        ("describe webs --listener", "did you mean \"web\"?"),
        ("describe route shpo", "did you mean \"shop\"?"),
        ("drain web-1 --yes", "did you mean \"shop/web-1\"?"),
        ("drain shop --yes", "all its backends are 'shop/*'"),
        ("drain zzz/* --yes", "see `ayactl get backends`"),
        ("weight get web-1", "did you mean \"shop/web-1\"?"),
        ("algorithm set shpo p2c", "did you mean \"shop\"?"),
        ("algorithm set shop p3c", "did you mean \"p2c\"?"),
        ("top shpo -o json", "did you mean \"shop\"?"),
    ] {
        let ran = run(&fake.socket(), line);
        assert_eq!(ran.status, 3, "{line}: {}", ran.err);
        assert!(ran.err.replace("\\\"", "\"").contains(hint), "{line}: {}", ran.err);
        assert_eq!(ran.out, "", "{line}");
    }
}

#[test]
fn without_a_daemon_every_verb_exits_with_7_and_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("nobody");
    let changes = ["drain a/b", "ready a/b", "maint a/b", "weight set a/b=1", "reload", "watch", "top"];
    for line in READS.iter().chain(&changes) {
        let ran = run(&socket, &format!("{line} -o json"));
        assert_eq!(ran.status, 7, "{line}: {}", ran.err);
        let error: Value = serde_json::from_str(&ran.err).unwrap();
        assert_eq!(error["code"], "unreachable", "{line}");
        let hint = error["hint"].as_str().unwrap();
        assert!(hint.contains("start one with `ayad --config FILE`"), "{line}: {hint}");
    }
}

#[test]
fn check_fails_only_when_a_pool_cannot_serve() {
    let fake = Fake::start(fixture::status());
    assert_eq!(run(&fake.socket(), "status --check").status, 0);

    fake.world(|world| world.status.pools[0].eligible = 0);

    let ran = run(&fake.socket(), "status --check");
    assert_eq!(ran.status, 6);
    assert!(ran.out.contains("! img has no eligible backend"), "{}", ran.out);
    assert!(ran.err.contains("error: no eligible backend in img"), "{}", ran.err);
}

#[test]
fn colour_is_for_terminals_and_nothing_is_cut_off_them() {
    let fake = Fake::start(fixture::status());
    let terminal = || Facts { stdout_tty: true, size: Some((60, 24)), ..facts() };

    let drawn = run_as(terminal(), &fake.socket(), "get backends", "").out;
    let piped = run(&fake.socket(), "get backends").out;

    assert!(drawn.contains("\u{1b}[31m") && drawn.contains('…'), "{drawn}");
    assert!(!piped.contains('\u{1b}') && !piped.contains('…'), "{piped}");
    let plain = run_as(Facts { no_color: true, ..terminal() }, &fake.socket(), "get backends", "").out;
    assert!(!plain.contains('\u{1b}'), "{plain}");
    assert!(plain.lines().all(|line| line.chars().count() <= 60), "{plain}");
}

#[test]
fn a_narrow_terminal_never_cuts_names_and_loses_columns_from_the_right() {
    let fake = Fake::start(fixture::status());
    let terminal = |width| Facts { stdout_tty: true, no_color: true, size: Some((width, 24)), ..facts() };
    let mut all = String::new();
    for line in ["status", "get backends", "get routes", "get events", "get operations"] {
        for width in [60, 80, 90] {
            let ran = run_as(terminal(width), &fake.socket(), line, "");
            writeln!(all, "$ COLUMNS={width} ayactl {line}\n{}", ran.out).unwrap();
            let rows = ran.out.lines().filter(|row| row.contains("  "));
            assert!(rows.clone().all(|row| row.chars().count() <= width.into()), "{width}: {}", ran.out);
        }
    }
    insta::assert_snapshot!(all);
    let tiny = run_as(terminal(5), &fake.socket(), "get backends", "").out;
    assert!(tiny.contains("shop/web-1\nshop/web-2\n"), "{tiny}");
    let named = run_as(terminal(20), &fake.socket(), "get backends --columns name,weight,rate", "").out;
    assert!(named.starts_with("NAME        WEIGHT  REQ/S\n"), "{named}");
}

#[test]
fn a_lease_that_is_over_says_when_it_ended() {
    let fake = Fake::start(fixture::status());
    let later = Facts { now_ms: || fixture::NOW + 21 * 60_000, ..facts() };

    let ran = run_as(later, &fake.socket(), "get operations --columns op,until", "");

    assert_eq!(ran.out, "OP    UNTIL\n7f3a  ended 3m ago\n");
}

#[test]
fn weights_of_a_pool_are_those_of_its_backends() {
    let fake = Fake::start(fixture::status());

    let ran = run(&fake.socket(), "weight get img -o name");

    assert_eq!((ran.status, ran.out.as_str()), (0, "img/img-1\nimg/img-2\n"));
}

#[test]
fn names_from_other_people_cannot_move_the_cursor() {
    let mut status = fixture::status();
    status.pools[1].backends[1].admin.reason = Some("\u{1b}[2Jgotcha".into());
    status.daemon.last_reload_error = Some("\u{1b}]0;title\u{7}".into());
    status.daemon.last_upgrade_error = Some("\u{1b}]0;title\u{7}".into());
    let fake = Fake::start(status);
    for line in READS.iter().filter(|line| !line.starts_with("describe shop/")) {
        assert!(!run(&fake.socket(), line).out.contains('\u{1b}'), "{line}");
    }
}

/// Runs `ayactl` for a reader that goes away after so many writes; its status, what it got, and stderr.
fn run_for(facts: Facts, patience: usize, socket: &Path, line: &str) -> (u8, String, String) {
    let (mut err, mut input) = (Vec::new(), &b""[..]);
    let mut out = Impatient { left: patience, got: Vec::new() };
    let mut console = Console { out: &mut out, err: &mut err, input: &mut input, facts };
    let words = ["ayactl", "--socket", socket.to_str().unwrap()].into_iter().chain(line.split_whitespace());
    let status = ayactl::run(words.map(Into::into), &mut console);
    (status, String::from_utf8(out.got).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let fake = Fake::start(fixture::status());
    for line in ["get events", "status", "watch --count 1", "metrics", "man", "--help"] {
        fake.world(|world| world.streams = vec![vec![StreamItem::Event(fixture::event(13))]]);
        let ran = run_for(facts(), 0, &fake.socket(), line);
        assert_eq!(ran, (0, String::new(), String::new()), "{line}");
    }
}

#[test]
fn watch_option_appends_lines_for_pipes_and_redraws_on_terminals() {
    let fake = Fake::start(fixture::status());

    let (_, piped, _) = run_for(facts(), 3, &fake.socket(), "status --watch=0.1 -o jsonl");
    let terminal = Facts { stdout_tty: true, ..facts() };
    let (_, drawn, _) = run_for(terminal, 2, &fake.socket(), "get pools --watch=0.1 --color never");

    assert_eq!(piped.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(), 3);
    assert!(drawn.starts_with("\u{1b}[2J\u{1b}[H") && drawn.matches("\u{1b}[H").count() == 2, "{drawn}");
    assert_eq!(run(&fake.socket(), "status --watch=0").status, 2);
}

#[test]
fn watch_resumes_after_a_lost_stream_and_says_what_is_missing() {
    let fake = Fake::start(fixture::status());
    fake.world(|world| {
        world.streams = vec![
            vec![StreamItem::Event(fixture::event(13)), StreamItem::Idle { seq: 13 }],
            vec![StreamItem::Gap { missed: 6, next: 20 }, StreamItem::Event(fixture::event(20))],
        ];
    });

    let ran = run(&fake.socket(), "watch -o jsonl --count 2");

    let seqs: Vec<u64> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap())
        .collect();
    assert_eq!((ran.status, seqs), (0, vec![13, 20]));
    assert!(ran.err.contains("going on after event 13"), "{}", ran.err);
    assert!(ran.err.contains("6 events before number 20 are no longer kept"), "{}", ran.err);
}

#[test]
fn watch_speaks_to_people_in_sentences_and_filters_by_subject() {
    let fake = Fake::start(fixture::status());
    let mut other = fixture::event(13);
    other.subject = "img".into();
    let items = vec![StreamItem::Event(other), StreamItem::Event(fixture::event(14))];
    fake.world(|world| world.streams = vec![items]);

    let ran = run(&fake.socket(), "watch events shop/* --count 1");

    assert_eq!(ran.out, "00:14:38 warning health shop/web-3 up → down: refused\n");
}

#[test]
fn a_source_of_backends_that_is_stale_is_an_alarm_with_its_cause() {
    let mut status = fixture::status();
    status.pools[0].discovery = vec![DiscoveryView {
        source: "dns shop.internal:80".into(),
        state: Freshness::Stale,
        since_ms: status.at_ms - 12_000,
        cause: Some("no name server answered in time".into()),
        looked_ms: Some(status.at_ms - 1000),
        changed_ms: Some(status.at_ms - 300_000),
        looks: 40,
        failures: 3,
        backends: 3,
        missing: vec!["10.0.0.1:80".into()],
        left_out: 1,
    }];
    let name = status.pools[0].name.clone();
    let fake = Fake::start(status);

    let seen = run(&fake.socket(), "status").out;
    let told = run(&fake.socket(), &format!("describe {name}")).out;

    let alarm = "stale for 12s, dns shop.internal:80: no name server answered in time; keeps 3 backends";
    assert!(seen.contains(alarm), "{seen}");
    for words in [
        "dns shop.internal:80: 3 backends, stale for ",
        "(3 of 40 failed)",
        "missing: 10.0.0.1:80",
        "1 left out",
    ] {
        assert!(told.contains(words), "{words} is not in {told}");
    }
}
