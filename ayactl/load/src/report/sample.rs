//! Reports for tests: made by rule, the same each time.

use super::*;
use crate::input::Rng;
use crate::plan::Input;

#[expect(clippy::too_many_lines, reason = "it is one literal")]
/// A report of twelve seconds at 500 requests a second whose latencies are multiplied by `factor`.
pub(crate) fn report(seed: u64, factor: f64) -> Report {
    let mut rng = Rng::new(seed, 0);
    let mut draw = |base: f64| {
        let tail = if rng.unit() < 0.02 { 8.0 } else { 1.0 };
        ((base + rng.unit() * base) * tail * factor * 1e6) as u64
    };
    let (mut service, mut lag, mut good, mut steps) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut bad = Vec::new();
    for second in 0..12_u64 {
        let base = if (5..8).contains(&second) { 6.0 } else { 2.0 };
        let (mut of_step, mut failed) = (Vec::new(), 0);
        for n in 0..500_u64 {
            let (took, late) = (draw(base), draw(0.02));
            lag.push(late);
            if second == 6 && n % 10 == 0 {
                failed += 1;
                bad.push(took * 3);
                continue;
            }
            service.push(took);
            good.push(took + late);
            of_step.push(took + late);
        }
        let response = hist(&of_step).coarse();
        steps.push(Step {
            offered: Some(500),
            sent: 500,
            achieved: 499,
            failed: failed + 1,
            ended: 500,
            response,
            lag_p99_ms: Some(0.04),
        });
    }
    Report {
        schema_version: SCHEMA_VERSION,
        verdict: Verdict {
            word: Word::Valid,
            reasons: vec!["send lag p99 is under 10 % of the response p99, and at least 99 % of the offered load was sent".into()],
        },
        asked: Asked {
            command: "ayactl loadtest -r 500 -d 12s '/shop?q=<b>'".into(),
            url: "http://127.0.0.1:8080/shop?q=<b>".into(),
            model: "open".into(),
            profile: "500/12s".into(),
            input: Some(Input {
                kind: "urls".into(),
                file: "<urls>.txt".into(),
                requests: 3,
                ..Input::default()
            }),
            arrivals: "const".into(),
            seed,
            protocol: "http/1.1".into(),
            connections: 64,
            warmup_s: 2,
            part: None,
        },
        generators: vec![Generator {
            host: "bench".into(),
            cpu: "Example CPU".into(),
            threads: 1,
            version: "0.1.0".into(),
            cpu_us_per_request: Some(11.2),
            busy: Some(0.006),
            in_flight_max: 9,
        }],
        started_ms: 1_760_104_536_000,
        duration_s: 12.0,
        ended_early: None,
        offered: Some(6_000),
        sent: 6_000,
        achieved: 5_988,
        failed: 62,
        response: hist(&good).into(),
        service: hist(&service).into(),
        lag: Some(hist(&lag).into()),
        statuses: vec![
            Status { status: 200, response: hist(&good).into() },
            Status { status: 503, response: hist(&bad).into() },
        ],
        failures: vec![Failure { kind: "timeout".into(), count: 12, first: "no answer within 1 s <script>".into() }],
        step_s: 1.0,
        steps,
        backends: vec![backend("shop/web-1", 2_900, 1.9), backend("shop/web-2", 3_038, 3.4)],
        marks: vec![mark(4.8, Some(8.1), "fault", "latency 4 ms on shop/web-2"), mark(6.0, None, "breaker", "shop/web-2 opens")],
        gates: vec![
            Gate { condition: "p99<50ms".into(), holds: Some(true), value: "47.1 ms".into() },
            Gate { condition: "err<0.1%".into(), holds: Some(false), value: "1.03 %".into() },
            Gate { condition: "shop: eligible>=1".into(), holds: None, value: "no data".into() },
        ],
        overhead: vec![Added { percentile: 99.0, direct_ms: 3.9, through_ms: 4.1, added_ms: 0.2, interval_ms: [0.1, 0.31] }],
        comparison: None,
        peak: None,
    }
}

fn hist(values: &[u64]) -> Hist {
    Hist::of(values.iter().map(|value| (*value, 1)))
}

fn backend(name: &str, count: u64, backend_ms: f64) -> Backend {
    Backend {
        name: name.into(),
        count,
        failed: 25,
        lag_ms: 0.03,
        queue_ms: 0.05,
        retries_ms: 0.2,
        backend_ms,
        rest_ms: 0.08,
        p99_ms: Some(backend_ms * 6.0),
    }
}

fn mark(at_s: f64, until_s: Option<f64>, kind: &str, what: &str) -> Mark {
    Mark { at_s, until_s, kind: kind.into(), what: what.into() }
}
