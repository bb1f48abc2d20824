//! How much of a pool's traffic may be repetition.
//!
//! Retries multiply load exactly when there is too much of it: three tiers that each try three times make
//! twenty-seven requests of one. A limit per request cannot prevent that, a share of the traffic can (the
//! retry budgets of Finagle and Envoy, and of Google's book on site reliability, chapter "Handling Overload").

use std::sync::atomic::{AtomicU32, Ordering};

/// How many extra attempts may be under way at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetRules {
    /// Extra attempts for each active request, 0 to 1.
    pub share: f64,
    /// Extra attempts that are allowed besides, so that a quiet pool can retry at all.
    pub least: u32,
}

impl BudgetRules {
    /// Extra attempts allowed while `active` requests are under way.
    pub fn limit(&self, active: u32) -> u32 {
        // A float out of range becomes the nearest limit, and NaN becomes 0.
        let share = (self.share.clamp(0.0, 1.0) * f64::from(active)) as u32;
        share.saturating_add(self.least)
    }
}

/// The extra attempts of one pool that are under way: retries and hedges, of all workers.
///
/// It counts and nothing more: how many requests are active is known to the cells of the backends
/// ([`crate::load::Load::in_flight`]), so that a request without a retry pays nothing for the budget. Orderings
/// are relaxed; the count guards no other memory.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct RetryBudget {
    extra: AtomicU32,
}

impl RetryBudget {
    /// A budget of which nothing is spent.
    pub const fn new() -> Self {
        Self { extra: AtomicU32::new(0) }
    }

    /// Takes one extra attempt if the rules leave room for it, and then owes one [`RetryBudget::end`].
    /// `in_flight` is what the backends of the pool have at this moment, extra attempts included.
    ///
    /// However many threads ask at once, there are never more extra attempts than the limit that each of
    /// them computed.
    pub fn try_begin(&self, rules: &BudgetRules, in_flight: u32) -> bool {
        let room = |extra: u32| {
            let active = in_flight.saturating_sub(extra);
            (extra < rules.limit(active)).then_some(extra.saturating_add(1))
        };
        self.extra.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
    }

    /// Takes one extra attempt without asking for room, for those that add no load; owes one
    /// [`RetryBudget::end`].
    pub fn begin(&self) {
        self.extra.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives back what [`RetryBudget::try_begin`] or [`RetryBudget::begin`] took; exactly once for each.
    pub fn end(&self) {
        let before = self.extra.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "an extra attempt ended twice");
    }

    /// Extra attempts under way.
    pub fn extra(&self) -> u32 {
        self.extra.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    const RULES: BudgetRules = BudgetRules { share: 0.2, least: 3 };

    #[test]
    fn a_share_of_the_active_requests_and_a_few_more_may_be_extra() {
        assert_eq!([0, 4, 5, 100].map(|active| RULES.limit(active)), [3, 3, 4, 23]);
        assert_eq!(BudgetRules { share: f64::NAN, least: 1 }.limit(100), 1);
        assert_eq!(BudgetRules { share: 9.0, least: u32::MAX }.limit(u32::MAX), u32::MAX);
    }

    #[test]
    fn the_extra_attempts_themselves_do_not_raise_the_limit() {
        let budget = RetryBudget::new();
        let taken = (0..1_000).take_while(|extra| budget.try_begin(&RULES, 100 + extra)).count();

        assert_eq!((taken, budget.extra()), (23, 23));
    }

    #[test]
    fn what_adds_no_load_is_counted_and_never_refused() {
        let budget = RetryBudget::new();
        (0..10).for_each(|_| budget.begin());

        assert!(!budget.try_begin(&RULES, 0));
        (0..8).for_each(|_| budget.end());
        assert!(budget.try_begin(&RULES, 0));
        assert_eq!(budget.extra(), 3);
    }

    #[test]
    fn many_threads_together_never_exceed_it() {
        let (budget, over, most) = (RetryBudget::new(), AtomicU32::new(0), AtomicU32::new(0));
        let held = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        if budget.try_begin(&RULES, 10) {
                            let now = held.fetch_add(1, Ordering::SeqCst) + 1;
                            most.fetch_max(now, Ordering::SeqCst);
                            over.fetch_add(u32::from(now > RULES.limit(10)), Ordering::SeqCst);
                            held.fetch_sub(1, Ordering::SeqCst);
                            budget.end();
                        }
                    }
                });
            }
        });

        assert_eq!((over.into_inner(), budget.extra()), (0, 0));
        assert!(most.into_inner() >= 1);
    }
}
