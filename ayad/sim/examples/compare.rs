//! A scenario file under several arms and at several loads, as ratios to `peak-ewma`.
//!
//! `cargo run -p aya-sim --example compare -- tests/scenarios/s01-noisy-mixed.toml 0.7,0.9,1.05 "hot-cold,hot-cold +
//! reports,oracle"`; loads and arms may be left out.

use std::error::Error;

use aya_sim::{Arm, Scenario, play};

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("which scenario file?")?;
    let scenario = Scenario::from_toml(&std::fs::read_to_string(&file)?)?;
    let loads = args.next().filter(|loads| loads != "-");
    let arms = match args.next() {
        None => scenario.arms(),
        Some(list) => list.split(',').map(str::parse).collect::<Result<Vec<Arm>, _>>()?,
    };
    let scenarios = match loads {
        None => vec![(String::new(), scenario)],
        Some(list) => list.split(',').map(|load| at_load(&scenario, load)).collect::<Result<_, _>>()?,
    };
    println!("{}", file.as_str());
    for (load, scenario) in &scenarios {
        println!(
            "{load:5} {:44} {:>16} {:>16} {:>16}  failures",
            "ms and x peak-ewma", "p50", "p99", "p99.9"
        );
        let base = means(scenario, &"peak-ewma".parse()?);
        for arm in &arms {
            let own = means(scenario, arm);
            let shown = |at: usize| format!("{:9.1} {:6.2}", own[at], own[at] / base[at]);
            println!("      {:44} {} {} {}  {:.1}", arm.to_string(), shown(0), shown(1), shown(2), own[3]);
        }
    }
    Ok(())
}

fn at_load(scenario: &Scenario, load: &str) -> Result<(String, Scenario), Box<dyn Error>> {
    Ok((load.to_owned(), scenario.with_load(load.parse()?)?))
}

/// Means over the seeds: three quantiles in ms, and failures.
fn means(scenario: &Scenario, arm: &Arm) -> [f64; 4] {
    let seeds: Vec<u64> = scenario.seeds().collect();
    let mut sums = [0.0; 4];
    for seed in &seeds {
        let report = play(scenario, arm, *seed);
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|q| report.quantile_ms(q));
        for (sum, value) in sums.iter_mut().zip([p50, p99, p999, report.failures as f64]) {
            *sum += value;
        }
    }
    sums.map(|sum| sum / seeds.len() as f64)
}
