//! Where clients come in, and what they are shown: every listener, and below them every certificate with where it is
//! used, where it came from, and how long it is good.

mod lines;

use aya_api::view::{CertificateStanding, CertificateView, ListenerView};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use self::lines::{Line, Used};
use crate::figure;
use crate::model::Model;
use crate::theme::Tone;
use crate::widget::table::{self, Cell, Slot};

/// Cells in front of a line.
const MARGIN: u16 = 2;
/// Cells between two columns.
const GAP: u16 = 2;
/// From this width on, beside the margin, protocols, addresses and names are listed in full.
const WIDE: u16 = 120 - MARGIN;

/// Draws the lines that pass the filter and are inside the window.
#[expect(clippy::unnecessary_wraps, reason = "every screen has the same shape")]
pub(crate) fn view(model: &Model, buf: &mut Buffer, area: Rect) -> Option<Position> {
    let window = Rect { x: area.x + MARGIN, width: area.width.saturating_sub(MARGIN), ..area };
    let is_wide = window.width >= WIDE;
    let all = lines::lines(model);
    let scroll = model.wiring.scroll.min(all.len().saturating_sub(1));
    for (y, line) in (window.top()..window.bottom()).zip(all.into_iter().skip(scroll)) {
        let draw = |slots: &[Slot], cells: Vec<Cell>, buf: &mut Buffer| {
            for (slot, cell) in slots.iter().zip(cells) {
                table::draw_cell(buf, model.theme, y, *slot, &cell);
            }
        };
        match line {
            Line::ListenerTitles => draw(&listener_slots(window), listener_titles(), buf),
            Line::Listener(listener) => {
                draw(&listener_slots(window), listener_cells(listener, is_wide, model), buf);
            }
            Line::CertificateTitles => draw(&certificate_slots(window), certificate_titles(), buf),
            Line::Certificate(used) => {
                draw(&certificate_slots(window), certificate_cells(&used, is_wide), buf);
            }
            Line::Because { tone, text, is_first } => {
                let lead = if is_first { model.theme.glyphs.elbow } else { " " };
                let cell = Cell::new(format!("{lead} {text}"), tone);
                let slot = Slot { x: window.x + 1, width: window.width.saturating_sub(1), right: false };
                draw(&[slot], vec![cell], buf);
            }
            Line::Nothing(text) => {
                let slot = Slot { x: window.x, width: window.width, right: false };
                draw(&[slot], vec![Cell::new(text, Tone::Muted)], buf);
            }
            Line::Gap => {}
        }
    }
    Some(Position::new(area.x, area.y))
}

/// All lines there are now.
pub(crate) fn height(model: &Model) -> usize {
    lines::lines(model).len()
}

/// Widest column that shares what the others leave: figures should not stand far from what they are about.
const WIDEST: u16 = 48;

/// Width of a column that shares what the others leave.
const OPEN: u16 = u16::MAX;

/// Slots from left to right. Columns without a width are left out.
fn slots<const N: usize>(area: Rect, widths: [(u16, bool); N]) -> [Slot; N] {
    let shown = || widths.iter().map(|(width, _)| *width).filter(|width| *width > 0);
    let fixed: u16 = shown().filter(|width| *width != OPEN).sum();
    let gaps = GAP * (shown().count() as u16).saturating_sub(1);
    let open = shown().filter(|width| *width == OPEN).count().max(1) as u16;
    let share = (area.width.saturating_sub(fixed + gaps) / open).min(WIDEST);
    let mut x = area.x;
    widths.map(|(width, right)| {
        let width = if width == OPEN { share } else { width };
        let width = width.min(area.right().saturating_sub(x));
        let slot = Slot { x, width, right };
        x = if width == 0 { x } else { (x + width + GAP).min(area.right()) };
        slot
    })
}

fn listener_slots(area: Rect) -> [Slot; 7] {
    let left = |width| (width, false);
    let right = |width| (width, true);
    // With margins 80 cells hold any IPv4 address with its port.
    let (name, protocols) = match area.width {
        WIDE.. => (20, OPEN),
        76.. => (10, 8),
        _ => (8, 0),
    };
    slots(area, [left(name), left(OPEN), left(protocols), right(6), right(6), right(7), right(8)])
}

fn listener_titles() -> Vec<Cell> {
    let titles = ["LISTENER", "ADDRESS", "SPEAKS", "CONNS", "REQ/S", "REFUSED", "TLS FAIL"];
    titles.map(|title| Cell::new(title, Tone::Title)).to_vec()
}

fn listener_cells(listener: &ListenerView, is_wide: bool, model: &Model) -> Vec<Cell> {
    let none = || Cell::new(model.theme.glyphs.none, Tone::Muted);
    let of_trouble = |count: u64| {
        let tone = if count > 0 { Tone::Warn } else { Tone::Plain };
        Cell::new(counted(count), tone)
    };
    let is_full = listener.connections >= listener.max_connections;
    vec![
        Cell::new(listener.name.as_str(), Tone::Strong),
        Cell::new(address(listener, is_wide), Tone::Plain),
        Cell::new(protocols(listener, is_wide), Tone::Plain),
        Cell::new(counted(listener.connections), if is_full { Tone::Bad } else { Tone::Plain }),
        Cell::new(figure::rate(listener.rate), Tone::Plain),
        of_trouble(listener.refused),
        listener.tls.as_ref().map_or_else(none, |tls| of_trouble(tls.failed)),
    ]
}

/// A count in at most 6 characters; great ones lose their small digits.
fn counted(count: u64) -> String {
    if count < 10_000 { count.to_string() } else { figure::rate(count as f64) }
}

/// One address and how many more there are, or all of them.
fn address(listener: &ListenerView, is_wide: bool) -> String {
    match listener.bind.as_slice() {
        [first, rest @ ..] if !is_wide && !rest.is_empty() => format!("{first} +{}", rest.len()),
        all => all.join(" "),
    }
}

/// `https h2`: HTTP/1.1 goes without saying where there is no room.
fn protocols(listener: &ListenerView, is_wide: bool) -> String {
    let mut words = vec![listener.protocol.as_str()];
    let speaks = listener.speaks.iter().map(String::as_str);
    words.extend(speaks.filter(|word| *word != listener.protocol && (is_wide || *word == "h2")));
    if listener.proxy_protocol {
        words.push("PROXY");
    }
    words.join(" ")
}

fn certificate_slots(area: Rect) -> [Slot; 5] {
    let (used, source) = if area.width >= WIDE { (24, OPEN) } else { (12, 16) };
    slots(area, [(OPEN, false), (used, false), (source, false), (11, true), (11, false)])
}

fn certificate_titles() -> Vec<Cell> {
    let titles = ["CERTIFICATE FOR", "USED BY", "SOURCE", "ENDS", "STANDING"];
    titles.map(|title| Cell::new(title, Tone::Title)).to_vec()
}

fn certificate_cells(used: &Used<'_>, is_wide: bool) -> Vec<Cell> {
    let Used { certificate, by } = used;
    let (word, tone) = standing(certificate.standing);
    vec![
        Cell::new(names(certificate, is_wide), Tone::Strong),
        Cell::new(by.join(" "), Tone::Plain),
        Cell::new(source(certificate, is_wide), Tone::Plain),
        Cell::new(ends(certificate), tone),
        Cell::new(word, tone),
    ]
}

fn names(certificate: &CertificateView, is_wide: bool) -> String {
    match certificate.names.as_slice() {
        [] => format!("no name ({})", certificate.issuer),
        [first, rest @ ..] if !is_wide && !rest.is_empty() => format!("{first} +{}", rest.len()),
        all => all.join(" "),
    }
}

/// The path, or the directory of ACME; where there is no room its end, which says more than its beginning.
fn source(certificate: &CertificateView, is_wide: bool) -> String {
    let source = certificate.source.as_str();
    match source.strip_prefix("file ") {
        Some(path) if is_wide => path.to_owned(),
        Some(path) => path.rsplit('/').next().unwrap_or(path).to_owned(),
        None if is_wide => source.to_owned(),
        None => source.split_whitespace().next().unwrap_or(source).to_owned(),
    }
}

fn ends(certificate: &CertificateView) -> String {
    match certificate.days_left {
        _ if certificate.is_placeholder() => String::new(),
        0 => "< 1 day".to_owned(),
        -1 => "< 1 day ago".to_owned(),
        // As everywhere, the day that is under way does not count.
        days @ ..0 => format!("{} ago", figure::plural((-1 - days).unsigned_abs() as usize, "day")),
        days => figure::plural(days.unsigned_abs() as usize, "day"),
    }
}

fn standing(standing: CertificateStanding) -> (&'static str, Tone) {
    match standing {
        CertificateStanding::Good => ("good", Tone::Good),
        CertificateStanding::Placeholder => ("placeholder", Tone::Bad),
        CertificateStanding::Expiring => ("expiring", Tone::Warn),
        CertificateStanding::NotYet => ("not yet", Tone::Bad),
        CertificateStanding::Expired => ("expired", Tone::Bad),
    }
}
