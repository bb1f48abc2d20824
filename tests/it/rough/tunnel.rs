//! Tunnels: TCP listeners, and connections that were upgraded from HTTP/1.1.
//!
//! What must hold for both ends of a tunnel: what is heard is what the other one said, from its first byte on and in
//! order. An end is heard as an end only when the other one said it, behind everything that it said; a tunnel that broke
//! is a reset for whoever still listens. Where nothing broke, all is heard.

use std::net::SocketAddr;

use aya_tests::daemon::{Daemon, LISTEN, pool};
use aya_tests::message::Head;
use aya_tests::rough::{Cut, Dice, Door, End, Heard, Plan, pattern};
use aya_tests::wait;

use super::{Story, explained, play, run};

/// Stories in the suite, of each kind.
const STORIES: u64 = 200;
/// Tunnels in one story, at most.
const TUNNELS: usize = 3;
/// Bytes one way: none, within one read, over several, and enough to be spliced.
const SIZES: &[usize] = &[0, 1, 500, 500, 30_000, 400_000];
/// Cuts in a hundred directions.
const CUTS: usize = 35;

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

/// One side of a tunnel.
#[derive(Debug)]
struct Side {
    end: End,
    /// What it says in the tunnel, but for a cut.
    speech: Vec<u8>,
    /// Bytes of the handshake before what it says, and before what it hears.
    said_before: usize,
    heard_before: usize,
}

/// A client, and the backend that its connection reached.
#[derive(Debug)]
struct Pair {
    client: Side,
    backend: Option<Side>,
    /// What becomes of the backend's bytes, and how many they are.
    plan: Plan,
    length: usize,
    /// The client did not wait with what it says.
    is_early: bool,
    /// The client knows that it is in a tunnel.
    is_open: bool,
    is_done: bool,
}

struct World<'d> {
    door: &'d Door,
    pairs: Vec<Pair>,
    /// Connections to the backend that have not said whose they are.
    nameless: Vec<End>,
}

impl Side {
    fn new(end: End, id: u64, length: usize) -> Self {
        Self { end, speech: pattern(id, length), said_before: 0, heard_before: 0 }
    }

    fn speak(&mut self) {
        self.end.say(&self.speech);
        self.end.finish();
    }

    fn said(&self) -> &[u8] {
        &self.speech[..self.end.said.saturating_sub(self.said_before).min(self.speech.len())]
    }

    fn heard(&self) -> &[u8] {
        self.end.heard.get(self.heard_before..).unwrap_or_default()
    }

    /// It has nothing more to wait for.
    fn is_over(&self) -> bool {
        self.end.end.is_some() || self.end.is_closed()
    }
}

/// Whether this side of a tunnel may have heard what it has.
fn judge(hearer: &Side, sayer: &Side) -> Result<(), String> {
    let (heard, said) = (hearer.heard(), sayer.said());
    explained(said.starts_with(heard), || format!("{} bytes that were not said", heard.len()))?;
    let broke = sayer.end.cut == Some(Cut::Reset);
    match hearer.end.end {
        Some(Heard::Finished) if broke => Err("what broke was told as ended".to_owned()),
        Some(Heard::Finished) if heard.len() < said.len() => {
            Err("something is missing before the end".to_owned())
        }
        Some(Heard::Reset) if !broke => Err("what did not break was reset".to_owned()),
        _ => Ok(()),
    }
}

impl<'d> World<'d> {
    /// As many tunnels; over HTTP they begin with a request for one.
    fn draw(dice: &mut Dice, seed: u64, address: SocketAddr, door: &'d Door, upgrades: bool) -> Self {
        // What the story before left behind.
        while door.accept().is_some() {}
        let mut world = Self { door, pairs: Vec::new(), nameless: Vec::new() };
        for index in 0..=dice.below(TUNNELS) {
            let id = (seed << 8) + index as u64;
            let length = dice.one_of(SIZES);
            let mut client = Side::new(End::connect(address), id, dice.one_of(SIZES));
            let mut plan = Plan::draw(dice, CUTS, length);
            let is_early = dice.chance(50);
            let mut backend = None;
            if upgrades {
                let head = format!(
                    "GET /{index} HTTP/1.1\r\nhost: rough\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
                );
                client.said_before = head.len();
                client.end.plan(Plan::draw(dice, CUTS, head.len() + client.speech.len()));
                client.end.say(head.as_bytes());
                plan = Plan::draw(dice, CUTS, SWITCH.len() + length);
                // It does not end as early: who ends before there is a tunnel has left.
                if is_early {
                    client.end.say(&client.speech);
                }
            } else {
                // The proxy connects at once, and one at a time tells them apart.
                let reached = wait::until("the proxy connects", || door.accept());
                let mut side = Side::new(reached, !id, length);
                side.end.plan(plan);
                side.speak();
                backend = Some(side);
                client.end.plan(Plan::draw(dice, CUTS, client.speech.len()));
                client.speak();
            }
            let is_open = !upgrades;
            world.pairs.push(Pair { client, backend, plan, length, is_early, is_open, is_done: false });
        }
        world
    }

    /// A backend agrees to speak another protocol with whoever asks for it.
    fn switch(&mut self) -> Result<(), String> {
        for index in (0..self.nameless.len()).rev() {
            let Ok(Some(head)) = Head::read(&mut self.nameless[index].heard.as_slice()) else { continue };
            let end = self.nameless.swap_remove(index);
            let name = head.word(1).trim_start_matches('/').parse::<usize>();
            let pair = name.ok().and_then(|name| Some((name, self.pairs.get_mut(name)?)));
            let pair = pair.filter(|(_, pair)| pair.backend.is_none());
            let (name, pair) = pair.ok_or_else(|| format!("nobody asked for {head:?}, or it came twice"))?;
            let size = end.heard.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(0, |at| at + 4);
            let mut side = Side::new(end, !(name as u64), pair.length);
            (side.said_before, side.heard_before) = (SWITCH.len(), size);
            side.end.plan(pair.plan);
            side.end.say(SWITCH.as_bytes());
            side.speak();
            pair.backend = Some(side);
        }
        Ok(())
    }
}

impl Pair {
    /// The client of an upgrade looks for the answer, and speaks or leaves.
    fn open(&mut self) -> Result<(), String> {
        let mut rest = self.client.end.heard.as_slice();
        let Ok(Some(head)) = Head::read(&mut rest) else { return Ok(()) };
        self.client.heard_before = self.client.end.heard.len() - rest.len();
        self.is_open = head.word(1) == "101";
        if !self.is_open {
            let is_cut = self.is_cut();
            self.client.end.close();
            return explained(is_cut, || format!("refused without a cause: {head:?}"));
        }
        if self.is_early {
            self.client.end.finish();
        } else {
            self.client.speak();
        }
        Ok(())
    }

    fn is_cut(&self) -> bool {
        self.client.end.cut.is_some() || self.backend.as_ref().is_some_and(|side| side.end.cut.is_some())
    }

    fn react(&mut self) -> Result<(), String> {
        if !self.is_open {
            self.open()?;
        }
        if let Some(backend) = self.backend.as_ref().filter(|side| side.end.said < side.said_before) {
            explained(backend.heard().is_empty(), || "what was said early did not wait".to_owned())?;
        }
        let is_over = self.client.is_over() && self.backend.as_ref().is_none_or(Side::is_over);
        if !is_over {
            return Ok(());
        }
        if let Some(backend) = &self.backend {
            if self.is_open {
                judge(&self.client, backend)?;
                judge(backend, &self.client)?;
            } else {
                let all = self.client.said();
                explained(all.starts_with(backend.heard()), || "bytes that were not said".to_owned())?;
            }
        }
        explained(self.is_open || self.is_cut(), || "ended without a cause".to_owned())?;
        self.client.end.close();
        self.backend = None;
        self.is_done = true;
        Ok(())
    }
}

impl Story for World<'_> {
    fn ends(&mut self) -> Vec<&mut End> {
        self.nameless.extend(std::iter::from_fn(|| self.door.accept()));
        let pairs = self.pairs.iter_mut();
        let sides =
            pairs.flat_map(|pair| [Some(&mut pair.client), pair.backend.as_mut()].into_iter().flatten());
        sides.map(|side| &mut side.end).chain(&mut self.nameless).collect()
    }

    fn react(&mut self) -> Result<(), String> {
        self.switch()?;
        self.pairs.iter_mut().filter(|pair| !pair.is_done).try_for_each(Pair::react)
    }

    fn is_over(&self) -> bool {
        self.pairs.iter().all(|pair| pair.is_done)
    }

    fn told(&self) -> String {
        let side = |side: &Side| {
            let end = &side.end;
            format!(
                "{} of {} said, {} heard, {:?}",
                side.said().len(),
                side.speech.len(),
                side.heard().len(),
                end.state()
            )
        };
        let pair = |pair: &Pair| {
            let backend = pair.backend.as_ref().map_or_else(|| "no backend".to_owned(), side);
            format!(
                "{}, open {}, client: {}; backend: {backend}\n",
                pair.is_done,
                pair.is_open,
                side(&pair.client)
            )
        };
        self.pairs.iter().map(pair).collect()
    }
}

#[test]
fn a_tcp_connection_ends_as_its_sides_do() {
    let door = Door::open();
    let listen = "[listen.main]\nbind = \"127.0.0.1:0\"\nprotocol = \"tcp\"\n";
    let text = pool(&[("one", door.address)], "").replace(LISTEN, listen);
    let text = text.replace("[route.main]\n", "[route.main]\nlisten = \"main\"\n");
    let daemon = Daemon::start(&text);
    let address = daemon.address();
    play(&daemon, STORIES, |dice, seed, pulse| {
        run(&mut World::draw(dice, seed, address, &door, false), dice, pulse)
    });
}

#[test]
fn an_upgraded_connection_ends_as_its_sides_do() {
    let door = Door::open();
    let daemon = Daemon::balancing(&[("one", door.address)], "");
    let address = daemon.address();
    play(&daemon, STORIES, |dice, seed, pulse| {
        run(&mut World::draw(dice, seed, address, &door, true), dice, pulse)
    });
}
