//! `breaker`, `outliers` and `slow_start`: what keeps traffic from backends that do badly, and brings it back.

use std::time::Duration;

use aya_core::breaker::{BreakerRules, SlowCalls};
use aya_core::load::SlowStart;
use aya_core::outlier::OutlierRules;

use super::super::At;
use super::or;
use crate::config::raw;
use crate::config::raw::format::Share;
use crate::config::raw::guard::{Breaker, OutlierMode, Outliers};
use crate::config::raw::pool::Mode;
use crate::config::report::Problem;
use crate::config::unit::show_duration;

/// How much longer than the first time a breaker may stay open, and an ejection may last.
const OPEN_GROWTH: u32 = 6;
const EJECT_GROWTH: u32 = 4;
const JITTER: f64 = 0.1;
/// What slow start begins with.
const LEAST: f64 = 0.1;
/// A window for which no memory is wanted.
const LONGEST_WINDOW: Duration = Duration::from_secs(3_600);

pub(super) fn breaker(breaker: &Breaker, at: &At<'_>, problems: &mut Vec<Problem>) -> Option<BreakerRules> {
    let default = BreakerRules::default();
    let open_for = or(breaker.open.as_ref(), default.open_for);
    let rules = BreakerRules {
        failures: breaker.failures.unwrap_or(default.failures),
        error_share: positive(breaker.error_share.as_ref(), "error_share", at, problems),
        slow: slow(breaker, at, problems),
        window: or(breaker.window.as_ref(), default.window),
        min_calls: breaker.min_calls.unwrap_or(default.min_calls),
        open_for,
        open_max: or(breaker.open_max.as_ref(), open_for.saturating_mul(OPEN_GROWTH)),
        jitter: breaker.jitter.as_ref().map_or(JITTER, |share| share.0),
        trials: breaker.trials.unwrap_or(default.trials),
    };
    if rules.failures == 0 && rules.error_share.is_none() && rules.slow.is_none() {
        let problem = at.key("failures").problem("nothing opens this breaker".to_owned());
        problems.push(problem.help("give \"error_share\" or \"slow\", or write mode = \"off\""));
    }
    if rules.window > LONGEST_WINDOW {
        let message = format!("a window of {} is too long to notice anything", show_duration(rules.window));
        problems.push(at.key("window").problem(message).help("write at most \"1h\""));
    }
    longer(open_for, rules.open_max, ("open", "open_max"), at, problems);
    (breaker.mode != Some(Mode::Off)).then_some(rules)
}

fn slow(breaker: &Breaker, at: &At<'_>, problems: &mut Vec<Problem>) -> Option<SlowCalls> {
    let share = positive(breaker.slow_share.as_ref(), "slow_share", at, problems);
    match (&breaker.slow, &breaker.slow_share) {
        (Some(over), _) => Some(SlowCalls { over: over.0, share: share.unwrap_or(1.0) }),
        (None, Some(_)) => {
            let problem =
                at.key("slow_share").problem("nothing says from when on an answer is slow".to_owned());
            problems.push(problem.help("add slow = \"1s\""));
            None
        }
        (None, None) => None,
    }
}

/// A share that is above zero, where one is given.
fn positive(share: Option<&Share>, key: &str, at: &At<'_>, problems: &mut Vec<Problem>) -> Option<f64> {
    let share = share?.0;
    if share <= 0.0 || share > 1.0 {
        let problem = at.key(key).problem("this share is always or never reached".to_owned());
        problems.push(problem.help("write more than \"0%\" and at most \"100%\", or leave it out"));
        return None;
    }
    Some(share)
}

fn longer(
    first: Duration,
    most: Duration,
    (short, long): (&str, &str),
    at: &At<'_>,
    problems: &mut Vec<Problem>,
) {
    if most < first {
        let (first, most) = (show_duration(first), show_duration(most));
        let problem =
            at.key(long).problem(format!("\"{long}\" of {most} is shorter than \"{short}\" of {first}"));
        problems.push(problem.help(format!("write at least \"{first}\"")));
    }
}

/// What is done about outliers; also where nothing is written.
pub(super) fn outliers(
    outliers: Option<&Outliers>,
    at: &At<'_>,
    problems: &mut Vec<Problem>,
) -> Option<OutlierRules> {
    let default = OutlierRules::default();
    let Some(given) = outliers else { return Some(default) };
    let eject_for = or(given.eject.as_ref(), default.eject_for);
    let rules = OutlierRules {
        enforce: given.mode != Some(OutlierMode::Shadow),
        failures: given.failures.unwrap_or(default.failures),
        min_calls: given.min_calls.unwrap_or(default.min_calls),
        deviations: given.deviations.unwrap_or(default.deviations),
        excess: given.excess.as_ref().map_or(default.excess, |share| share.0),
        slower: given.slower.unwrap_or(default.slower),
        slower_ejects: given.slower_ejects.unwrap_or(default.slower_ejects),
        max_ejected: given.max_ejected.as_ref().map_or(default.max_ejected, |share| share.0.min(1.0)),
        eject_for,
        eject_max: or(given.eject_max.as_ref(), eject_for.saturating_mul(EJECT_GROWTH)),
    };
    longer(eject_for, rules.eject_max, ("eject", "eject_max"), at, problems);
    if rules.slower > 0.0 && rules.slower < 1.0 {
        let problem = at.key("slower").problem("every backend is slower than this".to_owned());
        problems
            .push(problem.help("write how many times slower than the median is odd, e.g. 2, or 0 for never"));
    }
    (given.mode != Some(OutlierMode::Off)).then_some(rules)
}

pub(super) fn slow_start(given: &raw::guard::SlowStart) -> SlowStart {
    match given {
        raw::guard::SlowStart::Window(window) => SlowStart { window: window.0, aggression: 1.0, min: LEAST },
        raw::guard::SlowStart::Table(table) => SlowStart {
            window: table.window.0,
            aggression: table.aggression.unwrap_or(1.0),
            min: table.min.as_ref().map_or(LEAST, |share| share.0.min(1.0)),
        },
    }
}
