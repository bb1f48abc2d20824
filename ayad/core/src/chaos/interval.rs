//! How sure an observed share is.

/// The two-sided 99 % point of the normal distribution.
const Z: f64 = 2.575_829_303_548_9;

/// The 99 % interval of Wilson for a share of which `hit` of `matched` were seen; from 0 to 1 before the first.
pub fn wilson(hit: u64, matched: u64) -> (f64, f64) {
    if matched == 0 {
        return (0.0, 1.0);
    }
    let n = matched as f64;
    let share = (hit as f64 / n).min(1.0);
    let middle = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (((middle - half) / scale).clamp(0.0, share), ((middle + half) / scale).clamp(share, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn figures_of_the_textbook() {
        let (low, high) = wilson(50, 100);
        assert!((low - 0.375_3).abs() < 1e-3 && (high - 0.624_7).abs() < 1e-3, "{low} to {high}");
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn it_holds_the_share_and_stays_in_range(matched in 1_u64..1_000_000, part in 0.0..=1.0_f64) {
            let hit = (matched as f64 * part) as u64;
            let share = hit as f64 / matched as f64;
            let (low, high) = wilson(hit, matched);
            prop_assert!(0.0 <= low && low <= share && share <= high && high <= 1.0);
        }
    }
}
