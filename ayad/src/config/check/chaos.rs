//! `[chaos]` and `[loadtest]`.

use std::time::Duration;

use aya_core::chaos::caution::Limits;
use aya_core::route::HostMatch;
use ipnet::IpNet;

use super::At;
use crate::config::raw;
use crate::config::report::Problem;
use crate::config::{Chaos, Loadtest};

const LONGEST: Duration = Duration::from_secs(600);
const MAX_FAULTS: u32 = 16;

/// The one table of this name, if it is written; a second one is a problem.
pub(super) fn only<'a, T>(
    tables: &[(&'a T, At<'a>)],
    name: &str,
    problems: &mut Vec<Problem>,
) -> Option<(&'a T, At<'a>)> {
    let (first, rest) = tables.split_first()?;
    for (_, second) in rest {
        let problem = Problem::new(second.name(), format!("[{name}] is written in two files"));
        problems.push(problem.other(first.1.name(), "first written").help("keep it in one"));
    }
    Some((first.0, first.1))
}

pub(super) fn check(
    chaos: &[(&raw::chaos::Chaos, At<'_>)],
    loadtest: &[(&raw::chaos::Loadtest, At<'_>)],
    problems: &mut Vec<Problem>,
) -> Chaos {
    let load = only(loadtest, "loadtest", problems);
    let load = load.map(|(loadtest, at)| check_load(loadtest, at, problems)).unwrap_or_default();
    let absent = raw::chaos::Chaos::default();
    let raw::chaos::Chaos { allow, longest, max_backends, max_traffic, min_ready, max_held, max_faults } =
        only(chaos, "chaos", problems).map_or(&absent, |(chaos, _)| chaos);
    Chaos {
        allow: allow.unwrap_or(true),
        longest: longest.as_ref().map_or(LONGEST, |period| period.0),
        limits: Limits {
            max_backends: *max_backends,
            max_traffic: max_traffic.as_ref().map(|share| share.0),
            min_ready: *min_ready,
            max_held: *max_held,
        },
        max_faults: max_faults.unwrap_or(MAX_FAULTS),
        load,
    }
}

fn check_load(loadtest: &raw::chaos::Loadtest, at: At<'_>, problems: &mut Vec<Problem>) -> Loadtest {
    let raw::chaos::Loadtest { allow, max_rate } = loadtest;
    for (index, host) in allow.iter().flatten().enumerate() {
        let is_address = host.parse::<std::net::IpAddr>().is_ok() || host.parse::<IpNet>().is_ok();
        if !is_address && (HostMatch::parse(host).is_err() || host == "*") {
            let problem = at.key("allow").index(index).problem(format!("{host:?} is no host of load tests"));
            problems.push(problem.help("write a name, \"*.example.com\", an address or a network"));
        }
    }
    Loadtest { allow: allow.clone().unwrap_or_default(), max_rate: *max_rate }
}
