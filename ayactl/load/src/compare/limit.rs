//! How much worse a run may be: `p99>+10%`, `p99>+5ms`, `err>+0.1%`, `rate<-5%`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Concern, Figure, Finding, Metric};
use crate::report::{number, percent, time};

/// How much a limit allows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Most {
    /// A part of the value before.
    Part(f64),
    /// In the unit of the metric.
    Amount(f64),
}

/// A limit of how much worse one figure may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    text: String,
    metric: Metric,
    most: Most,
}

/// How a limit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// The whole interval is within it.
    Holds,
    /// The whole interval is beyond it: it is at least that much worse.
    Exceeded,
    /// The interval reaches over it: that it is so much worse is not shown.
    NotShown,
    /// There is nothing to judge it by.
    Unknown,
}

/// A limit with what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ruling {
    /// As it was written.
    pub limit: String,
    /// How it stands.
    pub standing: Standing,
    /// By what, in words.
    pub why: String,
}

impl Ruling {
    /// How it stands, in a word of at most nine letters.
    pub const fn word(&self) -> &'static str {
        match self.standing {
            Standing::Holds => "holds",
            Standing::Exceeded => "FAILS",
            Standing::NotShown => "not shown",
            Standing::Unknown => "unjudged",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || {
            format!(
                "\"{text}\" is no limit; write it like p99>+10%, p99>+5ms, err>+0.1% (points) or rate<-5%"
            )
        };
        let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let at = plain.find(['<', '>']).ok_or_else(shape)?;
        let (name, rest) = plain.split_at(at);
        let metric = Metric::ALL.into_iter().find(|metric| metric.as_str() == name).ok_or_else(|| {
            let names = Metric::ALL.map(Metric::as_str).join(", ");
            format!("\"{text}\": \"{name}\" is not compared; there are {names}")
        })?;
        let towards = if metric == Metric::Rate { "<-" } else { ">+" };
        let amount = rest.strip_prefix(towards).ok_or_else(|| {
            let worse = if metric == Metric::Rate { "lower" } else { "higher" };
            format!("\"{text}\": {name} is worse when it is {worse}; write it like {name}{towards}10%")
        })?;
        let digits = amount.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(shape)?;
        let (digits, unit) = amount.split_at(digits);
        let value: f64 = digits.parse().map_err(|_| shape())?;
        let most = match (unit, metric) {
            ("%", Metric::Errors) => Most::Amount(value / 100.0),
            ("%", _) => Most::Part(value / 100.0),
            ("us" | "µs", _) if metric.percentile().is_some() => Most::Amount(value / 1e3),
            ("ms", _) if metric.percentile().is_some() => Most::Amount(value),
            ("s", _) if metric.percentile().is_some() => Most::Amount(value * 1e3),
            _ => return Err(shape()),
        };
        Ok(Self { text: text.trim().to_owned(), metric, most })
    }
}

impl Limit {
    /// Judges it by the figures: only an interval that is beyond it as a whole exceeds it.
    pub(super) fn judge(&self, figures: &[Figure], concerns: &[Concern]) -> Ruling {
        let (standing, why) = match concerns.iter().find(|concern| concern.stops) {
            Some(concern) => (Standing::Unknown, concern.what.clone()),
            None => figures
                .iter()
                .find(|figure| figure.metric == self.metric)
                .map_or_else(|| (Standing::Unknown, "it was not compared".to_owned()), |f| self.by(f)),
        };
        Ruling { limit: self.text.clone(), standing, why }
    }

    fn by(&self, figure: &Figure) -> (Standing, String) {
        let (interval, most) = match self.most {
            Most::Part(part) => (figure.change_interval, part),
            Most::Amount(amount) => (figure.interval, amount),
        };
        let Some([low, high]) = interval else {
            let why = match figure.finding {
                Finding::TooFewSeconds | Finding::TooFewRequests => figure.finding.in_words(),
                _ => "the value before is 0",
            };
            return (Standing::Unknown, why.to_owned());
        };
        // Worse is up, but for the rate.
        let (least, worst) = if self.metric == Metric::Rate { (-high, -low) } else { (low, high) };
        let standing = if least >= most {
            Standing::Exceeded
        } else if worst < most {
            Standing::Holds
        } else {
            Standing::NotShown
        };
        let (low, high) = (self.words(low), self.words(high));
        let why = match standing {
            Standing::Exceeded => {
                let least = if self.metric == Metric::Rate { &high } else { &low };
                format!("it is {least} or worse: 95 % interval {low} to {high}")
            }
            _ => format!("95 % interval {low} to {high}"),
        };
        (standing, why)
    }

    fn words(&self, by: f64) -> String {
        match self.most {
            Most::Part(_) => signed(by, percent),
            Most::Amount(_) if self.metric == Metric::Errors => points(by),
            Most::Amount(_) => signed(by, |by| time(Some(by))),
        }
    }
}

/// A figure with its sign.
pub(super) fn signed(value: f64, words: impl Fn(f64) -> String) -> String {
    if value > 0.0 { format!("+{}", words(value)) } else { words(value) }
}

/// A difference of shares.
pub(super) fn points(by: f64) -> String {
    format!("{} points", signed(by * 100.0, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(metric: Metric, interval: [f64; 2], change: [f64; 2]) -> Figure {
        Figure {
            metric,
            before: Some(1.0),
            after: Some(1.0),
            difference: Some(0.0),
            interval: Some(interval),
            change: Some(0.0),
            change_interval: Some(change),
            finding: Finding::NoDifference,
        }
    }

    fn standing(limit: &str, figure: Figure) -> Standing {
        limit.parse::<Limit>().expect(limit).judge(&[figure], &[]).standing
    }

    #[test]
    fn only_an_interval_that_is_beyond_it_exceeds_a_limit() {
        let p99 = |low, high| figure(Metric::P99, [low * 20.0, high * 20.0], [low, high]);
        assert_eq!(standing("p99>+10%", p99(0.11, 0.3)), Standing::Exceeded);
        assert_eq!(standing("p99>+10%", p99(0.05, 0.3)), Standing::NotShown);
        assert_eq!(standing("p99>+10%", p99(-0.05, 0.09)), Standing::Holds);
        assert_eq!(standing("p99 > +2ms", p99(0.11, 0.3)), Standing::Exceeded);
        let rate = |low, high| figure(Metric::Rate, [low, high], [low, high]);
        assert_eq!(standing("rate<-5%", rate(-0.2, -0.06)), Standing::Exceeded);
        assert_eq!(standing("rate<-5%", rate(-0.2, 0.0)), Standing::NotShown);
        assert_eq!(standing("rate<-5%", rate(-0.01, 0.3)), Standing::Holds);
        // Points, whatever the share was before.
        let errors = |low, high| figure(Metric::Errors, [low, high], [9.0, 99.0]);
        assert_eq!(standing("err>+0.1%", errors(0.002, 0.004)), Standing::Exceeded);
        assert_eq!(standing("err>+0.1%", errors(0.0001, 0.0004)), Standing::Holds);
    }

    #[test]
    fn what_cannot_be_judged_is_told_with_the_reason() {
        let limit: Limit = "p99>+10%".parse().unwrap();
        let few = Figure {
            change_interval: None,
            finding: Finding::TooFewSeconds,
            ..figure(Metric::P99, [0.0; 2], [0.0; 2])
        };
        let ruling = limit.judge(&[few], &[]);
        assert_eq!((ruling.standing, ruling.why.as_str()), (Standing::Unknown, "too few seconds to tell"));
        let concern = Concern { stops: true, what: "the rates differ".into() };
        let ruling = limit.judge(&[figure(Metric::P99, [0.5; 2], [0.5; 2])], &[concern]);
        assert_eq!((ruling.standing, ruling.why.as_str()), (Standing::Unknown, "the rates differ"));
    }

    #[test]
    fn what_is_no_limit_says_what_is() {
        for (text, part) in [
            ("p99", "is no limit"),
            ("p98>+10%", "there are p50, p90"),
            ("p99<-10%", "worse when it is higher; write it like p99>+10%"),
            ("rate>+10%", "worse when it is lower; write it like rate<-10%"),
            ("p99>10%", "write it like p99>+10%"),
            ("p99>+10", "is no limit"),
            ("err>+5ms", "is no limit"),
        ] {
            let error = text.parse::<Limit>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
