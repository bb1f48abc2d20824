//! Backends that operators add and remove.

use aya_api::change::ChangeOptions;
use aya_api::command::members::{AddMember, MemberBody, RemoveMember};
use aya_api::error::ErrorCode;
use aya_tests::backend::Backend;
use aya_tests::client::get;
use aya_tests::daemon::{Daemon, LISTEN, ROUTE};

use super::{config, expect_names, names, source};

fn body(address: &str) -> MemberBody {
    MemberBody { address: address.to_owned(), weight: None, zone: None, tags: Vec::new(), priority: 0 }
}

fn add(name: &str, address: &str) -> AddMember {
    AddMember::new("main", name, body(address))
}

#[test]
fn who_is_added_serves_and_stays_through_restarts_until_it_is_removed() {
    let backend = Backend::saying("one");
    let address = backend.address.to_string();
    let daemon = Daemon::start(&config("{ api = true }"));
    assert_eq!(get(daemon.address(), "/").reason(), Some("no-backend"));

    let change = daemon.control.call(&add("a", &address));

    assert_eq!((change.before.as_str(), change.after), ("absent", address.clone()));
    assert_eq!(change.undo.as_deref(), Some("ayactl backend remove main/a"));
    assert_eq!(get(daemon.address(), "/").text(), "one");
    assert!(!daemon.control.call(&add("a", &address)).changed, "it is already so");
    daemon.control.call(&add("b", "127.0.0.1:9"));
    let heavy = MemberBody { weight: Some(5), zone: Some("z y".into()), ..body("127.0.0.1:9") };
    daemon.control.call(&AddMember::new("main", "b", heavy));
    daemon.control.set_weight("main/a", 3);
    let daemon = daemon.restart("KILL");
    assert_eq!(names(&daemon), ["a", "b"]);
    let b = daemon.control.backend("main/b");
    assert_eq!((b.weight, b.zone.as_deref()), (5, Some("z y")));
    assert_eq!(daemon.control.backend("main/a").weight, 3);
    let change = daemon.control.call(&RemoveMember::new("main", "b"));
    let undo = "ayactl backend add main/b 127.0.0.1:9 --weight 5 --zone \"z y\"";
    assert_eq!(change.undo.as_deref(), Some(undo));
    let mut daemon = daemon.restart("TERM");
    assert_eq!(names(&daemon), ["a"]);
    daemon.upgrade();
    assert_eq!(names(&daemon), ["a"]);
    let change = daemon.control.call(&RemoveMember::new("main", "a"));
    assert!(change.warnings[0].contains("503 no-backend"), "{:?}", change.warnings);
    assert_eq!(names(&daemon), Vec::<String>::new());
}

#[test]
fn a_dry_run_and_a_lease_are_what_they_are_elsewhere() {
    let daemon = Daemon::start(&config("{ api = true }"));
    let dry = ChangeOptions { dry_run: true, ..ChangeOptions::default() };
    assert!(daemon.control.call_with(&add("a", "127.0.0.1:9"), &dry).changed);
    assert!(names(&daemon).is_empty());
    let lease = ChangeOptions { for_ms: Some(300), ..ChangeOptions::default() };
    daemon.control.call_with(&add("a", "127.0.0.1:9"), &lease);
    expect_names(&daemon, &["a"]);
    expect_names(&daemon, &[]);
    let operations = daemon.control.events().into_iter().filter(|event| event.kind == "backend").count();
    assert_eq!(operations, 2);
}

#[test]
fn what_cannot_be_is_refused_with_a_remedy() {
    let text = format!(
        "{LISTEN}[pool.main]\nbackends = [{{ name = \"fixed\", address = \"127.0.0.1:9\" }}]\n\
         discover = {{ api = true, max_backends = 1 }}\n[pool.other]\nbackends = [\"127.0.0.1:9\"]\n{ROUTE}"
    );
    let daemon = Daemon::start(&text);
    let refused = |call: &AddMember| daemon.control.refused(call, &ChangeOptions::default());

    let error = refused(&AddMember::new("other", "a", body("127.0.0.1:9")));
    assert_eq!(error.code, ErrorCode::BadValue);
    assert_eq!(error.hint, "write discover = { api = true } into [pool.other]");
    assert_eq!(refused(&AddMember::new("nope", "a", body("127.0.0.1:9"))).code, ErrorCode::NotFound);
    assert_eq!(refused(&add("fixed", "127.0.0.1:9")).code, ErrorCode::Conflict);
    for (name, address) in [("a", "host:80"), ("a", "nonsense"), ("a", "127.0.0.1:0"), ("a b", "127.0.0.1:9")]
    {
        assert_eq!(refused(&add(name, address)).code, ErrorCode::BadValue, "{name} {address}");
    }
    let heavy = MemberBody { weight: Some(1001), ..body("127.0.0.1:9") };
    assert_eq!(refused(&AddMember::new("main", "a", heavy)).code, ErrorCode::BadValue);
    daemon.control.call(&add("a", "127.0.0.1:9"));
    assert!(refused(&add("b", "127.0.0.1:9")).hint.contains("max_backends"));
    let gone = daemon.control.refused(&RemoveMember::new("main", "b"), &ChangeOptions::default());
    assert_eq!(gone.code, ErrorCode::NotFound);
    let fixed = daemon.control.refused(&RemoveMember::new("main", "fixed"), &ChangeOptions::default());
    assert_eq!(fixed.code, ErrorCode::Conflict);
    assert_eq!(source(&daemon).backends, 1);
}
