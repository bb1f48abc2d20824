//! A rough network around a real daemon: both ends of every connection with it, played from one thread.
//!
//! TCP delivers the bytes of one direction in order, and promises nothing else: in which portions they come, what
//! comes first on two connections, and whether one direction ends before the other, is up to the network and the
//! programs at both ends. Here a seed decides all of that. What an end says waits in it until [`End::deliver`] lets a
//! portion of it through; [`Plan`]s cut a direction (half-close) or a whole connection (reset) at an exact byte; and
//! after each event [`Pulse::settle`] waits until the daemon sleeps again. So the order of events is the seed's, not
//! the scheduler's, and the same seed plays the same story.
//!
//! Virtual networks (turmoil, tokio's mocks) give more determinism, time included, but to programs that do their I/O
//! through them. The daemon makes bare system calls on sockets, counts them and splices: a seam for such a network would
//! put other code under test than what is shipped. Real time is what is left to chance here, so what depends on it
//! has more than one allowed outcome.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use aya_core::rng::Rng;
use socket2::SockRef;

use crate::wait::{self, DEADLINE};

/// Largest portion of bytes that arrives at once, as a power of two.
const LARGEST_PORTION: u32 = 17;
/// Looks at a thread before others get the processor for longer.
const PATIENCE: usize = 2_000;

/// Everything that is drawn for one story.
#[derive(Debug)]
pub struct Dice(Rng);

impl Dice {
    /// The same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(Rng::seeded(seed))
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0.below(u32::try_from(n).unwrap_or(u32::MAX)) as usize
    }

    /// True `percent` times of a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// A number of bytes from 1 on: all orders of magnitude are equally likely.
    pub fn portion(&mut self) -> usize {
        let order = self.below(LARGEST_PORTION as usize + 1);
        1 + self.below(1 << order)
    }
}

/// Bytes that belong to `id` and to nothing else, as many as are asked for.
pub fn pattern(id: u64, length: usize) -> Vec<u8> {
    let mut rng = Rng::seeded(id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let words = std::iter::repeat_with(|| rng.next_u64().to_le_bytes());
    words.take(length.div_ceil(8)).flatten().take(length).collect()
}

/// How a direction ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing more is said; what the other side says is still heard.
    Finish,
    /// The connection is reset.
    Reset,
}

/// What becomes of the bytes of one end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan(Option<(usize, Cut)>);

impl Plan {
    /// All of them arrive.
    pub const CALM: Self = Self(None);

    /// They end so after this many.
    pub fn cut(after: usize, cut: Cut) -> Self {
        Self(Some((after, cut)))
    }

    /// Cuts one in `of` somewhere in `length` bytes, their ends included.
    pub fn draw(dice: &mut Dice, percent: usize, length: usize) -> Self {
        if !dice.chance(percent) {
            return Self::CALM;
        }
        let cut = dice.one_of(&[Cut::Finish, Cut::Reset]);
        // The ends are where most rules meet.
        let after = match dice.below(4) {
            0 => 0,
            1 => length,
            _ => dice.below(length + 1),
        };
        Self::cut(after, cut)
    }
}

/// How the other side ended what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Properly: nothing of it is missing.
    Finished,
    /// With a reset.
    Reset,
}

/// One end of a connection with the daemon.
#[derive(Debug)]
pub struct End {
    stream: Option<TcpStream>,
    waiting: Vec<u8>,
    plan: Plan,
    finishes: bool,
    has_finished: bool,
    is_reset: bool,
    /// Bytes that arrived at the daemon's socket.
    pub said: usize,
    /// What came from the daemon.
    pub heard: Vec<u8>,
    /// How that ended, once it has.
    pub end: Option<Heard>,
    /// The cut that was planned has happened.
    pub cut: Option<Cut>,
}

impl End {
    /// Connects to the daemon.
    pub fn connect(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect_timeout(&address, DEADLINE).expect("the daemon accepts"))
    }

    /// An open connection.
    pub fn of(stream: TcpStream) -> Self {
        stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).expect("a socket can be set up");
        Self {
            stream: Some(stream),
            waiting: Vec::new(),
            plan: Plan::CALM,
            finishes: false,
            has_finished: false,
            is_reset: false,
            said: 0,
            heard: Vec::new(),
            end: None,
            cut: None,
        }
    }

    /// Says bytes, which wait to be let through.
    pub fn say(&mut self, bytes: &[u8]) {
        if !self.has_finished {
            self.waiting.extend_from_slice(bytes);
        }
    }

    /// Says nothing more after what was said.
    pub fn finish(&mut self) {
        self.finishes = true;
    }

    /// What becomes of the bytes that are said from here on, counted from the first of them. An end has one cut.
    pub fn plan(&mut self, plan: Plan) {
        if let (Plan(Some((after, cut))), Plan(None), None) = (plan, self.plan, self.cut) {
            self.plan = Plan(Some((self.said + self.waiting.len() + after, cut)));
        }
    }

    /// Lets at most so many bytes through, or the end that comes next. True when anything happened.
    pub fn deliver(&mut self, most: usize) -> bool {
        let Some(stream) = self.stream.as_mut().filter(|_| !self.has_finished) else { return false };
        let room = self.plan.0.map_or(usize::MAX, |(after, _)| after.saturating_sub(self.said));
        let count = most.min(room).min(self.waiting.len());
        if let Some((after, cut)) = self.plan.0
            && self.said >= after
        {
            self.cut_now(cut);
            return true;
        }
        if count == 0 {
            let ends = self.finishes;
            if ends {
                self.end_saying();
            }
            return ends;
        }
        match stream.write(&self.waiting[..count]) {
            Ok(written) => {
                self.said += written;
                self.waiting.drain(..written);
                written > 0
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => {
                // The daemon has closed. What it said before can still be heard; that it was a reset is told only once.
                self.is_reset = error.kind() == ErrorKind::ConnectionReset;
                self.waiting.clear();
                self.has_finished = true;
                true
            }
        }
    }

    /// Hears at most so many bytes, or the end. True when anything came.
    pub fn hear(&mut self, most: usize) -> bool {
        let Some(stream) = self.stream.as_mut().filter(|_| self.end.is_none()) else { return false };
        let before = self.heard.len();
        self.heard.resize(before + most, 0);
        let read = stream.read(&mut self.heard[before..]);
        self.heard.truncate(before + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) if self.is_reset => self.end = Some(Heard::Reset),
            Ok(0) => self.end = Some(Heard::Finished),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(_) => self.end = Some(Heard::Reset),
        }
        true
    }

    /// Closes the connection.
    pub fn close(&mut self) {
        self.stream = None;
    }

    /// Changes with whatever is heard, and with a cut.
    pub fn state(&self) -> (usize, Option<Heard>, Option<Cut>) {
        (self.heard.len(), self.end, self.cut)
    }

    /// True once it is closed, or was reset by its plan.
    pub fn is_closed(&self) -> bool {
        self.stream.is_none()
    }

    fn cut_now(&mut self, cut: Cut) {
        self.cut = Some(cut);
        self.plan = Plan::CALM;
        match cut {
            Cut::Finish => self.end_saying(),
            Cut::Reset => {
                if let Some(stream) = self.stream.take() {
                    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket can be set up");
                }
            }
        }
    }

    fn end_saying(&mut self) {
        self.waiting.clear();
        self.has_finished = true;
        if let Some(stream) = &self.stream {
            // The daemon may have reset the connection.
            drop(stream.shutdown(Shutdown::Write));
        }
    }
}

/// Where the daemon connects to.
#[derive(Debug)]
pub struct Door {
    /// The address.
    pub address: SocketAddr,
    listener: TcpListener,
}

impl Door {
    /// On a free port.
    pub fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        listener.set_nonblocking(true).expect("a socket can be set up");
        Self { address: listener.local_addr().expect("a bound socket has an address"), listener }
    }

    /// A connection that the daemon has made, if there is one.
    pub fn accept(&self) -> Option<End> {
        self.listener.accept().ok().map(|(stream, _)| End::of(stream))
    }
}

/// Whether the daemon has anything to do.
#[derive(Debug)]
pub struct Pulse {
    workers: Vec<PathBuf>,
}

impl Pulse {
    /// Of the daemon in this process, which has so many workers.
    pub fn of(pid: u32, workers: usize) -> Self {
        let is_worker = |folder: &PathBuf| {
            fs::read_to_string(folder.join("comm")).is_ok_and(|name| name.starts_with("aya-worker"))
        };
        // A thread takes its name once it runs.
        let workers = wait::until("the workers run", || {
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
            let folders = tasks.filter_map(Result::ok).map(|task| task.path());
            let found: Vec<_> = folders.filter(is_worker).map(|folder| folder.join("stat")).collect();
            (found.len() == workers).then_some(found)
        });
        Self { workers }
    }

    /// Waits until the workers sleep: they have done all they can with what has arrived. A daemon that never does,
    /// because it waits busily, fails the test.
    pub fn settle(&self) {
        for _ in 0..PATIENCE {
            if self.is_asleep() {
                return;
            }
            thread::yield_now();
        }
        wait::until_true("the daemon has done what it can and sleeps", || self.is_asleep());
    }

    fn is_asleep(&self) -> bool {
        // The state follows the name, which is in parentheses.
        let state = |text: String| text.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        self.workers.iter().all(|stat| fs::read_to_string(stat).ok().and_then(state) == Some('S'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (End, End) {
        let door = Door::open();
        let here = End::connect(door.address);
        let there = wait::until("the connection is there", || door.accept());
        (here, there)
    }

    fn hear_all(end: &mut End) {
        wait::until_true("the end is heard", || {
            end.hear(100);
            end.end.is_some()
        });
    }

    #[test]
    fn a_cut_comes_at_its_byte_and_leaves_the_other_direction() {
        let (mut here, mut there) = pair();
        here.plan(Plan::cut(3, Cut::Finish));
        here.say(b"abcdef");
        there.say(b"still heard");
        there.finish();

        while here.deliver(2) {}
        hear_all(&mut there);
        while there.deliver(100) {}
        hear_all(&mut here);

        assert_eq!((there.heard.as_slice(), there.end), (&b"abc"[..], Some(Heard::Finished)));
        assert_eq!((here.heard.as_slice(), here.end), (&b"still heard"[..], Some(Heard::Finished)));
        assert_eq!((here.said, here.cut), (3, Some(Cut::Finish)));
    }

    #[test]
    fn a_reset_is_told_from_an_end() {
        let (mut here, mut there) = pair();
        here.plan(Plan::cut(0, Cut::Reset));

        while here.deliver(1) {}
        hear_all(&mut there);

        assert_eq!((there.heard.len(), there.end), (0, Some(Heard::Reset)));
    }

    #[test]
    fn one_seed_draws_one_story_and_portions_of_all_sizes() {
        let draw = |seed| {
            let mut dice = Dice::new(seed);
            (0..1000).map(|_| dice.portion()).collect::<Vec<_>>()
        };

        let portions = draw(1);
        assert_eq!(portions, draw(1));
        assert_ne!(portions, draw(2));
        assert!(portions.contains(&1) && portions.iter().any(|portion| *portion > 1 << 15));
        assert_eq!(pattern(7, 5), pattern(7, 9)[..5]);
        assert_ne!(pattern(7, 16), pattern(8, 16));
    }
}
