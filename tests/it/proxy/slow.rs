//! Clients that are slow but steady are waited for: the silence of a backend is limited, not their pace.

use std::time::Duration;

use aya_tests::backend::{Backend, Then};
use aya_tests::client::{Client, FILLING, request};
use aya_tests::daemon::Daemon;
use aya_tests::wait::{self, Gate};

use super::refusals;

/// More than the sockets on the way hold at the beginning.
const ANSWER: usize = 12 << 20;
/// What a slow client reads at once.
const PIECE: usize = 32 << 10;
/// How long it rests between two pieces: far less than any limit, but an answer takes many times [`IDLE`].
const REST: Duration = Duration::from_millis(12);
/// The longest silence inside an answer that the pool allows.
const IDLE: &str = "timeouts = { idle = \"300ms\" }";

#[test]
fn a_client_that_reads_slowly_but_steadily_gets_the_whole_answer() {
    let backend = Backend::with(|visit| {
        visit.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {ANSWER}\r\n\r\n"))?;
        visit.write(vec![FILLING; ANSWER])?;
        Ok(Then::Keep)
    });
    let daemon = Daemon::balancing(&[("one", backend.address)], IDLE);
    let mut client = Client::connect(daemon.address());
    let never = Gate::default();

    client.send(request("GET", "/", &[]));
    client.head();
    for _ in 0..ANSWER / PIECE {
        assert!(client.bytes(PIECE).iter().all(|byte| *byte == FILLING));
        never.linger(REST);
    }

    wait::until_true("the request is over", || daemon.control.backend("main/one").traffic.in_flight == 0);
    for reason in ["client-gone", "idle-timeout", "truncated"] {
        assert_eq!(refusals(&daemon, reason), 0, "{reason}");
    }
    assert_eq!(daemon.control.backend("main/one").traffic.failures, 0);
}
