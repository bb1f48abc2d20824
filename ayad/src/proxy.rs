//! The way of a request. This file calls the steps one after the other and is the whole story on one screen:
//!
//! `accept → parse → route → guard → admit → pick → forward → respond → record`
//!
//! Each step is a file of its own and knows none of the others. What passes between them has a name:
//! `Target`, `Hit`, `Identity`, `Picked`, `Answer` (all in `between`), and [`exchange::Exchange`], which travels
//! along and is recorded exactly once, whatever happens.
//!
//! Budget for a small request: one snapshot comparison, two clock reads, no lock and no allocation in
//! `route`, `admit` and `pick`.

pub mod accept;
mod admit;
pub mod alarm;
mod between;
pub mod body;
pub mod client;
pub mod exchange;
mod forward;
mod framing;
mod guard;
mod hop;
mod io;
mod notes;
mod parse;
mod pick;
mod record;
mod respond;
mod route;
mod unread;
mod words;
pub mod worker;

use std::convert::Infallible;
use std::sync::Arc;

use aya_core::pick::Tried;
use aya_core::reason::Reason;
use http::{Request, Response};
use hyper::body::Incoming;

use self::between::{Answer, Failed};
use self::body::ResponseBody;
use self::client::Client;
use self::exchange::Exchange;
use self::respond::Manner;
use crate::clock;

/// Serves one request. Never fails: whatever goes wrong is an answer.
pub async fn serve(
    client: Arc<Client>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let started = client.begin_serving().unwrap_or_else(clock::now);
    let mut exchange = Exchange::begin(client, started);
    let manner = Manner::of(&request);
    if let Some(authorization) = respond::asked_for_proof(&exchange.client, &request) {
        return Ok(respond::prove(&authorization, exchange));
    }
    Ok(match handle(&mut exchange, request).await {
        Ok(answer) => respond::pass_on(answer, exchange),
        Err(reason) => respond::refuse(reason, manner, exchange),
    })
}

async fn handle(exchange: &mut Exchange, request: Request<Incoming>) -> Result<Answer, Reason> {
    let client = Arc::clone(&exchange.client);
    let (mut head, incoming) = request.into_parts();
    let target = parse::parse(&head)?;
    exchange.note_request(&head, &target);
    let hit = route::route(&client, &head, &target)?;
    let identity = guard::identify(&client, &head.headers);
    admit::admit(&client, &head.headers)?;

    client.set_deadline(hit.pool.conf.request_timeout.map(|limit| exchange.started.after(limit)));
    let binding = pick::binding(&hit, &identity, &head.headers);
    forward::rewrite(&client, &mut head, &identity, exchange);
    let body = body::upload(incoming, &client, hit.pool.conf.first_byte_timeout);
    let mut request = Request::from_parts(head, body);

    let mut tried = Tried::new();
    let mut last = Reason::NoBackend;
    loop {
        let picked = pick::pick(&hit, &binding, &tried, exchange).ok_or(last)?;
        tried.push(picked.index);
        match forward::forward(exchange, picked, request).await {
            Ok(answer) => return Ok(answer),
            Err(Failed::Final(reason)) => return Err(reason),
            Err(Failed::Again(unsent, reason)) => {
                if tried.len() >= hit.pool.conf.attempts {
                    return Err(reason);
                }
                (request, last) = (*unsent, reason);
            }
        }
    }
}
