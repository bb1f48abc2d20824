//! `retry` and `hedge`: what is sent more than once, and how much of it.

use std::time::Duration;

use aya_core::hedge::HedgeRules;
use aya_core::retry::{BudgetRules, RetryRules, Statuses};

use super::super::At;
use super::super::tls::Findings;
use crate::config::Retry;
use crate::config::raw;
use crate::config::raw::format::{Cause, RetryOn};
use crate::config::raw::pool::Mode;
use crate::config::raw::retry::{Hedge, RetryCause};
use crate::config::report::Problem;
use crate::config::unit::show_duration;

/// Bytes of a body that are kept for another attempt, and most that can be asked for.
const BODY: u64 = 64 << 10;
const MAX_BODY: u64 = 16 << 20;
/// Longest wait after a status code, in first waits.
const BACKOFF_GROWTH: u32 = 10;

const HEDGE_QUANTILE: f64 = 0.95;
const HEDGE_MIN: Duration = Duration::from_millis(10);

/// Reads `retry`, and `attempts` of the pool as shorthand for its key of that name. `request` is the longest
/// time for a whole request.
pub(super) fn check(
    retry: Option<&raw::retry::Retry>,
    shorthand: Option<u32>,
    request: Option<Duration>,
    pool: &At<'_>,
    found: &mut Findings<'_>,
) -> Retry {
    let Findings { problems, warnings } = found;
    let at = pool.key("retry");
    let given = retry.cloned().unwrap_or_default();
    let raw::retry::Retry { attempts, on, per_try, backoff, retry_after, budget, budget_least, body, mode } =
        given;
    if let (Some(_), Some(_)) = (attempts, shorthand) {
        let (full, short) = (at.key("attempts"), pool.key("attempts"));
        let problem =
            Problem::new(short.name(), "\"attempts\" is written twice").other(full.name(), "in retry");
        problems
            .push(problem.help("\"attempts\" of a pool is short for the one in \"retry\": keep one of them"));
    }
    let default = RetryRules::default();
    let mut rules = RetryRules {
        attempts: attempts.or(shorthand).unwrap_or(default.attempts),
        per_try: per_try.map(|period| period.0),
        max_retry_after: retry_after.map_or(default.max_retry_after, |wait| wait.0),
        budget: BudgetRules {
            share: budget.map_or(default.budget.share, |share| share.0),
            least: budget_least.unwrap_or(default.budget.least),
        },
        ..default
    };
    if let Some(backoff) = backoff {
        (rules.backoff, rules.max_backoff) = (backoff.0, backoff.0.saturating_mul(BACKOFF_GROWTH));
    }
    if let Some(causes) = on {
        set_causes(&mut rules, &causes);
    }
    if mode == Some(Mode::Off) {
        rules.attempts = 1;
    }
    check_per_try(&rules, request, &at, problems);
    if let Some(own) = rules.per_try.filter(|_| rules.attempts > 1 && !rules.on_timeout) {
        let own = show_duration(own);
        let message = format!("an attempt without an answer is given up after {own} and not repeated");
        let help = "add \"timeout\" to \"on\", or leave \"per_try\" out";
        warnings.push(at.key("per_try").problem(message).help(help));
    }
    Retry { rules, body: kept(body.map(|size| size.0), &at, problems) }
}

fn set_causes(rules: &mut RetryRules, causes: &[RetryCause]) {
    (rules.on_connect_failure, rules.on_reset, rules.on_timeout) = (false, false, false);
    rules.on_status = Statuses::NONE;
    for cause in causes {
        match cause {
            RetryCause::Code(code) => rules.on_status.insert(*code, *code),
            RetryCause::Text(RetryOn(Cause::Statuses(from, to))) => rules.on_status.insert(*from, *to),
            RetryCause::Text(RetryOn(Cause::ConnectFailure)) => rules.on_connect_failure = true,
            RetryCause::Text(RetryOn(Cause::Reset)) => rules.on_reset = true,
            RetryCause::Text(RetryOn(Cause::Timeout)) => rules.on_timeout = true,
        }
    }
}

fn check_per_try(rules: &RetryRules, request: Option<Duration>, at: &At<'_>, problems: &mut Vec<Problem>) {
    if let (Some(own), Some(whole)) = (rules.per_try, request)
        && own >= whole
    {
        let [own, whole] = [own, whole].map(show_duration);
        let message = format!("an attempt of {own} is no shorter than the whole request of {whole}");
        let help = format!("write less than \"{whole}\", or leave \"per_try\" out");
        problems.push(at.key("per_try").problem(message).help(help));
    }
}

fn kept(body: Option<u64>, at: &At<'_>, problems: &mut Vec<Problem>) -> usize {
    let body = body.unwrap_or(BODY);
    if body > MAX_BODY {
        let message = format!("{body} bytes of each body are too much to keep");
        problems.push(at.key("body").problem(message).help("\"body\" is at most \"16MiB\""));
    }
    body.min(MAX_BODY) as usize
}

/// Reads `hedge`; absent or switched off there is none.
pub(super) fn hedge(hedge: Option<&Hedge>) -> Option<HedgeRules> {
    let Hedge { after, min, mode } = hedge?;
    let rules = HedgeRules {
        quantile: after.as_ref().map_or(HEDGE_QUANTILE, |percentile| percentile.0),
        min: min.as_ref().map_or(HEDGE_MIN, |period| period.0),
    };
    (*mode != Some(Mode::Off)).then_some(rules)
}
