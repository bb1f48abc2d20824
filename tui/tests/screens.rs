//! Every screen at three sizes, and what an operator must be able to see in every state of the dashboard.

#[path = "screens/explained.rs"]
mod explained;
#[path = "screens/fixture.rs"]
mod fixture;
#[path = "screens/gameday.rs"]
mod gameday;
#[path = "screens/guard.rs"]
mod guard;
#[path = "screens/keys.rs"]
mod keys;
#[path = "screens/plain.rs"]
mod plain;
#[path = "screens/story.rs"]
mod story;
#[path = "screens/world.rs"]
mod world;

use aya_tui::message::Message;
use aya_tui::model::Model;
use aya_tui::{Color, Options, overview_text};
use crossterm::event::KeyCode;
use fixture::{
    NOW_MS, detail, draw, empty_status, hear, live, options, picture, press, secure_listener,
    shown_to_backends, status, strike,
};
use ratatui::style::{Color as Ink, Modifier};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn snapshot(name: &str, model: &Model) {
    let (width, height) = model.size;
    insta::assert_snapshot!(format!("{name}_{width}x{height}"), picture(model));
}

fn select(model: &mut Model, id: &str) {
    model.table.selected = Some(id.into());
    model.settle_selection();
}

fn lose(model: &mut Model, seconds: u64) {
    let cause = "connection refused".to_owned();
    hear(model, Message::Tick { now_ms: NOW_MS + seconds * 1_000 });
    hear(
        model,
        Message::Lost { cause, hint: "start one with `ayad --config FILE`".into(), retry_in_ms: 1_000 },
    );
}

#[test]
fn overview_at_every_size() {
    for size in SIZES.into_iter().chain([(250, 70), (60, 16)]) {
        snapshot("overview", &live(size));
    }
}

#[test]
fn certificates_that_end_are_alarms() {
    for size in SIZES {
        let mut model = live(size);
        let mut status = status();
        status.pools.truncate(1);
        status.listeners.push(secure_listener());
        hear(&mut model, Message::Status(Box::new(status)));
        snapshot("certificates", &model);
    }
}

#[test]
fn listeners_at_every_size() {
    for size in SIZES.into_iter().chain([(250, 70)]) {
        let mut model = live(size);
        let mut status = status();
        status.listeners.push(secure_listener());
        status.pools[1].upstream = shown_to_backends();
        hear(&mut model, Message::Status(Box::new(status)));
        strike(&mut model, "4");
        snapshot("listeners", &model);
    }
}

#[test]
fn backend_at_every_size() {
    for size in SIZES {
        let mut model = live(size);
        select(&mut model, "shop/web-4");
        press(&mut model, KeyCode::Enter);
        hear(&mut model, Message::Detail(Box::new(detail())));
        snapshot("backend", &model);
    }
}

#[test]
fn events_at_every_size() {
    for size in SIZES {
        let mut model = live(size);
        strike(&mut model, "3");
        snapshot("events", &model);
    }
}

#[test]
fn an_event_is_read_whole_while_others_come() {
    let mut model = live((80, 24));
    strike(&mut model, "3");
    press(&mut model, KeyCode::Char('g'));
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Enter);
    snapshot("event", &model);
    let read = picture(&model);
    assert!(read.contains("kernel update") && !read.contains('…'), "{read}");
    press(&mut model, KeyCode::Esc);
    assert!(picture(&model).contains("SUBJECT"), "the list is back");
}

#[test]
fn help_at_every_size() {
    for size in SIZES {
        let mut model = live(size);
        strike(&mut model, "?");
        snapshot("help", &model);
    }
}

#[test]
fn confirmations_show_what_will_change() {
    for (name, typed, id) in [
        ("confirm_drain", "d", "shop/web-1"),
        ("confirm_weight", "]", "shop/web-2"),
        ("confirm_last", "m", "api/blue"),
    ] {
        let mut model = live((80, 24));
        select(&mut model, id);
        strike(&mut model, typed);
        snapshot(name, &model);
    }
}

#[test]
fn choosers_and_typing() {
    let mut model = live((80, 24));
    strike(&mut model, "a");
    snapshot("choose_algorithm", &model);
    press(&mut model, KeyCode::Enter);
    strike(&mut model, "aj");
    press(&mut model, KeyCode::Enter);
    snapshot("confirm_algorithm", &model);

    let mut model = live((80, 24));
    strike(&mut model, "w12");
    snapshot("type_weight", &model);

    let mut model = live((80, 24));
    strike(&mut model, "/web-3");
    snapshot("type_filter", &model);
}

#[test]
fn a_stale_picture_stays_and_says_so() {
    let mut model = live((80, 24));
    lose(&mut model, 4);
    snapshot("stale", &model);
    let buf = draw(&model);
    assert_eq!(buf[(5, 6)].fg, Ink::DarkGray, "the table is grey");
    assert!(
        buf[(0, 2)].modifier.contains(Modifier::BOLD) && buf[(0, 2)].bg == Ink::Yellow,
        "the banner is not"
    );
}

#[test]
fn before_the_first_answer_the_screen_says_what_is_tried() {
    let mut model = Model::new(&options(), (80, 24), NOW_MS);
    snapshot("connecting", &model);
    lose(&mut model, 1);
    snapshot("unreachable", &model);
}

#[test]
fn empty_states_say_what_to_do() {
    let mut model = Model::new(&options(), (80, 24), NOW_MS);
    hear(&mut model, Message::Status(Box::new(empty_status())));
    snapshot("no_pools", &model);
    strike(&mut model, "2");
    snapshot("no_backend", &model);
    strike(&mut model, "3");
    snapshot("no_events", &model);

    let mut nobody = empty_status();
    nobody.listeners.clear();
    hear(&mut model, Message::Status(Box::new(nobody)));
    strike(&mut model, "4");
    assert!(picture(&model).contains("no listener: nobody can connect"));

    let mut status = status();
    status.pools[1].backends.clear();
    status.pools[1].eligible = 0;
    let mut model = Model::new(&options(), (80, 24), NOW_MS);
    hear(&mut model, Message::Status(Box::new(status)));
    snapshot("no_backends", &model);
}

#[test]
fn a_tiny_terminal_shows_the_one_thing_that_counts() {
    snapshot("tiny", &live((20, 5)));
    let mut model = live((20, 5));
    let mut fine = status();
    fine.pools.truncate(1);
    fine.pools[0].backends.truncate(1);
    fine.pools[0].eligible = 1;
    hear(&mut model, Message::Status(Box::new(fine)));
    snapshot("tiny_ok", &model);
}

#[test]
fn the_same_words_stand_there_without_colour() {
    let plain = Options { color: Color::None, ..options() };
    let mut model = Model::new(&plain, (80, 24), NOW_MS);
    hear(&mut model, Message::Status(Box::new(status())));
    let buf = draw(&model);
    for cell in buf.content() {
        assert!(matches!(cell.fg, Ink::Reset) && matches!(cell.bg, Ink::Reset), "{cell:?}");
    }
    snapshot("no_colour", &model);
}

#[test]
fn ascii_means_every_cell() {
    let ascii = Options { ascii: true, ..options() };
    for screen in ["", "2", "2e", "3", "4", "5", "6", "?", "d", "a", "]"] {
        let mut model = Model::new(&ascii, (120, 40), NOW_MS);
        let mut status = status();
        status.listeners.push(secure_listener());
        hear(&mut model, Message::Status(Box::new(status)));
        hear(&mut model, Message::Algorithms(fixture::algorithms()));
        select(&mut model, "shop/web-4");
        strike(&mut model, screen);
        hear(&mut model, Message::Detail(Box::new(detail())));
        let picture = picture(&model);
        assert!(picture.is_ascii(), "{picture}");
    }
}

#[test]
fn once_is_the_whole_overview_without_keys() {
    let text = overview_text(live((100, 3)));
    insta::assert_snapshot!("once_100", text);
    assert!(!text.contains("quit"));
}

#[test]
fn trouble_has_a_colour_beside_its_word() {
    let model = live((80, 24));
    let buf = draw(&model);
    let find = |word: &str| {
        let lines = picture(&model);
        let (y, line) = lines.lines().enumerate().skip(4).find(|(_, line)| line.contains(word)).unwrap();
        let lead = word.len() - word.trim_start().len();
        let x = line[..line.find(word).unwrap()].chars().count() + lead;
        buf[(x as u16, y as u16)].fg
    };
    assert_eq!(find("down "), Ink::Red);
    assert_eq!(find(" open "), Ink::Red);
    assert_eq!(find("draining "), Ink::Yellow);
    assert_eq!(find("maint "), Ink::Yellow);
    assert_eq!(find("warming "), Ink::Yellow);
    assert_eq!(find("up "), Ink::Green);
}

#[test]
fn the_cursor_sits_on_the_selected_row() {
    let mut model = live((80, 24));
    select(&mut model, "shop/web-1");
    let mut buf = draw(&model);
    let position = aya_tui::screen::draw(&model, &mut buf).unwrap();
    let line = picture(&model).lines().nth(usize::from(position.y)).unwrap().to_owned();
    assert!(line.contains("web-1"), "{line}");
}

#[test]
fn no_size_is_too_odd_to_draw() {
    for width in (0..260).step_by(7) {
        for height in (0..75).step_by(5) {
            let mut model = live((width, height));
            for screen in ["1", "2", "e", "3", "4", "5", "6", "?", "1d", "na", "/x"] {
                strike(&mut model, screen);
                draw(&model);
            }
            lose(&mut model, 1);
            draw(&model);
        }
    }
}
