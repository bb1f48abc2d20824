//! What is wrong with files, as people read it.

use std::path::Path;

use crate::experiment::reading::{Vars, schema_of};
use crate::experiment::source::draw;
use crate::experiment::{check, raw, shipped};
use crate::gameday;

fn wrong(text: &str) -> String {
    let mut problems = check::read(Path::new("mine.toml"), text, &Vars::new()).expect_err("it is wrong");
    draw(&mut problems)
}

#[test]
fn every_mistake_of_shape_is_told_at_once_with_its_place_and_remedy() {
    let text = r#"aya = 1
tilte = "A misspelt key"
[vars]
victim = "shop/web-1"
[hypothesis]
probe = ["shop: err < 5", "$vicitm: p99 < 1s", 5]
within = "5"
[[step]]
fualt = "refuse $victim"
[[step]]
drain = "web-1"
background = "yes"
[limits]
max_backends = 0
max_traffic = "half"
[[expect]]
what = "shop: p99 < 300ms"
"#;
    insta::assert_snapshot!(wrong(text));
}

#[test]
fn every_mistake_of_meaning_is_told_at_once() {
    let text = r#"aya = 2
title = "t"
[hypothesis]
probe = ["err < 5%", "shop: breaker = open", "shop: p75 < 1s", "load: err < 1%"]
[[step]]
fault = "refsue shop/web-1"
[[step]]
fault = "pause web-1"
[[step]]
fault = "refuse shop/web-1"
drain = "shop/web-1"
[[step]]
background = true
[[step]]
wait = "shop: p99 < 1s"
[[step]]
wait = "5"
[[step]]
run = []
[[step]]
weight = "shop/web-1 10"
name = "weight"
[[step]]
weight = "shop/web-1 12"
name = "weight"
within = "5s"
[[expect]]
what = "shop: p99 < 1s"
within = "5s"
after = "end of wieght"
"#;
    insta::assert_snapshot!(wrong(text));
}

#[test]
fn what_is_not_toml_says_where() {
    insta::assert_snapshot!(wrong("aya = 1\ntitle = t\n"));
}

#[test]
fn variables_of_the_command_line_must_be_in_the_file() {
    let (_, text) = shipped::EXPERIMENTS[0];
    let given = [("victm".to_owned(), "shop/web-2".to_owned())].into();
    let mut problems =
        check::read(Path::new("dies.toml"), text, &given).expect_err("it has no such variable");
    insta::assert_snapshot!(draw(&mut problems));
    let given = [("victim".to_owned(), "shop/web-2".to_owned())].into();
    let experiment = check::read(Path::new("dies.toml"), text, &given).expect("it is valid");
    assert!(experiment.steps[0].what.contains("shop/web-2"));
}

#[test]
fn what_ships_is_valid_and_so_is_the_template() {
    let template = include_str!("../../cmd/experiment/template.toml");
    for (name, text) in shipped::EXPERIMENTS.iter().copied().chain([("template", template)]) {
        let read = check::read(Path::new(name), text, &Vars::new());
        let experiment = read.unwrap_or_else(|mut problems| panic!("{}", draw(&mut problems)));
        assert!(experiment.length().as_secs() < 40, "{name} takes {:?}", experiment.length());
        assert!(experiment.promise.is_some(), "{name}");
    }
    for (name, text) in shipped::GAMEDAYS {
        let read = gameday::check::read(Path::new(name), text, &Vars::new());
        let day = read.unwrap_or_else(|mut problems| panic!("{}", draw(&mut problems)));
        assert!(day.length().as_secs() < 180, "{name} takes {:?}", day.length());
    }
}

/// What is wrong with a game day, as it is shown.
fn mistakes_of_day(text: &str) -> String {
    let read = gameday::check::read(Path::new("day.toml"), text, &Vars::new());
    draw(&mut read.expect_err("it is wrong"))
}

#[test]
fn a_game_day_tells_mistakes_of_its_experiments_too() {
    let text = r#"aya = 1
title = "t"
load = "-r 10 --slo err<1%"
[[moment]]
at = "1s"
experiment = "bakend-dies"
[[moment]]
at = "2s"
note = "x"
experiment = "zone-lost"
[[moment]]
at = "3s"
hypothesis = { probe = ["err < 1%"] }
step = [{ wait = "5" }]
"#;
    insta::assert_snapshot!(mistakes_of_day(text));
}

#[test]
fn what_a_terminal_would_obey_is_told_before_anything_is_done() {
    let text = r#"aya = 1
title = "t"
promise = "\u001b[2J"
[[moment]]
at = "1s"
note = "all is \u001b[32mgreen"
[[moment]]
at = "2s"
note = " "
[[moment]]
at = "3s"
title = "\u0007"
hypothesis = { probe = ["shop: err < 1%"] }
step = [{ wait = "5s" }]
"#;
    insta::assert_snapshot!(mistakes_of_day(text));
}

#[test]
fn the_schema_has_every_key_with_its_meaning() {
    let schema = schema_of::<raw::File>("experiment");
    assert_eq!(schema["properties"]["hypothesis"]["$ref"], "#/$defs/Hypothesis");
    assert!(schema["$defs"]["Step"]["properties"]["fault"]["description"].is_string());
}
