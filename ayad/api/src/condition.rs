//! Conditions as people write them, one language for stop conditions of faults, gates of load tests, and probes and
//! expectations of experiments: `p99<50ms`, `err > 5% for 3s`, `shop: rate >= 100`, `shop/web-1: breaker = open`.
//!
//! ```text
//! [SCOPE:] METRIC OP VALUE [for DURATION]
//! ```
//!
//! Whoever has the figures looks them up by [`Condition::metric`] and asks [`Condition::holds`]; [`Hold`] knows for how long
//! it has held. Nothing here reads a clock.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// A percentile of the response time, 0 to 100, in milliseconds.
    Percentile(f64),
    /// A percentile of the service time (from the actual send), in milliseconds. Load tests alone.
    Service(f64),
    /// A percentile of the send lag, in milliseconds. Load tests alone.
    Lag(f64),
    /// The mean response time in milliseconds.
    Mean,
    /// The greatest response time in milliseconds.
    Max,
    /// The share of requests that failed, 0 to 1.
    Errors,
    /// Requests a second.
    Rate,
    /// Requests in flight.
    InFlight,
    /// Backends that may get a new request now.
    Eligible,
    /// The share of backends that may get a new request now, 0 to 1.
    EligibleShare,
    /// The state of a breaker, health or admin: compared as a word.
    Breaker,
    /// The health of a backend: compared as a word.
    Health,
    /// The admin state of a backend: compared as a word.
    Admin,
}

/// The kind of value that a metric has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Time,
    /// 0 to 1, written in percent.
    Share,
    /// Something a second.
    PerSecond,
    /// A number of things.
    Count,
    /// A word.
    Word,
}

/// Names with their metrics, for errors and help. Percentiles are written `p50`, `p99.9`, `service-p99`, `lag-p99`.
const NAMES: &[(&str, Metric)] = &[
    ("mean", Metric::Mean),
    ("max", Metric::Max),
    ("err", Metric::Errors),
    ("rate", Metric::Rate),
    ("in-flight", Metric::InFlight),
    ("eligible", Metric::Eligible),
    ("eligible-share", Metric::EligibleShare),
    ("breaker", Metric::Breaker),
    ("health", Metric::Health),
    ("admin", Metric::Admin),
];

/// Every metric in one line, for errors and help.
pub const METRICS_IN_WORDS: &str = "p50, p99, p99.9 (any percentile), service-p99, lag-p99, mean, max, err, rate, in-flight, \
                                    eligible, eligible-share, breaker, health, admin";

impl Metric {
    /// The kind of its values.
    pub fn unit(self) -> Unit {
        match self {
            Self::Percentile(_) | Self::Service(_) | Self::Lag(_) | Self::Mean | Self::Max => Unit::Time,
            Self::Errors | Self::EligibleShare => Unit::Share,
            Self::Rate => Unit::PerSecond,
            Self::InFlight | Self::Eligible => Unit::Count,
            Self::Breaker | Self::Health | Self::Admin => Unit::Word,
        }
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let percentile = |text: &str| text.parse().ok().filter(|p| (0.0..=100.0).contains(p));
        if let Some((_, metric)) = NAMES.iter().find(|(known, _)| *known == name) {
            return Ok(*metric);
        }
        let found = if let Some(rest) = name.strip_prefix("service-p") {
            percentile(rest).map(Self::Service)
        } else if let Some(rest) = name.strip_prefix("lag-p") {
            percentile(rest).map(Self::Lag)
        } else {
            name.strip_prefix('p').and_then(percentile).map(Self::Percentile)
        };
        found.ok_or_else(|| format!("there is no metric \"{name}\"; there are: {METRICS_IN_WORDS}"))
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(p) => write!(f, "p{p}"),
            Self::Service(p) => write!(f, "service-p{p}"),
            Self::Lag(p) => write!(f, "lag-p{p}"),
            other => {
                f.write_str(NAMES.iter().find(|(_, metric)| metric == other).map_or("", |(name, _)| name))
            }
        }
    }
}

/// How it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `=`
    Equal,
    /// `!=`
    Other,
}

/// Longest first: `<=` must not be read as `<`.
const OPS: &[(&str, Op)] = &[
    ("<=", Op::AtMost),
    (">=", Op::AtLeast),
    ("!=", Op::Other),
    ("==", Op::Equal),
    ("<", Op::Less),
    (">", Op::More),
    ("=", Op::Equal),
];

/// A value, in the unit of its metric.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number: milliseconds, a share, a rate or a count.
    Number(f64),
    /// A word: `open`, `up`, `draining`.
    Word(String),
}

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// A pool or `pool/backend`; absent for whatever the condition is attached to.
    pub scope: Option<String>,
    /// What is compared.
    pub metric: Metric,
    /// How.
    pub op: Op,
    /// With what.
    pub value: Value,
    /// How long it must hold without a break; zero for a moment.
    pub hold: Duration,
    text: String,
}

impl Condition {
    /// Whether it holds for `value`; `None` when the value is of another kind.
    pub fn holds(&self, value: &Value) -> Option<bool> {
        match (value, &self.value) {
            (Value::Number(is), Value::Number(want)) => Some(match self.op {
                Op::Less => is < want,
                Op::AtMost => is <= want,
                Op::More => is > want,
                Op::AtLeast => is >= want,
                Op::Equal => (is - want).abs() <= f64::EPSILON * want.abs().max(1.0),
                Op::Other => (is - want).abs() > f64::EPSILON * want.abs().max(1.0),
            }),
            (Value::Word(is), Value::Word(want)) => match self.op {
                Op::Equal => Some(is == want),
                Op::Other => Some(is != want),
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = |what: String| format!("\"{text}\": {what}");
        let (at, (sign, op)) = text
            .char_indices()
            .find_map(|(at, _)| OPS.iter().find(|(sign, _)| text[at..].starts_with(sign)).map(|op| (at, *op)))
            .ok_or_else(|| {
                wrong("it compares nothing; write it like p99<50ms, err>5% for 3s or shop: rate>=100".into())
            })?;
        let (left, right) = (&text[..at], text[at + sign.len()..].trim());
        let (scope, name) = match left.rsplit_once(": ").or_else(|| split_scope(left)) {
            Some((scope, name)) => (Some(scope.trim().to_owned()), name.trim()),
            None => (None, left.trim()),
        };
        if scope.as_deref().is_some_and(str::is_empty) {
            return Err(wrong("it names nothing before the colon".into()));
        }
        let metric: Metric = name.parse().map_err(wrong)?;
        let (value, hold) = match right.split_once(" for ") {
            Some((value, hold)) => (value.trim(), parse_time(hold.trim()).map_err(wrong)?),
            None => (right, 0.0),
        };
        let value = parse_value(metric, value).map_err(wrong)?;
        if matches!(value, Value::Word(_)) && !matches!(op, Op::Equal | Op::Other) {
            return Err(wrong(format!("{metric} is a word; compare it with = or !=")));
        }
        let hold = Duration::try_from_secs_f64(hold / 1e3).map_err(|_| wrong("that is too long".into()))?;
        Ok(Self { scope, metric, op, value, hold, text: text.to_owned() })
    }
}

/// A scope directly before its metric, as in `shop:p99`. Addresses hold colons too: the metric has none.
fn split_scope(left: &str) -> Option<(&str, &str)> {
    left.rsplit_once(':')
}

fn parse_value(metric: Metric, text: &str) -> Result<Value, String> {
    let number = |text: &str| {
        let parsed = text.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
        parsed.ok_or_else(|| format!("\"{text}\" is not a number"))
    };
    match metric.unit() {
        Unit::Time => parse_time(text).map(Value::Number),
        Unit::Share => {
            let percent = text
                .strip_suffix('%')
                .ok_or_else(|| format!("{metric} is a share and needs a percent sign, e.g. {metric}<0.1%"))?;
            Ok(Value::Number(number(percent)? / 100.0))
        }
        Unit::PerSecond => {
            let bare = text.strip_suffix("/s").unwrap_or(text);
            let (bare, factor) = bare.strip_suffix('k').map_or((bare, 1.0), |bare| (bare, 1e3));
            Ok(Value::Number(number(bare)? * factor))
        }
        Unit::Count => number(text).map(Value::Number),
        Unit::Word => {
            let is_word = !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            if is_word { Ok(Value::Word(text.into())) } else { Err(format!("\"{text}\" is no state")) }
        }
    }
}

/// A time with its unit, in milliseconds.
fn parse_time(text: &str) -> Result<f64, String> {
    const UNITS: [(&str, f64); 5] = [("us", 1e-3), ("µs", 1e-3), ("ms", 1.0), ("s", 1e3), ("m", 6e4)];
    let wrong = || format!("\"{text}\" is not a time; write it like 500us, 50ms or 2s");
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?;
    number.parse::<f64>().map(|number| number * factor).map_err(|_| wrong())
}

/// For how long a condition has held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    since: Option<Duration>,
}

impl Hold {
    /// Takes a look at the time `now`, from any fixed point; true once it has held for as long as it must.
    pub fn look(&mut self, condition: &Condition, holds: bool, now: Duration) -> bool {
        if !holds {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        now.saturating_sub(since) >= condition.hold
    }

    /// Since when it holds without a break.
    pub fn since(&self) -> Option<Duration> {
        self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Condition {
        text.parse().expect(text)
    }

    #[test]
    fn conditions_read_as_people_write_them() {
        let condition = read("p99<50ms");
        assert_eq!((condition.metric, condition.op), (Metric::Percentile(99.0), Op::Less));
        assert_eq!(condition.value, Value::Number(50.0));
        let condition = read("shop/web-1: err > 5% for 3s");
        assert_eq!(condition.scope.as_deref(), Some("shop/web-1"));
        assert_eq!((condition.metric, condition.op), (Metric::Errors, Op::More));
        assert_eq!((condition.value, condition.hold), (Value::Number(0.05), Duration::from_secs(3)));
        assert_eq!(read("main:rate>=1.5k/s").value, Value::Number(1500.0));
        assert_eq!(read("p99.9<=500us").metric, Metric::Percentile(99.9));
        assert_eq!(read("lag-p99<1ms").metric, Metric::Lag(99.0));
        assert_eq!(read("a/b: breaker=half-open").value, Value::Word("half-open".into()));
        assert_eq!(read("main/127.0.0.1:9001: in-flight>3").scope.as_deref(), Some("main/127.0.0.1:9001"));
        assert_eq!(read(" err > 5% for 3s ").to_string(), "err > 5% for 3s");
    }

    #[test]
    fn what_cannot_be_read_is_told_with_what_can() {
        for (text, part) in [
            ("p99", "compares nothing"),
            ("p101<5ms", "there is no metric \"p101\""),
            ("err<5", "needs a percent sign"),
            ("p99<5", "is not a time"),
            ("p99<5h", "is not a time"),
            ("rate>x", "is not a number"),
            ("rate>-5", "is not a number"),
            ("breaker>open", "compare it with ="),
            ("err>5% for", "needs a percent sign"),
            ("err>5% for 3", "is not a time"),
            (": err>5%", "names nothing"),
            ("", "compares nothing"),
        ] {
            let error = text.parse::<Condition>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_condition_holds_for_as_long_as_it_says_without_a_break() {
        let condition = read("err>5% for 3s");
        let mut hold = Hold::default();
        let at = Duration::from_secs;
        assert!(!hold.look(&condition, true, at(0)));
        assert!(!hold.look(&condition, true, at(2)));
        assert!(!hold.look(&condition, false, at(3)));
        assert!(!hold.look(&condition, true, at(4)));
        assert!(hold.look(&condition, true, at(7)));
    }
}
