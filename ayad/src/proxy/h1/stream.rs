//! The client's side of one request over HTTP/1.1: its body is read and its answer written here.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use aya_core::reason::Reason;
use tokio::net::TcpStream;

use super::super::client::Client;
use super::super::downstream::{Downstream, Reply};
use super::super::hop::Hop;
use super::super::wait::Wait;
use super::H1;
use super::gone::Half;
use crate::h1::{Framing, Known, write_field};
use crate::relay::reset_on_close;
use crate::wire::{BodyFailure, Mode};

/// What chunks that cannot be read, or a body that ends early, are called.
fn body_reason(failure: &BodyFailure) -> Reason {
    match failure {
        BodyFailure::Bad(_) => Reason::BadRequest,
        BodyFailure::Closed | BodyFailure::Io(_) => Reason::ClientGone,
    }
}

impl Downstream for H1 {
    fn client(&self) -> &Arc<Client> {
        &self.client
    }

    fn learn_local(&self) {
        self.client.learn_local(self.wire.stream.plain());
    }

    fn wait(&mut self) -> &mut Wait {
        &mut self.wait
    }

    #[inline]
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Reason>> {
        self.wire.poll_body(cx).map_err(|failure| body_reason(&failure))
    }

    fn fault(&mut self) -> Option<&'static str> {
        self.wire.fault().map(|fault| fault.0)
    }

    #[inline]
    fn body(&self) -> &[u8] {
        self.wire.body()
    }

    #[inline]
    fn consume_body(&mut self, count: usize) {
        self.wire.consume_body(count);
    }

    fn unframe(&mut self) {
        self.wire.unframe();
    }

    /// `101` and any refusal mean the same on both sides.
    fn accepts(&self, _: Reply<'_>) -> bool {
        true
    }

    fn unread(&self) -> Option<u64> {
        self.wire.stream.plain_tcp().and_then(|_| self.wire.unread_payload())
    }

    fn source(&mut self) -> Option<&TcpStream> {
        self.wire.splice_from()
    }

    fn took_from_source(&mut self, count: u64) {
        self.wire.skipped(count);
    }

    #[inline]
    fn is_body_over(&self) -> bool {
        self.wire.is_body_over()
    }

    #[inline]
    fn trailers(&self) -> &[u8] {
        self.wire.trailers()
    }

    fn received(&self) -> u64 {
        self.wire.payload()
    }

    /// A client that closes its half of the connection together with its request wants the answer. One that closes it
    /// later has given up: TCP does not tell a half that is closed from a client that went away.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_left(cx));
        self.is_cut = true;
        Poll::Ready(())
    }

    fn takes_chunks(&self) -> bool {
        !self.http_1_0
    }

    fn interim(&mut self, reply: Reply<'_>) {
        if self.http_1_0 {
            return;
        }
        self.holds_body &= reply.head.status != 100;
        let out = self.wire.output();
        status_line(out, reply);
        let replaced = [Known::ContentLength, Known::TransferEncoding, Known::Reason, Known::Fault];
        Hop::of(reply.bytes, &reply.head.fields, &replaced).runs(|run| out.extend(run));
        out.extend(b"\r\n");
    }

    fn answer(&mut self, reply: Reply<'_>) {
        let head = reply.head;
        // From here on whatever is sent to a client that has gone tells so.
        (self.may_be_asked, self.doubt) = (false, None);
        if reply.switches {
            return self.switch(reply);
        }
        let mode = match head.framing {
            Framing::None | Framing::Length(_) => Mode::Plain,
            _ if self.http_1_0 => {
                self.until_close = true;
                Mode::Plain
            }
            Framing::Chunked => Mode::Raw,
            Framing::UntilClose => Mode::Chunks,
        };
        // Nobody knows whether a body that the client held back still comes; what follows could be read as either.
        let is_in_doubt = self.holds_body && self.wire.payload() == 0 && !self.wire.is_body_over();
        let is_last = self.half == Half::Closed && self.wire.input.is_empty();
        if self.until_close || is_last || is_in_doubt || self.client.is_closing() {
            self.keep_alive = false;
        }
        let bodiless = head.status < 200 || head.status == 204;
        let length = if bodiless { Known::ContentLength } else { Known::Other };
        let replaced = [Known::TransferEncoding, Known::Reason, Known::Fault, length];
        self.wire.begin_output(mode);
        let out = self.wire.output();
        status_line(out, reply);
        Hop::of(reply.bytes, &head.fields, &replaced).runs(|run| out.extend(run));
        out.extend(reply.added);
        if matches!(mode, Mode::Raw | Mode::Chunks) {
            out.extend(b"transfer-encoding: chunked\r\n");
        }
        match (self.keep_alive, self.http_1_0) {
            (false, _) => out.extend(b"connection: close\r\n"),
            (true, true) => out.extend(b"connection: keep-alive\r\n"),
            (true, false) => {}
        }
        out.extend(b"\r\n");
    }

    #[inline]
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.wire.poll_send(cx, data)
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.poll_flush(cx)
    }

    fn socket(&self) -> Option<&TcpStream> {
        self.wire.writes_payload_as_it_is().then(|| self.wire.stream.plain_tcp()).flatten()
    }

    #[inline]
    fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: &[u8]) -> Poll<io::Result<()>> {
        self.wire.poll_finish(cx, trailers)
    }

    fn end_after(&mut self) {
        self.keep_alive = false;
    }

    fn cut(&mut self) {
        self.is_cut = true;
        // What is there of the answer is worth more than nothing; a client that takes no more does without.
        drop(self.wire.poll_flush(&mut Context::from_waker(Waker::noop())));
        // A plain close would look like the end of such an answer.
        if self.until_close
            && let Err(error) = reset_on_close(&self.wire.stream)
        {
            tracing::debug!(%error, "an answer ends without a reset");
        }
    }
}

impl H1 {
    /// `101`: what was read already is the first of the other protocol.
    fn switch(&mut self, reply: Reply<'_>) {
        self.keep_alive = false;
        self.until_close = true;
        self.wire.begin_output(Mode::Tunnel);
        self.wire.begin_body(Framing::UntilClose, false);
        let out = self.wire.output();
        status_line(out, reply);
        let replaced = [Known::ContentLength, Known::TransferEncoding, Known::Reason, Known::Fault];
        Hop::of(reply.bytes, &reply.head.fields, &replaced).runs(|run| out.extend(run));
        out.extend(b"connection: upgrade\r\n");
        for protocol in reply.head.fields.all(reply.bytes, Known::Upgrade) {
            write_field(out, "upgrade", protocol);
        }
        out.extend(b"\r\n");
    }
}

/// The backend's own line, in our version.
fn status_line(out: &mut crate::queue::Queue, reply: Reply<'_>) {
    const VERSION: usize = "HTTP/1.x".len();
    out.extend(b"HTTP/1.1");
    out.extend(&reply.bytes[VERSION..reply.head.reason.end()]);
    out.extend(b"\r\n");
}
