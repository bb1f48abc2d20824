//! The rules of retries, one by one; the laws of the budget are with it.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn all_causes() -> RetryRules {
    let mut on_status = Statuses::NONE;
    on_status.insert(502, 503);
    RetryRules { on_reset: true, on_timeout: true, on_status, ..RetryRules::default() }
}

fn status(code: u16, retry_after: Option<Duration>) -> Outcome {
    Outcome::Status { code, retry_after }
}

fn after(outcome: Outcome) -> Ended {
    Ended {
        outcome,
        attempts: 1,
        was_stale: false,
        repeatable: true,
        now: Tick::ZERO,
        deadline: None,
        in_flight: 100,
    }
}

fn decided(rules: &RetryRules, ended: &Ended) -> Decision {
    decide(rules, ended, &RetryBudget::new(), &mut Rng::seeded(1))
}

const AT_ONCE: Decision = Decision::Retry { after: Duration::ZERO };

const OUTCOMES: [Outcome; 5] = [
    Outcome::NotSent,
    Outcome::Stale,
    Outcome::Reset,
    Outcome::Timeout,
    Outcome::Status { code: 503, retry_after: None },
];

#[test]
fn by_default_only_what_was_not_sent_or_met_a_closing_connection_is_sent_again() {
    let rules = RetryRules::default();

    assert_eq!(decided(&rules, &after(Outcome::NotSent)), AT_ONCE);
    assert_eq!(decided(&rules, &after(Outcome::Stale)), AT_ONCE);
    for outcome in [Outcome::Reset, Outcome::Timeout, status(503, None)] {
        assert_eq!(decided(&rules, &after(outcome)), Decision::GiveUp(GiveUp::NotOn), "{outcome:?}");
    }
    assert!(!rules.repeats_what_was_sent() && all_causes().repeats_what_was_sent());
}

#[test]
fn what_may_act_twice_is_repeated_only_if_nothing_was_sent() {
    for outcome in OUTCOMES {
        let ended = Ended { repeatable: false, ..after(outcome) };
        let gives_up = decided(&all_causes(), &ended) == Decision::GiveUp(GiveUp::Unsafe);
        assert_eq!(gives_up, outcome != Outcome::NotSent, "{outcome:?}");
    }
}

#[test]
fn attempts_are_counted_and_only_a_stale_connection_is_replaced_beyond_them() {
    for outcome in OUTCOMES {
        let ended = Ended { attempts: 3, ..after(outcome) };
        let gives_up = decided(&all_causes(), &ended) == Decision::GiveUp(GiveUp::Attempts);
        assert_eq!(gives_up, outcome != Outcome::Stale, "{outcome:?}");
    }
    let again = Ended { was_stale: true, ..after(Outcome::Stale) };
    assert_eq!(decided(&RetryRules::default(), &again), Decision::GiveUp(GiveUp::NotOn));
    assert_eq!(decided(&all_causes(), &again), AT_ONCE);
    let never = RetryRules { attempts: 0, ..all_causes() };
    assert_eq!(decided(&never, &after(Outcome::Reset)), Decision::GiveUp(GiveUp::Attempts));
}

#[test]
fn only_listed_statuses_are_retried_and_with_a_wait_that_grows() {
    let rules = all_causes();
    assert_eq!(decided(&rules, &after(status(500, None))), Decision::GiveUp(GiveUp::NotOn));

    let mut rng = Rng::seeded(7);
    let mut longest = |attempts| {
        let waits = (0..500).map(|_| backoff(&rules, attempts, &mut rng));
        waits.max().unwrap().as_millis()
    };
    assert!((20..=25).contains(&longest(1)));
    assert!((40..=50).contains(&longest(2)));
    assert!((200..=250).contains(&longest(5)));
    assert!((200..=250).contains(&longest(u32::MAX)));
}

#[test]
fn retry_after_is_waited_for_up_to_its_limit_and_passed_on_beyond() {
    let rules = all_causes();

    let waits = Decision::Retry { after: SECOND };
    assert_eq!(decided(&rules, &after(status(503, Some(SECOND)))), waits);
    let long = after(status(503, Some(SECOND + Duration::from_millis(1))));
    assert_eq!(decided(&rules, &long), Decision::GiveUp(GiveUp::RetryAfter));
}

#[test]
fn nothing_starts_at_or_after_the_deadline() {
    let at = |ms: u64| Some(Tick::ZERO.after(Duration::from_millis(ms)));

    let past = Ended { deadline: Some(Tick::ZERO), ..after(Outcome::NotSent) };
    assert_eq!(decided(&all_causes(), &past), Decision::GiveUp(GiveUp::Deadline));
    let waits_too_long = Ended { deadline: at(1_000), ..after(status(503, Some(SECOND))) };
    assert_eq!(decided(&all_causes(), &waits_too_long), Decision::GiveUp(GiveUp::Deadline));
    let in_time = Ended { deadline: at(1_001), ..after(status(503, Some(SECOND))) };
    assert_eq!(decided(&all_causes(), &in_time), Decision::Retry { after: SECOND });
}

#[test]
fn an_attempt_ends_with_its_own_time_or_the_whole_request_whichever_is_first() {
    let now = Tick::ZERO;
    let rules = RetryRules { per_try: Some(SECOND), ..RetryRules::default() };
    let late = now.after(2 * SECOND);

    assert_eq!(rules.try_deadline(now, None), Some(now.after(SECOND)));
    assert_eq!(rules.try_deadline(now, Some(late)), Some(now.after(SECOND)));
    assert_eq!(rules.try_deadline(now, Some(now)), Some(now));
    assert_eq!(RetryRules::default().try_deadline(now, Some(late)), Some(late));
    assert_eq!(RetryRules::default().try_deadline(now, None), None);
}

#[test]
fn a_spent_budget_refuses_all_that_adds_load_and_counts_the_rest() {
    let budget = RetryBudget::new();
    (0..23).for_each(|_| budget.begin());

    for outcome in OUTCOMES {
        let before = budget.extra();
        // The backends have the extra attempts too.
        let ended = Ended { in_flight: 100 + before, ..after(outcome) };
        let decision = decide(&all_causes(), &ended, &budget, &mut Rng::seeded(1));

        let free = matches!(outcome, Outcome::NotSent | Outcome::Stale);
        assert_eq!(decision == Decision::GiveUp(GiveUp::Budget), !free, "{outcome:?}");
        assert_eq!(budget.extra(), before + u32::from(free));
    }
}

#[test]
fn giving_up_costs_the_budget_nothing() {
    let budget = RetryBudget::new();
    let ended = Ended { repeatable: false, ..after(Outcome::Reset) };
    decide(&all_causes(), &ended, &budget, &mut Rng::seeded(1));

    assert_eq!(budget.extra(), 0);
}

#[test]
fn methods_keys_and_bodies_say_what_is_repeatable() {
    for (method, key, body, expected) in [
        ("GET", false, BodyKept::Empty, true),
        ("PUT", false, BodyKept::Whole, true),
        ("PUT", false, BodyKept::Gone, false),
        ("DELETE", false, BodyKept::Empty, true),
        ("QUERY", false, BodyKept::Whole, true),
        ("POST", false, BodyKept::Empty, false),
        ("PATCH", false, BodyKept::Whole, false),
        ("POST", true, BodyKept::Whole, true),
        ("POST", true, BodyKept::Gone, false),
        ("get", false, BodyKept::Empty, false),
        ("CONNECT", false, BodyKept::Empty, false),
        ("BREW", false, BodyKept::Empty, false),
    ] {
        assert_eq!(is_repeatable(method.as_bytes(), key, body), expected, "{method} {key} {body:?}");
    }
}
