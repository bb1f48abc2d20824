//! One picture as text, for pipes, tickets and scripts that are read by people.

use std::time::Duration;

use aya_api::client::{Client, ClientError};
use aya_api::command::status::GetStatus;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;

use crate::message::Message;
use crate::model::Model;
use crate::{Error, Options, clock, rows, screen};

/// Longest the daemon may take.
const CALL_LIMIT: Duration = Duration::from_secs(2);

/// Fetches one picture and returns the overview as plain text, without escape codes.
///
/// `size` is columns and rows; the columns decide what is shown, and there are as many lines as it takes,
/// whatever the rows. Costs one call. Without a daemon it is an error: there is nothing to show.
pub fn once(options: &Options, size: (u16, u16)) -> Result<String, Error> {
    let client = Client::new(&options.socket, CALL_LIMIT)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Feed(error.to_string()))?;
    let answer: Result<_, ClientError> = runtime.block_on(client.call(&GetStatus));
    let mut model = Model::new(options, size, clock::now_ms());
    crate::update::update(&mut model, Message::Status(Box::new(answer?)));
    Ok(overview_text(model))
}

/// The overview of `model` as text, whole: as many lines as it has, without keys and without a focus.
pub fn overview_text(mut model: Model) -> String {
    let width = model.size.0.max(screen::SMALLEST.0);
    let lines = rows::rows(&model).len();
    let height = u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(screen::AROUND_OVERVIEW);
    model.size = (width, height.max(screen::SMALLEST.1));
    model.table.selected = None;
    model.table.scroll = 0;
    model.notice = None;
    let mut buf = Buffer::empty(Rect::new(0, 0, width, model.size.1));
    screen::draw_picture(&model, &mut buf);
    text(&buf)
}

/// The characters of a buffer, line by line, without what is blank at the end.
fn text(buf: &Buffer) -> String {
    let area = buf.area;
    let mut text = String::new();
    for y in area.top()..area.bottom() {
        let line: String =
            (area.left()..area.right()).filter_map(|x| buf.cell((x, y))).map(Cell::symbol).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let end = text.trim_end().len();
    text.truncate(end);
    text.push('\n');
    text
}
