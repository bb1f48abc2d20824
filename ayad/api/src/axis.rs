//! The three axes of a backend. They are never folded into one: people order [`Admin`], checks and traffic
//! say [`Health`], and the [`Breaker`] protects both sides from a backend that answers but fails.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Defines a closed set of words with one spelling for JSON, tables and the command line.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every value, in the order operators read them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The one spelling of this value.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(self.as_str()) }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(word: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|v| v.as_str() == word).ok_or_else(|| {
                    let all: Vec<&str> = Self::ALL.iter().map(|v| v.as_str()).collect();
                    format!("\"{word}\" is none of {}", all.join(", "))
                })
            }
        }
    };
}

words! {
    /// What people ordered.
    Admin {
        /// Takes traffic when health and breaker allow it.
        Ready = "ready",
        /// Gets nothing new; requests in flight finish.
        Draining = "draining",
        /// Draining has finished: nothing is in flight.
        Drained = "drained",
        /// Out of service: no traffic, no health checks.
        Maint = "maint",
    }
}

words! {
    /// What checks and traffic say.
    Health {
        /// Passed enough checks, or has none to pass.
        Up = "up",
        /// Failed checks, or refused a connection.
        Down = "down",
        /// Passes checks again but not yet often enough.
        Warming = "warming",
        /// Nobody has looked yet.
        Unknown = "unknown",
    }
}

words! {
    /// State of the circuit breaker; `closed` means that traffic flows.
    Breaker {
        /// No breaker is configured for the pool.
        Off = "off",
        /// Traffic flows.
        Closed = "closed",
        /// Too many failures in a row: traffic is held back until the retry time.
        Open = "open",
        /// One request at a time is let through to see whether it works again.
        HalfOpen = "half-open",
    }
}

words! {
    /// What people make of a breaker, beside the state it has learned.
    BreakerOrder {
        /// Nothing: it goes by what it has learned.
        None = "none",
        /// Nothing passes.
        Open = "open",
        /// Everything passes.
        Closed = "closed",
        /// It stays as it is.
        Held = "held",
    }
}

words! {
    /// How a backend stands among the others of its pool, by their traffic.
    Standing {
        /// Like the others.
        In = "in",
        /// Odd; gets half of its weight.
        Suspected = "suspected",
        /// Odd beyond doubt; gets a tenth of its weight.
        Doubted = "doubted",
        /// Gets nothing for a while.
        Ejected = "ejected",
        /// Gets one request at a time.
        Trying = "trying",
    }
}

words! {
    /// What happens to clients bound to a backend by a sticky session while it drains.
    StickyDrain {
        /// Bound clients keep coming until their sessions end.
        Honour = "honour",
        /// Bound clients are moved to another backend with their next request.
        Move = "move",
    }
}

words! {
    /// How much a caller of the control API may do, by peer credentials of the socket.
    Level {
        /// Read everything.
        Observe = "observe",
        /// Change admin state, weight and algorithm.
        Operate = "operate",
        /// Reload and everything else.
        Admin = "admin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_as_itself() {
        for admin in Admin::ALL {
            assert_eq!(admin.as_str().parse::<Admin>().unwrap(), *admin);
            assert_eq!(serde_json::to_value(admin).unwrap(), admin.as_str());
        }
        assert!("redy".parse::<Admin>().unwrap_err().contains("ready, draining"));
    }
}
