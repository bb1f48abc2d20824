//! From what was typed to a fault as the daemon takes it.

use std::time::Duration;

use aya_api::axis::BreakerOrder;
use aya_api::fault::{
    ChaosLimits, DEFAULT_LEASE_MS, Distribution, Fault, FaultBody, FaultTarget, LyingHealth, Per, Phase,
};
use clap::Parser;

use crate::args::chaos::{FaultArgs, FaultLine, FaultVerb, Forced, Lie, PerChoice, Spread};
use crate::failure::Failure;

/// Reads a fault as it stands in an experiment: what follows `ayactl chaos`, e.g.
/// `latency shop --mean 200ms --percent 5`. Errors name the part that is wrong.
pub fn parse_fault(line: &str) -> Result<FaultBody, Failure> {
    let words = words(line).map_err(|what| Failure::usage(format!("fault \"{line}\": {what}"), ""))?;
    let parsed = FaultLine::try_parse_from(words).map_err(|error| {
        let text = error.to_string();
        // What is missing stands in the lines after the first; help comes after an empty one.
        let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
        let what = lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned();
        Failure::usage(
            format!("fault \"{line}\": {what}"),
            "see `ayactl chaos --help` for what a fault takes",
        )
    })?;
    let (_, how) = split(&parsed.fault);
    let alone = [
        ("--attached", how.attached),
        ("--dry-run", how.dry_run),
        ("--yes", how.yes),
        ("--reason", how.reason.is_some()),
    ];
    if let Some((flag, _)) = alone.into_iter().find(|(_, given)| *given) {
        let hint = "the experiment is what keeps it alive and says why";
        return Err(Failure::usage(format!("fault \"{line}\": {flag} is for people alone"), hint));
    }
    body_of(&parsed.fault)
}

/// The fault that was typed.
pub fn body_of(verb: &FaultVerb) -> Result<FaultBody, Failure> {
    let (fault, how) = split(verb);
    let mut body = FaultBody::new(fault, target(how)?);
    body.share = how.percent;
    body.per = match how.per {
        PerChoice::Request => Per::Request,
        PerChoice::Connection => Per::Connection,
    };
    body.seed = how.seed;
    body.for_ms = u64::try_from(how.length.as_millis()).unwrap_or(u64::MAX);
    body.lease_ms = how.attached.then_some(DEFAULT_LEASE_MS);
    let limits = ChaosLimits {
        max_backends: how.max_backends,
        max_traffic: how.max_traffic,
        min_ready: how.min_ready,
        max_held: how.max_held,
    };
    body.limits = (limits != ChaosLimits::default()).then_some(limits);
    body.stop_if.clone_from(&how.stop_if);
    body.force = how.force;
    Ok(body)
}

fn target(how: &FaultArgs) -> Result<FaultTarget, Failure> {
    let mut target = match how.target.as_str() {
        "all" => FaultTarget::default(),
        id if id.contains('/') => FaultTarget::backend(id),
        pool => FaultTarget::pool(pool),
    };
    for found in &how.matches {
        let place = match found.key {
            "path" => &mut target.path,
            "method" => &mut target.method,
            "header" => &mut target.header,
            "route" => &mut target.route,
            "zone" => &mut target.zone,
            "label" => &mut target.label,
            _ => &mut target.client,
        };
        if place.replace(found.value.clone()).is_some() {
            let message = format!("--match says twice what {} must be", found.key);
            return Err(Failure::usage(message, "all that is said must hold; inject two faults for either"));
        }
    }
    Ok(target)
}

/// What is done, and how.
pub(super) fn split(verb: &FaultVerb) -> (Fault, &FaultArgs) {
    let ms = |span: Duration| span.as_secs_f64() * 1e3;
    match verb {
        FaultVerb::Latency { mean, jitter, distribution, how } => {
            let distribution = match distribution {
                Spread::Uniform => Distribution::Uniform,
                Spread::Normal => Distribution::Normal,
                Spread::Exponential => Distribution::Exponential,
                Spread::Pareto => Distribution::Pareto,
            };
            (Fault::Latency { mean_ms: ms(*mean), jitter_ms: ms(*jitter), distribution }, how)
        }
        FaultVerb::Error { status, body, headers, how } => {
            (Fault::Error { status: *status, body: body.clone(), headers: headers.clone() }, how)
        }
        FaultVerb::Reset { inside, how } => {
            let phase = if inside.is_some() { Phase::Inside } else { Phase::Before };
            (Fault::Reset { phase, after_bytes: inside.unwrap_or(0) }, how)
        }
        FaultVerb::Hang { how } => (Fault::Hang {}, how),
        FaultVerb::Refuse { how } => (Fault::Refuse {}, how),
        FaultVerb::Bandwidth { up, down, how } => (Fault::Bandwidth { up: *up, down: *down }, how),
        FaultVerb::SlowClose { delay, how } => (Fault::SlowClose { delay_ms: ms(*delay) }, how),
        FaultVerb::Slice { size, spread, pause, how } => {
            let pause_us = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
            (Fault::Slice { bytes: *size, spread: *spread, pause_us }, how)
        }
        FaultVerb::Truncate { after, how } => (Fault::Truncate { after_bytes: *after }, how),
        FaultVerb::Corrupt { one_in, how } => (Fault::Corrupt { one_in: *one_in }, how),
        FaultVerb::DropFirst { count, how } => (Fault::DropFirst { count: *count }, how),
        FaultVerb::Flap { period, away, how } => {
            let period_ms = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
            (Fault::Flap { period_ms, away: *away }, how)
        }
        FaultVerb::HealthLie { says, how } => {
            let says = match says {
                Lie::Up => LyingHealth::Up,
                Lie::Down => LyingHealth::Down,
            };
            (Fault::HealthLie { says }, how)
        }
        FaultVerb::Breaker { order, how } => {
            let order = match order {
                Forced::Open => BreakerOrder::Open,
                Forced::Closed => BreakerOrder::Closed,
                Forced::Held => BreakerOrder::Held,
            };
            (Fault::Breaker { order }, how)
        }
        FaultVerb::Partition { how } => (Fault::Partition {}, how),
        FaultVerb::Load { in_flight, how } => (Fault::Load { in_flight: *in_flight }, how),
    }
}

/// The words of a line as a shell would take them: blanks part them, quotes of either kind hold them together.
pub fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in line.chars() {
        match quote {
            Some(open) if letter == open => quote = None,
            None if letter == '\'' || letter == '"' => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            None if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".into());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_is_typed() {
        let body = parse_fault(
            "latency shop --mean 200ms --jitter 50ms --percent 5 --for 30s --match 'path=/api/*,method=GET' \
             --stop-if 'err>5% for 3s' --max-traffic 10% --seed 7",
        )
        .expect("a fault");
        let latency = Fault::Latency { mean_ms: 200.0, jitter_ms: 50.0, distribution: Distribution::Uniform };
        assert_eq!(body.fault, latency);
        assert_eq!(body.target.to_string(), "shop method=GET path=/api/*");
        assert_eq!((body.share, body.for_ms, body.seed), (0.05, 30_000, Some(7)));
        assert_eq!(body.stop_if, ["err>5% for 3s"]);
        assert_eq!(body.limits.and_then(|limits| limits.max_traffic), Some(0.1));
        assert_eq!(body.lease_ms, None);
    }

    #[test]
    fn every_kind_can_be_typed() {
        for (line, kind) in [
            ("error all --status 429 --header 'retry-after: 5' --body \"slow down\"", "error"),
            ("reset a/b --inside 4KB", "reset"),
            ("hang a", "hang"),
            ("refuse a", "refuse"),
            ("bandwidth a --down 10KB/s", "bandwidth"),
            ("slow-close a --delay 2s", "slow-close"),
            ("slice a --size 10B --pause 0.5ms", "slice"),
            ("truncate a --after 100", "truncate"),
            ("corrupt a --one-in 100", "corrupt"),
            ("drop-first a --count 2", "drop-first"),
            ("flap a --period 2s --away 25%", "flap"),
            ("health-lie a --says down", "health-lie"),
            ("breaker a --order open", "breaker"),
            ("partition all --match zone=b", "partition"),
            ("load a --in-flight 5", "load"),
            ("latency a --mean 1ms", "latency"),
        ] {
            assert_eq!(parse_fault(line).expect(line).fault.kind(), kind);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, part) in [
            ("latency shop", "--mean"),
            ("latenzy shop", "latenzy"),
            ("hang", "POOL"),
            ("hang shop --percent 101", "101"),
            ("hang shop --match colour=red", "colour"),
            ("hang shop --match path=/a --match path=/b", "twice"),
            ("hang shop --stop-if 'err>5'", "percent sign"),
            ("hang shop --attached", "--attached"),
            ("hang 'shop", "quote"),
            ("error shop --status 99", "99"),
            ("bandwidth shop", "--up"),
        ] {
            let failure = parse_fault(line).expect_err(line);
            assert!(failure.message.contains(part), "{line}: {}", failure.message);
            assert_eq!(failure.status, 2);
        }
    }
}
