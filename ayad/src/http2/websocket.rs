//! A WebSocket between the two ways of asking for one: `Upgrade` in HTTP/1.1 (RFC 6455, 4) and `CONNECT` with
//! `:protocol` in HTTP/2 (RFC 8441).
//!
//! HTTP/1.1 proves with a key that both sides mean it; HTTP/2 does not need to. So whoever stands between makes up the
//! key on one side, and answers it on the other. Bytes of the WebSocket itself are not looked at.

use aws_lc_rs::digest;
use http::header::{self, HeaderMap};

use crate::h1::write_field;
use crate::queue::Queue;

/// The field with the client's key.
pub const KEY: &str = "sec-websocket-key";
/// The field with its proof.
pub const ACCEPT: &str = "sec-websocket-accept";
/// What the key is hashed with (RFC 6455, 1.3).
const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A key of 16 random bytes.
pub fn key(random: [u64; 2]) -> String {
    let [a, b] = random.map(u64::to_be_bytes);
    base64(&[a, b].concat())
}

/// What proves that the other side has read the key.
pub fn proof(key: &[u8]) -> String {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(MAGIC);
    base64(context.finish().as_ref())
}

/// Writes the lines that ask for a WebSocket.
pub(super) fn ask(key: &str, fields: &HeaderMap, out: &mut Queue) {
    write_field(out, "connection", b"upgrade");
    write_field(out, "upgrade", b"websocket");
    write_field(out, KEY, key.as_bytes());
    if !fields.contains_key(header::SEC_WEBSOCKET_VERSION) {
        write_field(out, "sec-websocket-version", b"13");
    }
}

/// Writes the lines that open one.
pub(super) fn agree(key: &[u8], out: &mut Queue) {
    write_field(out, "connection", b"upgrade");
    write_field(out, "upgrade", b"websocket");
    write_field(out, ACCEPT, proof(key).as_bytes());
}

/// RFC 4648, 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let bits =
            part.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        for digit in 0..4 {
            if digit <= part.len() {
                text.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_the_one_of_the_standard() {
        assert_eq!(proof(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn base64_is_the_one_of_the_standard() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_key_is_sixteen_bytes() {
        assert_eq!(key([0, 0]), "AAAAAAAAAAAAAAAAAAAAAA==");
    }
}
