//! Step 8: what the client gets.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use aya_core::reason::Reason;
use aya_core::sticky;

use super::between::{Request, Target};
use super::client::Client;
use super::downstream::{Downstream, Reply};
use super::exchange::Exchange;
use super::grpc;
use super::pass::{Awaited, Download, Upload};
use super::report;
use super::turn::Turn;
use super::words::{self, Format};
use crate::clock;
use crate::config::Sticky;
use crate::h1::{Known, Limits};
use crate::queue::Queue;
use crate::upstream::Upstream;

/// How a client wants an error told, taken before its request is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    format: Format,
    head_only: bool,
}

impl Manner {
    /// How an error is told to somebody whose request cannot be read.
    pub(super) fn plain(head_only: bool) -> Self {
        Self { format: Format::Text, head_only }
    }

    /// Reads `Accept` roughly: the first type this proxy can speak.
    pub(super) fn of(request: &Request<'_>) -> Self {
        let head_only = request.method() == b"HEAD";
        if let Some(spoken) = grpc::spoken(request.bytes, &request.head.fields) {
            let format = if spoken == grpc::Spoken::Web { Format::GrpcWeb } else { Format::Grpc };
            return Self { format, head_only };
        }
        let accepted = request.get(Known::Accept).and_then(|value| std::str::from_utf8(value).ok());
        Self { format: accepted.map_or(Format::Text, format_of), head_only }
    }
}

fn format_of(accepted: &str) -> Format {
    accepted
        .split(',')
        .find_map(|wanted| match wanted.split(';').next().unwrap_or_default().trim() {
            "application/json" | "application/*" => Some(Format::Json),
            "text/html" => Some(Format::Html),
            "text/plain" | "text/*" => Some(Format::Text),
            wanted if wanted.ends_with("+json") => Some(Format::Json),
            _ => None,
        })
        .unwrap_or(Format::Text)
}

/// Passes the answer of a backend on, while the rest of the request still goes the other way. `token` is that of the
/// backend to which the client is bound from now on. When it fails the answer has begun, and is cut.
pub(super) async fn pass_on<D: Downstream>(
    down: &mut D,
    turn: &mut Turn,
    exchange: &mut Exchange,
    mut up: Upstream,
    upload: &mut Upload,
    token: Option<u64>,
) -> Result<(), Reason> {
    exchange.note_answer(turn.response.status);
    // It is not sent again any more.
    turn.head.clear();
    if report::is_in(&turn.response.fields) {
        hear_report(exchange, turn, &up);
    }
    let head = &turn.response;
    let mut added = Queue::new();
    if let Some(token) = token {
        bind(exchange, token, &mut added);
    }
    tell_faults(exchange, &mut added);
    exchange.tell_breakdown(&mut added);
    down.answer(Reply { bytes: up.head_bytes(head), head, added: added.data(), switches: false });
    drop(added);
    exchange.note_grpc(grpc::status_at_once(up.head_bytes(head), &head.fields));
    up.begin_answer(head, down.takes_chunks());
    let mut download = Download::new();
    let passed = poll_fn(|cx| {
        if !upload.is_over()
            && let Poll::Ready(Err(reason)) = upload.poll(cx, down, &mut up)
        {
            return Poll::Ready(Err(reason));
        }
        if let Poll::Ready(ended) = download.poll(cx, down, &mut up) {
            return Poll::Ready(ended);
        }
        if download.awaited == Awaited::Backend && down.is_body_over() && down.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Reason::ClientGone));
        }
        pace(down, exchange, &mut download);
        if down.wait().poll(cx).is_ready() {
            return Poll::Ready(Err(late(down, download.awaited)));
        }
        // It may never be polled again.
        exchange.bytes_sent = up.payload();
        Poll::Pending
    })
    .await;
    exchange.bytes_sent = up.payload();
    if passed == Err(Reason::BadResponse) {
        exchange.cause = up.fault().map(|fault| fault.0.into());
    }
    passed?;
    exchange.note_grpc(grpc::status_at_last(up.trailers()));
    let trailers =
        report::in_trailers(&exchange.client.state, exchange.place.as_ref(), up.trailers()).into_owned();
    let now = clock::now();
    if upload.is_whole()
        && let Some(up) = up.reusable()
    {
        exchange.keep(up, now);
    }
    exchange.bytes_received = down.received();
    // Remembered before the last bytes go out, so that whoever has its answer also finds it counted.
    exchange.complete(now);
    finish(down, &trailers).await;
    Ok(())
}

/// The answer says how busy its backend is.
#[cold]
fn hear_report(exchange: &Exchange, turn: &mut Turn, up: &Upstream) {
    if let Some(place) = &exchange.place {
        let bytes = up.head_bytes(&turn.response);
        report::heard(&exchange.client.state, place, bytes, &mut turn.response.fields);
    }
}

/// Hands the end of an answer to the system, or cuts it when the client takes too long.
async fn finish<D: Downstream>(down: &mut D, trailers: &[u8]) {
    let mut is_armed = false;
    let is_told = poll_fn(|cx| match down.poll_finish(cx, trailers) {
        Poll::Ready(finished) => Poll::Ready(finished.is_ok()),
        Poll::Pending => {
            if !std::mem::replace(&mut is_armed, true) {
                let allowed = down.client().listener.conf.body_timeout;
                down.wait().limit(None);
                down.wait().arm(clock::now().after(allowed));
            }
            down.wait().poll(cx).map(|()| false)
        }
    });
    if !is_told.await {
        down.cut();
    }
}

/// Joins client and backend after `101`, until both have ended. What the client sent early comes first.
pub(super) async fn switch<D: Downstream>(
    down: &mut D,
    turn: &mut Turn,
    exchange: &mut Exchange,
    mut up: Upstream,
    upload: &mut Upload,
) -> Result<(), Reason> {
    if report::is_in(&turn.response.fields) {
        hear_report(exchange, turn, &up);
    }
    let head = &turn.response;
    exchange.note_switched(head.status, head.fields.get(up.head_bytes(head), Known::Upgrade), clock::now());
    down.answer(Reply { bytes: up.head_bytes(head), head, added: b"", switches: true });
    up.begin_tunnel(head);
    upload.endless();
    turn.head.clear();
    down.wait().limit(None);
    let mut download = Download::new();
    let (mut is_taken, mut is_answered) = (false, false);
    let ended = poll_fn(|cx| {
        if !upload.is_over()
            && let Poll::Ready(Err(reason)) = upload.poll(cx, down, &mut up)
        {
            return Poll::Ready(Err(reason));
        }
        if !is_taken && let Poll::Ready(ended) = download.poll(cx, down, &mut up) {
            is_taken = true;
            ended?;
        }
        if is_taken
            && !is_answered
            && let Poll::Ready(ended) = down.poll_finish(cx, b"")
        {
            is_answered = true;
            ended.map_err(|_| Reason::ClientGone)?;
        }
        if is_answered && upload.is_over() {
            return Poll::Ready(Ok(()));
        }
        if std::mem::take(&mut upload.moved) | download.is_news() {
            let allowed = exchange.place.as_ref().map(|place| place.pool.conf.tunnel_timeout);
            down.wait().arm(clock::now().after(allowed.unwrap_or_default()));
        }
        exchange.bytes_sent = up.payload();
        down.wait().poll(cx).map(|()| Err(Reason::IdleTimeout))
    })
    .await;
    exchange.bytes_received = down.received();
    exchange.bytes_sent = up.payload();
    if let Err(reason) = ended {
        up.break_tunnel();
        return Err(reason);
    }
    exchange.complete(clock::now());
    Ok(())
}

/// Whoever has to move has its time from the last move on.
fn pace<D: Downstream>(down: &mut D, exchange: &Exchange, download: &mut Download) {
    if !download.is_news() {
        return;
    }
    let allowed = match (download.awaited, &exchange.place) {
        (Awaited::Backend, Some(place)) => place.pool.conf.idle_timeout,
        _ => down.client().listener.conf.body_timeout,
    };
    down.wait().arm(clock::now().after(allowed));
}

fn late<D: Downstream>(down: &mut D, awaited: Awaited) -> Reason {
    if down.wait().is_past_limit(clock::now()) {
        return Reason::RequestTimeout;
    }
    match awaited {
        Awaited::Client => Reason::SendTimeout,
        Awaited::Backend => Reason::IdleTimeout,
    }
}

fn bind(exchange: &Exchange, token: u64, added: &mut Queue) {
    let Some(Sticky::Cookie(name)) = exchange.place.as_ref().and_then(|p| p.pool.conf.sticky.as_ref()) else {
        return;
    };
    added.extend(b"set-cookie: ");
    added.extend(name.as_bytes());
    added.extend(b"=");
    added.extend(&sticky::encode(token));
    added.extend(b"; Path=/; HttpOnly; SameSite=Lax\r\n");
}

/// Says which faults hit the request.
fn tell_faults(exchange: &Exchange, added: &mut Queue) {
    if let Some(faults) = &exchange.faults {
        added.extend(words::FAULT.as_bytes());
        added.extend(b": ");
        added.extend(faults.as_bytes());
        added.extend(b"\r\n");
    }
}

/// Answers in place of a backend.
pub(super) async fn refuse<D: Downstream>(
    down: &mut D,
    turn: &mut Turn,
    exchange: &mut Exchange,
    reason: Reason,
    manner: Manner,
) {
    let id = exchange.id().clone();
    let (content_type, body) = words::text(reason, manner.format, id.as_str());
    let (head, mut added) = words::head(reason, manner.format, content_type, body.len(), id.as_bytes());
    if let Some(faults) = &exchange.faults {
        added.extend_from_slice(format!("{}: {faults}\r\n", words::FAULT).as_bytes());
    }
    exchange.note_answer(reason.status());
    exchange.grpc_status = manner.format.is_grpc().then(|| aya_core::grpc::status_of(reason.status()).into());
    exchange.bytes_sent = if manner.head_only { 0 } else { body.len() as u64 };
    exchange.bytes_received = down.received();
    exchange.failed(reason, clock::now());

    // The rest of a body that nobody wants would be read as the next request.
    if matches!(reason, Reason::BodyTooLarge | Reason::BodyTimeout | Reason::BadRequest | Reason::Stopping) {
        down.end_after();
    }
    say(down, turn, &head, &added, if manner.head_only { None } else { Some(body.as_bytes()) }).await;
}

/// What to answer an ACME directory that asks whether a name is ours (RFC 8555, 8.3).
pub(super) fn proof(client: &Client, target: &Target<'_>) -> Option<Arc<str>> {
    let token = target.path.strip_prefix("/.well-known/acme-challenge/")?;
    client.state.challenges.answer(target.host, token)
}

/// Answers an ACME directory.
pub(super) async fn prove<D: Downstream>(
    down: &mut D,
    turn: &mut Turn,
    exchange: &mut Exchange,
    authorization: &str,
) {
    exchange.note_answer(200);
    exchange.bytes_sent = authorization.len() as u64;
    exchange.complete(clock::now());
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: {}\r\n\r\n",
        authorization.len()
    );
    say(down, turn, head.as_bytes(), b"", Some(authorization.as_bytes())).await;
}

/// Sends an answer of our own; without a body for a `HEAD`.
async fn say<D: Downstream>(down: &mut D, turn: &mut Turn, head: &[u8], added: &[u8], body: Option<&[u8]>) {
    let limits = Limits { bytes: head.len(), fields: 8 };
    let is_whole = turn.response.read(head, body.is_none(), limits);
    debug_assert_eq!(is_whole, Ok(true), "our own answers can be read");
    down.answer(Reply { bytes: head, head: &turn.response, added, switches: false });
    let mut rest = body.unwrap_or_default();
    let allowed = down.client().listener.conf.body_timeout;
    down.wait().limit(None);
    down.wait().arm(clock::now().after(allowed));
    let sent = poll_fn(|cx| {
        while !rest.is_empty() {
            match down.poll_send(cx, rest) {
                Poll::Ready(Ok(count)) => rest = &rest[count..],
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => return down.wait().poll(cx).map(|()| false),
            }
        }
        Poll::Ready(true)
    });
    if sent.await {
        finish(down, b"").await;
    } else {
        down.cut();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_in_the_first_type_both_know() {
        assert_eq!(format_of("application/json"), Format::Json);
        assert_eq!(format_of("application/problem+json, text/html"), Format::Json);
        assert_eq!(format_of("image/png, text/html;q=0.9"), Format::Html);
        assert_eq!(format_of("*/*"), Format::Text);
    }
}
