//! What people see while a load test runs: rates, percentiles, a heat map of time and latency, statuses, gates. It is drawn
//! once a second on the lines above the cursor of stderr; off a terminal it is one line every few seconds.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use aya_tui::keyboard::{Found, Keyboard};
use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use crossterm::terminal;

use super::play::Telling;
use aya_load::plan::Model;
use aya_load::report::time;

/// Seconds between two lines where nothing can be redrawn.
const REPORT: u32 = 5;
/// Columns of the heat map.
const COLUMNS: usize = 60;
/// Upper edges of its rows, in milliseconds, from fast to slow.
const ROWS: [f64; 9] = [0.5, 1.0, 2.0, 5.0, 10.0, 50.0, 200.0, 1_000.0, f64::INFINITY];
/// From nothing to nearly all.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A tenth more.
    Faster,
    /// A tenth less.
    Slower,
    /// Enough.
    End,
}

/// How it is shown.
pub struct Live {
    mode: Mode,
    /// Absent where there is none to look at.
    keyboard: Option<Keyboard>,
    /// Lines that were drawn and can be drawn over.
    drawn: u16,
    lines: u32,
}

#[derive(PartialEq, Eq)]
enum Mode {
    Screen,
    Lines,
    Nothing,
}

impl Live {
    /// A view that is redrawn, when `screen`; else lines, unless `quiet`.
    pub fn new(screen: bool, quiet: bool) -> Self {
        let mode = match (screen, quiet) {
            (_, true) => Mode::Nothing,
            (true, false) if terminal::enable_raw_mode().is_ok() => Mode::Screen,
            _ => Mode::Lines,
        };
        let keyboard = if mode == Mode::Screen { Keyboard::open().ok() } else { None };
        Self { mode, keyboard, drawn: 0, lines: 0 }
    }

    /// A second is over.
    pub fn second(&mut self, telling: &Telling<'_>) {
        match self.mode {
            Mode::Screen => {
                let (_, height) = terminal::size().unwrap_or((80, 24));
                self.draw(&picture(telling, usize::from(height.saturating_sub(1))));
            }
            Mode::Lines => {
                self.lines += 1;
                if self.lines.is_multiple_of(REPORT) {
                    self.say(&line(telling));
                }
            }
            Mode::Nothing => {}
        }
    }

    /// Says a line that stays.
    pub fn say(&mut self, text: &str) {
        match self.mode {
            Mode::Screen => {
                let mut whole = self.wipe();
                let _ = write!(whole, "{text}\r\n");
                put(&whole);
            }
            Mode::Lines => put(&format!("{text}\n")),
            Mode::Nothing => {}
        }
    }

    /// The key that was pressed since the last look.
    pub fn key(&mut self) -> Option<Key> {
        if self.mode != Mode::Screen {
            return None;
        }
        match self.keyboard.as_ref()?.look(Duration::ZERO) {
            Ok(Found::Input) => {}
            Ok(Found::HungUp) => {
                // Nobody looks any more, and nobody could end it.
                self.keyboard = None;
                self.mode = Mode::Nothing;
                return Some(Key::End);
            }
            Ok(Found::Nothing | Found::Interrupted) | Err(_) => return None,
        }
        match event::read() {
            Ok(Event::Key(key)) => match (key.code, key.modifiers) {
                (KeyCode::Char('+' | '='), _) => Some(Key::Faster),
                (KeyCode::Char('-' | '_'), _) => Some(Key::Slower),
                (KeyCode::Char('q') | KeyCode::Esc, _) => Some(Key::End),
                // In raw mode the terminal makes no signal of it.
                (KeyCode::Char('c'), KeyModifiers::CONTROL) => {
                    let _ = signal_hook::low_level::raise(signal_hook::consts::SIGINT);
                    None
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Takes the view away and gives the terminal back.
    pub fn close(&mut self) {
        if self.mode == Mode::Screen {
            put(&self.wipe());
            // Whoever cannot have it back has lost it already.
            let _ = terminal::disable_raw_mode();
            self.mode = Mode::Nothing;
        }
    }

    fn draw(&mut self, lines: &[String]) {
        let (width, height) = terminal::size().unwrap_or((80, 24));
        let room = usize::from(height.saturating_sub(1));
        // Line over line, so that nothing flickers, and nothing is pushed into the history of the terminal.
        let mut whole = up(self.drawn);
        for line in lines.iter().take(room) {
            let cut: String = line.chars().take(usize::from(width)).collect();
            let _ = write!(whole, "{cut}\u{1b}[K\r\n");
        }
        whole.push_str("\u{1b}[J");
        self.drawn = lines.len().min(room) as u16;
        put(&whole);
    }

    /// What takes away the lines that were drawn.
    fn wipe(&mut self) -> String {
        match std::mem::take(&mut self.drawn) {
            0 => String::new(),
            lines => format!("{}\u{1b}[J", up(lines)),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.close();
    }
}

/// Moves so many lines up.
fn up(lines: u16) -> String {
    if lines == 0 { String::new() } else { format!("\u{1b}[{lines}A") }
}

/// Talk: a stderr that is gone is nobody's loss.
fn put(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes());
    let _ = err.flush();
}

/// One line of progress.
fn line(telling: &Telling<'_>) -> String {
    let Some(last) = telling.seconds.last() else { return String::new() };
    let offered = telling.offered().map_or_else(String::new, |rate| format!("offered {rate:.0}/s, "));
    let p99 = last.seen.response.percentile_ms(99.0);
    let p99 = p99.map_or_else(|| "no answer".to_owned(), |ms| format!("p99 {}", time(Some(ms))));
    let failed = last.seen.error_share().unwrap_or(0.0) * 100.0;
    let (at, answered) = (last.at + 1, last.seen.answered);
    format!("{at}s of {}s: {offered}achieved {answered}/s, {p99}, {failed:.1} % failed", length(telling))
}

fn length(telling: &Telling<'_>) -> u64 {
    telling.order().plan.length_ms.div_ceil(1000)
}

/// Everything at once, on `room` lines; the heat map is left out where it does not fit.
fn picture(telling: &Telling<'_>, room: usize) -> Vec<String> {
    let Some(last) = telling.seconds.last() else { return Vec::new() };
    let seen = &last.seen;
    let plan = &telling.order().plan;
    let ms = |p: f64| time(seen.response.percentile_ms(p));
    let factor = if (telling.factor - 1.0).abs() < 1e-9 {
        String::new()
    } else {
        format!(" (profile × {:.2})", telling.factor)
    };
    let offered = telling
        .offered()
        .map_or_else(|| "closed loop".to_owned(), |rate| format!("offered {rate:.0}/s{factor}"));
    let lag = time(seen.lag.percentile_ms(99.0));
    let mut lines = vec![
        format!("{}  {}s of {}s", plan.target.url, last.at + 1, length(telling)),
        format!(
            "{offered}   sent {}/s   achieved {}/s   in flight {}",
            seen.sent, seen.answered, last.in_flight
        ),
        format!("response p50 {}   p99 {}   p99.9 {}   send lag p99 {lag}", ms(50.0), ms(99.0), ms(99.9)),
    ];
    let mut below = vec![statuses(telling)];
    below.extend(telling.gates().iter().map(|gate| {
        let word = match gate.holds {
            Some(true) => "holds",
            Some(false) => "FAILS",
            None => "no data",
        };
        format!("{word:<7}  {}  (is {} so far)", gate.condition, gate.shown)
    }));
    let is_open = plan.model == Model::Open;
    below.push(
        if is_open { "+ faster   - slower   q end with a report" } else { "q end with a report" }.to_owned(),
    );
    let map = heat(telling);
    if lines.len() + map.len() + below.len() < room {
        lines.push(format!(
            "{:>9}   response time, a column a second, {} few to {} all",
            "", SHADES[1], SHADES[4]
        ));
        lines.extend(map);
    }
    lines.extend(below);
    lines
}

/// Time to the right, latency upwards, the darker the more.
fn heat(telling: &Telling<'_>) -> Vec<String> {
    let skip = telling.seconds.len().saturating_sub(COLUMNS);
    let columns: Vec<[u64; ROWS.len()]> = telling.seconds[skip..]
        .iter()
        .map(|second| {
            let mut column = [0; ROWS.len()];
            for (us, count) in second.seen.response.pairs() {
                let row = ROWS.iter().position(|edge| us as f64 / 1e3 <= *edge).unwrap_or(ROWS.len() - 1);
                column[row] += count;
            }
            column
        })
        .collect();
    let row = |(row, edge): (usize, &f64)| {
        let label = if edge.is_finite() { format!("≤ {}", time(Some(*edge))) } else { "more".to_owned() };
        let cells: String = columns
            .iter()
            .map(|column| {
                let all: u64 = column.iter().sum();
                match (column[row], all) {
                    (0, _) => SHADES[0],
                    (some, all) => SHADES[1 + ((some * 3) / all.max(1)).min(3) as usize],
                }
            })
            .collect();
        format!("{label:>9} │{cells}")
    };
    ROWS.iter().enumerate().rev().map(row).collect()
}

fn statuses(telling: &Telling<'_>) -> String {
    let mut text = String::from("answers ");
    for (status, count) in &telling.total.statuses {
        let _ = write!(text, "  {status}: {count}");
    }
    for (kind, count) in &telling.total.errors {
        let _ = write!(text, "  {}: {count}", kind.as_str());
    }
    text
}
