//! A set of status codes, asked once for each answer.

use std::fmt;

/// Lowest and highest code of a set.
const CODES: std::ops::RangeInclusive<u16> = 100..=599;

/// Status codes from 100 to 599: one bit each, 64 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statuses {
    bits: [u64; 8],
}

impl Statuses {
    /// No code.
    pub const NONE: Self = Self { bits: [0; 8] };

    /// Adds all codes from `from` to `to`, both included; codes outside of 100 to 599 are left out.
    pub fn insert(&mut self, from: u16, to: u16) {
        for code in from.max(*CODES.start())..=to.min(*CODES.end()) {
            let (word, bit) = place(code);
            self.bits[word] |= bit;
        }
    }

    /// Whether the code is in the set.
    pub fn contains(&self, code: u16) -> bool {
        let (word, bit) = place(code);
        CODES.contains(&code) && self.bits[word] & bit != 0
    }

    /// Whether no code is in the set.
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }
}

/// Written as codes and ranges, in order: `502, 504-599`.
impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut code, mut before) = (*CODES.start(), "");
        while code <= *CODES.end() {
            let from = code;
            while self.contains(code) {
                code += 1;
            }
            match code - from {
                0 => code += 1,
                1 => write!(f, "{before}{from}")?,
                _ => write!(f, "{before}{from}-{}", code - 1)?,
            }
            if code > from && self.contains(from) {
                before = ", ";
            }
        }
        Ok(())
    }
}

/// Word and bit of a code; the word is below 8 for any code.
fn place(code: u16) -> (usize, u64) {
    let index = usize::from(code.wrapping_sub(*CODES.start())) % 512;
    (index / 64, 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_was_added_and_nothing_else() {
        let mut set = Statuses::NONE;
        assert!(set.is_empty() && !set.contains(503));
        set.insert(502, 502);
        set.insert(100, 101);
        set.insert(598, 9_999);
        set.insert(7, 99);

        let held: Vec<_> = (0..=u16::MAX).filter(|&code| set.contains(code)).collect();
        assert_eq!(held, [100, 101, 502, 598, 599]);
        assert_eq!(set.to_string(), "100-101, 502, 598-599");
        assert_eq!(Statuses::NONE.to_string(), "");
    }
}
