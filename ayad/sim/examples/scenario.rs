//! A scenario under two algorithms, in virtual time.
//!
//! `cargo run -p aya-sim --example scenario`. The files in `tests/scenarios` are such texts.

use std::error::Error;
use std::ops::ControlFlow;

use aya_sim::{Comparison, Scenario, check, play};

const SCENARIO: &str = r#"
about = "Three servers, one five times as slow as the others"
seed = 7
duration = "30s"
rate = 200.0
algorithm = "least-connections"
arms = ["random"]

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
    for arm in scenario.arms() {
        println!("{}", play(&scenario, &arm, scenario.seed()));
    }
    if let Some(comparison) =
        Comparison::play(&scenario, &scenario.arms(), &mut |_, _| ControlFlow::Continue(()))
    {
        for violation in check(&scenario, &comparison).violations {
            println!("not as expected: {violation}");
        }
    }
    Ok(())
}
