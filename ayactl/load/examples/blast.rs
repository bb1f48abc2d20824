//! The engine alone, for measuring what a request costs: `blast ADDRESS closed|RATE CONNECTIONS SECONDS [SLACK_US]`.

use std::sync::Arc;
use std::time::Duration;

use aya_load::engine::{Fixed, Job, Step, start};
use aya_load::plan::{Model, Plan, Target};
use aya_load::profile::Profile;
use aya_load::record::Ended;

/// As in `ayactl`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::print_stdout, reason = "it is what the example is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, rate, connections, seconds, slack @ ..] = &arguments[..] else {
        return Err("usage: blast ADDRESS closed|RATE CONNECTIONS SECONDS [SLACK_US]".into());
    };
    let length = Duration::from_secs(seconds.parse()?);
    let mut plan = Plan::to(Target::plain(address, "/"));
    plan.connections = connections.parse()?;
    plan.length_ms = length.as_millis() as u64;
    if let Some(slack) = slack.first() {
        plan.slack_us = slack.parse()?;
    }
    let profile = match rate.as_str() {
        "closed" => None,
        rate => Some(Profile::constant(rate.parse()?, length)),
    };
    plan.model = if profile.is_some() { Model::Open } else { Model::Closed };
    let requests = Arc::new(Fixed::new(&plan, &[], b"".to_vec())?);
    let mut running = start(Job { plan, profile, requests, parts: 1 })?;
    while running.next(Duration::from_secs(1)) != Step::Over {}
    let seen = running.finish(Ended::Done);
    let (total, generator) = (&seen.total, &seen.generator);
    let us = |p: f64| total.lag.percentile_us(p).unwrap_or(0);
    println!(
        "{} answered of {} sent, {:.0}/s, errors {:?}, {} waited, cpu {:.2} us a request, lag p50 {} p90 {} p98 {} p99 {} p99.9 {} us, \
         response p50 {:?} p99 {:?} ms, {} connections",
        total.answered,
        total.sent,
        total.answered as f64 / generator.wall_s,
        total.errors,
        total.waited,
        generator.cpu_s * 1e6 / total.answered.max(1) as f64,
        us(50.0),
        us(90.0),
        us(98.0),
        us(99.0),
        us(99.9),
        total.response.percentile_ms(50.0),
        total.response.percentile_ms(99.0),
        generator.connections,
    );
    let by_second = seen.seconds.iter().map(|second| second.seen.lag.percentile_us(99.0).unwrap_or(0));
    println!("lag p99 by second: {:?} us", by_second.collect::<Vec<_>>());
    Ok(())
}
