//! The closed set of reasons why the proxy answered by itself, refused, or ended a request.
//!
//! The same word appears in the `x-aya-reason` header, the access log, the metrics and the control API, so
//! that a word seen in one place can be searched for in the others.

/// Whose doing it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The client sent something wrong, too much or too slowly, or went away.
    Client,
    /// A backend did not answer, or answered badly.
    Backend,
    /// This daemon, or what its operators ordered.
    Proxy,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $status:literal, $blame:ident;)+) => {
        /// Why the proxy answered by itself, refused, or ended a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Reason { $($(#[$doc])* $variant),+ }

        impl Reason {
            /// Every reason, in order of [`Reason::index`].
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used everywhere.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// HTTP status the proxy answers with, when it still can.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            /// Whose doing it was.
            pub const fn blame(self) -> Blame {
                match self { $(Self::$variant => Blame::$blame),+ }
            }

            /// Position in [`Reason::ALL`], for counters.
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

reasons! {
    /// The request cannot be read as HTTP.
    BadRequest = "bad-request", 400, Client;
    /// HTTP/1.1 without a host, or with one that cannot be a host.
    BadHost = "bad-host", 400, Client;
    /// No route matches the host and path.
    NoRoute = "no-route", 404, Client;
    /// A route matches the path, but none matches the method or headers.
    NoMethod = "no-method", 405, Client;
    /// The client took too long to send the head of its request.
    HeaderTimeout = "header-timeout", 408, Client;
    /// The client stopped sending the body of its request.
    BodyTimeout = "body-timeout", 408, Client;
    /// The body of the request is over the limit.
    BodyTooLarge = "body-too-large", 413, Client;
    /// The request expects something other than `100-continue`.
    ExpectationFailed = "expectation-failed", 417, Client;
    /// The request line is over the limit.
    UriTooLong = "uri-too-long", 414, Client;
    /// The headers are over the limit in bytes or in number.
    HeadersTooLarge = "headers-too-large", 431, Client;
    /// The method is one this proxy does not do (`CONNECT`).
    NotImplemented = "not-implemented", 501, Client;
    /// The client stopped reading its answer.
    SendTimeout = "send-timeout", 408, Client;
    /// The client went away before it had its answer; nobody sees the status.
    ClientGone = "client-gone", 499, Client;
    /// No backend of the pool is eligible.
    NoBackend = "no-backend", 503, Proxy;
    /// The listener holds as many connections as it may.
    TooManyConnections = "too-many-connections", 503, Proxy;
    /// This process lacks descriptors, memory or local ports for a connection to a backend.
    OutOfResources = "out-of-resources", 503, Proxy;
    /// Every backend that was tried refused the connection.
    ConnectRefused = "connect-refused", 502, Backend;
    /// No backend accepted the connection in time.
    ConnectTimeout = "connect-timeout", 504, Backend;
    /// The connection to the backend could not be made for another cause.
    ConnectFailed = "connect-failed", 502, Backend;
    /// The backend does not speak TLS, or is not who it should be.
    TlsFailed = "tls-failed", 502, Backend;
    /// The backend closed the connection before it answered.
    ClosedEarly = "closed-early", 502, Backend;
    /// The backend answered something that is not HTTP.
    BadResponse = "bad-response", 502, Backend;
    /// The backend did not begin its answer in time.
    FirstByteTimeout = "first-byte-timeout", 504, Backend;
    /// The whole request took longer than it may.
    RequestTimeout = "request-timeout", 504, Backend;
    /// The backend ended its answer before it was complete.
    Truncated = "truncated", 502, Backend;
    /// The backend stopped sending in the middle of its answer.
    IdleTimeout = "idle-timeout", 504, Backend;
    /// The client reset its connection, or broke it in another way.
    ClientReset = "client-reset", 499, Client;
    /// The backend reset the connection of a client, or broke it in another way.
    BackendReset = "backend-reset", 502, Backend;
    /// Nothing went through a connection for too long, in neither direction.
    Silent = "silent", 408, Client;
    /// The connection did not come from a network that may speak the PROXY protocol.
    UntrustedPeer = "untrusted-peer", 403, Client;
    /// The connection did not begin with a readable header of the PROXY protocol.
    BadProxyHeader = "bad-proxy-header", 400, Client;
    /// The client sent more frames over HTTP/2 than its requests explain; its connection ends.
    FrameFlood = "frame-flood", 429, Client;
    /// The TLS handshake of the client failed, or took too long; it cannot be told in HTTP.
    NoHandshake = "no-handshake", 400, Client;
    /// The daemon is stopping.
    Stopping = "stopping", 503, Proxy;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_word_and_its_place() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index);
            assert_eq!(Reason::ALL.iter().filter(|r| r.as_str() == reason.as_str()).count(), 1);
            assert!((400..600).contains(&reason.status()));
        }
    }
}
