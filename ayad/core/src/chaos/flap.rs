//! A backend that comes and goes.

use std::time::Duration;

use super::{Acts, FaultSpec};

pub(super) const SPEC: FaultSpec = FaultSpec {
    name: "flap",
    does: "A backend refuses connections in a part of every period, also those of checks",
    acts: Acts::Connects,
};

/// Whether it is away, so long after the fault began: in the first part of every period. A period of zero counts as a
/// millisecond.
pub fn is_away(period: Duration, away: f64, since: Duration) -> bool {
    let period = period.max(Duration::from_millis(1)).as_nanos();
    let part = (since.as_nanos() % period) as f64 / period as f64;
    part < away
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_away_for_its_part(period_ms in 1_u64..100_000, away in 0.0..=1.0_f64) {
            let period = Duration::from_millis(period_ms);
            let looks = 1_000_u32;
            let gone = (0..looks).filter(|i| is_away(period, away, period * *i / looks)).count();
            prop_assert!((gone as f64 / f64::from(looks) - away).abs() <= 0.002, "{gone}");
        }
    }

    #[test]
    fn never_and_always() {
        let period = Duration::from_secs(1);
        for ms in 0..3_000 {
            assert!(!is_away(period, 0.0, Duration::from_millis(ms)));
            assert!(is_away(period, 1.0, Duration::from_millis(ms)));
        }
    }
}
