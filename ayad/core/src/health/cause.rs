//! Why a backend's health is what it is: a closed set, with a word for machines and another for people.

use std::fmt;

use crate::agent::Hold;

/// Why a backend's health is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// The answer is not HTTP.
    Garbage,
    /// The connection failed for another cause, named by a short text of the system.
    Unreachable(&'static str),
    /// It refused traffic, and the time it was left alone for is over.
    PenaltyOver,
    /// Its agent wants no new traffic.
    Agent(Hold),
    /// Its agent no longer keeps traffic away, and nobody has looked since.
    AgentReleased,
}

impl Cause {
    /// The cause with this code; of those with details, `status` and `why` are them.
    pub fn of_code(code: &str, status: u16, why: &'static str) -> Option<Self> {
        const PLAIN: [Cause; 9] = [
            Cause::NotChecked,
            Cause::Passed,
            Cause::Refused,
            Cause::TimedOut,
            Cause::Body,
            Cause::ClosedEarly,
            Cause::Garbage,
            Cause::PenaltyOver,
            Cause::AgentReleased,
        ];
        let detailed = [Self::Status(status), Self::Unreachable(why)];
        let agents = Hold::ALL.iter().map(|hold| Self::Agent(*hold));
        PLAIN.into_iter().chain(detailed).chain(agents).find(|cause| cause.code() == code)
    }

    /// The word for metrics and machines, without the details.
    pub const fn code(self) -> &'static str {
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
            Self::PenaltyOver => "penalty-over",
            Self::Agent(Hold::Down) => "agent-down",
            Self::Agent(Hold::Fail) => "agent-fail",
            Self::Agent(Hold::Stopped) => "agent-stopped",
            Self::Agent(Hold::Drain) => "agent-drain",
            Self::Agent(Hold::Maint) => "agent-maint",
            Self::AgentReleased => "agent-released",
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
            Self::Status(status) => write!(f, "status {status}"),
            Self::Unreachable(why) if !why.is_empty() => write!(f, "unreachable: {why}"),
            Self::Passed | Self::Refused | Self::Body | Self::Garbage | Self::Unreachable(_) => {
                f.pad(self.code())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_found_by_its_code() {
        for cause in [
            Cause::Passed,
            Cause::Status(503),
            Cause::Unreachable("no route"),
            Cause::PenaltyOver,
            Cause::Agent(Hold::Drain),
        ] {
            assert_eq!(Cause::of_code(cause.code(), 503, "no route"), Some(cause));
        }
        assert_eq!(Cause::of_code("struck by lightning", 0, ""), None);
    }

    #[test]
    fn causes_read_as_words() {
        assert_eq!(Cause::Status(503).to_string(), "status 503");
        assert_eq!(Cause::Unreachable("").to_string(), "unreachable");
        assert_eq!(Cause::Unreachable("no route to host").to_string(), "unreachable: no route to host");
        assert_eq!(Cause::NotChecked.to_string(), "not checked");
        assert_eq!(Cause::Agent(Hold::Maint).to_string(), "agent says maint");
    }
}
