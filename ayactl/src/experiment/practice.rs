//! What can be done to the process of a practice backend.

use std::time::Duration;

use aya_api::fault::{DEFAULT_LENGTH_MS, Fault, FaultBody, FaultTarget, ProcessState};
use serde::{Deserialize, Serialize};

use super::formats;
use super::model::Practice;
use crate::demo::practice;
use crate::time::parse_some;

/// How long it lasts when nothing is said.
const LENGTH: Duration = Duration::from_millis(DEFAULT_LENGTH_MS);
/// Longest.
const LONGEST: Duration = Duration::from_secs(3600);

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// It is stopped (SIGSTOP), and goes on when the time is over.
    Pause,
    /// It is killed (SIGKILL), and started again when the time is over.
    Kill,
    /// It is killed and started again at once.
    Restart,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 3] = [Self::Pause, Self::Kill, Self::Restart];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Kill => "kill",
            Self::Restart => "restart",
        }
    }
}

impl Practice {
    /// The fault by which the daemon keeps who does it, why and until when.
    pub fn body(&self) -> FaultBody {
        let state = if self.verb == Verb::Pause { ProcessState::Paused } else { ProcessState::Killed };
        let mut body = FaultBody::new(Fault::Process { state }, FaultTarget::backend(&self.backend));
        // Somebody who is killed and started again at once is away for a moment all the same.
        body.for_ms = u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX).max(1);
        body
    }

    /// What the demo is asked for, on account of a fault of the daemon.
    pub(crate) fn request(&self, fault: Option<String>) -> practice::Request {
        let for_ms = u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX);
        practice::Request { verb: Some(self.verb), backend: self.backend.clone(), for_ms, fault }
    }
}

/// Reads `pause shop/web-1 --for 10s`; `None` when it begins with another word. A mistake comes with its remedy.
pub fn parse(line: &str) -> Option<Result<Practice, (String, String)>> {
    let mut words = line.split_whitespace();
    let first = words.next()?;
    let verb = Verb::ALL.into_iter().find(|verb| verb.as_str() == first)?;
    Some(rest(verb, words))
}

fn rest<'w>(verb: Verb, mut words: impl Iterator<Item = &'w str>) -> Result<Practice, (String, String)> {
    let name = verb.as_str();
    let mut backend = None;
    let mut length = if verb == Verb::Restart { Duration::ZERO } else { LENGTH };
    while let Some(word) = words.next() {
        if word == "--for" && verb != Verb::Restart {
            let text = words.next().unwrap_or_default();
            length = parse_some(text).map_err(|error| (format!("--for: {error}"), String::new()))?;
            if length > LONGEST {
                return Err((format!("--for {text} is too long"), "an hour is the most".to_owned()));
            }
        } else if word.starts_with('-') || backend.is_some() {
            return Err((
                format!("{name} does not take \"{word}\""),
                format!("write it like {name} shop/web-1 --for 10s"),
            ));
        } else {
            formats::check("backend", word)?;
            backend = Some(word.to_owned());
        }
    }
    let backend = backend
        .ok_or_else(|| (format!("{name} whom?"), format!("name a practice backend: {name} shop/web-1")))?;
    Ok(Practice { verb, backend, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_they_are_typed() {
        let read = |line| parse(line).expect("a practice verb");
        let pause = read("pause shop/web-1 --for 3s").unwrap();
        assert_eq!(
            (pause.verb, pause.backend.as_str(), pause.length),
            (Verb::Pause, "shop/web-1", Duration::from_secs(3))
        );
        assert_eq!(read("kill img/img-1").unwrap().length, LENGTH);
        for wrong in ["pause", "pause web-1", "restart a/b --for 5s", "pause a/b c/d", "kill a/b --for 5"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(parse("refuse shop/web-1").is_none());
    }
}
