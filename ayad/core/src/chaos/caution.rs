//! Whether a fault may be injected: how much faults may hit, and who is hurt enough already.

/// Failures of a pool beyond this share make it unhealthy.
const TOO_MANY_FAILURES: f64 = 0.05;
/// Requests below which a share of failures says nothing.
const FEWEST_REQUESTS: u64 = 20;

/// How much may be hit; what is absent may be anything.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Most backends that faults are for, over all pools.
    pub max_backends: Option<u32>,
    /// Largest share of a pool's requests, 0 to 1.
    pub max_traffic: Option<f64>,
    /// Backends of a pool that stay without a fault and able to serve.
    pub min_ready: Option<u32>,
    /// Most requests that one fault holds.
    pub max_held: Option<u32>,
}

impl Limits {
    /// What is within both.
    #[must_use]
    pub fn narrower(self, other: Self) -> Self {
        Self {
            max_backends: least(self.max_backends, other.max_backends),
            max_traffic: match (self.max_traffic, other.max_traffic) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            min_ready: self.min_ready.max(other.min_ready),
            max_held: least(self.max_held, other.max_held),
        }
    }
}

fn least(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    [a, b].into_iter().flatten().min()
}

/// A pool that a fault would be for.
#[derive(Clone, Copy, Debug)]
pub struct PoolFacts<'a> {
    /// Its name.
    pub name: &'a str,
    /// Backends that can get a request now.
    pub eligible: u32,
    /// Those of them that no fault would be for.
    pub left: u32,
    /// Backends whose breaker is not closed.
    pub open_breakers: u32,
    /// Requests of the last seconds.
    pub requests: u64,
    /// Those of them that failed.
    pub failures: u64,
}

/// What a fault would meet.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The pools that it would be for.
    pub pools: &'a [PoolFacts<'a>],
    /// Faults that are injected already.
    pub faults: u32,
    /// Most of them at once.
    pub max_faults: u32,
    /// Backends that faults would be for, with this one.
    pub backends: u32,
}

/// Why a fault may not be injected.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// As many are injected as may be.
    TooMany(u32),
    /// Faults would be for too many backends.
    TooManyBackends {
        /// As many.
        would: u32,
        /// The most.
        most: u32,
    },
    /// Too few backends of a pool would be left.
    TooFewLeft {
        /// Its name.
        pool: String,
        /// As many.
        left: u32,
        /// The least.
        least: u32,
    },
    /// Too few backends of a pool can serve as it is.
    TooFewReady {
        /// Its name.
        pool: String,
        /// As many.
        ready: u32,
        /// The least.
        least: u32,
    },
    /// Breakers of a pool are open.
    OpenBreakers {
        /// Its name.
        pool: String,
        /// As many.
        open: u32,
    },
    /// Requests of a pool fail as it is.
    Failing {
        /// Its name.
        pool: String,
        /// Their share, 0 to 1.
        share: f64,
    },
}

/// Whether a fault may be injected. `force` sets aside what is about the state of pools.
pub fn judge(facts: &Facts<'_>, limits: &Limits, force: bool) -> Result<(), Refusal> {
    if facts.faults >= facts.max_faults {
        return Err(Refusal::TooMany(facts.max_faults));
    }
    if let Some(most) = limits.max_backends.filter(|most| facts.backends > *most) {
        return Err(Refusal::TooManyBackends { would: facts.backends, most });
    }
    if force {
        return Ok(());
    }
    facts.pools.iter().try_for_each(|pool| judge_pool(pool, limits.min_ready))
}

fn judge_pool(facts: &PoolFacts<'_>, min_ready: Option<u32>) -> Result<(), Refusal> {
    let pool = || facts.name.to_owned();
    // A pool that serves nobody shows nothing.
    let least = min_ready.unwrap_or(0).max(1);
    if facts.eligible < least {
        return Err(Refusal::TooFewReady { pool: pool(), ready: facts.eligible, least });
    }
    if facts.open_breakers > 0 {
        return Err(Refusal::OpenBreakers { pool: pool(), open: facts.open_breakers });
    }
    let share = facts.failures as f64 / facts.requests.max(1) as f64;
    if facts.requests >= FEWEST_REQUESTS && share > TOO_MANY_FAILURES {
        return Err(Refusal::Failing { pool: pool(), share });
    }
    if let Some(least) = min_ready.filter(|least| facts.left < *least) {
        return Err(Refusal::TooFewLeft { pool: pool(), left: facts.left, least });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: PoolFacts<'_> =
        PoolFacts { name: "shop", eligible: 3, left: 2, open_breakers: 0, requests: 100, failures: 5 };

    fn judged(pool: PoolFacts<'_>, limits: Limits, force: bool) -> Result<(), Refusal> {
        judge(&Facts { pools: &[pool], faults: 15, max_faults: 16, backends: 4 }, &limits, force)
    }

    #[test]
    fn limits_hold_at_their_edges() {
        let limits = Limits { max_backends: Some(4), min_ready: Some(2), ..Limits::default() };
        assert_eq!(judged(SHOP, limits, false), Ok(()));
        let narrow = Limits { max_backends: Some(3), ..limits };
        assert_eq!(judged(SHOP, narrow, true), Err(Refusal::TooManyBackends { would: 4, most: 3 }));
        let narrow = Limits { min_ready: Some(3), ..limits };
        let refused = Refusal::TooFewLeft { pool: "shop".into(), left: 2, least: 3 };
        assert_eq!(judged(SHOP, narrow, false), Err(refused));
        assert_eq!(judged(SHOP, narrow, true), Ok(()));
        let full = Facts { pools: &[SHOP], faults: 16, max_faults: 16, backends: 1 };
        assert_eq!(judge(&full, &limits, true), Err(Refusal::TooMany(16)));
    }

    #[test]
    fn a_pool_that_is_unhealthy_already_is_left_alone() {
        let limits = Limits::default();
        let failing = PoolFacts { failures: 6, ..SHOP };
        assert_eq!(
            judged(failing, limits, false),
            Err(Refusal::Failing { pool: "shop".into(), share: 0.06 })
        );
        assert_eq!(judged(failing, limits, true), Ok(()));
        let few = PoolFacts { requests: 19, failures: 19, ..SHOP };
        assert_eq!(judged(few, limits, false), Ok(()));
        let open = PoolFacts { open_breakers: 1, ..SHOP };
        assert_eq!(judged(open, limits, false), Err(Refusal::OpenBreakers { pool: "shop".into(), open: 1 }));
        let down = PoolFacts { eligible: 0, left: 0, ..SHOP };
        let refused = Refusal::TooFewReady { pool: "shop".into(), ready: 0, least: 1 };
        assert_eq!(judged(down, limits, false), Err(refused));
    }

    #[test]
    fn of_two_limits_the_narrower_holds() {
        let a = Limits { max_backends: Some(2), max_traffic: Some(0.5), min_ready: Some(1), max_held: None };
        let b = Limits { max_backends: Some(3), max_traffic: None, min_ready: Some(2), max_held: Some(7) };
        let both =
            Limits { max_backends: Some(2), max_traffic: Some(0.5), min_ready: Some(2), max_held: Some(7) };
        assert_eq!(a.narrower(b), both);
        assert_eq!(b.narrower(a), both);
    }
}
