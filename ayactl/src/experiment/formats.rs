//! Formats of texts in files of experiments and game days: what each must look like, and what to say when it does not.

use std::time::Duration;

use aya_api::condition::Condition;

use crate::time::parse_some;

/// A mistake and its remedy.
type Wrong = (String, String);

/// Looks whether a text is of a format. Formats that are not known here accept everything.
pub fn check(format: &str, text: &str) -> Result<(), Wrong> {
    match format {
        "condition" => text.parse::<Condition>().map(drop).map_err(split),
        "duration" => parse_some(text).map(drop).map_err(split),
        "backend" => backend(text),
        "order" => weight(text).map(drop),
        "share" => share(text).map(drop),
        _ => Ok(()),
    }
}

/// What a format asks for, for people.
pub fn describe(format: &str) -> String {
    match format {
        "condition" => "a condition such as \"shop: p99 < 300ms\"",
        "duration" => "a duration such as \"10s\"",
        "backend" => "a backend such as \"shop/web-1\"",
        "order" => "a backend and its weight such as \"shop/web-1 10\"",
        "share" => "a share such as \"50%\"",
        "fault" => "a fault as after `ayactl chaos`, such as \"refuse shop/web-1 --for 10s\"",
        "load" => "a load as after `ayactl loadtest`, such as \"-r 200 -d 20s\"",
        _ => "a text in quotes",
    }
    .to_owned()
}

/// Mistakes are told as `what; remedy`.
fn split(message: String) -> Wrong {
    match message.split_once("; ") {
        Some((what, remedy)) => (what.to_owned(), remedy.to_owned()),
        None => (message, String::new()),
    }
}

fn backend(text: &str) -> Result<(), Wrong> {
    match text.split_once('/') {
        Some((pool, name)) if !pool.is_empty() && !name.is_empty() && !text.contains(' ') => Ok(()),
        _ => {
            Err((format!("\"{text}\" is not a backend"), "write it as pool/backend, e.g. shop/web-1".into()))
        }
    }
}

/// A backend and its weight.
pub fn weight(text: &str) -> Result<(String, u32), Wrong> {
    let wrong =
        || (format!("\"{text}\" is not a backend with a weight"), "write it like shop/web-1 10".to_owned());
    let (id, weight) = text.split_once(' ').ok_or_else(wrong)?;
    backend(id)?;
    let weight = weight.trim().parse().ok().filter(|weight| *weight <= aya_api::command::weight::MAX_WEIGHT);
    Ok((id.to_owned(), weight.ok_or_else(wrong)?))
}

/// A share in percent, as 0 to 1.
pub fn share(text: &str) -> Result<f64, Wrong> {
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    let share = number.filter(|percent| (0.0..=100.0).contains(percent)).map(|percent| percent / 100.0);
    share.ok_or_else(|| (format!("\"{text}\" is not a share"), "write it in percent, e.g. 50%".to_owned()))
}

/// A duration that was checked when its file was read.
pub fn duration(text: &str) -> Duration {
    parse_some(text).unwrap_or(Duration::ZERO)
}
