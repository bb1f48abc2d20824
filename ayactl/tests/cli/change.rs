//! What is changed: what is said about it, what is asked first, and how it fails.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use aya_api::error::{ApiError, ErrorCode};
use ayactl::console::Facts;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::bench::{facts, run, run_as};
use crate::fake::Fake;
use crate::fixture;

fn fake() -> Fake {
    Fake::start(fixture::status())
}

/// Somebody sits there and can answer.
fn at_a_terminal() -> Facts {
    Facts { stdin_tty: true, stderr_tty: true, ..facts() }
}

#[test]
fn a_change_says_what_changed_and_how_to_undo_it() {
    let fake = fake();

    let ran = run(&fake.socket(), "ready shop/web-2 --reason done --for 30m");

    let expected = "shop/web-2 admin drained → ready · op 7f3a · undo: ayactl undo-of shop/web-2\n";
    assert_eq!((ran.status, ran.out.as_str()), (0, expected));
    assert_eq!(fake.asked(), ["PUT /v1/backends/shop/web-2/admin?reason=done&for_ms=1800000"]);
}

#[test]
fn what_is_already_so_is_success_without_a_change() {
    let fake = fake();

    let people = run(&fake.socket(), "ready shop/web-1");
    let machines = run(&fake.socket(), "ready shop/web-1 -o json");

    assert_eq!((people.status, people.out.as_str()), (0, "shop/web-1 already ready\n"));
    let changes: Value = serde_json::from_str(&machines.out).unwrap();
    assert_eq!(changes[0]["changed"], json!(false));
}

#[test]
fn a_dry_run_changes_nothing() {
    let fake = fake();

    let ran = run(&fake.socket(), "maint shop/web-3 --dry-run");

    assert!(ran.out.starts_with("would change: shop/web-3 admin ready → maint"), "{}", ran.out);
    assert_eq!(fake.asked(), ["PUT /v1/backends/shop/web-3/admin?dry_run=1"]);
}

#[test]
fn a_dry_run_of_what_would_be_refused_is_refused_with_the_same_exit_code() {
    let fake = fake();
    for line in ["drain shop/web-1", "maint shop/*", "weight set shop/web-1=0"] {
        let real = run(&fake.socket(), line);
        for facts in [facts(), at_a_terminal()] {
            let dry = run_as(facts, &fake.socket(), &format!("{line} --dry-run"), "");
            assert_eq!((dry.status, dry.out.as_str()), (real.status, ""), "{line}: {}", dry.err);
            assert!(dry.err.contains("no eligible backend in shop; without --yes"), "{line}: {}", dry.err);
        }
    }
    assert_eq!(fake.asked(), Vec::<String>::new());

    let meant = run(&fake.socket(), "drain shop/web-1 --dry-run --yes");

    assert!(meant.out.starts_with("would change: shop/web-1"), "{}", meant.out);
    assert_eq!((meant.status, meant.err.contains("warning: this leaves no")), (0, true), "{}", meant.err);
}

#[test]
fn with_json_an_error_is_one_object_on_stderr_and_nothing_on_stdout() {
    let fake = fake();
    fake.world(|world| world.drains_after = None);
    let reads = [("get backends nope", 3), ("get backends --sort-by nope", 2), ("drain shop/web-1", 2)];
    let late =
        [("drain shop/web-3 --wait=60ms", 5), ("reload", 1), ("ready img/*", 1), ("drian", 2), ("", 2)];
    for (line, status) in reads.into_iter().chain(late) {
        if line == "reload" {
            fake.world(|w| w.refusal = Some(ApiError::new(ErrorCode::BadConfig, "bad\nfile", "")));
        }
        let ran = run_as(at_a_terminal(), &fake.socket(), &format!("{line} -o json"), "");
        assert_eq!(ran.status, status, "{line}: {}", ran.err);
        let error: Value =
            serde_json::from_str(&ran.err).unwrap_or_else(|e| panic!("{line}: {e}: {}", ran.err));
        assert!(error["code"].is_string() && error["message"].is_string(), "{line}: {}", ran.err);
        // What was ordered before a wait failed is data.
        assert_eq!(ran.out.is_empty(), status != 5, "{line}: {}", ran.out);
        assert_eq!(error["also"].is_array(), line == "ready img/*", "{line}: {}", ran.err);
    }
}

#[test]
fn a_lease_of_nothing_is_a_wrong_command_line() {
    let fake = fake();
    for line in ["drain shop/web-3", "weight set shop/web-3=2", "algorithm set shop p2c"] {
        let ran = run(&fake.socket(), &format!("{line} --for 0s"));
        assert_eq!(ran.status, 2, "{line}: {}", ran.err);
        assert!(ran.err.contains("longer than nothing"), "{line}: {}", ran.err);
    }
    assert_eq!(fake.asked(), Vec::<String>::new());
}

#[test]
fn the_last_eligible_backend_is_not_taken_out_unasked() {
    let fake = fake();

    let ran = run(&fake.socket(), "drain shop/web-1");

    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("no eligible backend in shop") && ran.err.contains("--yes"), "{}", ran.err);
    assert_eq!(fake.asked(), Vec::<String>::new());
    assert_eq!(run(&fake.socket(), "drain shop/web-1 --yes").status, 0);
}

#[test]
fn at_a_terminal_the_answer_decides_and_the_default_is_no() {
    let fake = fake();
    for answer in ["", "\n", "n\n"] {
        let ran = run_as(at_a_terminal(), &fake.socket(), "maint shop/web-1", answer);
        assert_eq!(ran.status, 1, "{answer:?}");
        assert!(ran.err.contains("[y/N]") && ran.err.contains("nothing was changed"), "{}", ran.err);
    }
    assert_eq!(fake.asked(), Vec::<String>::new());
    assert_eq!(run_as(at_a_terminal(), &fake.socket(), "maint shop/web-1", "y\n").status, 0);
}

#[test]
fn weights_of_nothing_are_asked_about_as_well() {
    let fake = fake();
    assert_eq!(run(&fake.socket(), "weight set shop/web-1=0").status, 2);
    assert_eq!(run(&fake.socket(), "weight set shop/web-3=0").status, 0);
    assert_eq!(run(&fake.socket(), "weight set shop/web-1=0 --yes").status, 0);
}

#[test]
fn nothing_is_asked_when_another_backend_stays() {
    let mut status = fixture::status();
    status.pools[1].backends[2].eligible = true;
    let fake = Fake::start(status);
    assert_eq!(run(&fake.socket(), "drain shop/web-1").status, 0);
}

#[test]
fn drain_waits_until_it_is_drained() {
    let fake = fake();

    let ran = run(&fake.socket(), "drain shop/web-1 --wait --yes --sticky move");

    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.err.contains("waiting for shop/web-1: 3 in flight"), "{}", ran.err);
    assert!(ran.err.contains("shop/web-1 drained after"), "{}", ran.err);
    fake.world(|world| assert_eq!(world.asked[0].body, json!({ "state": "draining", "sticky": "move" })));
}

#[test]
fn a_drain_past_its_deadline_exits_with_5_and_stays_or_is_undone() {
    let fake = fake();
    fake.world(|world| world.drains_after = None);

    let kept = run(&fake.socket(), "drain shop/web-1 --deadline 60ms --yes");
    assert_eq!(kept.status, 5, "{}", kept.err);
    assert_eq!(fake.asked().len(), 1);
    run(&fake.socket(), "ready shop/web-1");

    let undone = run(&fake.socket(), "drain shop/web-1 --wait=60ms --on-deadline undo --yes");
    assert_eq!(undone.status, 5, "{}", undone.err);
    fake.world(|world| assert_eq!(world.asked.last().unwrap().body["state"], "ready"));
    assert_eq!(run(&fake.socket(), "drain shop/web-1 --on-deadline undo --yes").status, 2);
}

#[test]
fn names_come_from_stdin_and_patterns() {
    let fake = fake();

    let ran = run_as(facts(), &fake.socket(), "ready - img/*", "shop/web-2 # comment\n\nshop/web-1\n");

    assert_eq!(ran.status, 0, "{}", ran.err);
    let subjects: Vec<&str> = ran.out.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(subjects, ["shop/web-2", "shop/web-1", "img/img-1", "img/img-2"]);
    assert_eq!(run_as(facts(), &fake.socket(), "ready -", "").status, 2);
}

#[test]
fn weights_are_absolute_relative_and_read_from_lines() {
    let fake = fake();

    let ran = run_as(facts(), &fake.socket(), "weight set shop/web-3=+2 -f -", "shop/web-1 7\n");

    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.starts_with("shop/web-3 weight 3 → 5 · op 7f3a"), "{}", ran.out);
    fake.world(|world| {
        let weights: Vec<&Value> = world.asked.iter().map(|asked| &asked.body["weight"]).collect();
        assert_eq!(weights, [&json!(5), &json!(7)]);
    });
    for bad in ["weight set shop/web-1=-2", "weight set shop/web-1", "weight set shop/web-1=1001"] {
        assert_eq!(run(&fake.socket(), bad).status, 2, "{bad}");
    }
}

#[test]
fn algorithm_and_configuration_change() {
    let fake = fake();

    let set = run(&fake.socket(), "algorithm set shop round-robin --if-rev 4");
    let reload = run(&fake.socket(), "reload");

    assert!(set.out.starts_with("shop algorithm p2c → round-robin · op 7f3a"), "{}", set.out);
    assert!(reload.out.starts_with("ayad config 3 → 4"), "{}", reload.out);
    fake.world(|world| assert_eq!(world.asked[0].if_match.as_deref(), Some("\"4\"")));
    assert_eq!(run(&fake.socket(), "ready shop/* --if-rev 4").status, 2);
}

#[test]
fn refusals_of_the_daemon_keep_their_code_and_hint() {
    let fake = fake();
    for (code, status) in [
        (ErrorCode::Conflict, 4),
        (ErrorCode::NotPermitted, 8),
        (ErrorCode::NotFound, 3),
        (ErrorCode::BadConfig, 1),
    ] {
        let refusal = ApiError::new(code, "ann was faster", "look again");
        fake.world(|world| world.refusal = Some(refusal));
        let ran = run(&fake.socket(), "ready shop/web-2");
        assert_eq!(ran.status, status);
        assert_eq!(ran.err, "error: ann was faster\nhint: look again\n");
    }
}

#[test]
fn one_refusal_does_not_stop_the_rest() {
    let fake = fake();
    fake.world(|world| world.refusal = Some(ApiError::new(ErrorCode::Conflict, "no", "")));

    let ran = run(&fake.socket(), "ready img/* -o json");

    assert_eq!((ran.status, ran.out.as_str()), (4, ""));
    assert_eq!(fake.asked().len(), 2);
}

#[test]
fn ctrl_c_while_waiting_leaves_the_order_and_exits_with_130() {
    let fake = fake();
    fake.world(|world| world.drains_after = None);
    let mut drain = Command::new(env!("CARGO_BIN_EXE_ayactl"));
    drain.args(["drain", "shop/web-1", "--wait", "--yes", "--socket"]).arg(fake.socket());
    let mut drain = drain.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(drain.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("waiting for shop/web-1")));

    kill_process(Pid::from_child(&drain), Signal::INT).unwrap();

    assert_eq!(drain.wait().unwrap().code(), Some(130));
    assert!(lines.any(|line| line == "error: stopped waiting; what was ordered stands: shop/web-1"));
}

#[test]
fn backends_are_added_and_removed_by_name() {
    let fake = fake();

    let added = run(&fake.socket(), "backend add shop/web-9 10.0.0.9:80 --weight 2 --zone a --tag x --tag y");
    let removed = run(&fake.socket(), "backend remove shop/web-2 --yes");
    let nameless = run(&fake.socket(), "backend add shop 10.0.0.9:80");

    let expected = "shop/web-9 backend absent → 10.0.0.9:80 · op 7f3a · undo: ayactl undo-of shop/web-9\n";
    assert_eq!((added.status, added.out.as_str()), (0, expected));
    assert!(removed.out.starts_with("shop/web-2 backend "), "{}", removed.out);
    assert_eq!((nameless.status, nameless.out.as_str()), (2, ""));
    let changes: Vec<_> = fake.asked().into_iter().filter(|call| !call.starts_with("GET")).collect();
    assert_eq!(changes, ["PUT /v1/pools/shop/members/web-9", "DELETE /v1/pools/shop/members/web-2"]);
    let body = json!({ "address": "10.0.0.9:80", "weight": 2, "zone": "a", "tags": ["x", "y"] });
    let sent = fake.world(|world| world.asked.iter().map(|asked| asked.body.clone()).collect::<Vec<_>>());
    assert!(sent.contains(&body), "{sent:?}");
}
