//! `GET /v1/listeners`.

use aya_api::error::ApiError;
use aya_api::view::ListenerView;

use super::server::Reply;
use super::{Control, view};

/// Answers with all listeners.
pub(super) fn handle(control: &Control) -> Result<Reply, ApiError> {
    let snapshot = control.state.snapshot.load();
    let listeners: Vec<ListenerView> = snapshot.listeners.iter().map(|l| view::listener(l)).collect();
    Reply::json(&listeners, None)
}
