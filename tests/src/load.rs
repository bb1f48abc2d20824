//! Many requests over a few connections, and what came back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::client::{Client, request};
use crate::wait;

/// Failures kept word by word; the rest is counted.
const TOLD: usize = 5;

/// What to send.
#[derive(Clone, Copy, Debug)]
pub struct Load<'l> {
    /// Requests altogether.
    pub requests: usize,
    /// Connections that share them.
    pub connections: usize,
    /// Fields of each request.
    pub fields: &'l [(&'l str, &'l str)],
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Whole answers by status.
    pub statuses: BTreeMap<u16, usize>,
    /// Whole answers by their body; backends of the kit answer with their name.
    pub bodies: BTreeMap<String, usize>,
    /// Requests without a whole answer.
    pub failed: usize,
    /// The first failures, word by word.
    pub failures: Vec<String>,
}

impl Tally {
    /// Answers with this body.
    pub fn of(&self, body: &str) -> usize {
        self.bodies.get(body).copied().unwrap_or_default()
    }

    /// Panics unless every request was answered with 200.
    pub fn expect_all_fine(&self) {
        let fine = self.failed == 0 && self.statuses.keys().all(|status| *status == 200);
        assert!(fine, "{:?}, {} without an answer: {:?}", self.statuses, self.failed, self.failures);
    }

    fn merge(&mut self, other: Self) {
        other.statuses.iter().for_each(|(status, count)| *self.statuses.entry(*status).or_default() += count);
        for (body, count) in other.bodies {
            *self.bodies.entry(body).or_default() += count;
        }
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.failures.truncate(TOLD);
    }
}

/// Sends `count` requests, one after the other on one connection.
pub fn send(address: SocketAddr, count: usize) -> Tally {
    run(address, &Load { requests: count, connections: 1, fields: &[] })
}

/// Sends a load and waits for all of it. A connection the proxy closes is replaced; a request that was
/// sent and got no whole answer has failed.
pub fn run(address: SocketAddr, load: &Load<'_>) -> Tally {
    run_while(address, load, || {})
}

/// Sends a load on other threads and calls `meanwhile` on this one until it is over, at least once.
pub fn run_while(address: SocketAddr, load: &Load<'_>, mut meanwhile: impl FnMut()) -> Tally {
    let sent = AtomicUsize::new(0);
    let text = request("GET", "/", load.fields);
    thread::scope(|scope| {
        let senders: Vec<_> = (0..load.connections)
            .map(|_| {
                scope.spawn(|| {
                    keep_asking(address, &text, || sent.fetch_add(1, Ordering::Relaxed) < load.requests)
                })
            })
            .collect();
        wait::repeat_until(|| {
            meanwhile();
            senders.iter().all(thread::ScopedJoinHandle::is_finished)
        });
        let mut tally = Tally::default();
        for sender in senders {
            tally.merge(sender.join().expect("senders do not panic"));
        }
        tally
    })
}

fn keep_asking(address: SocketAddr, text: &str, mut go_on: impl FnMut() -> bool) -> Tally {
    let mut tally = Tally::default();
    let mut kept: Option<Client> = None;
    while go_on() {
        let asked = ask(&mut kept, address, text);
        match asked {
            Ok((status, body)) => {
                *tally.statuses.entry(status).or_default() += 1;
                *tally.bodies.entry(body).or_default() += 1;
            }
            Err(error) => {
                kept = None;
                tally.failed += 1;
                if tally.failures.len() < TOLD {
                    tally.failures.push(error.to_string());
                }
            }
        }
    }
    tally
}

fn ask(kept: &mut Option<Client>, address: SocketAddr, text: &str) -> std::io::Result<(u16, String)> {
    let mut client = match kept.take() {
        Some(client) => client,
        None => Client::try_connect(address)?,
    };
    client.try_send(text)?;
    let answer = client.try_answer()?;
    if !answer.head.lists("connection", "close") {
        *kept = Some(client);
    }
    Ok((answer.status, answer.text()))
}
