//! The one word of a breaker: state in two bits, order in two, trials taken in six, and above them a time.

use crate::axis::BreakerState;
use crate::time::Tick;

pub(super) const STATE: u64 = 0b11;
/// The bit of the state code that is set when open or half-open.
pub(super) const NOT_FLOWING: u64 = 0b10;
pub(super) const ORDER_SHIFT: u32 = 2;
pub(super) const ORDER: u64 = 0b11 << ORDER_SHIFT;
pub(super) const TAKEN_SHIFT: u32 = 4;
pub(super) const TAKEN: u64 = 0b11_1111 << TAKEN_SHIFT;
/// The rest of the word: a time in nanoseconds, rounded down to 1024.
pub(super) const TIME: u64 = !(STATE | ORDER | TAKEN);

/// What people make of a breaker, whatever it has learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Order {
    /// Nothing passes.
    Open = 1,
    /// Everything passes.
    Closed = 2,
    /// It stays as it is: open does not try, closed does not open, half-open lets trials pass and draws no conclusion.
    Held = 3,
}

impl Order {
    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Held => "held",
        }
    }

    pub(super) const fn of(word: u64) -> Option<Self> {
        Self::from_code(((word & ORDER) >> ORDER_SHIFT) as u8)
    }

    pub(super) const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Open),
            2 => Some(Self::Closed),
            3 => Some(Self::Held),
            _ => None,
        }
    }
}

pub(super) fn state_of(word: u64) -> BreakerState {
    BreakerState::from_code((word & STATE) as u32)
}

#[inline]
pub(super) fn may_pass(word: u64, now: Tick) -> bool {
    if word & (NOT_FLOWING | ORDER) == 0 {
        return true;
    }
    match Order::of(word) {
        None => now.as_nanos() >= word & TIME,
        Some(Order::Open) => false,
        Some(Order::Closed) => true,
        Some(Order::Held) => match state_of(word) {
            BreakerState::Off | BreakerState::Closed => true,
            BreakerState::Open => false,
            BreakerState::HalfOpen => now.as_nanos() >= word & TIME,
        },
    }
}
