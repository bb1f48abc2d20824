//! Backends that traffic or people keep from traffic: ejected, eased, forced.

use aya_api::axis::{BreakerOrder, Standing};
use aya_api::view::{BackendView, BreakerOrderView, BreakerWindow, SourceView, StandingView, Status};

use super::explained::pick;
use super::world::{MINUTE, SECOND};
use super::{KeyCode, Message, Model, NOW_MS, hear, live, picture, press, select, snapshot, status};

fn stands(backend: &mut BackendView, state: Standing, share: &str, ease: f64) {
    backend.eligible = state != Standing::Ejected;
    backend.ease = Some(ease);
    backend.standing = Some(StandingView {
        state,
        shadow: false,
        since_ms: NOW_MS - 2 * SECOND,
        odd_since_ms: Some(NOW_MS - 8 * MINUTE),
        until_ms: (state == Standing::Ejected).then_some(NOW_MS + 2 * SECOND),
        reason: "failure-share".into(),
        cause: format!("failure share {share} of 120 against a median of 0.2%, 9.1 deviations"),
        times: 2,
        trials: None,
        trials_needed: None,
    });
}

fn guarded() -> Status {
    let mut status = status();
    let shop = &mut status.pools[1];
    stands(&mut shop.backends[0], Standing::Ejected, "21%", 0.0);
    stands(&mut shop.backends[4], Standing::Suspected, "9%", 0.5);
    let forced = &mut shop.backends[5].breaker;
    forced.window = Some(BreakerWindow { calls: 80, failures: 33, slow: 2 });
    forced.order = Some(BreakerOrderView {
        order: BreakerOrder::Open,
        since_ms: NOW_MS - MINUTE,
        by: "ada".into(),
        reason: Some("bad release".into()),
        until_ms: Some(NOW_MS + 9 * MINUTE),
        restored: false,
    });
    status
}

#[test]
fn ejected_eased_and_forced_say_since_when_and_why() {
    for size in [(80, 24), (120, 40)] {
        let mut model = live(size);
        hear(&mut model, Message::Status(Box::new(guarded())));
        snapshot("guarded", &model);
        for (name, id) in [("ejected", 0), ("forced", 5)] {
            let id = guarded().pools[1].backends[id].id.clone();
            let mut model = live(size);
            hear(&mut model, Message::Status(Box::new(guarded())));
            select(&mut model, &id);
            press(&mut model, KeyCode::Enter);
            snapshot(name, &model);
        }
    }
}

fn line_of_alarms(model: &Model) -> String {
    picture(model).lines().nth(2).unwrap_or_default().trim_end().to_owned()
}

/// The line of alarms with shop/web-1 standing so.
fn headline(state: Standing) -> String {
    let mut status = status();
    stands(&mut status.pools[1].backends[0], state, "21%", 0.0);
    let mut model = live((80, 24));
    hear(&mut model, Message::Status(Box::new(status)));
    line_of_alarms(&model)
}

#[test]
fn the_headline_is_the_same_while_one_is_ejected_and_while_it_is_tried() {
    let ejected = headline(Standing::Ejected);
    assert!(ejected.contains("shop/web-1 ejected (failure-share, 8m)"), "{ejected}");
    assert_eq!(headline(Standing::Trying), ejected);
}

#[test]
fn a_pool_without_backends_comes_before_backends_and_a_failing_source_after_them() {
    let mut status = status();
    status.pools[0].backends.clear();
    status.pools[0].eligible = 0;
    for backend in &mut status.pools[1].backends {
        backend.signal_sources = vec![SourceView {
            source: "scrape".into(),
            ok: false,
            since_ms: NOW_MS - 2 * MINUTE,
            cause: Some("refused".into()),
            stale: true,
        }];
    }
    let told = |size| {
        let mut model = live(size);
        hear(&mut model, Message::Status(Box::new(status.clone())));
        line_of_alarms(&model)
    };
    let narrow = told((80, 24));
    let empty = format!("{} has no backends", status.pools[0].name);
    assert!(narrow.contains(&format!(": {empty}, +")) && narrow.ends_with(" more alarms"), "{narrow}");
    let wide = told((400, 60));
    let at = |words: &str| wide.find(words).unwrap_or_else(|| panic!("{words}: {wide}"));
    let source = at("scrape fails for 6 backends of shop: refused (2m)");
    assert!(at(&empty) < at("web-3 down") && at("web-3 down") < source, "{wide}");
}

#[test]
fn one_that_is_down_and_may_be_picked_in_panic_is_marked() {
    let mut model = live((120, 40));
    select(&mut model, "shop/web-1");
    press(&mut model, KeyCode::Char('5'));
    let mut pick = pick();
    let marked = &mut pick.candidates[0];
    marked.despite = Some("down, but may be picked: panic".into());
    let name = marked.backend.replace("shop/", "");
    hear(&mut model, Message::Pick { pool: "shop".into(), came: Ok(Box::new(pick)) });
    let shown = picture(&model);
    let row = shown.lines().find(|line| line.contains("may be picked")).unwrap_or_else(|| panic!("{shown}"));
    assert!(row.contains(&name) && row.contains("down, but may be picked: panic"), "{row}");
}
