//! The two distributions that comparisons need.

/// The part of the normal distribution that is below `z`, to seven digits: formula 7.1.26 of Abramowitz and Stegun,
/// "Handbook of Mathematical Functions".
pub(super) fn below(z: f64) -> f64 {
    const FACTORS: [f64; 5] = [0.254_829_592, -0.284_496_736, 1.421_413_741, -1.453_152_027, 1.061_405_429];
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let sum = FACTORS.iter().rev().fold(0.0, |sum, factor| (sum + factor) * t);
    let beyond = sum * (-x * x).exp() / 2.0;
    if z < 0.0 { beyond } else { 1.0 - beyond }
}

/// How far from nothing the middle part `confidence` of Student's t with so many degrees of freedom reaches: expansion
/// 26.7.5 of the same book, to a hundredth from three degrees on. Only 95 % is known.
pub(super) fn student(confidence: f64, freedom: f64) -> f64 {
    debug_assert!((confidence - 0.95).abs() < 1e-9, "the quantile below is that of 95 %");
    let z = 1.959_964_f64;
    let terms = [
        (z.powi(3) + z) / 4.0,
        (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0,
        (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0,
    ];
    terms.iter().rev().fold(0.0, |sum, term| (sum + term) / freedom) + z
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_printed_tables() {
        for (z, part) in [(0.0, 0.5), (-1.959_964, 0.025), (-3.0, 0.001_349_9), (1.644_854, 0.95)] {
            assert!((below(z) - part).abs() < 2e-7, "{z}: {}", below(z));
        }
        for (freedom, reach, off) in
            [(3.0, 3.182, 0.03), (8.0, 2.306, 0.002), (30.0, 2.042, 0.001), (1e6, 1.96, 0.001)]
        {
            let student = student(0.95, freedom);
            assert!((student - reach).abs() < off, "{freedom}: {student}");
        }
    }
}
