//! A 64-bit hash that is the same on every run, machine and version of the program.
//!
//! Cookies and client addresses are mapped to backends with it, so its results are part of the product:
//! changing it moves every bound client. It does not resist an attacker who chooses keys, and nothing here
//! needs that: a client that picks its own backend gains nothing.

/// Hashes bytes: FNV-1a over them, then a full mix of the bits.
pub fn hash64(bytes: &[u8]) -> u64 {
    let folded = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |h: u64, &b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    avalanche(folded)
}

/// Hashes the address of a client: one of IPv4 the same whichever way it is written.
pub fn address_key(ip: std::net::IpAddr) -> u64 {
    match ip.to_canonical() {
        std::net::IpAddr::V4(v4) => hash64(&v4.octets()),
        std::net::IpAddr::V6(v6) => hash64(&v6.octets()),
    }
}

/// Combines two numbers into one whose every bit depends on every bit of both; not symmetric.
pub fn mix(a: u64, b: u64) -> u64 {
    avalanche(a ^ avalanche(b.wrapping_add(0x9e37_79b9_7f4a_7c15)))
}

/// The finishing step of splitmix64: one flipped bit flips about half of the result.
fn avalanche(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_never_change() {
        assert_eq!(hash64(b""), 0xf52a_15e9_a9b5_e89b);
        assert_eq!(hash64(b"shop/web-1"), 0x8205_8a00_cf8a_8ce1);
        assert_eq!(mix(1, 2), 0xf282_6f98_653e_9e57);
    }

    #[test]
    fn order_of_mixing_matters() {
        assert_ne!(mix(1, 2), mix(2, 1));
    }
}
