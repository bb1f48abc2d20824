//! Exit codes of `ayactl` and `ayad`, the same for every subcommand.

/// Why a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done, or already so.
    Done = 0,
    /// Any other error.
    Error = 1,
    /// The command line is wrong.
    Usage = 2,
    /// No such object.
    NotFound = 3,
    /// Somebody changed it in between.
    Conflict = 4,
    /// The deadline passed first.
    Deadline = 5,
    /// An objective, budget or hypothesis does not hold.
    Gate = 6,
    /// No daemon answers at the socket.
    Unreachable = 7,
    /// The daemon does not let this caller do that.
    NotPermitted = 8,
    /// There are differences.
    Differs = 9,
    /// The result cannot be trusted.
    Invalid = 10,
}

impl Exit {
    /// Every code with its meaning, for help and documentation.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Done, "done, or already so"),
        (Self::Error, "error"),
        (Self::Usage, "wrong usage"),
        (Self::NotFound, "no such object"),
        (Self::Conflict, "conflict: somebody changed it in between"),
        (Self::Deadline, "deadline passed"),
        (Self::Gate, "gate failed: objective, budget or hypothesis"),
        (Self::Unreachable, "daemon unreachable"),
        (Self::NotPermitted, "not permitted"),
        (Self::Differs, "differs"),
        (Self::Invalid, "result invalid"),
    ];
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
