//! Numbers of a fault that make no sense, or no fault.

use aya_api::axis::BreakerOrder;
use aya_api::error::{ApiError, ErrorCode};
use aya_api::fault::{Fault, FaultBody, LONGEST_LEASE_MS, Plane};

/// Shortest lease of an attached fault, in milliseconds.
const SHORTEST_LEASE_MS: u64 = 100;
/// Longest body of an answer, in bytes.
const LONGEST_BODY: usize = 32 * 1024;
/// Longest time that a fault delays something, in milliseconds.
const LONGEST_DELAY_MS: f64 = 600_000.0;

/// What is wrong with a fault as it is ordered, whatever the daemon is like. `longest_ms` is the longest time of one.
pub(super) fn check(body: &FaultBody, longest_ms: u64) -> Result<(), ApiError> {
    if !(0.0..=1.0).contains(&body.share) {
        return Err(bad(format!("a share of {} is not possible", body.share), "take 0 to 1 (0 to 100 %)"));
    }
    if body.for_ms == 0 || body.for_ms > longest_ms {
        let message = format!("a fault of {} is not possible", seconds(body.for_ms));
        let hint = format!("faults last up to {} here; see \"longest\" in [chaos]", seconds(longest_ms));
        return Err(bad(message, hint));
    }
    if let Some(lease) = body.lease_ms.filter(|ms| !(SHORTEST_LEASE_MS..=LONGEST_LEASE_MS).contains(ms)) {
        let hint = format!("leases last {SHORTEST_LEASE_MS} to {LONGEST_LEASE_MS} ms");
        return Err(bad(format!("a lease of {lease} ms is not possible"), hint));
    }
    let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(run) = body.run.as_ref().filter(|id| id.is_empty() || id.len() > 64 || !id.chars().all(is_id))
    {
        return Err(bad(format!("\"{run}\" is no id of a run"), "take 1 to 64 letters, digits, -, _ and ."));
    }
    if let Some(traffic) =
        body.limits.and_then(|limits| limits.max_traffic).filter(|share| !(0.0..=1.0).contains(share))
    {
        return Err(bad(format!("max_traffic of {traffic} is not possible"), "take 0 to 1 (0 to 100 %)"));
    }
    if body.fault.plane() == Plane::Process && (body.target.backend.is_none() || body.share < 1.0) {
        let message = format!("{} is for one backend as a whole", body.fault);
        return Err(bad(message, "use `ayactl chaos pause` and `kill`, with a backend as POOL/BACKEND"));
    }
    match wrong(&body.fault) {
        Some((message, hint)) => Err(bad(format!("{}: {message}", body.fault.kind()), hint)),
        None => Ok(()),
    }
}

fn bad(message: impl Into<String>, hint: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::BadValue, message, hint)
}

fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { format!("{ms} ms") }
}

fn wrong(fault: &Fault) -> Option<(String, &'static str)> {
    let is_delay = |ms: f64| (0.0..=LONGEST_DELAY_MS).contains(&ms);
    let say = |is_wrong: bool, message: &str, hint| is_wrong.then(|| (message.to_owned(), hint));
    match fault {
        Fault::Latency { mean_ms, jitter_ms, .. } => {
            let is_wrong = !is_delay(*mean_ms) || !is_delay(*jitter_ms) || mean_ms + jitter_ms == 0.0;
            say(is_wrong, "mean and jitter are no times", "take more than 0 and at most 10 minutes")
        }
        Fault::Error { status, body, headers } => {
            if !(200..=599).contains(status) {
                return Some((format!("{status} is no status of an answer"), "take 200 to 599"));
            }
            if body.len() + headers.iter().map(String::len).sum::<usize>() > LONGEST_BODY {
                return Some(("body and headers are too long".into(), "take at most 32 KiB"));
            }
            let is_header = |line: &String| {
                line.split_once(':').is_some_and(|(name, value)| {
                    http::HeaderName::try_from(name.trim()).is_ok()
                        && http::HeaderValue::try_from(value.trim()).is_ok()
                })
            };
            let odd = headers.iter().find(|line| !is_header(line))?;
            Some((format!("\"{odd}\" is no header"), "write it like \"retry-after: 5\""))
        }
        Fault::Bandwidth { up, down } => {
            let is_wrong = up.or(*down).is_none() || *up == Some(0) || *down == Some(0);
            say(is_wrong, "no limit is given", "give up or down as bytes a second, 1 or more")
        }
        Fault::SlowClose { delay_ms } => {
            say(!is_delay(*delay_ms) || *delay_ms == 0.0, "that is no time", "take at most 10 minutes")
        }
        Fault::Slice { bytes: 0, .. } => say(true, "pieces have at least 1 byte", "take e.g. 100"),
        Fault::Corrupt { one_in: 0 } => say(true, "one byte in 0 is none", "take 1 or more"),
        Fault::DropFirst { count: 0 } => say(true, "the first 0 are none", "take 1 or more"),
        Fault::Flap { period_ms, away } => {
            let is_wrong = *period_ms == 0 || !(0.0..=1.0).contains(away);
            say(is_wrong, "no period is given, or no part of it", "take a period, and a part from 0 to 1")
        }
        Fault::Breaker { order: BreakerOrder::None } => {
            say(true, "none is no fault", "take open, closed or held")
        }
        Fault::Load { in_flight: 0 } => say(true, "0 in flight is no load", "take 1 or more"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use aya_api::fault::{ChaosLimits, Distribution, FaultTarget};

    use super::*;

    fn body(fault: Fault) -> FaultBody {
        FaultBody::new(fault, FaultTarget::pool("shop"))
    }

    #[test]
    fn edges_are_held() {
        let good = body(Fault::Hang {});
        for (share, fits) in [(0.0, true), (1.0, true), (-0.1, false), (1.1, false), (f64::NAN, false)] {
            assert_eq!(check(&FaultBody { share, ..good.clone() }, 600_000).is_ok(), fits, "{share}");
        }
        for (for_ms, fits) in [(0, false), (1, true), (600_000, true), (600_001, false)] {
            assert_eq!(check(&FaultBody { for_ms, ..good.clone() }, 600_000).is_ok(), fits, "{for_ms}");
        }
        for (lease, fits) in [(99, false), (100, true), (5000, true), (5001, false)] {
            let body = FaultBody { lease_ms: Some(lease), ..good.clone() };
            assert_eq!(check(&body, 600_000).is_ok(), fits, "{lease}");
        }
        let limits = ChaosLimits { max_traffic: Some(1.5), ..ChaosLimits::default() };
        assert!(check(&FaultBody { limits: Some(limits), ..good.clone() }, 600_000).is_err());
        assert!(check(&FaultBody { run: Some("a b".into()), ..good }, 600_000).is_err());
    }

    #[test]
    fn numbers_that_make_no_fault_are_refused() {
        let error = |status| Fault::Error { status, body: String::new(), headers: Vec::new() };
        assert!(check(&body(error(503)), 60_000).is_ok());
        let latency =
            |mean_ms| Fault::Latency { mean_ms, jitter_ms: 0.0, distribution: Distribution::default() };
        for fault in [
            error(199),
            error(600),
            Fault::Error { status: 503, body: String::new(), headers: vec!["no colon".into()] },
            latency(0.0),
            latency(f64::INFINITY),
            Fault::Bandwidth { up: None, down: None },
            Fault::Bandwidth { up: Some(0), down: Some(5) },
            Fault::SlowClose { delay_ms: 0.0 },
            Fault::Slice { bytes: 0, spread: 0, pause_us: 0 },
            Fault::Corrupt { one_in: 0 },
            Fault::DropFirst { count: 0 },
            Fault::Flap { period_ms: 0, away: 0.5 },
            Fault::Flap { period_ms: 10, away: 2.0 },
            Fault::Breaker { order: BreakerOrder::None },
            Fault::Load { in_flight: 0 },
        ] {
            let refused = check(&body(fault.clone()), 60_000).expect_err(fault.kind());
            assert!(refused.message.contains(fault.kind()) && !refused.hint.is_empty(), "{refused}");
        }
    }
}
