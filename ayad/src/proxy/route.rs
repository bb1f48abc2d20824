//! Step 3: which pool serves the request.

use std::sync::Arc;

use aya_core::reason::Reason;
use aya_core::route::Found;

use super::between::{Hit, Request, Target};
use super::client::Client;
use super::worker::Worker;

/// Finds the most specific route. Neither locks nor allocates.
pub(super) fn route(client: &Client, request: &Request<'_>, target: &Target<'_>) -> Result<Hit, Reason> {
    Worker::with(|worker| {
        worker.snapshot(|snapshot| {
            let mut field = |name: &str| request.head.fields.find(request.bytes, name);
            let (snapshot, listener) = snapshot.of(&client.listener);
            let method = std::str::from_utf8(request.method()).unwrap_or_default();
            let path = if target.path == "*" { "/" } else { target.path };
            match snapshot.router.find(listener, target.host, path, method, &mut field) {
                Found::Route(index) => {
                    let target = &snapshot.targets[index];
                    target.matched();
                    let position = target.pool;
                    Ok(Hit { pool: Arc::clone(&snapshot.pools[position]), position, prefer: 0 })
                }
                Found::NoHost | Found::NoPath => Err(Reason::NoRoute),
                Found::NoMethod => Err(Reason::NoMethod),
            }
        })
    })
}
