//! Which certificate is shown for which name.

use aya_tests::tls::Caller;
use aya_tests::wait;

use super::{Scene, entry};

#[test]
fn an_exact_name_goes_before_a_wildcard_and_the_default_takes_the_rest() {
    let scene = Scene::new();
    let names = [("wild", "*.a.test"), ("exact", "shop.a.test"), ("other", "b.test")];
    let leaves = names.map(|(file, name)| (file, scene.authority.server(&[name])));
    let files = [0, 1, 2].map(|index| (leaves[index].0, &leaves[index].1));
    let other = entry("other").replace(" }", ", default = true }");
    let list = format!("certificates = [{}, {}, {other}]", entry("wild"), entry("exact"));
    let daemon = scene.start(&list, &files);
    // What is shown for a name it does not cover can be looked at, not believed.
    let shown = |name: &str| {
        let caller = Caller::trusting(&scene.authority);
        caller.connect(daemon.address(), name).map(|client| client.socket().certificate())
    };

    assert_eq!(shown("shop.a.test").unwrap(), leaves[1].1.der);
    assert_eq!(shown("SHOP.a.test").unwrap(), leaves[1].1.der);
    assert_eq!(shown("cart.a.test").unwrap(), leaves[0].1.der);
    assert_eq!(shown("b.test").unwrap(), leaves[2].1.der);
    for name in ["c.test", "a.test", "x.shop.a.test"] {
        let refused = shown(name).unwrap_err().to_string();
        assert!(refused.contains("b.test"), "for {name} it is not the default: {refused}");
    }
}

#[test]
fn an_address_in_place_of_a_name_gets_the_default() {
    let scene = Scene::new();
    let leaf = scene.authority.server(&["127.0.0.1"]);
    let daemon = scene.start(&super::only("web"), &[("web", &leaf)]);

    let answer = Caller::trusting(&scene.authority).get(daemon.address(), "127.0.0.1", "/").unwrap();

    assert_eq!(answer.status, 200);
}

#[test]
fn a_strict_listener_turns_unknown_names_away() {
    let scene = Scene::new();
    let leaf = scene.authority.server(&["a.test", "127.0.0.1"]);
    let tls = format!("{}, sni_strict = true", super::only("web"));
    let daemon = scene.start(&tls, &[("web", &leaf)]);
    let caller = Caller::trusting(&scene.authority);

    assert_eq!(caller.get(daemon.address(), "a.test", "/").unwrap().status, 200);
    for name in ["b.test", "127.0.0.1"] {
        assert!(caller.connect(daemon.address(), name).is_err(), "{name}");
    }
    // A failure is counted once the client has been told.
    wait::until_true("the failures are counted", || {
        let tls = daemon.control.listeners()[0].tls.clone();
        tls.is_some_and(|tls| (tls.full, tls.failed) == (1, 2))
    });
}
