//! Load of an experiment: requests at a steady rate, each at its planned moment whether or not earlier ones were answered.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aya_api::run::LoadView;
use hyper::Uri;

use crate::demo::crew::Crew;
use crate::demo::traffic::{self, Plan, Tally};
use crate::time::parse_some;

/// Greatest rate, in requests a second.
const MOST: u32 = 5000;
/// Seconds that are shown.
const SPARK: usize = 120;

/// Load as it is typed: `-r 200 -d 20s /path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadLine {
    /// As typed.
    pub text: String,
    /// Requests a second.
    pub rate: u32,
    /// For how long.
    pub length: Duration,
    /// What is asked for; absent for a mix of what the demo has.
    pub path: Option<Uri>,
}

impl LoadLine {
    /// In words.
    pub fn told(&self) -> String {
        let to = self.path.as_ref().map(|path| format!(" for {path}")).unwrap_or_default();
        let length = crate::time::setting(u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX));
        format!("{} requests a second{to}, for at most {length}", self.rate)
    }
}

/// Reads it. A mistake comes with its remedy.
pub fn parse(text: &str) -> Result<LoadLine, (String, String)> {
    let wrong = |what: String| (what, "write it like -r 200 -d 20s /path".to_owned());
    let (mut rate, mut length, mut path) = (None, None, None);
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let mut next = || words.next().ok_or_else(|| wrong(format!("{word} needs a value")));
        match word {
            "-r" | "--rate" => {
                let text = next()?;
                let value = text.parse().ok().filter(|rate| (1..=MOST).contains(rate));
                rate = Some(value.ok_or_else(|| {
                    wrong(format!("\"{text}\" is not a rate from 1 to {MOST} requests a second"))
                })?);
            }
            "-d" | "--duration" => length = Some(parse_some(next()?).map_err(wrong)?),
            word if word.starts_with('/') && path.is_none() => {
                path = Some(word.parse().map_err(|_| wrong(format!("\"{word}\" is not a path")))?);
            }
            other => return Err(wrong(format!("a load does not take \"{other}\""))),
        }
    }
    let rate = rate.ok_or_else(|| wrong("this load has no rate".to_owned()))?;
    let length = length.ok_or_else(|| wrong("this load has no end".to_owned()))?;
    Ok(LoadLine { text: text.to_owned(), rate, length, path })
}

/// A load that runs. Dropping it ends it.
pub struct Load {
    url: String,
    rate: u32,
    tally: Arc<Mutex<Tally>>,
    all: Tally,
    view: LoadView,
    _crew: Crew,
}

impl Load {
    /// Begins.
    pub fn start(line: &LoadLine, address: SocketAddr, seed: u64) -> std::io::Result<Self> {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let plan = Plan { address, rate: line.rate, seed, path: line.path.clone() };
        let seen = Arc::clone(&tally);
        let crew = Crew::start("load", move |stop| traffic::run(plan, seen, stop))?;
        let path = line.path.as_ref().map(ToString::to_string).unwrap_or_default();
        let view = LoadView { model: "open".into(), ..LoadView::default() };
        Ok(Self {
            url: format!("http://{address}{path}"),
            rate: line.rate,
            tally,
            all: Tally::default(),
            view,
            _crew: crew,
        })
    }

    /// Takes what came of the last second. To be called once a second.
    pub fn take(&mut self, seconds: f64) {
        let second = std::mem::take(&mut *self.tally.lock().unwrap_or_else(PoisonError::into_inner));
        let ms = |quantile| {
            let known = !second.latency_us.is_empty();
            known.then(|| second.latency_us.value_at_quantile(quantile) as f64 / 1e3)
        };
        self.all.merge(&second);
        let per_second = |count: u64| count as f64 / seconds.max(f64::EPSILON);
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        let mut view = LoadView {
            url: self.url.clone(),
            model: "open".to_owned(),
            offered: Some(f64::from(self.rate)),
            sent: per_second(second.sent),
            achieved: per_second(second.requests),
            lag_p99_ms: None,
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            p999_ms: ms(0.999),
            service_p99_ms: None,
            error_share: share(second.failures, second.requests),
            in_flight: self.all.sent.saturating_sub(self.all.requests),
            total: self.all.sent,
            ..std::mem::take(&mut self.view)
        };
        let points = [
            (&mut view.offered_spark, f64::from(self.rate)),
            (&mut view.achieved_spark, view.achieved),
            (&mut view.p99_spark, view.p99_ms.unwrap_or(0.0)),
        ];
        for (spark, value) in points {
            if spark.len() == SPARK {
                spark.remove(0);
            }
            spark.push(value);
        }
        self.view = view;
    }

    /// What was seen last.
    pub fn view(&self) -> &LoadView {
        &self.view
    }

    /// What came of all of it, in words.
    pub fn told(&self) -> String {
        let all = &self.all;
        let p99 = all.latency_us.value_at_quantile(0.99) as f64 / 1e3;
        format!("{} requests, {} failed, p99 {p99:.0} ms", all.requests, all.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_read_as_they_are_typed_and_have_an_end() {
        let line = parse("-r 200 -d 20s /item/1").unwrap();
        assert_eq!((line.rate, line.length), (200, Duration::from_secs(20)));
        assert_eq!(line.path.map(|path| path.to_string()).as_deref(), Some("/item/1"));
        for (text, part) in [
            ("-r 200", "has no end"),
            ("-d 5s", "has no rate"),
            ("-r 0 -d 5s", "is not a rate"),
            ("-r -5 -d 5s", "is not a rate"),
            ("-r 9000 -d 5s", "is not a rate"),
            ("-r 5 -d", "needs a value"),
            ("-r 5 -d 5s --warmup", "does not take"),
        ] {
            assert!(parse(text).unwrap_err().0.contains(part), "{text}");
        }
    }
}
