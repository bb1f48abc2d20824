//! `algorithm = "auto"`: arms and rules that mean something.

mod class;

use std::sync::Arc;
use std::time::Duration;

use aya_core::auto::{AutoRules, Class, DAY, MAX_ARMS, MAX_RULES, Objective, Rule, When};
use aya_core::pick::{Choice, ChoiceError};

pub(super) use self::class::Home;
use super::super::At;
use super::super::tls::Findings;
use crate::config::raw::auto::{AutoKeys, AutoMode, AutoObjective, AutoRule, AutoWhen};
use crate::config::report::Problem;
use crate::config::shape::suggest::remedy;
use crate::config::unit::show_duration;

const ARMS: [&str; 3] = ["hot-cold", "peak-ewma", "least-connections"];
const EPOCH: Duration = Duration::from_secs(45);
const LEAST_EPOCH: Duration = Duration::from_secs(1);
const MOST_EPOCH: Duration = Duration::from_secs(3600);
/// Below this an epoch has few requests and ends before those that a switch made slow.
const SHORT_EPOCH: Duration = Duration::from_secs(30);
const MARGIN: f64 = 0.05;
/// Zones that are on maps lie within these, in minutes.
const OFFSETS: std::ops::RangeInclusive<i32> = -12 * 60..=14 * 60;

/// The rules of a pool whose algorithm is `auto`; the first that steers is `arms[start]`.
pub(super) fn check(
    keys: &AutoKeys,
    home: Home<'_>,
    at: &At<'_>,
    found: &mut Findings<'_>,
) -> Arc<AutoRules> {
    let AutoKeys { arms, start, epoch, objective, margin, mode, rules, time_zone } = keys;
    let mut arms = learned(arms.as_deref(), at, found.problems);
    let learned = arms.len();
    let start = start.as_ref().map_or(0, |text| starting(text, &arms, &at.key("start"), found.problems));
    let rules = rules.as_deref().unwrap_or_default();
    let rules = self::rules(rules, home, &mut arms, &at.key("rules"), found.problems);
    let offset = time_zone.as_deref().map_or(0, |text| offset(text, &at.key("time_zone"), found.problems));
    Arc::new(AutoRules {
        arms,
        learned,
        start,
        epoch: epoch.as_ref().map_or(EPOCH, |period| length(period.0, &at.key("epoch"), found)),
        objective: objective.map_or_else(Objective::default, wanted),
        margin: margin.unwrap_or(MARGIN),
        advises: *mode == Some(AutoMode::Shadow),
        rules,
        offset,
    })
}

fn wanted(objective: AutoObjective) -> Objective {
    match objective {
        AutoObjective::P99 => Objective::P99,
        AutoObjective::Mean => Objective::Mean,
        AutoObjective::Errors => Objective::Errors,
    }
}

fn learned(written: Option<&[String]>, at: &At<'_>, problems: &mut Vec<Problem>) -> Vec<Choice> {
    let list = at.key("arms");
    let mut arms: Vec<Choice> = Vec::new();
    match written {
        None => arms.extend(ARMS.iter().filter_map(|text| text.parse::<Choice>().ok())),
        Some(texts) => {
            for (index, text) in texts.iter().enumerate() {
                let at = list.index(index);
                let Some(arm) = choice(text, &at, problems) else { continue };
                if arms.contains(&arm) {
                    let message = format!("arm \"{arm}\" is written twice");
                    problems.push(at.problem(message).help("leave one of them out"));
                    continue;
                }
                arms.push(arm);
            }
            if !(1..=MAX_ARMS).contains(&texts.len()) {
                let message = format!("{} arms cannot be compared", texts.len());
                problems.push(list.problem(message).help(format!("write 1 to {MAX_ARMS} algorithms")));
                arms.truncate(MAX_ARMS);
            }
        }
    }
    if arms.is_empty() {
        arms.push(super::algorithm::default());
    }
    arms
}

fn starting(text: &str, arms: &[Choice], at: &At<'_>, problems: &mut Vec<Problem>) -> usize {
    let Some(arm) = choice(text, at, problems) else { return 0 };
    arms.iter().position(|known| *known == arm).unwrap_or_else(|| {
        let known: Vec<String> = arms.iter().map(ToString::to_string).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let message = format!("\"{arm}\" is none of the arms");
        problems.push(at.problem(message).help(remedy("arms", text, &known)));
        0
    })
}

/// An algorithm as `ayactl` takes it.
fn choice(text: &str, at: &At<'_>, problems: &mut Vec<Problem>) -> Option<Choice> {
    match text.parse::<Choice>() {
        Ok(choice) => Some(choice),
        Err(error) => {
            let help = match &error {
                ChoiceError::Value { name, accepted, .. } => format!("write {name}=VALUE with {accepted}"),
                ChoiceError::Algorithm(name) => remedy("algorithms", name, &error.known()),
                ChoiceError::Param { name, .. } => remedy("parameters", name, &error.known()),
            };
            problems.push(at.problem(error.to_string()).help(help));
            None
        }
    }
}

fn length(epoch: Duration, at: &At<'_>, found: &mut Findings<'_>) -> Duration {
    if !(LEAST_EPOCH..=MOST_EPOCH).contains(&epoch) {
        let message = format!("an epoch of {} is not possible", show_duration(epoch));
        found.problems.push(at.problem(message).help("write a duration from \"1s\" to \"1h\""));
    } else if epoch < SHORT_EPOCH {
        let message = format!("an epoch of {} says little about an algorithm", show_duration(epoch));
        let help = "write \"30s\" to \"60s\", so that what a switch does is seen before the next one";
        found.warnings.push(at.problem(message).help(help));
    }
    epoch
}

fn rules(
    written: &[AutoRule],
    home: Home<'_>,
    arms: &mut Vec<Choice>,
    at: &At<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Rule> {
    if written.len() > MAX_RULES {
        let message = format!("{} rules are more than {MAX_RULES}", written.len());
        problems.push(at.problem(message).help("put several times or rates together"));
    }
    let mut rules = Vec::new();
    for (index, AutoRule { when, arm }) in written.iter().enumerate().take(MAX_RULES) {
        let at = at.index(index);
        let condition = condition(when, home, &at.key("when"), problems);
        let Some(choice) = choice(arm, &at.key("use"), problems) else { continue };
        let known = arms.iter().position(|arm| *arm == choice);
        if known.is_none() && arms.len() == MAX_ARMS {
            let message = format!("\"{choice}\" is one algorithm too many: there are {MAX_ARMS} already");
            problems.push(at.key("use").problem(message).help("use one of the others, or leave out an arm"));
            continue;
        }
        let arm = known.unwrap_or_else(|| {
            arms.push(choice);
            arms.len() - 1
        });
        rules.extend(condition.map(|(when, class)| Rule { when, class, arm }));
    }
    rules
}

fn condition(
    written: &AutoWhen,
    home: Home<'_>,
    at: &At<'_>,
    problems: &mut Vec<Problem>,
) -> Option<(When, Option<Class>)> {
    let AutoWhen { time, rate_over, rate_under, route: _, matches: _ } = written;
    let class = class::check(written, home, at, problems).ok()?;
    if time.is_none() && rate_over.is_none() && rate_under.is_none() && class.is_none() {
        let problem = at.problem("a rule without a condition would always hold");
        let help = "write time, rate_over, rate_under, route or match; or make its algorithm the only arm";
        // What was taken out because it is wrong could be the condition.
        problems.extend(at.is_sound().then(|| problem.help(help)));
        return None;
    }
    let time = match time.as_deref().map(|text| (text, span(text))) {
        None => None,
        Some((_, Some(span))) => Some(span),
        Some((text, None)) => {
            let problem = at.key("time").problem(format!("\"{text}\" is no time of the day"));
            problems.push(problem.help("write it as in \"22:00-06:00\", with two times that differ"));
            return None;
        }
    };
    Some((When { time, rate_over: *rate_over, rate_under: *rate_under }, class))
}

/// `22:00-06:00`, in minutes.
fn span(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minute(from.trim())?, minute(to.trim())?);
    (from != to && from < DAY).then_some((from, to))
}

/// `06:30`, or `24:00` for the end of the day.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let is_number = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !is_number(hours) || !is_number(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY).then_some(minute)
}

fn offset(text: &str, at: &At<'_>, problems: &mut Vec<Problem>) -> i32 {
    let parse = || {
        if matches!(text, "UTC" | "Z") {
            return Some(0);
        }
        let (sign, rest) =
            text.strip_prefix('+').map(|t| (1, t)).or_else(|| text.strip_prefix('-').map(|t| (-1, t)))?;
        let minutes = sign * i32::from(minute(rest)?);
        OFFSETS.contains(&minutes).then_some(minutes)
    };
    parse().unwrap_or_else(|| {
        let message = format!("\"{text}\" is no distance from UTC");
        let help =
            "write \"UTC\", or an offset such as \"+02:00\"; names of zones and summer time are not known";
        problems.push(at.problem(message).help(help));
        0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_day_are_read_and_others_are_not() {
        assert_eq!(span("22:00-06:00"), Some((1320, 360)));
        assert_eq!(span("00:00-24:00"), Some((0, 1440)));
        for wrong in ["", "22:00", "6:00-7:00", "06:00-06:00", "25:00-26:00", "06:60-07:00", "+6:00-07:00"] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_default_arms_are_algorithms() {
        assert!(ARMS.iter().all(|text| text.parse::<Choice>().is_ok()));
    }
}
