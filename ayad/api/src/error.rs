//! What the daemon answers when it does not do what was asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;

/// Stable code of an error; decides the HTTP status and the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request is malformed.
    BadRequest,
    /// A value is not acceptable.
    BadValue,
    /// The configuration is not valid; the running one stays.
    BadConfig,
    /// No such object or path.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The revision does not hold any more.
    Conflict,
    /// The caller's level is too low, or faults are locked or not allowed.
    NotPermitted,
    /// A fault would be more than its limits or the state of the pool allow.
    Unsafe,
    /// The request is over a limit.
    TooLarge,
    /// The daemon is stopping or cannot write its journal.
    Unavailable,
    /// A defect of the daemon.
    Internal,
}

impl ErrorCode {
    /// HTTP status that goes with the code.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest | Self::BadValue => 400,
            Self::BadConfig => 422,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict => 412,
            Self::NotPermitted => 403,
            Self::Unsafe => 409,
            Self::TooLarge => 413,
            Self::Unavailable => 503,
            Self::Internal => 500,
        }
    }

    /// Exit code that goes with the code.
    pub const fn exit(self) -> Exit {
        match self {
            Self::NotFound => Exit::NotFound,
            Self::Conflict => Exit::Conflict,
            Self::NotPermitted => Exit::NotPermitted,
            Self::Unsafe => Exit::Gate,
            Self::BadRequest
            | Self::BadValue
            | Self::BadConfig
            | Self::MethodNotAllowed
            | Self::TooLarge
            | Self::Unavailable
            | Self::Internal => Exit::Error,
        }
    }
}

/// An error with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Stable code.
    pub code: ErrorCode,
    /// What is wrong, naming the thing.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl ApiError {
    /// Builds an error from its three parts.
    pub fn new(code: ErrorCode, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into() }
    }
}
