//! What keys, the mouse and the daemon do to the dashboard, without a terminal and without a daemon.

use crate::fixture::{self, NOW_MS, hear, live, options, picture, press, secure_listener, status, strike};
use aya_api::axis::Admin;
use aya_api::view::UpgradeView;
use aya_tui::message::{BackendRef, Effect, Message, Refusal, Request, Watch};
use aya_tui::model::{Dialog, Model};
use aya_tui::plan::{Order, Wish};
use aya_tui::screen::ScreenId;
use aya_tui::update::update;
use aya_tui::{ColumnId, Options};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;

const SIZE: (u16, u16) = (120, 40);

fn select(model: &mut Model, id: &str) {
    model.table.selected = Some(id.into());
    model.settle_selection();
}

fn ordered(effects: &[Effect]) -> Option<&Order> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ask(Request::Change(order)) => Some(order),
        _ => None,
    })
}

fn notice(model: &Model) -> &str {
    model.notice.as_ref().map_or("", |notice| notice.text.as_str())
}

fn lost() -> Message {
    Message::Lost { cause: "connection refused".into(), hint: "start one".into(), retry_in_ms: 500 }
}

fn click(model: &mut Model, column: u16, row: u16) {
    let kind = MouseEventKind::Down(MouseButton::Left);
    hear(model, Message::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
}

/// Where a word stands on the screen.
fn find(model: &Model, word: &str) -> (u16, u16) {
    let found = picture(model).lines().zip(0..).skip(3).find_map(|(line, y)| {
        let at = line.find(word)?;
        Some((line[..at].chars().count() as u16, y))
    });
    found.expect("the word is on the screen")
}

#[test]
fn a_change_is_sent_once_it_is_confirmed_with_the_revision_that_was_seen() {
    let mut model = live(SIZE);
    select(&mut model, "shop/web-2");

    assert!(ordered(&strike(&mut model, "d")).is_none());
    assert!(matches!(model.dialog, Some(Dialog::Confirm { yes: false, .. })));
    let effects = strike(&mut model, "y");

    let target = BackendRef { pool: "shop".into(), backend: "web-2".into() };
    let wish = Wish::Admin { target, state: Admin::Draining };
    assert_eq!(ordered(&effects), Some(&Order { wish, if_rev: 2 }));
    assert!(model.dialog.is_none());
}

#[test]
fn enter_means_no_until_the_answer_is_moved() {
    let mut model = live(SIZE);
    strike(&mut model, "d");
    assert!(ordered(&press(&mut model, KeyCode::Enter)).is_none());
    assert!(notice(&model).contains("nothing was changed"));

    strike(&mut model, "d");
    press(&mut model, KeyCode::Tab);
    assert!(ordered(&press(&mut model, KeyCode::Enter)).is_some());
}

#[test]
fn a_stale_picture_changes_nothing_and_says_why() {
    let mut model = live(SIZE);
    hear(&mut model, lost());
    for key in "drm+-][wa".chars() {
        assert!(strike(&mut model, &key.to_string()).is_empty());
        assert!(model.dialog.is_none(), "{key}");
        assert!(notice(&model).contains("does not answer"), "{key}: {}", notice(&model));
    }
}

#[test]
fn a_confirmation_that_got_stale_sends_nothing() {
    let mut model = live(SIZE);
    strike(&mut model, "d");
    hear(&mut model, lost());
    assert!(ordered(&strike(&mut model, "y")).is_none());
    assert!(notice(&model).contains("does not answer"));
}

#[test]
fn silence_makes_the_picture_stale_without_any_error() {
    let mut model = live(SIZE);
    hear(&mut model, Message::Tick { now_ms: NOW_MS + 5_000 });
    assert!(model.is_stale());
    assert!(picture(&model).contains("STALE 5s"));
}

#[test]
fn a_terminal_too_small_for_a_confirmation_changes_nothing() {
    let mut model = live((20, 5));
    for key in ["d", "r", "m", "+"] {
        assert!(ordered(&strike(&mut model, key)).is_none());
        assert!(ordered(&strike(&mut model, "y")).is_none());
    }

    let mut model = live(SIZE);
    strike(&mut model, "d");
    hear(&mut model, Message::Resize { width: 20, height: 5 });
    assert!(ordered(&strike(&mut model, "y")).is_none());
    hear(&mut model, Message::Resize { width: SIZE.0, height: SIZE.1 });
    assert!(ordered(&strike(&mut model, "y")).is_none(), "a question nobody saw is not asked any more");
}

#[test]
fn read_only_refuses_with_a_sentence() {
    let mut model = Model::new(&Options { read_only: true, ..options() }, SIZE, NOW_MS);
    hear(&mut model, Message::Status(Box::new(status())));
    strike(&mut model, "m");
    assert!(model.dialog.is_none());
    assert!(notice(&model).starts_with("read-only"));
}

#[test]
fn a_conflict_names_who_was_faster() {
    let mut model = live(SIZE);
    let wish = Wish::Algorithm { pool: "shop".into(), name: "p2c".into() };
    let refusal = Refusal {
        cause: "ann changed admin of shop/web-1 to maint 3 s ago".into(),
        hint: "look again, then repeat".into(),
        conflict: true,
    };
    hear(&mut model, Message::Refused { order: Order { wish, if_rev: 1 }, refusal });
    assert!(notice(&model).contains("somebody was faster"), "{}", notice(&model));
    assert!(notice(&model).contains("ann changed"));
}

#[test]
fn a_change_is_answered_with_its_undo() {
    let mut model = live(SIZE);
    hear(&mut model, Message::Done(Box::new(fixture::change())));
    assert_eq!(notice(&model), "shop/web-1: admin ready → draining; undo: ayactl ready shop/web-1");
}

#[test]
fn the_selection_stays_on_its_backend_when_rows_move() {
    let mut model = live(SIZE);
    select(&mut model, "shop/web-5");
    for _ in 0..12 {
        strike(&mut model, "s");
        strike(&mut model, "S");
        assert_eq!(model.table.selected.as_deref(), Some("shop/web-5"));
    }
    let mut next = status();
    next.pools[1].backends.rotate_left(2);
    hear(&mut model, Message::Status(Box::new(next)));
    assert_eq!(model.table.selected.as_deref(), Some("shop/web-5"));
}

#[test]
fn a_selected_backend_that_disappears_hands_over_to_its_neighbour() {
    let mut model = live(SIZE);
    select(&mut model, "shop/web-2");
    let mut next = status();
    next.pools[1].backends.remove(1);
    hear(&mut model, Message::Status(Box::new(next)));
    assert_eq!(model.table.selected.as_deref(), Some("shop/web-3"));
}

#[test]
fn a_filter_hides_rows_and_escape_brings_back_what_was() {
    let mut model = live(SIZE);
    strike(&mut model, "/!web");
    press(&mut model, KeyCode::Enter);
    assert!(!picture(&model).lines().skip(3).any(|line| line.contains("web-1")));
    assert!(picture(&model).contains("filter: !web"));

    strike(&mut model, "/x");
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.table.filter.text, "!web");
    press(&mut model, KeyCode::Esc);
    assert!(picture(&model).contains("web-1"));
}

#[test]
fn a_frozen_screen_shows_the_past_until_it_is_resumed() {
    let mut model = live(SIZE);
    strike(&mut model, "f");
    let before = model.status.clone();
    let mut next = status();
    next.daemon.generation = 99;
    hear(&mut model, Message::Tick { now_ms: NOW_MS + 1_000 });
    hear(&mut model, Message::Status(Box::new(next)));

    assert_eq!(model.status, before);
    assert!(picture(&model).contains("FROZEN 1s"));
    strike(&mut model, "d");
    assert!(model.dialog.is_none());
    strike(&mut model, "f");
    assert!(picture(&model).contains("config 99"));
}

#[test]
fn a_restarted_daemon_is_noticed() {
    let mut model = live(SIZE);
    let mut next = status();
    next.daemon.pid = 4_812;
    next.daemon.started_ms += 1;
    next.daemon.serving_since_ms += 1;
    hear(&mut model, Message::Status(Box::new(next)));
    assert!(notice(&model).contains("restarted: process 4711 is now 4812"));
}

#[test]
fn an_upgraded_daemon_is_no_restarted_one() {
    let mut model = live(SIZE);
    let mut next = status();
    next.daemon.pid = 4_812;
    next.daemon.version = "0.2.0".into();
    next.daemon.started_ms = NOW_MS - 60_000;
    next.daemon.upgraded =
        Some(UpgradeView { at_ms: NOW_MS - 60_000, from_pid: 4_711, from_version: Some("0.1.0".into()) });
    hear(&mut model, Message::Status(Box::new(next)));

    let text = notice(&model);
    assert!(text.contains("upgraded, from 0.1.0 to 0.2.0: process 4812 has taken over from 4711"), "{text}");
    assert!(picture(&model).lines().next().unwrap().contains("upgraded 1m ago"), "{}", picture(&model));
}

#[test]
fn the_listeners_can_be_filtered_and_scrolled() {
    let mut model = live((60, 16));
    let mut next = status();
    next.listeners.push(secure_listener());
    hear(&mut model, Message::Status(Box::new(next)));
    strike(&mut model, "4");
    let first = picture(&model);

    strike(&mut model, "G");
    assert_ne!(picture(&model), first);
    strike(&mut model, "g");
    assert_eq!(picture(&model), first);

    strike(&mut model, "/shop.example");
    press(&mut model, KeyCode::Enter);
    let filtered = picture(&model);
    assert!(filtered.contains("9 days") && !filtered.contains("placeholder  "), "{filtered}");
    assert!(filtered.contains("filter: shop.example"), "{filtered}");
    press(&mut model, KeyCode::Esc);
    assert_eq!(picture(&model), first);
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.screen, ScreenId::Overview);
}

#[test]
fn the_detail_is_watched_only_while_it_is_open() {
    let mut model = live(SIZE);
    select(&mut model, "shop/web-4");
    let target = BackendRef { pool: "shop".into(), backend: "web-4".into() };
    assert_eq!(press(&mut model, KeyCode::Enter), [Effect::Ask(Request::Watch(Watch::Backend(target)))]);
    assert_eq!(press(&mut model, KeyCode::Esc), [Effect::Ask(Request::Watch(Watch::Nothing))]);
    assert_eq!(model.screen, ScreenId::Overview);
}

#[test]
fn a_typed_weight_is_previewed_and_bounded() {
    let mut model = live(SIZE);
    select(&mut model, "shop/web-1");
    strike(&mut model, "w5x0");
    press(&mut model, KeyCode::Enter);
    let Some(Dialog::Confirm { plan, .. }) = &model.dialog else { panic!("no confirmation") };
    assert_eq!(plan.change, ("weight".into(), "1".into(), "50".into()));
    assert_eq!(plan.order.wish.command(), "ayactl weight set shop/web-1=50");

    press(&mut model, KeyCode::Esc);
    strike(&mut model, "w9999");
    press(&mut model, KeyCode::Enter);
    assert!(model.dialog.is_none());
    assert!(notice(&model).contains("at most 1000"));
}

#[test]
fn the_mouse_selects_sorts_and_opens_but_never_answers() {
    let mut model = live(SIZE);
    let row = find(&model, "web-2").1;
    click(&mut model, 5, row);
    assert_eq!(model.table.selected.as_deref(), Some("shop/web-2"));

    let (x, y) = find(&model, "REQ/S");
    click(&mut model, x, y);
    assert_eq!(model.table.sort, Some(ColumnId::Rate));
    click(&mut model, x, y);
    assert!(model.table.reversed);

    strike(&mut model, "d");
    let (x, y) = find(&model, "Yes");
    click(&mut model, x, y);
    assert!(matches!(model.dialog, Some(Dialog::Confirm { yes: false, .. })));
}

#[test]
fn the_selected_row_is_always_inside_the_window() {
    let mut model = live((80, 16));
    hear(&mut model, Message::Status(Box::new(fixture::crowded_status(4, 25))));
    for key in ["G", "k", "k", "g", "j", "j", "j"] {
        strike(&mut model, key);
        let name = model.selected_ref().unwrap().backend;
        assert!(picture(&model).lines().any(|line| line.starts_with(&format!("▸ {name} "))), "{key}: {name}");
    }
    for _ in 0..110 {
        press(&mut model, KeyCode::Down);
        assert!(picture(&model).contains('▸'));
    }
    assert_eq!(model.table.selected.as_deref(), Some("pool-3/web-24"));
}

/// What can happen between two keys.
fn anything() -> impl Strategy<Value = Message> {
    let codes = prop_oneof![
        6 => proptest::char::range(' ', '~').prop_map(KeyCode::Char),
        3 => prop_oneof![
            Just(KeyCode::Enter), Just(KeyCode::Esc), Just(KeyCode::Tab), Just(KeyCode::Up),
            Just(KeyCode::Down), Just(KeyCode::PageDown), Just(KeyCode::Backspace), Just(KeyCode::End),
        ],
        4 => prop_oneof![Just('d'), Just('r'), Just('m'), Just('+'), Just('w'), Just('a'), Just('y')].prop_map(KeyCode::Char),
    ];
    prop_oneof![
        30 => codes.prop_map(|code| Message::Key(KeyEvent::new(code, KeyModifiers::NONE))),
        2 => (0u16..130, 0u16..45).prop_map(|(column, row)| Message::Mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left), column, row, modifiers: KeyModifiers::NONE,
        })),
        1 => (0u16..260, 0u16..80).prop_map(|(width, height)| Message::Resize { width, height }),
        1 => Just(Message::Status(Box::new(status()))),
        1 => Just(Message::Status(Box::new(fixture::empty_status()))),
        1 => Just(lost()),
        1 => Just(Message::Detail(Box::new(fixture::detail()))),
        1 => Just(Message::Pick { pool: "shop".into(), came: Ok(Box::new(crate::explained::pick())) }),
        1 => (0u64..20_000).prop_map(|ms| Message::Tick { now_ms: NOW_MS + ms }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_changes_without_a_confirmation_on_the_screen(stream in proptest::collection::vec(anything(), 1..120)) {
        let mut model = live(SIZE);
        for message in stream {
            let shown = match &model.dialog {
                Some(Dialog::Confirm { plan, yes }) => Some((plan.order.clone(), *yes)),
                _ => None,
            };
            let was_inert = model.inert_because().is_some();
            let key = match &message {
                Message::Key(key) => Some(key.code),
                _ => None,
            };
            let effects = update(&mut model, message);
            if let Some(order) = ordered(&effects) {
                let (confirmed, yes) = shown.expect("a change without a confirmation");
                prop_assert_eq!(order, &confirmed);
                prop_assert!(!was_inert);
                prop_assert!(matches!(key, Some(KeyCode::Char('y' | 'Y'))) || (yes && key == Some(KeyCode::Enter)));
            }
            fixture::draw(&model);
        }
    }
}
