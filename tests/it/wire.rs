//! The battery of the wire: bytes in, allowed outcomes, against the real binary.
//!
//! A case says what a client sends and what must come of it; every case is played twice, with the bytes in one piece
//! and one by one, because a rule that depends on how bytes are cut is no rule. After each case the daemon must still
//! serve an ordinary request and count nothing as in flight. All cases of a table are played, and those that failed are
//! told together.

mod answers;
mod chunks;
mod cut;
mod early;
mod fields;
mod heads;
mod hosts;
mod keeping;
mod lengths;
mod limits;
mod paths;
mod refused;
mod streams;
mod truncated;
mod upgrade;

use std::io;

use aya_tests::client::{Answer, Client};
use aya_tests::daemon::{Daemon, pool};
use aya_tests::tape::{Pieces, Reply, Tape, write_in};
use aya_tests::wait;

/// Fields that the proxy adds, and that differ from run to run.
const OURS: [&str; 6] =
    ["x-forwarded-for:", "forwarded:", "x-forwarded-proto:", "x-forwarded-host:", "x-request-id:", "via:"];

/// What a case says of itself when it went wrong.
type Verdict = Result<(), String>;

/// One case.
struct Case {
    name: String,
    sent: Vec<u8>,
    /// What the backend says when a request reaches it.
    reply: Reply,
    outcome: Outcome,
}

/// What must come of it.
#[derive(Clone)]
enum Outcome {
    /// The proxy refuses by itself and ends the connection; no whole request reaches the backend.
    Refused(u16, &'static str),
    /// As many answers of this status as the backend heard requests; it heard these, without what the proxy adds.
    /// Then the connection goes on, or ends.
    Passed { heard: Vec<String>, goes_on: bool },
    /// One answer of this status by the proxy in place of the backend's; the connection goes on.
    Replaced(u16, &'static str),
    /// The client gets this, byte by byte, and then the connection goes on, or ends.
    Exactly { answer: String, goes_on: bool },
    /// The client gets the beginning of an answer that begins so, and can tell that it is not whole.
    Cut(&'static str),
}

fn case(name: impl Into<String>, sent: impl AsRef<[u8]>, outcome: Outcome) -> Case {
    Case { name: name.into(), sent: sent.as_ref().to_vec(), reply: Reply::ok(), outcome }
}

/// A request that the backend hears exactly so.
fn passed(heard: impl Into<String>) -> Outcome {
    Outcome::Passed { heard: vec![heard.into()], goes_on: true }
}

/// What a backend says to a plain GET, and what must come of it.
fn answered(name: impl Into<String>, reply: Reply, outcome: Outcome) -> Case {
    Case { reply, ..case(name, "GET /case HTTP/1.1\r\nhost: a\r\n\r\n", outcome) }
}

/// A daemon before a backend that keeps what it hears.
struct Bench {
    daemon: Daemon,
    tape: Tape,
}

impl Bench {
    fn new() -> Self {
        Self::with("")
    }

    /// With these keys of the pool.
    fn with(keys: &str) -> Self {
        let tape = Tape::start();
        let daemon = Daemon::start(&pool(&[("one", tape.address())], keys));
        Self { daemon, tape }
    }

    /// Plays every case in both ways; panics with all that failed.
    fn play(&self, cases: &[Case]) {
        let mut failed = Vec::new();
        for pieces in [Pieces::Whole, Pieces::Bytes] {
            for case in cases {
                if let Err(why) = self.play_one(case, pieces) {
                    failed.push(format!("{} ({pieces:?}): {why}", case.name));
                }
            }
        }
        assert!(failed.is_empty(), "{} of {} cases:\n{}", failed.len(), 2 * cases.len(), failed.join("\n"));
    }

    fn play_one(&self, case: &Case, pieces: Pieces) -> Verdict {
        let reply = Reply { pieces, ..case.reply.clone() };
        self.tape.play(reply);
        let mut client = Client::connect(self.daemon.address());
        // The proxy may refuse and close before all is written.
        drop(write_in(client.socket(), &case.sent, pieces));
        let judged = self.judge(&case.outcome, &mut client);
        drop(client);
        judged.and(self.expect_sound())
    }

    fn judge(&self, outcome: &Outcome, client: &mut Client) -> Verdict {
        match outcome {
            Outcome::Refused(status, reason) => {
                expect_own(&self.answer(client)?, *status, reason)?;
                expect_end(client)?;
                self.expect_heard(&[])
            }
            Outcome::Replaced(status, reason) => {
                expect_own(&self.answer(client)?, *status, reason)?;
                self.expect_goes_on(client)
            }
            Outcome::Passed { heard, goes_on } => {
                for _ in heard {
                    let answer = self.answer(client)?;
                    if answer.status != 200 || answer.reason().is_some() {
                        return Err(format!("answered {:?}", answer.head));
                    }
                }
                self.expect_heard(heard)?;
                if *goes_on { self.expect_goes_on(client) } else { expect_end(client) }
            }
            Outcome::Exactly { answer, goes_on } => {
                let got = read_exactly(client, answer.len())?;
                if got != *answer {
                    return Err(format!("{got:?} instead of {answer:?}"));
                }
                if *goes_on { self.expect_goes_on(client) } else { expect_end(client) }
            }
            Outcome::Cut(start) => expect_cut(client, start),
        }
    }

    fn answer(&self, client: &mut Client) -> Result<Answer, String> {
        client.try_answer().map_err(|error| format!("no answer: {error}; heard {:?}", self.heard()))
    }

    /// What the backend heard, as text and without what the proxy adds.
    fn heard(&self) -> Vec<String> {
        self.tape.heard().iter().map(|bytes| without_ours(bytes)).collect()
    }

    fn expect_heard(&self, wanted: &[String]) -> Verdict {
        let heard = self.heard();
        if heard == wanted { Ok(()) } else { Err(format!("the backend heard {heard:?}, not {wanted:?}")) }
    }

    /// The client's connection carries another request.
    fn expect_goes_on(&self, client: &mut Client) -> Verdict {
        self.tape.play(Reply::ok());
        let asked =
            client.try_send("GET /next HTTP/1.1\r\nhost: a\r\n\r\n").and_then(|()| client.try_answer());
        match asked {
            Ok(answer) if answer.status == 200 && answer.text() == "ok" => Ok(()),
            Ok(answer) => Err(format!("the next request on the connection is answered {:?}", answer.head)),
            Err(error) => Err(format!("the connection does not go on: {error}")),
        }
    }

    /// The daemon serves another client, and counts nothing as in flight.
    fn expect_sound(&self) -> Verdict {
        self.tape.play(Reply::ok());
        let mut client = Client::connect(self.daemon.address());
        self.expect_goes_on(&mut client).map_err(|why| format!("for another client {why}"))?;
        drop(client);
        let in_flight = || self.daemon.control.backends().iter().map(|b| b.traffic.in_flight).sum::<u64>();
        wait::until_true("nothing is in flight", || in_flight() == 0);
        Ok(())
    }
}

/// The daemon's own answer, and nothing behind it that could be taken for another one.
fn expect_own(answer: &Answer, status: u16, reason: &str) -> Verdict {
    let told = (answer.status, answer.reason().unwrap_or("nothing"));
    if told == (status, reason) { Ok(()) } else { Err(format!("{told:?} instead of {:?}", (status, reason))) }
}

fn expect_end(client: &mut Client) -> Verdict {
    match client.try_rest() {
        Ok(rest) if rest.is_empty() => Ok(()),
        Ok(rest) => Err(format!("more came: {:?}", String::from_utf8_lossy(&rest))),
        Err(error) => Err(format!("the connection stays open: {error}")),
    }
}

/// What came begins so, and no reader of HTTP takes it for a whole answer.
fn expect_cut(client: &mut Client, start: &str) -> Verdict {
    let (got, is_reset) =
        read_to_end(client).map_err(|error| format!("the connection stays open: {error}"))?;
    let text = String::from_utf8_lossy(&got).into_owned();
    if !text.starts_with(start) {
        return Err(format!("{text:?} does not begin with {start:?}"));
    }
    if text.contains("\r\n0\r\n") {
        return Err(format!("{text:?} has a last chunk, and lenient clients ask for no more"));
    }
    if is_reset {
        return Ok(());
    }
    let mut reader = got.as_slice();
    let whole = aya_tests::message::Head::read(&mut reader)
        .ok()
        .flatten()
        .and_then(|head| aya_tests::message::Body::read(&mut reader, &head, true).ok());
    if whole.is_some() { Err(format!("{text:?} looks whole")) } else { Ok(()) }
}

/// Reads until the end, and says whether that was a reset.
fn read_to_end(client: &mut Client) -> io::Result<(Vec<u8>, bool)> {
    use io::Read as _;
    let (mut got, mut socket) = (Vec::new(), client.socket());
    match socket.read_to_end(&mut got) {
        Ok(_) => Ok((got, false)),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok((got, true)),
        Err(error) => Err(error),
    }
}

fn read_exactly(client: &mut Client, count: usize) -> Result<String, String> {
    use io::Read as _;
    let (mut got, mut socket) = (vec![0; count], client.socket());
    let mut filled = 0;
    while filled < count {
        match socket.read(&mut got[filled..]) {
            Ok(more @ 1..) => filled += more,
            ended => {
                let text = String::from_utf8_lossy(&got[..filled]).into_owned();
                return Err(format!("only {text:?} came, then {ended:?}"));
            }
        }
    }
    Ok(String::from_utf8_lossy(&got).into_owned())
}

fn without_ours(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split_inclusive("\r\n").filter(|line| {
        let line = line.to_ascii_lowercase();
        !OURS.iter().any(|ours| line.starts_with(ours))
    });
    lines.collect()
}
