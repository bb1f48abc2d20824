//! Sticky sessions: which backend a returning client is bound to. They go before any algorithm; when they
//! give none, the algorithm decides.
//!
//! By cookie, the client brings the token of its backend, and weight does not matter: it is bound already. By
//! source address nothing is remembered anywhere; the address is hashed onto the backends, so a backend of
//! weight 0 gives up its clients too, because old and new ones look the same.

use std::sync::Arc;

use crate::load::Load;
use crate::pick::Tried;
use crate::rendezvous;
use crate::time::Tick;

/// The backend with this token, if it may serve a bound client and was not tried yet.
pub fn by_token(set: &[Arc<Load>], token: u64, now: Tick, tried: &Tried) -> Option<usize> {
    let index = set.iter().position(|load| load.token() == token)?;
    (!tried.contains(index) && set[index].eligible_bound(now)).then_some(index)
}

/// The backend that a client with this key (hash of its address) belongs to. When a backend leaves, only its
/// own clients move.
pub fn by_source(set: &[Arc<Load>], key: u64, now: Tick, tried: &Tried) -> Option<usize> {
    rendezvous::pick(set, key, |index, load| !tried.contains(index) && load.eligible_bound(now))
}

/// Writes a token as a cookie carries it: 16 lower-case hexadecimal digits.
pub fn encode(token: u64) -> [u8; 16] {
    let digit = |shift: usize| b"0123456789abcdef"[(token >> shift & 0xf) as usize];
    std::array::from_fn(|i| digit(60 - 4 * i))
}

/// Reads a token back; `None` when it is anything but 16 hexadecimal digits.
pub fn decode(cookie: &[u8]) -> Option<u64> {
    if cookie.len() != 16 {
        return None;
    }
    cookie.iter().try_fold(0, |token, &b| Some(token << 4 | u64::from(char::from(b).to_digit(16)?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::axis::{Admin, Health};

    fn set() -> Vec<Arc<Load>> {
        (1..=3).map(|token| Arc::new(Load::new(token, 1, Health::Up))).collect()
    }

    #[test]
    fn a_cookie_binds_until_the_backend_may_not_serve_it() {
        let set = set();
        let now = Tick::ZERO;

        assert_eq!(by_token(&set, 2, now, &Tried::new()), Some(1));
        assert_eq!(by_token(&set, 9, now, &Tried::new()), None);
        set[1].set_admin(Admin::Draining, true);
        set[1].set_weight(0);
        assert_eq!(by_token(&set, 2, now, &Tried::new()), Some(1));
        set[1].set_admin(Admin::Draining, false);
        assert_eq!(by_token(&set, 2, now, &Tried::new()), None);
    }

    #[test]
    fn a_tried_backend_is_not_offered_again() {
        let set = set();
        let mut tried = Tried::new();
        let first = by_source(&set, 77, Tick::ZERO, &tried).unwrap();
        tried.push(first);

        assert_eq!(by_token(&set, first as u64 + 1, Tick::ZERO, &tried), None);
        assert_ne!(by_source(&set, 77, Tick::ZERO, &tried).unwrap(), first);
    }

    #[test]
    fn only_sixteen_hexadecimal_digits_are_a_token() {
        for bad in [&b""[..], b"123", b"000000000000000g", b"00000000000000000", b"+000000000000001"] {
            assert_eq!(decode(bad), None);
        }
    }

    proptest! {
        #[test]
        fn tokens_survive_the_cookie(token: u64) {
            prop_assert_eq!(decode(&encode(token)), Some(token));
        }
    }
}
