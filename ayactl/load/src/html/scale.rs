//! Where values stand on an axis, and which of them are written beside it.

/// How values become heights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// From 0, in equal steps.
    Linear,
    /// In equal factors; what is not above 0 has no place.
    Log,
}

/// A scale with its ends.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    scale: Scale,
    low: f64,
    high: f64,
    pub(super) ticks: Vec<f64>,
}

impl Rule {
    /// A rule on which all of `values` have a place.
    pub(super) fn over(scale: Scale, values: impl Iterator<Item = f64>) -> Self {
        let known = values.filter(|v| v.is_finite() && (scale == Scale::Linear || *v > 0.0));
        let (low, high) = known.fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
        match scale {
            Scale::Linear => {
                let step = round_step(high.max(1e-9), 5.0);
                let count = (high / step - 1e-9).ceil().clamp(1.0, 20.0) as u32;
                let ticks: Vec<f64> = (0..=count).map(|n| f64::from(n) * step).collect();
                Self { scale, low: 0.0, high: f64::from(count) * step, ticks }
            }
            Scale::Log => {
                let (low, high) = if low.is_finite() { (low, high) } else { (1.0, 10.0) };
                let ticks = steps(low, high);
                let (low, high) = (ticks[0].min(low), ticks[ticks.len() - 1].max(high));
                Self { scale, low, high: if high > low { high } else { low * 10.0 }, ticks }
            }
        }
    }

    /// Where `value` stands, 0 at the low end and 1 at the high one; `None` when it has no place.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        match self.scale {
            Scale::Linear => value.is_finite().then(|| value / self.high),
            Scale::Log if value > 0.0 && value.is_finite() => {
                Some((value / self.low).log10() / (self.high / self.low).log10())
            }
            Scale::Log => None,
        }
    }
}

/// The numbers 1, 2, 5 and their tens from the last below `low` to the first above `high`, at most about a dozen.
fn steps(low: f64, high: f64) -> Vec<f64> {
    let decades = (high / low).log10();
    let digits: &[f64] = match decades {
        d if d < 0.9 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
        d if d < 3.5 => &[1.0, 2.0, 5.0],
        _ => &[1.0],
    };
    let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let all: Vec<f64> = powers.flat_map(|p| digits.iter().map(move |digit| digit * 10_f64.powi(p))).collect();
    let first = all.iter().rposition(|step| *step <= low).unwrap_or(0);
    let last = all.iter().position(|step| *step >= high).unwrap_or(all.len() - 1);
    all[first..=last.max(first)].to_vec()
}

/// A round distance between marks, so that `span` has at most `most` of them.
pub(super) fn round_step(span: f64, most: f64) -> f64 {
    let least = (span / most).max(1e-9);
    let power = 10_f64.powf(least.log10().floor());
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * power >= least * 0.999_999);
    digit.unwrap_or(10.0) * power
}

/// A number without digits that mean nothing.
pub(super) fn short(value: f64) -> String {
    if value.abs() >= 1e4 && value % 100.0 == 0.0 {
        return format!("{}k", value / 1e3);
    }
    ((value * 1e4).round() / 1e4).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_a_place_between_the_ends() {
        for scale in [Scale::Linear, Scale::Log] {
            for values in [vec![1.0], vec![0.003, 900.0], vec![5.0, 5.0], vec![12_345.0, 1.0], vec![]] {
                let rule = Rule::over(scale, values.iter().copied());
                assert!(rule.ticks.len() < 25, "{scale:?} {values:?}: {:?}", rule.ticks);
                for value in values {
                    let place = rule.place(value).unwrap();
                    assert!((-1e-9..=1.0 + 1e-9).contains(&place), "{scale:?} {value}: {place}");
                }
            }
        }
        assert_eq!(Rule::over(Scale::Log, [1.0].into_iter()).place(0.0), None);
    }

    #[test]
    fn marks_are_round() {
        assert_eq!(steps(22.0, 38.0), [20.0, 30.0, 40.0]);
        assert_eq!(steps(0.6, 900.0).first(), Some(&0.5));
        assert_eq!(short(20_000.0), "20k");
        assert_eq!(short(0.1), "0.1");
    }
}
