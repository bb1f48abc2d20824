//! When the frames of an HTTP/2 connection are more than its work explains.
//!
//! Some frames cost their sender nothing and their receiver something: a reset undoes a request whose work has begun
//! (CVE-2023-44487), pings and settings want an answer (CVE-2019-9512, CVE-2019-9515), priorities and window updates
//! are looked at. Honest peers send them too, in proportion to what they get done. So each costs something here, work
//! that was done earns something, and a little comes back with time:
//!
//! ```text
//!   purse  =  min(MOST, purse − costs + earnings + PER_SECOND × seconds)
//! ```
//!
//! A connection whose purse is empty ends. What it deliberately does not do: look at what frames say, or at other
//! connections; limits on what one frame may hold are the codec's.

use crate::time::Tick;

/// What a new connection has, and the most that can be saved.
pub const MOST: u32 = 2000;
/// What comes back in a second: 200 pings, or 20 resets.
pub const PER_SECOND: u64 = 200;
/// What a frame costs that asks for nothing but attention.
pub const FRAME: u32 = 1;
/// What a reset costs.
pub const RESET: u32 = 10;
/// What an answer earns that was sent whole: one reset for each two answers is fair.
pub const ANSWER: u32 = 5;
/// What a piece of a body earns that was sent: a window update each way and a ping, which is what gRPC sends for each
/// message of a conversation. Envoy allows ten window updates.
pub const DATA: u32 = 3;
/// Bytes sent that earn one window update.
pub const BYTES: u32 = 1024;

/// The purse of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Purse {
    left: u32,
    filled: Tick,
}

impl Purse {
    /// A full one.
    pub const fn full(now: Tick) -> Self {
        Self { left: MOST, filled: now }
    }

    /// Pays `cost`; false when there is not enough. The clock is only asked when the purse would be empty.
    pub fn pay(&mut self, cost: u32, now: impl FnOnce() -> Tick) -> bool {
        if self.left < cost {
            self.refill(now());
        }
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    /// Puts in what was earned.
    pub fn earn(&mut self, earned: u32) {
        self.left = self.left.saturating_add(earned).min(MOST);
    }

    fn refill(&mut self, now: Tick) {
        let due = now.since(self.filled).as_millis().min(u128::from(u32::MAX)) as u64 * PER_SECOND / 1000;
        if due > 0 {
            self.filled = now;
            self.earn(u32::try_from(due).unwrap_or(MOST));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Tick {
        Tick::from_nanos(millis * 1_000_000)
    }

    fn resets(purse: &mut Purse, now: Tick) -> usize {
        (0..10_000).take_while(|_| purse.pay(RESET, || now)).count()
    }

    #[test]
    fn a_flood_ends_and_a_trickle_does_not() {
        let mut purse = Purse::full(at(0));
        assert_eq!(resets(&mut purse, at(0)), 200);
        for second in 1..1000 {
            assert_eq!(resets(&mut purse, at(second * 1000)), 20, "{second}");
        }
    }

    #[test]
    fn one_reset_for_each_two_answers_goes_on_for_ever() {
        let mut purse = Purse::full(at(0));
        for _ in 0..100_000 {
            purse.earn(2 * ANSWER);
            assert!(purse.pay(RESET, || at(0)));
        }
    }

    #[test]
    fn what_is_saved_has_a_limit() {
        let mut purse = Purse::full(at(0));
        purse.earn(u32::MAX);
        assert_eq!(resets(&mut purse, at(0)), 200);
        assert_eq!(resets(&mut purse, at(u64::from(u32::MAX) * 10)), 200);
    }
}
