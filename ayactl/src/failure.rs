//! Why a command did not do what was asked: an exit code, a stable word, a message and what to do about it.

use std::fmt::Display;
use std::io::{self, ErrorKind};

use aya_api::client::ClientError;
use aya_api::error::ErrorCode;
use aya_api::exit::Exit;
use serde_json::{Value, json};

use crate::console::Console;

/// A command's failure, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Exit status of the process.
    pub status: u8,
    /// Stable word for scripts, e.g. `not-found`.
    pub code: String,
    /// What is wrong, naming the thing.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: String,
    /// What else went wrong after it.
    pub also: Vec<Failure>,
    /// Nothing to say: it was said already, or nobody reads any more.
    silent: bool,
}

impl Failure {
    /// Builds a failure with one of the exit codes.
    pub fn new(exit: Exit, code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let (message, hint) = (message.into(), hint.into());
        Self { status: exit as u8, code: code.into(), message, hint, also: Vec::new(), silent: false }
    }

    /// The command line is wrong in a way clap cannot see.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message, hint)
    }

    /// There is no such object; says which one might have been meant.
    pub fn not_found<'n>(kind: &str, name: &str, known: impl Iterator<Item = &'n str>) -> Self {
        let hint = match closest(name, known) {
            Some(close) => format!("did you mean \"{close}\"?"),
            None => format!("see `ayactl get {kind}s`"),
        };
        Self::new(Exit::NotFound, "not-found", format!("there is no {kind} \"{name}\""), hint)
    }

    /// A signal ended it, which leaves something to say.
    pub fn interrupted(signal: i32, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let mut failure = Self::new(Exit::Error, "interrupted", message, hint);
        failure.status = u8::try_from(128 + signal).unwrap_or(u8::MAX);
        failure
    }

    /// A signal ended it; whoever sent it knows.
    pub fn signal(signal: i32) -> Self {
        Self { silent: true, ..Self::interrupted(signal, format!("ended by signal {signal}"), "") }
    }

    /// Says it on stderr: in words, or as one JSON object when `json` output was asked for.
    pub fn report(&self, console: &mut Console<'_>, json: bool) {
        if self.silent {
            return;
        }
        if json {
            console.say(&self.object().to_string());
            return;
        }
        console.say(&format!("error: {}", self.message));
        if !self.hint.is_empty() {
            console.say(&format!("hint: {}", self.hint));
        }
        for other in &self.also {
            other.report(console, json);
        }
    }

    fn object(&self) -> Value {
        let mut object = json!({ "code": self.code, "message": self.message, "hint": self.hint });
        if !self.also.is_empty() {
            object["also"] = self.also.iter().map(Self::object).collect();
        }
        object
    }

    /// Replaces what to do about it.
    #[must_use]
    pub fn hint(self, hint: &str) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// Adds what was being done, in front of the message.
    #[must_use]
    pub fn context(mut self, what: impl Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let code = match &error {
            ClientError::Unreachable { .. } => "unreachable".to_owned(),
            ClientError::TimedOut { .. } => "timed-out".to_owned(),
            ClientError::Refused(api) => word(api.code),
            ClientError::Protocol(_) => "protocol".to_owned(),
        };
        Self::new(error.exit(), &code, error.to_string(), error.hint())
    }
}

impl From<io::Error> for Failure {
    /// A reader that has seen enough, as in `ayactl get events | head -1`, is not an error.
    fn from(error: io::Error) -> Self {
        let mut failure = Self::new(Exit::Error, "io", error.to_string(), "");
        if error.kind() == ErrorKind::BrokenPipe {
            failure.status = Exit::Done as u8;
            failure.silent = true;
        }
        failure
    }
}

/// The wire spelling of an error code.
fn word(code: ErrorCode) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "error".into(),
    }
}

/// The known name nearest to what was typed, when one is near.
pub fn closest<'n>(typed: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    known
        .map(|name| (strsim::jaro_winkler(typed, name), name))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let known = ["shop/web-1", "shop/web-2", "img/img-1"];
        assert_eq!(closest("shop/wbe-2", known.into_iter()), Some("shop/web-2"));
        assert_eq!(closest("zzz", known.into_iter()), None);
    }

    #[test]
    fn a_closed_pipe_is_success() {
        let failure = Failure::from(io::Error::from(ErrorKind::BrokenPipe));
        assert_eq!((failure.status, failure.silent), (0, true));
        assert_eq!(Failure::from(io::Error::from(ErrorKind::NotFound)).status, 1);
    }
}
