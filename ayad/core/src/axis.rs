//! The three axes of a backend. They are never folded into one: people order [`Admin`], checks and traffic
//! say [`Health`], and the breaker ([`BreakerState`]) holds traffic back from a backend that answers but
//! fails.
//!
//! Every value has a fixed two-bit code, because the axes travel packed in one word (see [`crate::load`]).

/// Defines an axis: a closed set of at most four words, each with a fixed code.
macro_rules! axis {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal, $word:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant = $code),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The one spelling of this value.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value with this code, of which only the low two bits count.
            pub(crate) const fn from_code(code: u32) -> Self {
                const LAST: u32 = $name::ALL.len() as u32 - 1;
                let code = code & 3;
                $name::ALL[if code > LAST { LAST } else { code } as usize]
            }
        }
    };
}

axis! {
    /// What people ordered.
    Admin {
        /// Takes traffic when health and breaker allow it.
        Ready = 0, "ready";
        /// Gets nothing new; requests in flight finish.
        Draining = 1, "draining";
        /// Draining has finished: nothing is in flight.
        Drained = 2, "drained";
        /// Out of service: no traffic, no health checks.
        Maint = 3, "maint";
    }
}

axis! {
    /// What checks and traffic say.
    Health {
        /// Passed enough checks, or has none to pass.
        Up = 0, "up";
        /// Nobody has looked yet; it gets traffic until a check says otherwise.
        Unknown = 1, "unknown";
        /// Failed checks, or refused a connection.
        Down = 2, "down";
        /// Passes checks again, but not yet often enough.
        Warming = 3, "warming";
    }
}

axis! {
    /// What the breaker does with traffic; closed means that it flows.
    BreakerState {
        /// No breaker is configured for the pool.
        Off = 0, "off";
        /// Traffic flows.
        Closed = 1, "closed";
        /// Too many failures in a row: nothing passes until the retry time.
        Open = 2, "open";
        /// One trial is under way; its result decides.
        HalfOpen = 3, "half-open";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back_as_what_they_were_made_from() {
        for &admin in Admin::ALL {
            assert_eq!(Admin::from_code(admin as u32), admin);
        }
        for &health in Health::ALL {
            assert_eq!(Health::from_code(health as u32), health);
        }
        for &breaker in BreakerState::ALL {
            assert_eq!(BreakerState::from_code(breaker as u32), breaker);
        }
    }
}
