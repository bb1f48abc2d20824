//! Step 5: whether now.

use aya_core::reason::Reason;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;

use super::client::Client;

/// Says yes, or why not. Neither locks nor allocates.
pub(super) fn admit(client: &Client, headers: &HeaderMap) -> Result<(), Reason> {
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    match (announced, client.listener.conf.max_body_bytes) {
        (Some(length), Some(max)) if length > max => Err(Reason::BodyTooLarge),
        _ => Ok(()),
    }
}
