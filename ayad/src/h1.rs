//! HTTP/1.1 as this proxy reads it, from either side: a message is bytes and spans into them.
//!
//! The codec is pure: bytes in, structure or a refusal out; it owns no socket, no buffer and no clock. A head stays as
//! it came, in order and case; whoever passes it on copies lines and leaves out or adds some. It is strict by
//! construction, because what two readers can read differently is how requests are smuggled: there is no lenient
//! mode, neither for clients nor for backends.
//!
//! | part | rules | source |
//! |---|---|---|
//! | line ends | CRLF alone; neither CR nor LF by itself, no folded lines | RFC 9112, 2.2 and 5.2 |
//! | fields | a token, a colon right behind it, no control characters in the value | RFC 9112, 5.1; RFC 9110, 5.5 |
//! | length | one `Content-Length` of digits, or one `Transfer-Encoding` that is `chunked`, never both | RFC 9112, 6 |
//! | host | exactly one in HTTP/1.1; the same as in an absolute target | RFC 9112, 3.2 |
//! | chunks | hexadecimal digits, few extensions, CRLF | RFC 9112, 7.1 |
//!
//! [`httparse`] splits a head into tokens; everything above that is decided here. Cost: one pass over the head for the
//! tokens, one look at each field's name.

pub mod body;
pub mod head;
pub mod known;
pub mod refusal;
pub mod request;
pub mod response;
pub mod trailers;

pub use body::{BadBody, BodyReader, Framing, Step};
pub use head::{Field, Fields, Limits, Options, Span, write_field};
pub use known::Known;
pub use refusal::Refusal;
pub use request::RequestHead;
pub use response::{BadResponse, ResponseHead};
pub use trailers::{may_trail, may_trail_answer};
