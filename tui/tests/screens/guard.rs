//! Backends that traffic or people keep from traffic: ejected, eased, forced.

use aya_api::axis::{BreakerOrder, Standing};
use aya_api::view::{BackendView, BreakerOrderView, BreakerWindow, StandingView, Status};

use super::world::{MINUTE, SECOND};
use super::{KeyCode, Message, NOW_MS, hear, live, press, select, snapshot, status};

fn stands(backend: &mut BackendView, state: Standing, share: &str, ease: f64) {
    backend.eligible = state != Standing::Ejected;
    backend.ease = Some(ease);
    backend.standing = Some(StandingView {
        state,
        shadow: false,
        since_ms: NOW_MS - 2 * SECOND,
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
