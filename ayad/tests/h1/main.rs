//! The HTTP/1.1 codec: every rule by example, and the laws that hold for any bytes.
//!
//! Rules are tables: bytes in, what must come of them. A hole that somebody finds is a new line there. The laws
//! are that it makes no difference how bytes arrive ([`split`]) and that a reader nobody here wrote sees the same
//! message in what we accept ([`oracle`]).

mod body;
mod kit;
mod oracle;
mod request;
mod response;
mod split;
mod target;
