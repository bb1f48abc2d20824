//! Step 5: whether now.

use aya_core::reason::Reason;

use super::between::Request;
use super::client::Client;
use crate::h1::Framing;

/// Says yes, or why not. Neither locks nor allocates.
pub(super) fn admit(client: &Client, request: &Request<'_>) -> Result<(), Reason> {
    match (request.head.framing, client.listener.conf.max_body_bytes) {
        (Framing::Length(length), Some(max)) if length > max => Err(Reason::BodyTooLarge),
        _ => Ok(()),
    }
}
