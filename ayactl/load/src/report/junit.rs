//! The verdict and the objectives as XML of `JUnit`, a test case each.

use std::fmt::Write as _;

use super::{Report, Word};
use crate::compare::Standing;
use crate::html::escaped;

impl Report {
    /// The report as XML of `JUnit`. An objective without data counts as skipped.
    pub fn junit(&self) -> String {
        let is_valid = self.verdict.word != Word::GeneratorBound;
        let failures =
            self.gates.iter().filter(|gate| gate.holds == Some(false)).count() + usize::from(!is_valid);
        let limits = self.comparison.as_ref().map_or(&[][..], |comparison| &comparison.limits);
        let of = |standing| limits.iter().filter(|ruling| ruling.standing == standing).count();
        let skipped = self.gates.iter().filter(|gate| gate.holds.is_none()).count();
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"ayactl loadtest {}\" tests=\"{}\" \
             failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{:.3}\">\n",
            escaped(&self.asked.url),
            self.gates.len() + limits.len() + 1,
            failures + of(Standing::Exceeded),
            skipped + of(Standing::Unknown),
            self.duration_s
        );
        let line = self.verdict_line();
        case(&mut xml, "verdict", (!is_valid).then_some(line.as_str()), None);
        for gate in &self.gates {
            let text = format!("{} does not hold: {}", gate.condition, gate.value);
            case(
                &mut xml,
                &gate.condition,
                (gate.holds == Some(false)).then_some(text.as_str()),
                gate.holds.is_none().then_some("no data"),
            );
        }
        for ruling in limits {
            let name = format!("against {}: {}", self.baseline(), ruling.limit);
            let text = format!("{} is exceeded: {}", ruling.limit, ruling.why);
            let is_exceeded = ruling.standing == Standing::Exceeded;
            let is_unknown = ruling.standing == Standing::Unknown;
            case(
                &mut xml,
                &name,
                is_exceeded.then_some(text.as_str()),
                is_unknown.then_some(ruling.why.as_str()),
            );
        }
        xml.push_str("  </testsuite>\n</testsuites>\n");
        xml
    }

    fn baseline(&self) -> &str {
        self.comparison.as_ref().map_or("", |comparison| &comparison.before.name)
    }
}

fn case(xml: &mut String, name: &str, failure: Option<&str>, skipped: Option<&str>) {
    let name = escaped(name);
    let _ = match failure {
        Some(text) => writeln!(
            xml,
            "    <testcase classname=\"loadtest\" name=\"{name}\"><failure message=\"{}\"/></testcase>",
            escaped(text)
        ),
        None => match skipped {
            Some(why) => writeln!(
                xml,
                "    <testcase classname=\"loadtest\" name=\"{name}\"><skipped message=\"{}\"/></testcase>",
                escaped(why)
            ),
            None => writeln!(xml, "    <testcase classname=\"loadtest\" name=\"{name}\"/>"),
        },
    };
}
