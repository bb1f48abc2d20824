//! A scenario under two algorithms, in virtual time.
//!
//! `cargo run -p aya-sim --example scenario`. The files in `tests/scenarios` are such texts.

use std::error::Error;

use aya_core::pick;
use aya_sim::{Scenario, check, run};

const SCENARIO: &str = r#"
about = "Three servers, one five times as slow as the others"
seed = 7
duration = "30s"
rate = 200.0
algorithm = "least-connections"

[[backend]]
name = "fast-1"
service = { kind = "exponential", mean = "10ms" }

[[backend]]
name = "fast-2"
service = { kind = "exponential", mean = "10ms" }

[[backend]]
name = "slow"
service = { kind = "exponential", mean = "50ms" }

[expect]
failures = 0
"#;

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), Box<dyn Error>> {
    let scenario = Scenario::from_toml(SCENARIO)?;
    println!("{}", scenario.about());
    for name in ["least-connections", "random"] {
        let algorithm = pick::find(name).ok_or("no such algorithm")?;
        let played = scenario.with_algorithm(algorithm);
        let report = run(&played);
        println!("{report}");
        for violation in check(&played, &report) {
            println!("not as expected: {violation}");
        }
    }
    Ok(())
}
