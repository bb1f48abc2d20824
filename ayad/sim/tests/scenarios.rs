//! Plays every file of `tests/scenarios` and holds it to what it expects. A new scenario is a new file there.

use std::ops::ControlFlow;
use std::path::Path;

use aya_sim::{Comparison, Scenario, check, run};

#[test]
fn every_scenario_comes_out_as_it_expects() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    let mut paths: Vec<_> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|p| p.extension().is_some())
        .collect();
    paths.sort();
    assert!(!paths.is_empty());

    let mut wrong = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap().display().to_string();
        let scenario = match Scenario::from_toml(&std::fs::read_to_string(&path).unwrap()) {
            Ok(scenario) => scenario,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        let arms = scenario.arms();
        let comparison = Comparison::play(&scenario, &arms, &mut |_, _| ControlFlow::Continue(())).unwrap();
        println!("{name} (seeds {:?}): {}\n{comparison:?}", comparison.seeds, scenario.about());
        let verdict = check(&scenario, &comparison);
        assert!(verdict.skipped == 0, "{name}: the arms that are expected to be good are played");
        wrong.extend(verdict.violations.iter().map(|violation| format!("{name}: {violation}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_same_scenario_gives_the_same_report() {
    let text = include_str!("../../../tests/scenarios/one-slow.toml");
    let scenario = Scenario::from_toml(text).unwrap();

    assert_eq!(run(&scenario).to_string(), run(&scenario).to_string());
}
