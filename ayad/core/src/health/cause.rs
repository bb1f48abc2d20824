//! Why a backend's health is what it is: a closed set, with a word for machines and another for people.

use std::fmt;
use std::sync::Arc;

use crate::agent::Hold;

/// Why a backend's health is what it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No check has ended yet.
    NotChecked,
    /// The last check passed.
    Passed,
    /// The connection was refused.
    Refused,
    /// The check did not end in time.
    TimedOut,
    /// The answer had a status that is not expected.
    Status(u16),
    /// The body of the answer lacks the expected text.
    Body,
    /// The connection was closed before the answer was complete.
    ClosedEarly,
    /// The answer is not of the protocol that was spoken.
    Garbage,
    /// The connection failed for another cause, named by a short text of the system.
    Unreachable(&'static str),
    /// It answered in its own protocol, and these words are why that does not pass.
    Said(Words),
    /// Its certificate is good for this many hours only, fewer than are asked for.
    Expiring(u16),
    /// The command ended with this exit status, never 0; its first line of output, if it had one.
    Exit(u16, Words),
    /// The command was ended by this signal; its first line of output, if it had one.
    Signal(u16, Words),
    /// It refused traffic, and the time it was left alone for is over.
    PenaltyOver,
    /// Its agent wants no new traffic.
    Agent(Hold),
    /// Its agent no longer keeps traffic away, and nobody has looked since.
    AgentReleased,
    /// A fault had changed its health, and has ended: it is what it was.
    FaultOver,
}

/// Words of a stranger, fit for one line of a terminal or log: at most [`Words::LONGEST`] characters, none of which
/// is a control character or changes the direction of those after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Words(Arc<str>);

impl Words {
    /// Most characters that are kept.
    pub const LONGEST: usize = 80;

    /// The first line that is not blank. What is no UTF-8 or cannot be printed becomes `\u{fffd}`, what is too long ends
    /// in an ellipsis. Costs a pass over the beginning of `said`, whatever its length.
    pub fn of(said: &[u8]) -> Self {
        // More than that many bytes cannot be looked at for one line, and a character has at most four.
        let start = said.iter().take(Self::LOOKED_AT).position(|b| !b.is_ascii_whitespace() && *b != 0);
        let said = start.map_or(&[][..], |start| &said[start..]);
        let line = said.split(|b| matches!(b, b'\n' | b'\r' | 0)).next().unwrap_or_default();
        let line = &line[..line.len().min(4 * (Self::LONGEST + 1))];
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        let mut words: String = text.chars().take(Self::LONGEST).map(printable).collect();
        if text.chars().count() > Self::LONGEST {
            words.pop();
            words.push('…');
        }
        Self(words.into())
    }

    /// Leading bytes that may be blank.
    const LOOKED_AT: usize = 4096;

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn printable(c: char) -> char {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || turns { char::REPLACEMENT_CHARACTER } else { c }
}

impl Cause {
    /// The cause with this code, for a process that was told it by another. Of those with details, `number` and `words`
    /// are what [`Self::details`] returned there, and `known` is the same as `words`, as this process knows it.
    pub fn of_code(code: &str, number: u16, words: &str, known: &'static str) -> Option<Self> {
        const PLAIN: [Cause; 10] = [
            Cause::NotChecked,
            Cause::Passed,
            Cause::Refused,
            Cause::TimedOut,
            Cause::Body,
            Cause::ClosedEarly,
            Cause::Garbage,
            Cause::PenaltyOver,
            Cause::AgentReleased,
            Cause::FaultOver,
        ];
        let said = || Words::of(words.as_bytes());
        let detailed = [
            Self::Status(number),
            Self::Unreachable(known),
            Self::Said(said()),
            Self::Expiring(number),
            Self::Exit(number, said()),
            Self::Signal(number, said()),
        ];
        let agents = Hold::ALL.iter().map(|hold| Self::Agent(*hold));
        PLAIN.into_iter().chain(detailed).chain(agents).find(|cause| cause.code() == code)
    }

    /// The word for metrics and machines, without the details.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotChecked => "not-checked",
            Self::Passed => "passed",
            Self::Refused => "refused",
            Self::TimedOut => "timed-out",
            Self::Status(_) => "status",
            Self::Body => "body",
            Self::ClosedEarly => "closed-early",
            Self::Garbage => "garbage",
            Self::Unreachable(_) => "unreachable",
            Self::Said(_) => "said",
            Self::Expiring(_) => "expiring",
            Self::Exit(..) => "exit",
            Self::Signal(..) => "signal",
            Self::PenaltyOver => "penalty-over",
            Self::Agent(Hold::Down) => "agent-down",
            Self::Agent(Hold::Fail) => "agent-fail",
            Self::Agent(Hold::Stopped) => "agent-stopped",
            Self::Agent(Hold::Drain) => "agent-drain",
            Self::Agent(Hold::Maint) => "agent-maint",
            Self::AgentReleased => "agent-released",
            Self::FaultOver => "fault-over",
        }
    }

    /// The details: a number, and words; 0 and empty for causes without.
    pub fn details(&self) -> (u16, &str) {
        match self {
            Self::Status(number) | Self::Expiring(number) => (*number, ""),
            Self::Unreachable(why) => (0, why),
            Self::Said(words) => (0, words.as_str()),
            Self::Exit(number, words) | Self::Signal(number, words) => (*number, words.as_str()),
            Self::NotChecked
            | Self::Passed
            | Self::Refused
            | Self::TimedOut
            | Self::Body
            | Self::ClosedEarly
            | Self::Garbage
            | Self::PenaltyOver
            | Self::Agent(_)
            | Self::AgentReleased
            | Self::FaultOver => (0, ""),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotChecked => f.pad("not checked"),
            Self::TimedOut => f.pad("timed out"),
            Self::ClosedEarly => f.pad("closed early"),
            Self::PenaltyOver => f.pad("penalty over"),
            Self::Agent(hold) => write!(f, "agent says {}", hold.as_str()),
            Self::AgentReleased => f.pad("agent lets traffic in again"),
            Self::FaultOver => f.pad("a fault has ended: as before it"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Unreachable(why) if !why.is_empty() => write!(f, "unreachable: {why}"),
            Self::Said(words) if !words.as_str().is_empty() => write!(f, "says {}", words.as_str()),
            Self::Expiring(hours @ 0..48) => write!(f, "certificate ends in {hours} h"),
            Self::Expiring(hours) => write!(f, "certificate ends in {} days", hours / 24),
            Self::Exit(number, words) | Self::Signal(number, words) => {
                let colon = if words.as_str().is_empty() { "" } else { ": " };
                write!(f, "{} {number}{colon}{}", self.code(), words.as_str())
            }
            Self::Passed
            | Self::Refused
            | Self::Body
            | Self::Garbage
            | Self::Unreachable(_)
            | Self::Said(_) => f.pad(self.code()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(said: &str) -> Words {
        Words::of(said.as_bytes())
    }

    #[test]
    fn a_cause_is_found_by_its_code_and_details() {
        let all = [
            Cause::Passed,
            Cause::Status(503),
            Cause::Unreachable("no route"),
            Cause::Said(words("NOT_SERVING")),
            Cause::Expiring(71),
            Cause::Exit(2, words("disk full")),
            Cause::Signal(9, words("")),
            Cause::PenaltyOver,
            Cause::Agent(Hold::Drain),
        ];
        for cause in all {
            let (number, words) = cause.details();
            assert_eq!(Cause::of_code(cause.code(), number, words, "no route"), Some(cause.clone()));
        }
        assert_eq!(Cause::of_code("struck by lightning", 0, "", ""), None);
    }

    #[test]
    fn causes_read_as_words() {
        assert_eq!(Cause::Status(503).to_string(), "status 503");
        assert_eq!(Cause::Unreachable("").to_string(), "unreachable");
        assert_eq!(Cause::Unreachable("no route to host").to_string(), "unreachable: no route to host");
        assert_eq!(Cause::NotChecked.to_string(), "not checked");
        assert_eq!(Cause::Agent(Hold::Maint).to_string(), "agent says maint");
        assert_eq!(Cause::Said(words("NOT_SERVING")).to_string(), "says NOT_SERVING");
        assert_eq!(Cause::Expiring(5).to_string(), "certificate ends in 5 h");
        assert_eq!(Cause::Expiring(73).to_string(), "certificate ends in 3 days");
        assert_eq!(Cause::Exit(2, words("disk full\nmore")).to_string(), "exit 2: disk full");
        assert_eq!(Cause::Signal(9, words(" \n")).to_string(), "signal 9");
    }

    #[test]
    fn words_are_one_line_that_commands_no_terminal() {
        assert_eq!(words("\n\r\n  first \r\nsecond").as_str(), "first");
        assert_eq!(words("a\u{1b}[2J\u{202e}b\tc").as_str(), "a\u{fffd}[2J\u{fffd}b\u{fffd}c");
        assert_eq!(Words::of(b"\xff\xfe nul \0 gone").as_str(), "\u{fffd}\u{fffd} nul");
        assert_eq!(Words::of(&vec![b' '; 1 << 20]).as_str(), "");

        let long = words(&"\u{1f980}".repeat(1000));
        assert_eq!(long.as_str().chars().count(), Words::LONGEST);
        assert!(long.as_str().ends_with('…'));
        assert_eq!(words(&"x".repeat(Words::LONGEST)).as_str(), "x".repeat(Words::LONGEST));
    }
}
