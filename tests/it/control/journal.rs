//! What operators ordered survives a restart, and what a crash left behind does no harm.

use std::fs::{self, OpenOptions};

use aya_api::axis::{Admin, StickyDrain};
use aya_api::change::ChangeOptions;
use aya_api::command::operations::GetOperations;
use aya_api::command::weight::SetWeight;
use aya_tests::load;

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
