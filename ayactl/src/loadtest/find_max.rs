//! The greatest rate at which gates hold: first doubled until they do not, then halved in between, then confirmed.

use std::time::Duration;

use aya_load::record::{Ended, Recording};
use aya_load::report::{Limit, Peak, Word};
use aya_load::{gate, verdict};

use super::job::Order;

/// How much the ends of the search may differ, as a part.
const CLOSE: f64 = 0.05;
/// Most tests of a search.
const MOST: u32 = 24;
/// Length of a test, when nothing is said.
pub const PROBE: Duration = Duration::from_secs(5);

/// What a test of the search said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The gates hold.
    Holds,
    /// They do not, or the target is full.
    Fails,
    /// The generator is full: higher rates would say nothing of the target.
    OwnLimit,
    /// Somebody ended it.
    Ended,
}

/// Judges a test of the search.
pub fn judge(order: &Order, seen: &Recording) -> Said {
    if seen.ended == Ended::Interrupted {
        return Said::Ended;
    }
    let seconds = seen.plan.length_ms.saturating_sub(seen.plan.warmup_ms) as f64 / 1e3;
    let in_flight = seen.seconds.iter().map(|second| second.in_flight).max().unwrap_or(0);
    let standings = gate::standings(&order.slo, &seen.total, seconds, in_flight);
    match verdict::judge(seen).word {
        Word::GeneratorBound => Said::OwnLimit,
        Word::Valid if standings.iter().all(|standing| standing.holds == Some(true)) => Said::Holds,
        Word::Valid | Word::TargetBound => Said::Fails,
    }
}

/// The search, as a state that is asked for the next rate and told what it gave.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// Greatest rate at which the gates held.
    pub good: Option<f64>,
    /// Least rate at which they did not.
    pub bad: Option<f64>,
    /// Whether that rate says nothing of the target, because the generator was full.
    pub is_own_limit: bool,
    next: f64,
    /// Greatest rate that is allowed.
    most: Option<f64>,
    left: u32,
    /// No test said anything of the target so far.
    is_blind: bool,
    /// The rate that is being confirmed.
    confirming: bool,
}

/// Where the search is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// Test this rate.
    Probe(f64),
    /// Test this rate for longer: it is what was found.
    Confirm(f64),
    /// Nothing holds, not even the least rate.
    Nothing,
}

impl Search {
    /// Begins at `rate`, and goes no further than `most`.
    pub fn new(rate: f64, most: Option<f64>) -> Self {
        Self {
            good: None,
            bad: None,
            is_own_limit: false,
            next: rate,
            most,
            left: MOST,
            is_blind: true,
            confirming: false,
        }
    }

    /// What to test next.
    pub fn next(&self) -> Next {
        match (self.good, self.bad) {
            (Some(good), _) if self.confirming => Next::Confirm(good),
            (None, Some(bad)) if bad <= 1.0 => Next::Nothing,
            (good, _) if self.left == 0 => good.map_or(Next::Nothing, Next::Confirm),
            _ => Next::Probe(self.next),
        }
    }

    /// What was found, once the greatest rate has been confirmed.
    pub fn found(&self) -> Option<Peak> {
        let limit = match self.bad {
            None => Limit::Ceiling,
            Some(_) if self.is_own_limit => Limit::Generator,
            Some(_) => Limit::Target,
        };
        Some(Peak { rate: self.good?, limit, above: self.bad })
    }

    /// True while the generator was full in every test: then nothing is known of the target.
    pub fn is_blind(&self) -> bool {
        self.is_blind
    }

    /// Takes what the rate gave.
    pub fn told(&mut self, rate: f64, said: Said) {
        self.is_blind &= said == Said::OwnLimit;
        self.left = self.left.saturating_sub(1);
        match said {
            Said::Holds => self.good = Some(self.good.map_or(rate, |good| good.max(rate))),
            Said::Fails | Said::OwnLimit | Said::Ended => {
                if self.bad.is_none_or(|bad| rate <= bad) {
                    self.is_own_limit = said == Said::OwnLimit;
                }
                self.bad = Some(self.bad.map_or(rate, |bad| bad.min(rate)));
                // What was to be confirmed did not hold for longer.
                if self.good.is_some_and(|good| good >= rate) {
                    self.good = None;
                }
            }
        }
        let was_confirming = std::mem::take(&mut self.confirming);
        match (self.good, self.bad) {
            (Some(_), _) if was_confirming => {}
            (None, Some(bad)) if was_confirming => {
                // A little less, and that is confirmed at once.
                self.next = bad * (1.0 - CLOSE);
            }
            (Some(good), Some(bad)) if bad - good <= good * CLOSE => self.confirming = true,
            (Some(good), Some(bad)) => self.next = f64::midpoint(good, bad),
            (Some(good), None) if self.most.is_some_and(|most| good >= most) => self.confirming = true,
            (Some(good), None) => self.next = self.most.map_or(good * 2.0, |most| most.min(good * 2.0)),
            (None, Some(bad)) => self.next = (bad / 2.0).max(1.0),
            (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(limit: f64, first: f64) -> (Option<f64>, u32) {
        search_below(limit, first, None)
    }

    fn search_below(limit: f64, first: f64, most: Option<f64>) -> (Option<f64>, u32) {
        let mut search = Search::new(first, most);
        let mut tests = 0;
        loop {
            let (rate, is_last) = match search.next() {
                Next::Probe(rate) => (rate, false),
                Next::Confirm(rate) => (rate, true),
                Next::Nothing => return (None, tests),
            };
            assert!(most.is_none_or(|most| rate <= most), "{rate} is over {most:?}");
            tests += 1;
            let said = if rate <= limit { Said::Holds } else { Said::Fails };
            search.told(rate, said);
            if is_last && said == Said::Holds {
                let peak = search.found().expect("it was confirmed");
                let limit = if peak.above.is_some() { Limit::Target } else { Limit::Ceiling };
                assert_eq!((peak.rate, peak.limit), (rate, limit));
                return (Some(rate), tests);
            }
        }
    }

    #[test]
    fn the_greatest_rate_is_found_from_below_and_from_above() {
        for (limit, first) in [(5_000.0, 100.0), (5_000.0, 20_000.0), (130.0, 100.0), (7.0, 100.0)] {
            let (found, tests) = search(limit, first);
            let found = found.expect("there is one");
            assert!(found <= limit && found >= limit * 0.93, "{found} of {limit}");
            assert!(tests <= 20, "{tests} tests");
        }
    }

    #[test]
    fn the_search_goes_no_further_than_it_may() {
        assert_eq!(search_below(5_000.0, 100.0, Some(350.0)).0, Some(350.0));
        assert_eq!(search_below(5_000.0, 350.0, Some(350.0)).0, Some(350.0));
        let (found, _) = search_below(200.0, 100.0, Some(350.0));
        assert!(found.is_some_and(|found| (186.0..=200.0).contains(&found)), "{found:?}");
    }

    #[test]
    fn a_generator_that_is_always_full_says_nothing_of_the_target() {
        let mut search = Search::new(4.0, None);
        while let Next::Probe(rate) = search.next() {
            search.told(rate, Said::OwnLimit);
        }
        assert!(search.is_blind() && search.next() == Next::Nothing);
        search.told(1.0, Said::Fails);
        assert!(!search.is_blind());
    }

    #[test]
    fn a_target_at_which_nothing_holds_is_told() {
        assert_eq!(search(0.5, 100.0).0, None);
    }
}
