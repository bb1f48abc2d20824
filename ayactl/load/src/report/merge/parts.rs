//! Whether reports belong together: parts of one plan, each of them once.

use super::{MergeError, Report};

/// Refuses what cannot be one load.
pub(super) fn check(reports: &[Report]) -> Result<(), MergeError> {
    for (at, report) in reports.iter().enumerate() {
        if let Some(twin) = reports[..at].iter().find(|other| *other == report) {
            let name = |report: &Report| {
                report.generators.first().map_or_else(String::new, |generator| generator.host.clone())
            };
            return Err(MergeError::Twice(name(twin), name(report)));
        }
    }
    let (first, rest) = (&reports[0], &reports[1..]);
    for other in rest {
        let (one, two) = (&first.asked, &other.asked);
        let of = |report: &Report| {
            report
                .asked
                .part
                .map_or_else(|| "all of it".to_owned(), |part| format!("one of {} parts", part.of))
        };
        differ("loop", &one.model, &two.model)?;
        differ("of the plan", &of(first), &of(other))?;
        if one.part.is_some() {
            differ("target", &one.url, &two.url)?;
            differ("profile", &one.profile, &two.profile)?;
            differ("arrivals", &one.arrivals, &two.arrivals)?;
            differ("seed", &one.seed.to_string(), &two.seed.to_string())?;
            differ("protocol", &one.protocol, &two.protocol)?;
        }
    }
    for (at, report) in reports.iter().enumerate() {
        let Some(part) = report.asked.part else { continue };
        if reports[..at].iter().any(|other| other.asked.part == Some(part)) {
            return Err(MergeError::PartTwice(part.number, part.of));
        }
    }
    Ok(())
}

fn differ(what: &'static str, first: &str, other: &str) -> Result<(), MergeError> {
    if first == other {
        return Ok(());
    }
    Err(MergeError::Plans { what, first: first.to_owned(), other: other.to_owned() })
}

/// Which parts of the plan are not there.
pub(super) fn missing(reports: &[Report]) -> Option<String> {
    let of = reports.first()?.asked.part?.of;
    let has =
        |number: &u32| reports.iter().any(|report| report.asked.part.is_some_and(|p| p.number == *number));
    let lost: Vec<String> = (1..=of).filter(|number| !has(number)).map(|number| number.to_string()).collect();
    (!lost.is_empty()).then(|| format!("of {of} parts of the plan these are missing: {}", lost.join(", ")))
}
