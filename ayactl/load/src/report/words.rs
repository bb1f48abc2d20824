//! Figures as people read them.

/// A number with as many digits as say something.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 99.95 || v == 0.0 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        v if v >= 0.095 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// A time in milliseconds, with the unit in which people read it.
pub fn time(ms: Option<f64>) -> String {
    match ms {
        None => "–".to_owned(),
        Some(ms) if ms.abs() >= 1e3 => format!("{} s", number(ms / 1e3)),
        Some(ms) if ms.abs() >= 1.0 || ms == 0.0 => format!("{} ms", number(ms)),
        Some(ms) => format!("{} µs", number(ms * 1e3)),
    }
}

/// A share in percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", number(share * 100.0))
}

/// Shows control characters as escapes, so that nothing that others wrote can move the cursor or recolour the screen.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}
