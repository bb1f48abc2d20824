//! Step 3: which pool serves the request.

use std::sync::Arc;

use aya_core::reason::Reason;
use aya_core::route::Found;
use http::request::Parts;

use super::between::{Hit, Target};
use super::client::Client;
use super::worker::Worker;

/// Finds the most specific route. Neither locks nor allocates.
pub(super) fn route(client: &Client, head: &Parts, target: &Target<'_>) -> Result<Hit, Reason> {
    Worker::with(|worker| {
        worker.snapshot(|snapshot| {
            let mut field = |name: &str| head.headers.get(name).map(http::HeaderValue::as_bytes);
            let listener = snapshot.index_of(&client.listener);
            let method = head.method.as_str();
            match snapshot.router.find(listener, target.host, target.path, method, &mut field) {
                Found::Route(index) => {
                    let route = &snapshot.routes[index];
                    route.matched();
                    let position = snapshot.targets[index];
                    Ok(Hit { pool: Arc::clone(&snapshot.pools[position]), position })
                }
                Found::NoHost | Found::NoPath => Err(Reason::NoRoute),
                Found::NoMethod => Err(Reason::NoMethod),
            }
        })
    })
}
