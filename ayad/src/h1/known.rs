//! Field names that mean something to a proxy, and how they are found.
//!
//! Every field of every message is looked up once, so a name is compared with those of its length alone, eight bytes at a
//! time; whoever wants a field then compares one byte instead of a name. Names that mean nothing here are one value,
//! [`Known::Other`]: they are passed on as they came.

macro_rules! known {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// Field names that mean something to a proxy.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Known {
            /// Any other name.
            Other,
            $($(#[$doc])* $variant),+
        }

        impl Known {
            /// Every name but [`Known::Other`].
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in lower case; empty for [`Known::Other`].
            pub const fn name(self) -> &'static str {
                match self { Self::Other => "", $(Self::$variant => $name),+ }
            }
        }
    };
}

known! {
    /// `Host`
    Host = "host",
    /// `Connection`
    Connection = "connection",
    /// `Content-Length`
    ContentLength = "content-length",
    /// `Transfer-Encoding`
    TransferEncoding = "transfer-encoding",
    /// `TE`
    Te = "te",
    /// `Trailer`
    Trailer = "trailer",
    /// `Upgrade`
    Upgrade = "upgrade",
    /// `Expect`
    Expect = "expect",
    /// `Keep-Alive`
    KeepAlive = "keep-alive",
    /// `Proxy-Connection`
    ProxyConnection = "proxy-connection",
    /// `Proxy-Authenticate`
    ProxyAuthenticate = "proxy-authenticate",
    /// `Proxy-Authorization`
    ProxyAuthorization = "proxy-authorization",
    /// `HTTP2-Settings`
    Http2Settings = "http2-settings",
    /// `Forwarded`
    Forwarded = "forwarded",
    /// `X-Forwarded-For`
    ForwardedFor = "x-forwarded-for",
    /// `X-Forwarded-Host`
    ForwardedHost = "x-forwarded-host",
    /// `X-Forwarded-Proto`
    ForwardedProto = "x-forwarded-proto",
    /// `X-Request-Id`
    RequestId = "x-request-id",
    /// `Via`
    Via = "via",
    /// `Accept`
    Accept = "accept",
    /// `Cookie`
    Cookie = "cookie",
    /// `Content-Type`
    ContentType = "content-type",
    /// `Idempotency-Key`
    IdempotencyKey = "idempotency-key",
    /// `Retry-After`
    RetryAfter = "retry-after",
    /// `X-Aya-Reason`
    Reason = "x-aya-reason",
    /// `X-Aya-Fault`
    Fault = "x-aya-fault",
    /// `X-Aya-Load`
    Load = "x-aya-load",
    /// `Endpoint-Load-Metrics`
    EndpointLoad = "endpoint-load-metrics",
    /// `Endpoint-Load-Metrics-Bin`
    EndpointLoadBinary = "endpoint-load-metrics-bin",
}

impl Known {
    /// Looks a name up, in any case. Most names are told apart by their length.
    #[inline]
    pub fn of(name: &[u8]) -> Self {
        let alike = BY_LENGTH[name.len().min(BY_LENGTH.len() - 1)];
        alike.iter().find(|(_, wanted)| is_in_any_case(name, wanted)).map_or(Self::Other, |(known, _)| *known)
    }

    /// True for a name that some reader takes for one that frames a request or says where it came from.
    pub fn pretends(name: &[u8]) -> bool {
        Self::of(name) == Self::Other && Self::is_disguised(name)
    }

    /// True for a name that frames a request or says where it came from, written with `_` for `-`. CGI, and what
    /// followed it, takes the two for one (RFC 3875, 4.1.18), so a backend may see another length than we do.
    pub(super) fn is_disguised(name: &[u8]) -> bool {
        if !(14..=17).contains(&name.len()) {
            return false;
        }
        let alike =
            |(byte, known): (&u8, u8)| byte.eq_ignore_ascii_case(&known) || (*byte == b'_' && known == b'-');
        BY_LENGTH[name.len()].iter().any(|(known, wanted)| match known {
            Self::ContentLength
            | Self::TransferEncoding
            | Self::ForwardedFor
            | Self::ForwardedHost
            | Self::ForwardedProto => name.iter().zip(wanted.iter().copied()).all(alike),
            _ => false,
        })
    }

    /// Its bit in a set of names.
    pub(super) const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// The names by their length.
static BY_LENGTH: [&[(Known, &[u8])]; 27] = [
    &[],
    &[],
    &[(Known::Te, b"te")],
    &[(Known::Via, b"via")],
    &[(Known::Host, b"host")],
    &[],
    &[(Known::Accept, b"accept"), (Known::Cookie, b"cookie"), (Known::Expect, b"expect")],
    &[(Known::Upgrade, b"upgrade"), (Known::Trailer, b"trailer")],
    &[],
    &[(Known::Forwarded, b"forwarded")],
    &[(Known::Connection, b"connection"), (Known::KeepAlive, b"keep-alive"), (Known::Load, b"x-aya-load")],
    &[(Known::RetryAfter, b"retry-after"), (Known::Fault, b"x-aya-fault")],
    &[
        (Known::ContentType, b"content-type"),
        (Known::RequestId, b"x-request-id"),
        (Known::Reason, b"x-aya-reason"),
    ],
    &[],
    &[(Known::ContentLength, b"content-length"), (Known::Http2Settings, b"http2-settings")],
    &[(Known::ForwardedFor, b"x-forwarded-for"), (Known::IdempotencyKey, b"idempotency-key")],
    &[(Known::ForwardedHost, b"x-forwarded-host"), (Known::ProxyConnection, b"proxy-connection")],
    &[(Known::TransferEncoding, b"transfer-encoding"), (Known::ForwardedProto, b"x-forwarded-proto")],
    &[(Known::ProxyAuthenticate, b"proxy-authenticate")],
    &[(Known::ProxyAuthorization, b"proxy-authorization")],
    &[],
    &[(Known::EndpointLoad, b"endpoint-load-metrics")],
    &[],
    &[],
    &[],
    &[(Known::EndpointLoadBinary, b"endpoint-load-metrics-bin")],
    &[],
];

/// True when `name` is `wanted` in any case; `wanted` has lower case letters, digits and `-`. Compares eight bytes at a
/// time: this is asked for every field of every message.
#[inline]
fn is_in_any_case(name: &[u8], wanted: &[u8]) -> bool {
    let (length, wanted_length) = (name.len(), wanted.len());
    if length != wanted_length {
        return false;
    }
    // Two words that overlap cover every length up to twice theirs.
    let ends = |width: usize| [0, length - width];
    match length {
        17.. => {
            let (front, back) = (&name[..16], &name[16..]);
            is_in_any_case(front, &wanted[..16]) && back.eq_ignore_ascii_case(&wanted[16..])
        }
        8..=16 => ends(8).into_iter().all(|at| same(word(name, at), word(wanted, at))),
        4..=7 => ends(4).into_iter().all(|at| same(half(name, at), half(wanted, at))),
        _ => name.eq_ignore_ascii_case(wanted),
    }
}

/// True when bytes differ in their case alone. A letter is what has the bit above that of its case.
#[inline]
fn same(given: u64, wanted: u64) -> bool {
    const CASE: u64 = 0x2020_2020_2020_2020;
    (given ^ wanted) & !(wanted >> 1 & CASE) == 0
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

#[inline]
fn half(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |chunk| u64::from(u32::from_le_bytes(*chunk)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_nothing_else_is() {
        for known in Known::ALL {
            assert_eq!(Known::of(known.name().as_bytes()), *known);
            assert_eq!(Known::of(known.name().to_uppercase().as_bytes()), *known);
            assert_eq!(Known::of(format!("{}x", known.name()).as_bytes()), Known::Other);
        }
        assert_eq!(Known::of(b""), Known::Other);
        assert_eq!(Known::of(b"hosd"), Known::Other);
    }

    #[test]
    fn a_name_that_differs_in_more_than_the_case_of_a_letter_is_another_one() {
        for known in Known::ALL {
            for at in 0..known.name().len() {
                for byte in 0..=255_u8 {
                    let mut name = known.name().as_bytes().to_vec();
                    name[at] = byte;
                    let expected = Known::ALL.iter().find(|k| name.eq_ignore_ascii_case(k.name().as_bytes()));
                    assert_eq!(Known::of(&name), expected.copied().unwrap_or(Known::Other), "{name:?}");
                }
            }
        }
    }
}
