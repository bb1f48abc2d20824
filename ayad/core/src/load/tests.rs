//! Laws of the cell.

use std::time::Duration;

use super::*;
use crate::axis::BreakerState;
use crate::breaker::BreakerRules;

fn at(ms: u64) -> Tick {
    Tick::from_nanos(ms * 1_000_000)
}

fn up() -> Load {
    Load::new(1, 1, Health::Up)
}

#[test]
fn only_ready_and_up_or_unknown_backends_are_eligible() {
    for &admin in Admin::ALL {
        for &health in Health::ALL {
            let load = Load::new(1, 1, health);
            load.set_admin(admin, false);

            let expected = admin == Admin::Ready && matches!(health, Health::Up | Health::Unknown);
            assert_eq!(load.eligible(at(0)), expected, "{admin:?} {health:?}");
            assert_eq!(load.try_acquire(at(0), false), expected);
            assert_eq!((load.admin(), load.health()), (admin, health));
        }
    }
}

#[test]
fn a_bound_client_may_finish_its_session_only_where_that_is_honoured() {
    let load = up();
    load.set_admin(Admin::Draining, true);
    assert!(load.eligible_bound(at(0)) && !load.eligible(at(0)) && load.honours_sticky());

    load.set_admin(Admin::Draining, false);
    assert!(!load.eligible_bound(at(0)));
    load.set_admin(Admin::Maint, true);
    assert!(!load.eligible_bound(at(0)));
    load.set_admin(Admin::Draining, true);
    load.set_health(Health::Down);
    assert!(!load.eligible_bound(at(0)));
}

#[test]
fn a_refused_place_is_not_counted() {
    let load = up();
    assert!(load.try_acquire(at(0), false));
    load.set_admin(Admin::Draining, false);

    assert!(!load.try_acquire(at(0), false));
    assert_eq!(load.in_flight(), 1);
    load.release();
    assert_eq!(load.in_flight(), 0);
}

#[test]
fn setters_of_different_axes_never_lose_each_other() {
    let load = up();
    std::thread::scope(|scope| {
        scope.spawn(|| (0..20_000).for_each(|_| load.set_health(Health::Down)));
        scope.spawn(|| (0..20_000).for_each(|_| load.set_admin(Admin::Draining, true)));
    });

    assert_eq!((load.admin(), load.health(), load.honours_sticky()), (Admin::Draining, Health::Down, true));
}

#[test]
fn nothing_passes_after_a_drain_has_seen_zero() {
    for _ in 0..200 {
        let load = up();
        let seen_idle = std::thread::scope(|scope| {
            let taker = scope.spawn(|| load.try_acquire(at(0), false));
            load.set_admin(Admin::Draining, false);
            let idle = load.in_flight() == 0;
            idle && taker.join().unwrap()
        });
        assert!(!seen_idle);
    }
}

#[test]
fn a_cancelled_trial_does_not_leave_the_breaker_half_open() {
    let load = up();
    load.breaker().configure(Some(&BreakerRules {
        failures: 1,
        open_for: Duration::from_secs(1),
        ..BreakerRules::default()
    }));
    load.breaker().record(at(0), false);

    assert!(!load.eligible(at(999)));
    assert_eq!(load.acquire(at(1000), false), Acquired::Trial);
    assert_eq!(load.acquire(at(1000), false), Acquired::Refused);
    assert_eq!(load.breaker().state(), BreakerState::HalfOpen);
    load.release();
    assert!(load.eligible(at(1001)));
    assert_eq!(load.acquire(at(1001), false), Acquired::Trial);
}

#[test]
fn what_a_pick_reads_is_in_one_pair_of_cache_lines() {
    let breaker = std::mem::offset_of!(Load, breaker);

    assert!(breaker + std::mem::size_of::<u64>() <= 128, "the word of the breaker is at {breaker}");
}

#[test]
fn of_many_workers_one_gets_the_trial_of_an_ejected_backend() {
    for _ in 0..100 {
        let load = up();
        load.set_ejected(true);
        assert!(load.is_ejected() && !load.eligible(at(0)) && !load.eligible_bound(at(0)));
        assert!(load.eligible_in_panic());
        load.offer_trial();
        assert!(load.is_ejected() && load.eligible(at(0)));

        let passed = std::thread::scope(|scope| {
            let enter = || load.try_acquire(at(0), false);
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(enter)).collect();
            workers.into_iter().map(|worker| usize::from(worker.join().unwrap())).sum::<usize>()
        });
        assert_eq!((passed, load.in_flight(), load.eligible(at(0))), (1, 1, false));
        load.set_ejected(false);
        assert!(load.eligible(at(0)) && !load.is_ejected());
    }
}
