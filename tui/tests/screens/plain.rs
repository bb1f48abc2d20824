//! What `--plain` says: once what is, then only what changes.

use aya_tui::Narrator;
use aya_tui::message::Message;

use crate::fixture::{NOW_MS, events, status};

fn lost() -> Message {
    let cause = "connection refused".into();
    Message::Lost { cause, hint: "start one with `ayad --config FILE`".into(), retry_in_ms: 500 }
}

fn seen() -> Message {
    Message::Status(Box::new(status()))
}

fn introduced() -> Narrator {
    let mut narrator = Narrator::new(None);
    narrator.hear(&seen(), NOW_MS);
    narrator
}

#[test]
fn first_comes_a_summary_with_trouble_first() {
    let said = Narrator::new(None).hear(&seen(), NOW_MS);
    insta::with_settings!({ snapshot_path => "../snapshots" }, {
        insta::assert_snapshot!("plain_summary", said.join("\n"));
    });
}

#[test]
fn the_same_picture_again_is_silence() {
    assert!(introduced().hear(&seen(), NOW_MS + 1_000).is_empty());
}

#[test]
fn events_of_the_summary_are_not_repeated_and_new_ones_are_said() {
    let mut narrator = introduced();
    let mut event = events().remove(3);
    assert!(narrator.hear(&Message::Event(Box::new(event.clone())), NOW_MS).is_empty());

    event.seq = 42;
    let said = narrator.hear(&Message::Event(Box::new(event)), NOW_MS);

    assert_eq!(said, ["shop/web-3 health down, was up: refused. 14:39:48 UTC."]);
}

#[test]
fn a_shift_is_said_once() {
    let mut narrator = introduced();
    let mut worse = status();
    worse.pools[1].traffic.error_share = Some(0.08);
    if let Some(latency) = &mut worse.pools[1].traffic.latency {
        latency.p99_ms = 400.0;
    }

    let said = narrator.hear(&Message::Status(Box::new(worse.clone())), NOW_MS);

    assert_eq!(said, ["Errors up in shop: 8.0%.", "Slower in shop: slowest hundredth 400ms, was 108ms."]);
    assert!(narrator.hear(&Message::Status(Box::new(worse)), NOW_MS).is_empty());
}

#[test]
fn a_lost_daemon_is_said_once_and_so_is_its_return() {
    let mut narrator = introduced();
    assert_eq!(narrator.hear(&lost(), NOW_MS).len(), 1);
    assert!(narrator.hear(&lost(), NOW_MS).is_empty());
    assert_eq!(narrator.hear(&seen(), NOW_MS), ["ayad answers again."]);
}

#[test]
fn one_pool_only_means_one_pool_only() {
    let said = Narrator::new(Some("api".into())).hear(&seen(), NOW_MS).join("\n");
    assert!(said.contains("api/green") && !said.contains("shop"), "{said}");
}

#[test]
fn an_upgrade_is_not_called_a_restart() {
    let mut narrator = introduced();
    let mut next = status();
    next.daemon.pid = 4_812;
    next.daemon.version = "0.2.0".into();
    let upgraded = narrator.hear(&Message::Status(Box::new(next.clone())), NOW_MS);
    next.daemon.pid = 4_900;
    next.daemon.serving_since_ms += 1;
    let restarted = narrator.hear(&Message::Status(Box::new(next)), NOW_MS);

    assert_eq!(upgraded[0], "ayad was upgraded: process 4812, version 0.2.0.");
    assert_eq!(restarted[0], "ayad was restarted.");
}
