//! Signed requests (RFC 7515, as RFC 8555 uses them): ES256 with P-256 keys, which is what the daemon's client signs with.

use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::alg_id;
use serde_json::Value;

use crate::tls::provider;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Reads base64url without padding.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes() {
        let value = ALPHABET.iter().position(|known| *known == byte)?;
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

/// Writes base64url without padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for sextet in 0..=group.len() {
            let value = bits >> (18 - 6 * sextet) & 63;
            text.push(char::from(ALPHABET[value as usize]));
        }
    }
    text
}

/// SHA-256.
pub(super) fn sha256(bytes: &[u8]) -> Vec<u8> {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().expect("it is a suite of TLS 1.3");
    suite.common.hash_provider.hash(bytes).as_ref().to_vec()
}

/// A public key on P-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Jwk {
    x: String,
    y: String,
}

impl Jwk {
    fn read(value: &Value) -> Option<Self> {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let is_known = value["kty"] == "EC" && value["crv"] == "P-256";
        is_known.then_some(Self { x: text("x")?, y: text("y")? })
    }

    /// RFC 7638.
    pub(super) fn thumbprint(&self) -> String {
        let Self { x, y } = self;
        encode(&sha256(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#).as_bytes()))
    }

    /// The point, uncompressed.
    fn point(&self) -> Option<Vec<u8>> {
        Some([vec![4], decode(&self.x)?, decode(&self.y)?].concat())
    }
}

/// A request as it was signed.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) nonce: String,
    pub(super) url: String,
    pub(super) kid: Option<String>,
    pub(super) jwk: Option<Jwk>,
    /// Null for requests that only read.
    pub(super) payload: Value,
    message: String,
    signature: Vec<u8>,
}

impl Signed {
    /// Reads a request; its signature is not looked at yet.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let read = || {
            let outer: Value = serde_json::from_slice(body).ok()?;
            let part = |name: &str| outer[name].as_str();
            let (protected, payload) = (part("protected")?, part("payload")?);
            let header: Value = serde_json::from_slice(&decode(protected)?).ok()?;
            let text = |name: &str| header[name].as_str().map(str::to_owned);
            let inner = decode(payload)?;
            (header["alg"] == "ES256").then_some(())?;
            Some(Self {
                nonce: text("nonce")?,
                url: text("url")?,
                kid: text("kid"),
                jwk: Jwk::read(&header["jwk"]),
                payload: if inner.is_empty() { Value::Null } else { serde_json::from_slice(&inner).ok()? },
                message: format!("{protected}.{payload}"),
                signature: decode(part("signature")?)?,
            })
        };
        read().ok_or_else(|| "this is no signed request".to_owned())
    }

    /// Checks the signature.
    pub(super) fn verify(&self, jwk: &Jwk) -> Result<(), String> {
        let point = jwk.point().ok_or("this is no key")?;
        let signature = to_der(&self.signature).ok_or("a signature has 64 bytes")?;
        let provider = provider();
        let algorithm = provider.signature_verification_algorithms.all.iter().find(|algorithm| {
            algorithm.public_key_alg_id() == alg_id::ECDSA_P256
                && algorithm.signature_alg_id() == alg_id::ECDSA_SHA256
        });
        let algorithm = algorithm.ok_or("the provider does not know ES256")?;
        algorithm
            .verify_signature(&point, self.message.as_bytes(), &signature)
            .map_err(|_| "the signature is wrong".to_owned())
    }
}

/// A signature as two numbers of 32 bytes, in the form that X.509 uses.
fn to_der(signature: &[u8]) -> Option<Vec<u8>> {
    if signature.len() != 64 {
        return None;
    }
    let number = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
        let digits = &bytes[start..];
        // A leading one bit would be a minus sign.
        let sign: &[u8] = if digits[0] >= 0x80 { &[0] } else { &[] };
        [&[2, (sign.len() + digits.len()) as u8], sign, digits].concat()
    };
    let inside = [number(&signature[..32]), number(&signature[32..])].concat();
    Some([vec![0x30, inside.len() as u8], inside].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_goes_both_ways() {
        for length in 0..20_u8 {
            let bytes: Vec<u8> = (0..length).map(|n| n.wrapping_mul(97)).collect();
            assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
        assert_eq!(encode(b"light w"), "bGlnaHQgdw");
        assert_eq!(decode("a+b"), None);
    }
}
