//! Laws of the breaker.

use super::*;

const RULES: BreakerRules = BreakerRules {
    failures: 3,
    error_share: None,
    slow: None,
    window: Duration::from_secs(10),
    min_calls: 10,
    open_for: Duration::from_secs(1),
    open_max: Duration::from_secs(1),
    jitter: 0.0,
    trials: 1,
};

#[test]
fn it_goes_on_where_another_was() {
    let breaker = Breaker::default();
    breaker.resume(at(0), 0, Some(Duration::from_secs(1)));
    assert_eq!(breaker.state(), BreakerState::Off, "off stays off");

    breaker.configure(Some(&RULES));
    breaker.resume(at(0), 2, None);
    assert!(breaker.record(at(1), false).is_some(), "the third failure in a row");

    let breaker = Breaker::default();
    breaker.configure(Some(&RULES));
    breaker.resume(at(0), 0, Some(Duration::from_millis(300)));
    assert_eq!((breaker.state(), breaker.passes(at(299))), (BreakerState::Open, false));
    assert_eq!(breaker.enter(at(300)), Entry::Trial);
}

fn at(ms: u64) -> Tick {
    Tick::from_nanos(ms * 1_000_000)
}

/// A time as the word keeps it.
fn near(ms: u64) -> Tick {
    Tick::from_nanos(at(ms).as_nanos() & TIME)
}

fn with(rules: &BreakerRules) -> Breaker {
    let breaker = Breaker::default();
    breaker.configure(Some(rules));
    breaker
}

fn closed() -> Breaker {
    with(&RULES)
}

fn opened() -> Breaker {
    let breaker = closed();
    for _ in 0..3 {
        breaker.record(at(0), false);
    }
    breaker
}

#[test]
fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
    let breaker = closed();

    assert_eq!(breaker.record(at(1), false), None);
    assert_eq!(breaker.record(at(2), false), None);
    assert_eq!(breaker.record(at(3), true), None);
    assert_eq!(breaker.record(at(4), false), None);
    assert_eq!(breaker.record(at(5), false), None);
    let why = Opening::FailuresInRow { failures: 3 };
    assert_eq!(breaker.record(at(6), false), Some(BreakerChange::Opened { until: near(1006), why }));
    assert_eq!((breaker.retry_at(), breaker.since()), (Some(near(1006)), at(6)));
}

#[test]
fn open_lets_nothing_pass_until_the_retry_time_and_then_exactly_one() {
    let breaker = opened();

    assert_eq!(breaker.enter(at(999)), Entry::Refused);
    assert_eq!(breaker.enter(at(1000)), Entry::Trial);
    assert_eq!(breaker.enter(at(1000)), Entry::Refused);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
}

#[test]
fn of_many_workers_exactly_one_wins_the_trial() {
    for _ in 0..100 {
        let breaker = opened();
        let trials = std::thread::scope(|scope| {
            let enter = || breaker.enter(at(1000)) == Entry::Trial;
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(enter)).collect();
            workers.into_iter().map(|worker| usize::from(worker.join().unwrap())).sum::<usize>()
        });
        assert_eq!(trials, 1);
    }
}

#[test]
fn the_trial_decides() {
    let (good, bad) = (opened(), opened());
    good.enter(at(1000));
    bad.enter(at(1000));

    assert_eq!(good.record(at(1010), true), Some(BreakerChange::Closed));
    let why = Opening::TrialFailed;
    assert_eq!(bad.record(at(1010), false), Some(BreakerChange::Opened { until: near(2010), why }));
    assert_eq!(good.enter(at(1011)), Entry::Free);
    assert_eq!(bad.enter(at(1011)), Entry::Refused);
}

#[test]
fn an_abandoned_trial_can_be_taken_again_at_once() {
    let breaker = opened();
    breaker.enter(at(1000));

    breaker.release_trial();

    assert_eq!(breaker.state(), BreakerState::Open);
    assert_eq!(breaker.enter(at(1001)), Entry::Trial);
}

#[test]
fn a_lost_trial_is_replaced_after_another_open_time() {
    let breaker = opened();
    breaker.enter(at(1000));

    assert_eq!(breaker.enter(at(1999)), Entry::Refused);
    assert_eq!(breaker.enter(at(2000)), Entry::Trial);
}

#[test]
fn results_of_requests_sent_before_it_opened_do_not_close_it() {
    let breaker = opened();

    assert_eq!(breaker.record(at(10), true), None);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn switched_off_it_lets_everything_pass() {
    let breaker = opened();
    breaker.configure(None);

    assert_eq!(breaker.state(), BreakerState::Off);
    assert_eq!(breaker.enter(at(1)), Entry::Free);
    assert_eq!(breaker.record(at(1), false), None);
}

#[test]
fn new_rules_keep_an_open_breaker_open() {
    let breaker = opened();
    breaker.configure(Some(&BreakerRules { failures: 9, ..RULES }));

    assert_eq!(breaker.state(), BreakerState::Open);
}

fn answer(sent: u64, took: u64, ok: bool) -> Answer {
    Answer { sent: at(sent), took: Duration::from_millis(took), ok }
}

#[test]
fn a_share_of_failures_opens_it_once_there_are_enough_calls() {
    let breaker = with(&BreakerRules { failures: 0, error_share: Some(0.5), ..RULES });
    for n in 0..9 {
        assert_eq!(breaker.record(at(n), false), None, "nine are too few");
    }
    let counts = Counts { calls: 10, failures: 9, slow: 0 };
    assert_eq!(breaker.counts(at(9)).calls, 9);
    let why = Opening::ErrorShare { counts };
    assert_eq!(
        breaker.record(at(10), true),
        Some(BreakerChange::Opened { until: near(1010), why }),
        "the tenth tells, although it went well"
    );
    assert_eq!(breaker.counts(at(10)), Counts::default(), "what opened it is used up");
}

#[test]
fn what_has_left_the_window_does_not_count() {
    let breaker = with(&BreakerRules { failures: 0, error_share: Some(0.5), ..RULES });
    (0..9).for_each(|n| assert_eq!(breaker.record(at(n), false), None));
    for n in 0..20 {
        assert_eq!(breaker.record(at(10_001 + n), n % 3 != 0), None);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn slow_answers_open_it_and_a_slow_trial_fails() {
    let slow = SlowCalls { over: Duration::from_millis(100), share: 0.8 };
    let breaker = with(&BreakerRules { slow: Some(slow), ..RULES });
    for n in 0..2 {
        assert_eq!(breaker.learn(at(n), answer(n, 99, true)), None);
    }
    for n in 2..9 {
        assert_eq!(breaker.learn(at(n), answer(n, 100, true)), None);
    }
    let Some(BreakerChange::Opened { why, .. }) = breaker.learn(at(9), answer(9, 100, true)) else {
        panic!("eight of ten were slow")
    };
    assert_eq!(why, Opening::SlowShare { counts: Counts { calls: 10, failures: 0, slow: 8 } });

    assert_eq!(breaker.enter(at(1010)), Entry::Trial);
    assert!(matches!(
        breaker.learn(at(1200), answer(1010, 190, true)),
        Some(BreakerChange::Opened { why: Opening::TrialFailed, .. })
    ));
}

#[test]
fn of_many_workers_exactly_as_many_pass_as_there_are_trials() {
    for _ in 0..100 {
        let breaker = with(&BreakerRules { failures: 1, trials: 3, ..RULES });
        breaker.record(at(0), false);
        let trials = std::thread::scope(|scope| {
            let enter = || (0..3).filter(|_| breaker.enter(at(1000)) == Entry::Trial).count();
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(enter)).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum::<usize>()
        });
        assert_eq!(trials, 3);
        assert!(
            !breaker.passes(at(1999)) && breaker.passes(at(2000)),
            "lost trials are replaced, not sooner"
        );
    }
}

#[test]
fn all_trials_must_succeed_and_one_that_fails_is_enough() {
    let open = || {
        let breaker = with(&BreakerRules { failures: 1, trials: 3, ..RULES });
        breaker.record(at(0), false);
        (0..3).for_each(|_| assert_eq!(breaker.enter(at(1000)), Entry::Trial));
        assert!(breaker.record(at(1001), true).is_none() && breaker.record(at(1001), true).is_none());
        breaker
    };

    assert_eq!(open().record(at(1002), true), Some(BreakerChange::Closed));
    assert!(matches!(open().record(at(1002), false), Some(BreakerChange::Opened { .. })));
}

#[test]
fn results_from_before_it_opened_decide_no_trial() {
    let breaker = closed();
    (0..3).for_each(|_| assert_ne!(breaker.record(at(5), false), Some(BreakerChange::Closed)));
    breaker.enter(at(1005));

    assert_eq!(breaker.learn(at(1010), answer(4, 1006, true)), None);
    assert_eq!(breaker.learn(at(1010), answer(5, 1005, false)), None);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    assert_eq!(breaker.learn(at(1010), answer(1005, 5, true)), Some(BreakerChange::Closed));
}

#[test]
fn it_backs_off_while_trials_fail_and_begins_anew_after_a_good_while() {
    let rules = BreakerRules { failures: 1, open_max: Duration::from_secs(4), ..RULES };
    let breaker = with(&rules);
    breaker.record(at(0), false);
    let mut now = 0;
    for open in [1_000, 2_000, 4_000, 4_000] {
        assert!(!breaker.passes(at(now + open - 1)));
        now += open;
        assert_eq!(breaker.enter(at(now)), Entry::Trial);
        breaker.record(at(now), false);
    }
    now += 4_000;
    breaker.enter(at(now));
    assert_eq!(breaker.record(at(now), true), Some(BreakerChange::Closed));
    breaker.record(at(now + 1), false);
    assert_eq!((breaker.times_opened(), breaker.retry_at()), (6, Some(near(now + 4_001))));

    now += 4_001;
    breaker.enter(at(now));
    breaker.record(at(now), true);
    breaker.record(at(now + 4_001), false);
    assert_eq!((breaker.times_opened(), breaker.retry_at()), (1, Some(near(now + 5_001))));
}

#[test]
fn chance_only_adds_and_at_most_its_part() {
    let rules = BreakerRules { failures: 1, jitter: 0.5, ..RULES };
    let mut seen = std::collections::BTreeSet::new();
    for ms in 0..100 {
        let breaker = with(&rules);
        breaker.record(at(ms), false);
        let wait = breaker.retry_at().unwrap().since(near(ms));
        assert!((Duration::from_millis(999)..=Duration::from_millis(1_501)).contains(&wait), "{wait:?}");
        seen.insert(wait);
    }
    assert!(seen.len() > 90);
}

#[test]
fn an_order_stands_beside_what_was_learned() {
    let breaker = opened();
    breaker.set_order(Some(Order::Closed));
    assert_eq!((breaker.state(), breaker.order()), (BreakerState::Open, Some(Order::Closed)));
    assert_eq!((breaker.enter(at(1)), breaker.enter(at(2000))), (Entry::Free, Entry::Free));
    assert_eq!(breaker.record(at(3), true), None);

    breaker.set_order(None);
    assert_eq!((breaker.state(), breaker.retry_at()), (BreakerState::Open, Some(near(1000))));
    assert_eq!((breaker.enter(at(999)), breaker.enter(at(1000))), (Entry::Refused, Entry::Trial));

    let breaker = closed();
    breaker.record(at(0), false);
    breaker.set_order(Some(Order::Open));
    assert!(!breaker.passes(at(1_000_000)));
    breaker.set_order(None);
    assert_eq!((breaker.failures(), breaker.enter(at(1))), (1, Entry::Free));
}

#[test]
fn held_it_stays_as_it_is() {
    let open = opened();
    open.set_order(Some(Order::Held));
    assert!(!open.passes(at(1_000_000)), "it does not try");

    let flowing = closed();
    flowing.set_order(Some(Order::Held));
    (0..9).for_each(|n| assert_eq!(flowing.record(at(n), false), None));
    assert_eq!((flowing.state(), flowing.enter(at(9))), (BreakerState::Closed, Entry::Free));

    let half = opened();
    half.enter(at(1000));
    half.set_order(Some(Order::Held));
    assert!(!half.passes(at(1001)));
    assert_eq!(half.record(at(1002), true), None);
    assert_eq!((half.state(), half.enter(at(1003))), (BreakerState::HalfOpen, Entry::Trial));
    assert_eq!(half.record(at(1004), false), None);
    half.set_order(None);
    assert_eq!(half.enter(at(1005)), Entry::Trial);
    assert_eq!(half.record(at(1006), true), Some(BreakerChange::Closed));
}

#[test]
fn orders_hold_also_where_no_breaker_is_configured_and_survive_new_rules() {
    let breaker = Breaker::default();
    breaker.set_order(Some(Order::Open));
    assert!(!breaker.passes(at(1)));
    breaker.configure(Some(&RULES));
    breaker.reset(at(2));
    breaker.configure(None);
    assert_eq!((breaker.order(), breaker.passes(at(1))), (Some(Order::Open), false));
    breaker.set_order(None);
    assert!(breaker.passes(at(1)));
}

#[test]
fn a_reset_forgets_everything_learned() {
    let breaker = opened();
    breaker.reset(at(10));

    assert_eq!((breaker.state(), breaker.since(), breaker.times_opened()), (BreakerState::Closed, at(10), 0));
    assert!((0..2).all(|_| breaker.record(at(11), false).is_none()));
}
