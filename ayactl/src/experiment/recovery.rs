//! How long metrics take to be back to normal after everything was put back.
//!
//! What is normal is taken from before the first fault: p99 up to one and a half times its median then, or 10 ms more;
//! errors up to half a percent more; as many backends that may serve. A metric that never left that has taken no time.

use super::record::{PoolSample, Recovery, Sample};

/// How often a metric must be seen to be normal, one time after the other, to count as back.
const STEADY: usize = 2;

struct Measure {
    name: &'static str,
    /// The value; greater is worse.
    badness: fn(&PoolSample) -> Option<f64>,
    /// What is no worse than normal, from what it was.
    normal: fn(f64) -> f64,
    /// From badness to what people read.
    shown: fn(f64) -> f64,
}

const MEASURES: [Measure; 3] = [
    Measure { name: "p99", badness: |s| s.p99_ms, normal: |was| (was * 1.5).max(was + 10.0), shown: |v| v },
    Measure { name: "err", badness: |s| s.err, normal: |was| was + 0.005, shown: |v| v },
    Measure { name: "eligible", badness: |s| Some(-f64::from(s.eligible)), normal: |was| was, shown: |v| -v },
];

/// The recovery of every metric of `pools`: from samples before `broken_ms`, until the last.
pub fn of(
    samples: &[Sample],
    pools: &[String],
    broken_ms: u64,
    reverted_ms: u64,
    last: &[Recovery],
) -> Vec<Recovery> {
    let each = pools.iter().flat_map(|pool| MEASURES.iter().map(move |measure| (pool, measure)));
    each.filter_map(|(pool, measure)| {
        let mut found = one(samples, pool, measure, broken_ms, reverted_ms)?;
        let before = last.iter().find(|r| r.pool == found.pool && r.metric == found.metric);
        found.last_ms = before.and_then(|before| before.took_ms);
        Some(found)
    })
    .collect()
}

fn one(
    samples: &[Sample],
    pool: &str,
    measure: &Measure,
    broken_ms: u64,
    reverted_ms: u64,
) -> Option<Recovery> {
    let values = |from: u64, to: u64| {
        let inside = samples.iter().filter(move |sample| (from..to).contains(&sample.at_ms));
        inside.filter_map(|sample| Some((sample.at_ms, (measure.badness)(sample.pools.get(pool)?)?)))
    };
    let mut calm: Vec<f64> = values(0, broken_ms).map(|(_, value)| value).collect();
    calm.sort_by(f64::total_cmp);
    let before = *calm.get(calm.len() / 2)?;
    let normal = (measure.normal)(before);
    let worst = values(broken_ms, u64::MAX).map(|(_, value)| value).fold(before, f64::max);
    let mut back = None;
    let mut in_a_row = 0;
    for (at_ms, value) in values(reverted_ms, u64::MAX) {
        if value > normal {
            (back, in_a_row) = (None, 0);
        } else {
            back.get_or_insert(at_ms);
            in_a_row += 1;
        }
    }
    let took_ms = if worst <= normal {
        Some(0)
    } else {
        back.filter(|_| in_a_row >= STEADY).map(|at_ms: u64| at_ms.saturating_sub(reverted_ms))
    };
    let shown = measure.shown;
    Some(Recovery {
        pool: pool.to_owned(),
        metric: measure.name.to_owned(),
        before: shown(before),
        worst: shown(worst),
        normal: shown(normal),
        took_ms,
        last_ms: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_ms: u64, p99_ms: f64, eligible: u32) -> Sample {
        let pool =
            PoolSample { rate: 100.0, err: Some(0.0), p50_ms: Some(5.0), p99_ms: Some(p99_ms), eligible };
        Sample { at_ms, pools: [("shop".to_owned(), pool)].into(), offered: None, achieved: None }
    }

    #[test]
    fn a_metric_is_back_when_it_is_normal_and_stays_so() {
        let p99 = [20.0, 22.0, 20.0, 400.0, 400.0, 300.0, 25.0, 90.0, 24.0, 25.0];
        let samples: Vec<Sample> = p99
            .iter()
            .enumerate()
            .map(|(i, p99)| sample(i as u64 * 500, *p99, if i == 4 { 3 } else { 4 }))
            .collect();
        let found = of(&samples, &["shop".to_owned()], 1500, 2500, &[]);
        let p99 = &found[0];
        assert_eq!((p99.before, p99.worst, p99.normal, p99.took_ms), (20.0, 400.0, 30.0, Some(1500)));
        assert_eq!((found[1].metric.as_str(), found[1].took_ms), ("err", Some(0)));
        assert_eq!((found[2].before, found[2].worst, found[2].took_ms), (4.0, 3.0, Some(0)));
        let next = of(&samples, &["shop".to_owned()], 1500, 2500, &found);
        assert_eq!(next[0].last_ms, Some(1500));
    }

    #[test]
    fn a_metric_that_stays_bad_has_no_time() {
        let samples: Vec<Sample> =
            (0..8).map(|i| sample(i * 500, if i < 3 { 20.0 } else { 400.0 }, 4)).collect();
        assert_eq!(of(&samples, &["shop".to_owned()], 1500, 2500, &[])[0].took_ms, None);
    }
}
