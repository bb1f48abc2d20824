//! What is needed to speak HTTP/2 beside the codec (the `h2` crate): messages to and from text, and a stream that
//! counts frames.
//!
//! Everything between the two sides of this proxy reads HTTP/1.1. So a request that came by HTTP/2 is written as the
//! HTTP/1.1 message that means the same, and read as strictly as any other ([`crate::h1`]): what would smuggle a second
//! request is refused by the one reader there is, and no step of a request has a second version. The same holds for
//! answers of backends. The price is one pass over the head in each direction.
//!
//! | part | rule | source |
//! |---|---|---|
//! | pseudo-fields, names in lower case, fields of a connection | the codec resets the stream | RFC 9113, 8.2 and 8.3 |
//! | control characters in values | the codec refuses them; no CR or LF can come out | RFC 9113, 8.2.1 |
//! | `:authority` and `host` | must say the same | RFC 9113, 8.3.1 |
//! | `cookie` | parts are joined with `; ` | RFC 9113, 8.2.3 |
//! | length | `content-length` as given and checked by the codec; else chunked, unless there is no body | RFC 9113, 8.1.1 |
//! | `CONNECT` with `:protocol` | a request to upgrade | RFC 8441 |
//!
//! Not here: connections and streams (`proxy::h2`, `upstream::h2`), and HTTP/2's own rules, which are the codec's.

mod blocks;
mod copies;
pub mod fields;
pub mod request;
pub mod response;
pub mod watched;
pub mod websocket;

pub use copies::copy;
pub use watched::{Marks, Watched};

/// What a client that speaks HTTP/2 sends first (RFC 9113, 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
