//! Orders: what they answer, and under which conditions they are carried out.

use aya_api::axis::Admin;
use aya_api::change::ChangeOptions;
use aya_api::command::admin::SetAdmin;
use aya_api::command::algorithm::SetAlgorithm;
use aya_api::command::operations::GetOperations;
use aya_api::command::weight::SetWeight;
use aya_api::error::ErrorCode;
use aya_tests::load;
use aya_tests::wait;

use super::pair;

fn drain(backend: &str) -> SetAdmin {
    SetAdmin::new("main", backend, Admin::Draining, None)
}

#[test]
fn a_change_says_what_was_what_is_and_how_to_undo_it() {
    let pair = pair();
    let control = &pair.daemon.control;

    let weight = control.set_weight("main/one", 3);
    let admin = control.set_admin("main/one", Admin::Maint);
    let algorithm = control.set_algorithm("main", "random");

    for (change, field, before, after, undo) in [
        (&weight, "weight", "1", "3", "ayactl weight set main/one=1"),
        (&admin, "admin", "ready", "maint", "ayactl ready main/one"),
        (
            &algorithm,
            "algorithm",
            "weighted-round-robin",
            "random",
            "ayactl algorithm set main weighted-round-robin",
        ),
    ] {
        assert!(change.changed && !change.dry_run && change.op.is_some());
        assert_eq!(
            (change.field.as_str(), change.before.as_str(), change.after.as_str()),
            (field, before, after)
        );
        assert_eq!(change.undo.as_deref(), Some(undo));
    }
    assert!(weight.rev < admin.rev);
    let operations = control.call(&GetOperations);
    let fields: Vec<_> = operations.iter().map(|operation| operation.field.as_str()).collect();
    assert_eq!(fields, ["algorithm", "admin", "weight"], "the newest comes first");
}

#[test]
fn what_is_already_so_changes_nothing() {
    let pair = pair();

    let change = pair.daemon.control.set_weight("main/one", 1);

    assert!(!change.changed);
    assert_eq!((change.op, change.undo), (None, None));
    assert!(pair.daemon.control.call(&GetOperations).is_empty());
}

#[test]
fn a_dry_run_says_the_same_and_changes_nothing() {
    let pair = pair();
    let options = ChangeOptions { dry_run: true, ..ChangeOptions::default() };

    let change = pair.daemon.control.call_with(&drain("one"), &options);

    assert!(change.dry_run && change.changed);
    assert_eq!((change.before.as_str(), change.after.as_str(), change.op), ("ready", "draining", None));
    assert_eq!(pair.daemon.control.backend("main/one").admin.state, Admin::Ready);
}

#[test]
fn an_order_on_an_outdated_picture_is_refused_and_says_who_changed_what() {
    let pair = pair();
    let control = &pair.daemon.control;
    let seen = control.backend("main/one").rev;
    control.set_weight("main/one", 7);
    let who = control.call(&GetOperations)[0].by.clone();
    let outdated = ChangeOptions { if_rev: Some(seen), ..ChangeOptions::default() };

    let error = control.refused(&SetWeight::new("main", "one", 9), &outdated);

    assert_eq!(error.code, ErrorCode::Conflict);
    for word in [&who, "from 1 to 7", "main/one"] {
        assert!(error.message.contains(word), "{word} in {}", error.message);
    }
    assert_eq!(control.backend("main/one").weight, 7);
    let current = ChangeOptions { if_rev: Some(control.backend("main/one").rev), ..ChangeOptions::default() };
    assert!(control.call_with(&SetWeight::new("main", "one", 9), &current).changed);
}

#[test]
fn a_conflict_of_another_field_is_explained_by_that_field() {
    let pair = pair();
    let control = &pair.daemon.control;
    let seen = control.backend("main/one").rev;
    control.set_admin("main/one", Admin::Maint);
    let outdated = ChangeOptions { if_rev: Some(seen), ..ChangeOptions::default() };

    let error = control.refused(&SetWeight::new("main", "one", 9), &outdated);

    assert_eq!(error.code, ErrorCode::Conflict);
    assert!(error.message.contains("from ready to maint"), "{}", error.message);
}

#[test]
fn the_same_key_twice_is_one_change() {
    let pair = pair();
    let control = &pair.daemon.control;
    let options = ChangeOptions { idempotency_key: Some("key-1".into()), ..ChangeOptions::default() };

    let first = control.call_with(&SetWeight::new("main", "one", 4), &options);
    control.set_weight("main/one", 2);
    let repeated = control.call_with(&SetWeight::new("main", "one", 4), &options);

    assert_eq!(first, repeated);
    assert_eq!(control.backend("main/one").weight, 2, "the repetition was not carried out again");
    let other = control.refused(&SetWeight::new("main", "one", 5), &options);
    assert_eq!(other.code, ErrorCode::BadRequest);
    let leased = ChangeOptions { for_ms: Some(3_600_000), ..options };
    let other = control.refused(&SetWeight::new("main", "one", 4), &leased);
    assert_eq!(other.code, ErrorCode::BadRequest, "a lease is another change");
}

#[test]
fn any_revision_will_do_for_a_star() {
    let pair = pair();

    let path = "/v1/backends/main/one/weight";
    let answer = pair.daemon.control.ask("PUT", path, &[("if-match", "*")], "{\"weight\": 2}");

    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(pair.daemon.control.backend("main/one").weight, 2);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let pair = pair();
    let control = &pair.daemon.control;
    let path = "/v1/backends/main/one/weight";
    let long = "x".repeat(501);

    for (query, fields) in [
        ("?dry_run=perhaps", &[][..]),
        ("?for_ms=soon", &[]),
        ("?for_ms=0", &[]),
        ("?for_ms=99999999999999", &[]),
        ("?for_ms=18446744073709551615", &[]),
        ("?unknown=1", &[]),
        (&format!("?reason={long}"), &[]),
        ("", &[("if-match", "W/x")]),
        ("", &[("idempotency-key", "")]),
        ("", &[("idempotency-key", &long)]),
    ] {
        let answer = control.ask("PUT", &format!("{path}{query}"), fields, "{\"weight\": 2}");
        assert_eq!(answer.status, 400, "{query} {fields:?}: {}", answer.text());
    }
    assert_eq!(control.backend("main/one").weight, 1);
}

#[test]
fn names_and_values_that_do_not_exist_are_refused_with_a_suggestion() {
    let pair = pair();
    let control = &pair.daemon.control;
    let none = ChangeOptions::default();

    let backend = control.refused(&drain("onne"), &none);
    let drained = control.refused(&SetAdmin::new("main", "one", Admin::Drained, None), &none);
    let algorithm = control.refused(&SetAlgorithm::new("main", "round-robbin"), &none);

    assert_eq!((backend.code, backend.hint.contains("main/one")), (ErrorCode::NotFound, true));
    assert_eq!((drained.code, drained.hint.contains("draining")), (ErrorCode::BadValue, true));
    assert_eq!((algorithm.code, algorithm.hint.contains("\"round-robin\"")), (ErrorCode::BadValue, true));
}

#[test]
fn taking_the_last_backend_out_warns() {
    let pair = pair();
    let control = &pair.daemon.control;

    assert!(control.set_admin("main/one", Admin::Maint).warnings.is_empty());
    let last = control.set_admin("main/two", Admin::Maint);

    assert!(last.warnings.iter().any(|warning| warning.contains("503 no-backend")), "{:?}", last.warnings);
}

#[test]
fn the_reason_travels_with_the_change() {
    let pair = pair();
    let control = &pair.daemon.control;
    let options = ChangeOptions { reason: Some("disk full & loud".into()), ..ChangeOptions::default() };

    control.call_with(&SetAdmin::new("main", "one", Admin::Maint, None), &options);

    let backend = control.backend("main/one");
    assert_eq!(backend.admin.reason.as_deref(), Some("disk full & loud"));
    assert_eq!(control.call(&GetOperations)[0].reason.as_deref(), Some("disk full & loud"));
    let event = control.events().into_iter().find(|event| event.kind == "admin").expect("it is an event");
    assert_eq!((event.cause.as_str(), event.by), ("disk full & loud", backend.admin.by));
}

#[test]
fn a_lease_reverts_by_itself() {
    let pair = pair();
    let control = &pair.daemon.control;
    let leased = |ms| ChangeOptions { for_ms: Some(ms), ..ChangeOptions::default() };

    let weight = control.call_with(&SetWeight::new("main", "one", 5), &leased(150));
    let admin = control.call_with(&SetAdmin::new("main", "two", Admin::Maint, None), &leased(150));
    let algorithm = control.call_with(&SetAlgorithm::new("main", "random"), &leased(150));

    assert!([weight, admin, algorithm].iter().all(|change| change.until_ms.is_some()));
    wait::until_true("the weight is back", || control.backend("main/one").weight == 1);
    control.expect_admin("main/two", Admin::Ready);
    wait::until_true("the algorithm is back", || !control.status().pools[0].algorithm.overridden);
    let by = control.call(&GetOperations)[0].by.clone();
    assert!(by.contains("lease ended"), "{by}");
    assert_eq!(load::send(pair.daemon.address(), 10).of("two"), 5);
}

#[test]
fn a_later_order_without_a_limit_outlives_the_lease() {
    let pair = pair();
    let control = &pair.daemon.control;
    let leased = |ms| ChangeOptions { for_ms: Some(ms), ..ChangeOptions::default() };

    control.call_with(&SetWeight::new("main", "one", 5), &leased(100));
    control.call_with(&SetWeight::new("main", "two", 8), &leased(200));
    control.set_weight("main/one", 6);

    wait::until_true("the longer lease has ended", || control.backend("main/two").weight == 1);
    let kept = control.backend("main/one");
    assert_eq!((kept.weight, kept.weight_until_ms), (6, None));
    assert_eq!((pair.one.requests(), pair.two.requests()), (0, 0));
}
