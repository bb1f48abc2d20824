//! A dashboard that looks at the world of the tests, and hands on its keyboard.

use aya_tui::Options;
use aya_tui::message::{Effect, Message};
use aya_tui::model::Model;
use aya_tui::update::update;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

pub(crate) use crate::story::{algorithms, change, detail, events};
pub(crate) use crate::world::{
    NOW_MS, crowded_status, empty_status, secure_listener, shown_to_backends, status,
};

pub(crate) fn options() -> Options {
    Options { context: Some("demo".into()), ..Options::new("/run/ayad/control.sock") }
}

/// A dashboard that has just heard the picture.
pub(crate) fn live(size: (u16, u16)) -> Model {
    let mut model = Model::new(&options(), size, NOW_MS);
    hear(&mut model, Message::Status(Box::new(crate::world::earlier(status()))));
    hear(&mut model, Message::Algorithms(algorithms()));
    hear(&mut model, Message::Status(Box::new(status())));
    for event in events() {
        hear(&mut model, Message::Event(Box::new(event)));
    }
    model
}

pub(crate) fn hear(model: &mut Model, message: Message) -> Vec<Effect> {
    update(model, message)
}

pub(crate) fn press(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    update(model, Message::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

/// Types characters one after the other and returns what the last one did.
pub(crate) fn strike(model: &mut Model, keys: &str) -> Vec<Effect> {
    keys.chars().map(|c| press(model, KeyCode::Char(c))).last().unwrap_or_default()
}

pub(crate) fn draw(model: &Model) -> Buffer {
    let mut buf = Buffer::empty(Rect::new(0, 0, model.size.0, model.size.1));
    aya_tui::screen::draw(model, &mut buf);
    buf
}

/// What is on the screen, line by line.
pub(crate) fn picture(model: &Model) -> String {
    let buf = draw(model);
    let area = buf.area;
    let line = |y| {
        let line: String = (0..area.width).map(|x| buf[(x, y)].symbol()).collect();
        line.trim_end().to_owned()
    };
    (0..area.height).map(line).collect::<Vec<_>>().join("\n")
}
