//! What operators ordered survives a restart, and what a crash left behind does no harm.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use aya_api::axis::{Admin, StickyDrain};
use aya_api::change::ChangeOptions;
use aya_api::command::operations::GetOperations;
use aya_api::command::weight::SetWeight;
use aya_api::error::ErrorCode;
use aya_tests::load;
use aya_tests::wait;

use super::pair;

#[test]
fn orders_survive_a_restart_and_are_shown_as_restored() {
    let pair = pair();
    pair.daemon.control.set_weight("main/one", 4);
    pair.daemon.control.set_admin("main/two", Admin::Maint);
    pair.daemon.control.set_algorithm("main", "random");

    let daemon = pair.daemon.restart("TERM");

    let (one, two) = (daemon.control.backend("main/one"), daemon.control.backend("main/two"));
    assert_eq!((one.weight, one.configured_weight, one.weight_restored), (4, 1, true));
    assert_eq!((two.admin.state, two.admin.restored), (Admin::Maint, true));
    assert!(two.admin.by.is_some());
    let algorithm = &daemon.control.status().pools[0].algorithm;
    assert_eq!((algorithm.name.as_str(), algorithm.overridden, algorithm.restored), ("random", true, true));
    assert_eq!(load::send(daemon.address(), 10).of("one"), 10);
    assert_eq!(daemon.control.call(&GetOperations).len(), 3);
}

#[test]
fn orders_survive_a_kill() {
    let pair = pair();
    pair.daemon.control.drain("main/two", StickyDrain::Move);

    let daemon = pair.daemon.restart("KILL");

    let two = daemon.control.expect_admin("main/two", Admin::Drained);
    assert!(two.admin.restored);
}

#[test]
fn an_order_that_put_back_the_configuration_leaves_nothing_behind() {
    let pair = pair();
    pair.daemon.control.set_weight("main/one", 4);
    pair.daemon.control.set_weight("main/one", 1);

    let daemon = pair.daemon.restart("TERM");

    let one = daemon.control.backend("main/one");
    assert_eq!((one.weight, one.weight_restored), (1, false));
}

#[test]
fn a_lease_that_ended_while_the_daemon_was_down_has_ended() {
    let pair = pair();
    let leased = ChangeOptions { for_ms: Some(1), ..ChangeOptions::default() };
    pair.daemon.control.call_with(&SetWeight::new("main", "one", 9), &leased);

    let daemon = pair.daemon.restart("KILL");

    assert_eq!(daemon.control.backend("main/one").weight, 1);
}

#[test]
fn a_lease_goes_on_after_a_restart() {
    let pair = pair();
    let leased = ChangeOptions { for_ms: Some(3_600_000), ..ChangeOptions::default() };
    let change = pair.daemon.control.call_with(&SetWeight::new("main", "one", 9), &leased);

    let daemon = pair.daemon.restart("TERM");

    let one = daemon.control.backend("main/one");
    assert_eq!((one.weight, one.weight_until_ms, one.weight_restored), (9, change.until_ms, true));
}

#[test]
fn a_journal_cut_in_the_middle_costs_its_last_line_only() {
    let pair = pair();
    pair.daemon.control.set_weight("main/one", 4);
    pair.daemon.control.set_weight("main/two", 7);
    let setup = pair.daemon.keep_setup();
    pair.daemon.stop();
    let journal = OpenOptions::new().write(true).open(setup.journal()).expect("there is a journal");
    let length = journal.metadata().expect("it has a length").len();
    journal.set_len(length - 10).expect("it can be cut");

    let daemon = setup.start();

    assert_eq!(daemon.control.backend("main/one").weight, 4);
    assert_eq!(daemon.control.backend("main/two").weight, 1);
    let event = daemon.control.events().into_iter().find(|event| event.kind == "journal");
    assert!(event.expect("it is told").cause.contains("1 damaged line"));
    let aside = daemon.journal().with_file_name("journal.damaged.jsonl");
    assert!(aside.exists(), "the damaged journal is kept");
    daemon.control.set_weight("main/two", 5);
    assert_eq!(daemon.restart("KILL").control.backend("main/two").weight, 5);
}

#[test]
fn a_journal_of_garbage_does_not_keep_the_daemon_from_starting() {
    let pair = pair();
    let setup = pair.daemon.keep_setup();
    pair.daemon.stop();
    fs::write(setup.journal(), b"\0\xff{]\n\n{\"op\": 1}\n[]\n").expect("it can be written");

    let daemon = setup.start();

    assert!(daemon.control.call(&GetOperations).is_empty());
    assert!(daemon.control.set_weight("main/one", 2).changed);
}

#[test]
fn orders_for_what_is_gone_wait_until_it_is_back() {
    let mut pair = pair();
    let (both, one) = {
        let members = [("one", pair.one.address), ("two", pair.two.address)];
        let text = |members: &[_]| aya_tests::daemon::pool(members, "algorithm = \"weighted-round-robin\"");
        (text(&members), text(&members[..1]))
    };
    pair.daemon.control.set_weight("main/two", 6);

    pair.daemon.reconfigure(&one);
    let mut daemon = pair.daemon.restart("TERM");
    daemon.reconfigure(&both);

    let two = daemon.control.backend("main/two");
    assert_eq!((two.weight, two.weight_restored), (6, true));
}

/// Deletes the journal and lets nothing be written in its place, as on a full disk.
fn obstruct(journal: &Path) -> PathBuf {
    let obstacle = journal.with_extension("jsonl.new");
    fs::create_dir(&obstacle).expect("a folder can be made");
    fs::remove_file(journal).expect("there is a journal");
    obstacle
}

#[test]
fn a_lease_whose_end_cannot_be_written_down_ends_as_soon_as_it_can() {
    let pair = pair();
    let control = &pair.daemon.control;
    let leased = ChangeOptions { for_ms: Some(500), ..ChangeOptions::default() };
    control.call_with(&SetWeight::new("main", "one", 9), &leased);
    let obstacle = obstruct(&pair.daemon.journal());
    let told = || control.events().iter().filter(|e| e.cause.contains("could not be reverted")).count();

    wait::until_true("it is told", || told() > 0);
    assert_eq!(control.backend("main/one").weight, 9);
    let refused = control.refused(&SetWeight::new("main", "two", 3), &ChangeOptions::default());
    assert_eq!(refused.code, ErrorCode::Unavailable);
    fs::remove_dir(obstacle).expect("the folder can be removed");

    wait::until_true("the lease has ended", || control.backend("main/one").weight == 1);
    assert_eq!(told(), 1);
    assert_eq!(pair.daemon.restart("KILL").control.backend("main/one").weight, 1);
}

#[test]
fn a_lease_on_a_lease_goes_back_to_the_configuration_after_a_restart() {
    for (for_ms, what) in [(1500, "ended after the restart"), (1, "ended before the restart")] {
        let pair = pair();
        let lease = |weight, for_ms| {
            let options = ChangeOptions { for_ms: Some(for_ms), ..ChangeOptions::default() };
            pair.daemon.control.call_with(&SetWeight::new("main", "one", weight), &options);
        };
        lease(5, 3_600_000);
        lease(9, for_ms);

        let daemon = pair.daemon.restart("KILL");

        wait::until_true(what, || daemon.control.backend("main/one").weight != 9);
        let one = daemon.control.backend("main/one");
        assert_eq!((one.weight, one.weight_until_ms), (1, None), "{what}");
    }
}

#[test]
fn a_journal_that_cannot_be_rewritten_keeps_nobody_from_starting() {
    let pair = pair();
    pair.daemon.control.set_weight("main/one", 4);
    let setup = pair.daemon.keep_setup();
    pair.daemon.stop();
    let mut journal = OpenOptions::new().append(true).open(setup.journal()).expect("there is a journal");
    journal.write_all(b"{\"op\":").expect("it can be written");
    fs::create_dir(setup.journal().with_extension("jsonl.new")).expect("a folder can be made");

    let daemon = setup.start();

    assert_eq!(daemon.control.backend("main/one").weight, 4);
    assert_eq!(load::send(daemon.address(), 10).of("one"), 8);
    assert!(daemon.control.events().iter().any(|e| e.cause.contains("cannot rewrite the journal")));
    daemon.control.set_weight("main/two", 7);
    assert_eq!(daemon.restart("KILL").control.backend("main/two").weight, 7);
}

#[test]
fn a_journal_that_is_deleted_while_the_daemon_runs_is_written_again() {
    let pair = pair();
    pair.daemon.control.set_weight("main/one", 4);
    fs::remove_file(pair.daemon.journal()).expect("there is a journal");

    pair.daemon.control.set_weight("main/two", 7);

    let events = pair.daemon.control.events();
    assert!(events.iter().any(|e| e.kind == "journal" && e.cause.contains("deleted")));
    let daemon = pair.daemon.restart("KILL");
    assert_eq!(daemon.control.backend("main/one").weight, 4);
    assert_eq!(daemon.control.backend("main/two").weight, 7);
}
