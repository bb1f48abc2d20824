//! `ayactl weight`: how much of the traffic backends get.

use std::io::BufRead;
use std::path::Path;

use aya_api::command::backends::GetBackends;
use aya_api::command::weight::{MAX_WEIGHT, SetWeight};
use aya_api::view::BackendView;

use super::change::{make, options};
use super::safety::{confirm, emptied};
use super::targets::find;
use crate::args::{ChangeArgs, WeightArgs, WeightVerb};
use crate::failure::Failure;
use crate::render;
use crate::select::{is_pattern, pick};
use crate::session::Session;

/// Columns of `weight get`, unless others are asked for.
const COLUMNS: [&str; 6] = ["name", "weight", "configured", "expected", "share", "weight-until"];
/// Most lines of a file of weights.
const MAX_LINES: usize = 100_000;

/// Runs the verb.
pub async fn run(session: &mut Session<'_, '_>, args: &WeightArgs) -> Result<u8, Failure> {
    match &args.verb {
        WeightVerb::Get { names } => list(session, names, &COLUMNS).await,
        WeightVerb::Set { weights, file, change } => {
            let mut orders = Vec::new();
            for text in weights {
                let (name, value) = text.rsplit_once('=').ok_or_else(|| {
                    Failure::usage(format!("\"{text}\" names no weight"), "write it like shop/web-1=3")
                })?;
                orders.push(Order::parse(name, value)?);
            }
            if let Some(path) = file {
                orders.extend(read_orders(session, path)?);
            }
            set(session, &orders, change).await
        }
    }
}

/// Lists backends, all or those named, with these columns unless others are asked for.
pub(super) async fn list(
    session: &mut Session<'_, '_>,
    names: &[String],
    columns: &[&str],
) -> Result<u8, Failure> {
    let all = session.client.call(&GetBackends).await?;
    let wanted: Vec<String> = names.iter().map(|name| meant(&all, name)).collect::<Result<_, _>>()?;
    let backends = pick(all, &wanted, "backend", |b| &b.id)?;
    let mut view = session.view.clone();
    view.columns = view.columns.or_else(|| Some(columns.iter().map(|&name| name.to_owned()).collect()));
    let text = render::list(backends, &view)?;
    session.print(&text)?;
    Ok(0)
}

/// What a name stands for: a pool is all its backends.
pub(super) fn meant(all: &[BackendView], name: &str) -> Result<String, Failure> {
    if all.iter().any(|backend| backend.pool == name) {
        return Ok(format!("{name}/*"));
    }
    if !is_pattern(name) {
        find(all, name)?;
    }
    Ok(name.to_owned())
}

/// A weight for a name or pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Order {
    name: String,
    amount: Amount,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amount {
    Exactly(u32),
    By(i64),
}

impl Order {
    fn parse(name: &str, value: &str) -> Result<Self, Failure> {
        let wrong = || {
            let message = format!("\"{value}\" is not a weight for {name}");
            Failure::usage(message, format!("a weight is 0 to {MAX_WEIGHT}, or relative like +1 and -1"))
        };
        let amount = if value.starts_with(['+', '-']) {
            Amount::By(value.parse().map_err(|_| wrong())?)
        } else {
            Amount::Exactly(value.parse().ok().filter(|w| *w <= MAX_WEIGHT).ok_or_else(wrong)?)
        };
        Ok(Self { name: name.into(), amount })
    }

    fn weight_for(&self, backend: &BackendView) -> Result<u32, Failure> {
        match self.amount {
            Amount::Exactly(weight) => Ok(weight),
            Amount::By(step) => {
                let sum = i64::from(backend.weight).saturating_add(step);
                u32::try_from(sum).ok().filter(|weight| *weight <= MAX_WEIGHT).ok_or_else(|| {
                    let message =
                        format!("{} has weight {}; {step:+} would make it {sum}", backend.id, backend.weight);
                    Failure::usage(message, format!("a weight is 0 to {MAX_WEIGHT}"))
                })
            }
        }
    }
}

/// Reads lines `POOL/BACKEND WEIGHT`; `#` begins a comment.
fn read_orders(session: &mut Session<'_, '_>, path: &Path) -> Result<Vec<Order>, Failure> {
    if path == Path::new("-") {
        return parse_lines(session.console.input, "stdin");
    }
    let named = |error| Failure::from(error).context(path.display());
    let file = std::fs::File::open(path).map_err(named)?;
    parse_lines(&mut std::io::BufReader::new(file), &path.display().to_string())
}

fn parse_lines(input: &mut dyn BufRead, source: &str) -> Result<Vec<Order>, Failure> {
    let mut orders = Vec::new();
    let mut line = String::new();
    for number in 1..=MAX_LINES {
        line.clear();
        if input.read_line(&mut line).map_err(|error| Failure::from(error).context(source))? == 0 {
            return Ok(orders);
        }
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [name, value] => {
                orders.push(Order::parse(name, value).map_err(|f| f.context(format!("{source}:{number}")))?);
            }
            _ => {
                let message = format!("{source}:{number}: \"{}\" is not a name and a weight", line.trim());
                return Err(Failure::usage(message, "write lines like `shop/web-1 3`"));
            }
        }
    }
    Err(Failure::usage(format!("{source} has over {MAX_LINES} lines"), ""))
}

async fn set(session: &mut Session<'_, '_>, orders: &[Order], change: &ChangeArgs) -> Result<u8, Failure> {
    let all = session.client.call(&GetBackends).await?;
    let mut wanted: Vec<(usize, u32)> = Vec::new();
    for order in orders {
        for index in find(&all, &order.name)? {
            wanted.retain(|(other, _)| *other != index);
            wanted.push((index, order.weight_for(&all[index])?));
        }
    }
    confirm_zeroes(session, &all, &wanted, change)?;
    let calls: Vec<SetWeight> = wanted
        .iter()
        .map(|(index, weight)| SetWeight::new(&all[*index].pool, &all[*index].name, *weight))
        .collect();
    make(session, &calls, &options(change, calls.len())?).await?.finish()
}

/// Asks when no eligible backend of a pool would have any weight left.
fn confirm_zeroes(
    session: &mut Session<'_, '_>,
    all: &[BackendView],
    wanted: &[(usize, u32)],
    change: &ChangeArgs,
) -> Result<(), Failure> {
    let ordered = |index: usize| wanted.iter().find(|(other, _)| *other == index).map(|(_, weight)| *weight);
    let left_without = |index: usize| ordered(index).unwrap_or(all[index].weight) == 0;
    let touched = |pool: &str| wanted.iter().any(|(index, weight)| *weight == 0 && all[*index].pool == pool);
    let pools: Vec<&str> = emptied(all, left_without).into_iter().filter(|pool| touched(pool)).collect();
    confirm(session, &pools, change)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_file_are_names_and_weights() {
        let orders = parse_lines(&mut "# all\nshop/web-1 2\n\nshop/* +1 # more\n".as_bytes(), "x").unwrap();
        assert_eq!(orders[0], Order { name: "shop/web-1".into(), amount: Amount::Exactly(2) });
        assert_eq!(orders[1], Order { name: "shop/*".into(), amount: Amount::By(1) });
        let failure = parse_lines(&mut "\nshop/web-1\n".as_bytes(), "x").unwrap_err();
        assert!(failure.message.starts_with("x:2: "), "{}", failure.message);
    }

    #[test]
    fn weights_beyond_the_limit_are_refused_before_the_daemon_is_asked() {
        assert_eq!(Order::parse("a/b", "1001").unwrap_err().status, 2);
        assert_eq!(Order::parse("a/b", "x").unwrap_err().status, 2);
        assert_eq!(Order::parse("a/b", "-3").unwrap().amount, Amount::By(-3));
    }
}
