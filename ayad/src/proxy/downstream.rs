//! The client's side of one request, whichever protocol it came by.
//!
//! The steps know a client only by this. Whatever implements it owns the connection, or the stream of one, and its
//! timer; methods are polled by the one task that serves the request.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use aya_core::reason::Reason;

use tokio::net::TcpStream;

use super::client::Client;
use super::wait::Wait;
use crate::h1::ResponseHead;

/// The head of an answer on its way to a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply<'r> {
    /// The bytes that the head's spans mean.
    pub bytes: &'r [u8],
    /// Its parts.
    pub head: &'r ResponseHead,
    /// Lines that are added to it, each with its CRLF.
    pub added: &'r [u8],
    /// True for `101`: from here on the bytes are another protocol's.
    pub switches: bool,
}

/// A client that waits for the answer to one request.
pub(super) trait Downstream: Send {
    /// The connection.
    fn client(&self) -> &Arc<Client>;

    /// Has the connection know what it connected to, for backends that are told.
    fn learn_local(&self) {}

    /// Its timer.
    fn wait(&mut self) -> &mut Wait;

    /// Makes bytes of the request's body ready, and says how many are; 0 once there are no more.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Reason>>;

    /// The rule that the body broke, once [`Self::poll_body`] said that it cannot be read.
    fn fault(&mut self) -> Option<&'static str>;

    /// The ready bytes.
    fn body(&self) -> &[u8];

    /// Some of them were passed on.
    fn consume_body(&mut self, count: usize);

    /// The body goes on in another framing than it came in: from here on its bytes are read without. To be called
    /// before any of them is.
    fn unframe(&mut self);

    /// Whether the answer may be passed on to a client that asked for another protocol in a way of its own.
    fn accepts(&self, reply: Reply<'_>) -> bool;

    /// How many bytes of the body can be taken from [`Self::source`] as they are, when none of it waits anywhere else.
    fn unread(&self) -> Option<u64> {
        None
    }

    /// The socket from which the body comes, to be read there alone.
    fn source(&mut self) -> Option<&TcpStream> {
        None
    }

    /// So many bytes of the body were taken from [`Self::source`].
    fn took_from_source(&mut self, _count: u64) {}

    /// True once nothing of the body is missing.
    fn is_body_over(&self) -> bool;

    /// Lines of trailers behind the body.
    fn trailers(&self) -> &[u8];

    /// Bytes of body received so far.
    fn received(&self) -> u64;

    /// Ready once the client went away without waiting for its answer.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// True when chunks of an answer can be passed on as they are.
    fn takes_chunks(&self) -> bool;

    /// Writes an interim answer; left out where the client would not understand it.
    fn interim(&mut self, reply: Reply<'_>);

    /// Writes the head of the answer. What it says about the length of the body holds for what is sent after it.
    fn answer(&mut self, reply: Reply<'_>);

    /// Sends bytes of the answer's body, and says how many were taken.
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>>;

    /// Hands everything written so far to the system.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// The socket, when the rest of the answer's payload can go into it as it is.
    fn socket(&self) -> Option<&TcpStream> {
        None
    }

    /// Ends the answer, and hands everything to the system.
    fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: &[u8]) -> Poll<io::Result<()>>;

    /// No other request is taken on this connection, where that is a question.
    fn end_after(&mut self);

    /// The answer cannot be brought to its end: the client must be able to tell.
    fn cut(&mut self);
}
