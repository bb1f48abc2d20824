//! HTTP/1.1 on both sides: a few clients with a few requests each, two backends, and answers of all framings.
//!
//! What must hold: an answer that looks whole is the whole answer to that request. Where nobody cut anything, every
//! request has one. An answer of the proxy's own, or a connection that ends early, needs a cut that explains it.
//! Backends are sent nothing but the requests, and never a `POST` twice.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use aya_core::reason::{Blame, Reason};
use aya_tests::daemon::{Daemon, pool};
use aya_tests::message::{Body, Head, chunk};
use aya_tests::rough::{Cut, Dice, Door, End, Heard, Plan, pattern};
use ayad::h1::RequestHead;

use super::{Story, explained, play, run};
use crate::strict::{LIMITS, body};

/// Stories in the suite.
const STORIES: u64 = 300;
/// Connections of clients in one story, at most, and requests of each.
const CLIENTS: usize = 3;
const REQUESTS: usize = 4;
/// Bytes of bodies: none, within one read, over several, and enough to be spliced.
const SIZES: &[usize] = &[0, 1, 90, 90, 4_000, 4_000, 40_000, 200_000];
/// Cuts in a hundred connections of clients, and in a hundred answers.
const CLIENT_CUTS: usize = 30;
const ANSWER_CUTS: usize = 15;

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length,
    Chunks,
    Close,
}

/// One request and what becomes of it.
#[derive(Debug)]
struct Exchange {
    method: &'static str,
    request: Vec<u8>,
    /// Where the request ends in what its client says.
    ends_at: usize,
    body: Vec<u8>,
    framing: Framing,
    answer: Vec<u8>,
    /// Answered before the request's body has come.
    early: bool,
    /// The backend closes after it.
    closes: bool,
    plan: Plan,
    /// How often a backend saw its head.
    seen: usize,
}

#[derive(Debug)]
struct Client {
    end: End,
    /// Exchanges in order.
    ids: Vec<u64>,
    /// Requests that were said, answers that came whole.
    asked: usize,
    answered: usize,
    /// Requests that may wait for an answer at once.
    window: usize,
    /// What was read of what it heard.
    read: usize,
    /// The proxy said that the connection ends.
    ending: bool,
    is_done: bool,
    looked: Option<Look>,
}

/// One connection to a backend.
#[derive(Debug)]
struct Server {
    end: End,
    read: usize,
    /// Exchanges it saw.
    ids: Vec<u64>,
    /// The request that is being read is answered already.
    is_answered: bool,
    /// Where the body of the last answer begins in what this end says.
    body_at: usize,
    looked: Option<Look>,
}

/// What an end had heard when it was looked at.
type Look = (usize, Option<Heard>, Option<Cut>);

struct World<'d> {
    doors: &'d [Door; 2],
    exchanges: BTreeMap<u64, Exchange>,
    clients: Vec<Client>,
    servers: Vec<Server>,
}

fn in_chunks(dice: &mut Dice, mut bytes: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    while !bytes.is_empty() {
        let (one, rest) = bytes.split_at(dice.portion().min(bytes.len()));
        framed.extend_from_slice(&chunk(one));
        bytes = rest;
    }
    framed.extend_from_slice(b"0\r\n\r\n");
    framed
}

impl Exchange {
    fn draw(dice: &mut Dice, id: u64) -> Self {
        let method = dice.one_of(&["GET", "GET", "HEAD", "POST", "POST"]);
        let body = pattern(id, if method == "POST" { dice.one_of(SIZES) } else { 0 });
        let (framing, framed) = match method {
            "POST" if dice.chance(50) => {
                ("transfer-encoding: chunked\r\n".to_owned(), in_chunks(dice, &body))
            }
            "POST" => (format!("content-length: {}\r\n", body.len()), body.clone()),
            _ => (String::new(), Vec::new()),
        };
        let head = format!("{method} /{id} HTTP/1.1\r\nhost: rough.example\r\n{framing}\r\n");
        let answer = pattern(!id, dice.one_of(SIZES));
        Self {
            method,
            request: [head.into_bytes(), framed].concat(),
            ends_at: 0,
            body,
            framing: dice.one_of(&[Framing::Length, Framing::Chunks, Framing::Close]),
            early: dice.chance(20),
            closes: dice.chance(20),
            plan: Plan::draw(dice, ANSWER_CUTS, answer.len() + 100),
            answer,
            seen: 0,
        }
    }

    /// What the backend says, and how many bytes of it are the head.
    fn reply(&self, id: u64) -> (Vec<u8>, usize) {
        let framing = match self.framing {
            Framing::Length => format!("content-length: {}\r\n", self.answer.len()),
            Framing::Chunks => "transfer-encoding: chunked\r\n".to_owned(),
            Framing::Close => String::new(),
        };
        let close = if self.closes { "connection: close\r\n" } else { "" };
        let mut bytes = format!("HTTP/1.1 200 OK\r\nx-id: {id}\r\n{framing}{close}\r\n").into_bytes();
        let head = bytes.len();
        if self.method != "HEAD" {
            match self.framing {
                Framing::Chunks => bytes.extend_from_slice(&in_chunks(&mut Dice::new(id), &self.answer)),
                Framing::Length | Framing::Close => bytes.extend_from_slice(&self.answer),
            }
        }
        (bytes, head)
    }

    fn is_last(&self) -> bool {
        self.closes || (self.framing == Framing::Close && self.method != "HEAD")
    }
}

impl<'d> World<'d> {
    fn draw(dice: &mut Dice, seed: u64, address: SocketAddr, doors: &'d [Door; 2]) -> Self {
        let mut world = Self { doors, exchanges: BTreeMap::new(), clients: Vec::new(), servers: Vec::new() };
        // What the story before left behind.
        world.accept();
        world.servers.clear();
        for _ in 0..=dice.below(CLIENTS) {
            let mut ids = Vec::new();
            let mut total = 0;
            for _ in 0..=dice.below(REQUESTS) {
                // Never the same in two stories, so that a late answer is told from the right one.
                let id = (seed << 8) + world.exchanges.len() as u64;
                let mut exchange = Exchange::draw(dice, id);
                total += exchange.request.len();
                exchange.ends_at = total;
                world.exchanges.insert(id, exchange);
                ids.push(id);
            }
            let mut end = End::connect(address);
            end.plan(Plan::draw(dice, CLIENT_CUTS, total));
            let (window, ending, is_done) = (1 + dice.below(REQUESTS), false, false);
            let (asked, answered, read, looked) = (0, 0, 0, None);
            world.clients.push(Client { end, ids, asked, answered, window, read, ending, is_done, looked });
        }
        world
    }

    fn accept(&mut self) {
        for end in self.doors.iter().flat_map(|door| std::iter::from_fn(|| door.accept())) {
            let (ids, is_answered, looked) = (Vec::new(), false, None);
            self.servers.push(Server { end, read: 0, ids, is_answered, body_at: 0, looked });
        }
    }

    /// A backend reads what it was sent, and answers what is due.
    fn serve(&mut self, index: usize) -> Result<(), String> {
        let server = &mut self.servers[index];
        if server.looked.replace(server.end.state()) == Some(server.end.state()) {
            return Ok(());
        }
        loop {
            let bytes = &server.end.heard[server.read..];
            let told = || bytes[..bytes.len().min(300)].escape_ascii().to_string();
            let mut head = RequestHead::default();
            if !head.read(bytes, LIMITS).map_err(|why| format!("{why:?}: a backend was sent {}", told()))? {
                return Ok(());
            }
            let id = String::from_utf8_lossy(head.path.of(bytes))[1..].parse().ok();
            let known = id.and_then(|id| Some((id, self.exchanges.get_mut(&id)?)));
            let (id, exchange) = known.ok_or_else(|| format!("no request of this story: {}", told()))?;
            let read = body(head.framing, &bytes[head.size..]);
            let (payload, size) = read.ok_or_else(|| format!("{id}: a body that cannot be read"))?;
            if !exchange.body.starts_with(&payload) {
                return Err(format!("{id}: another body than was sent"));
            }
            if server.ids.last() != Some(&id) {
                server.ids.push(id);
                exchange.seen += 1;
                if exchange.seen > if exchange.method == "POST" { 1 } else { 2 } {
                    return Err(format!("{id}: {} was sent {} times", exchange.method, exchange.seen));
                }
            }
            if !server.is_answered && (size.is_some() || exchange.early) {
                server.is_answered = true;
                let (reply, head) = exchange.reply(id);
                server.body_at = server.end.said + head;
                if exchange.seen == 1 {
                    server.end.plan(exchange.plan);
                }
                server.end.say(&reply);
                if exchange.is_last() {
                    server.end.finish();
                }
            }
            let Some(size) = size else { return Ok(()) };
            let client = self.clients.iter().find(|client| client.ids.contains(&id));
            let is_said = client.is_some_and(|client| client.end.said >= exchange.ends_at);
            if payload.len() != exchange.body.len() || !is_said {
                return Err(format!("{id}: a part of a request was sent as a whole"));
            }
            server.read += head.size + size;
            server.is_answered = false;
        }
    }

    /// A client reads what it heard, asks on, and leaves when there is nothing more to wait for.
    fn listen(&mut self, index: usize) -> Result<(), String> {
        let client = &mut self.clients[index];
        if client.is_done || client.looked.replace(client.end.state()) == Some(client.end.state()) {
            return Ok(());
        }
        while let Some((head, answer, size)) = self.next_answer(index)? {
            self.judge(index, &head, &answer)?;
            let client = &mut self.clients[index];
            client.read += size;
            client.answered += 1;
            client.ending |= head.lists("connection", "close");
        }
        let client = &mut self.clients[index];
        while client.asked < client.ids.len().min(client.answered + client.window) {
            client.end.say(&self.exchanges[&client.ids[client.asked]].request);
            client.asked += 1;
        }
        let is_answered = client.answered == client.ids.len() && !client.ending;
        if is_answered || client.end.end.is_some() || client.end.is_closed() {
            self.leave(index)?;
        }
        Ok(())
    }

    /// The next whole answer that a client heard, and how many bytes it is.
    fn next_answer(&self, index: usize) -> Result<Option<(Head, Body, usize)>, String> {
        let client = &self.clients[index];
        let heard = &client.end.heard[client.read..];
        let mut rest = heard;
        let Ok(Some(head)) = Head::read(&mut rest) else { return Ok(None) };
        let Some(id) = client.ids.get(client.answered).filter(|_| !client.ending) else {
            return Err(format!("an answer that nobody asked for: {head:?}"));
        };
        let is_bodiless = self.exchanges[id].method == "HEAD";
        let is_framed = head.field("content-length").is_some() || head.lists("transfer-encoding", "chunked");
        explained(is_bodiless || is_framed, || format!("{id}: nobody can tell where this ends: {head:?}"))?;
        let body = if is_bodiless { Ok(Body::default()) } else { Body::read(&mut rest, &head, false) };
        Ok(body.ok().map(|body| (head, body, heard.len() - rest.len())))
    }

    /// Whether a client may have heard this.
    fn judge(&self, index: usize, head: &Head, answer: &Body) -> Result<(), String> {
        let client = &self.clients[index];
        let id = client.ids[client.answered];
        if let Some(word) = head.field("x-aya-reason") {
            let reason = Reason::ALL.iter().find(|reason| reason.as_str() == word);
            let is_explained = match reason.map(|reason| reason.blame()) {
                Some(Blame::Client) => client.end.cut.is_some(),
                // A kept connection may have been cut before this request came to it.
                Some(Blame::Backend) => self.servers.iter().any(|server| server.end.cut.is_some()),
                Some(Blame::Proxy) | None => false,
            };
            return explained(is_explained, || format!("{id}: refused without a cause: {head:?}"));
        }
        if head.word(1) != "200" || head.field("x-id") != Some(&id.to_string()) {
            return Err(format!("{id}: another answer: {head:?}"));
        }
        let exchange = &self.exchanges[&id];
        let mut whole = exchange.answer.as_slice();
        if exchange.method == "HEAD" {
            whole = b"";
        } else if exchange.framing == Framing::Close {
            // The last one it was sent to.
            let by = self.servers.iter().rev().find(|server| server.ids.last() == Some(&id));
            match by.map(|server| (server.end.cut, server.end.said.saturating_sub(server.body_at))) {
                Some((Some(Cut::Reset), _)) => return Err(format!("{id}: broken, and told as whole")),
                // The end of the connection is the end of the answer, wherever it comes.
                Some((Some(Cut::Finish), said)) => whole = &whole[..said.min(whole.len())],
                _ => {}
            }
        }
        let sizes = (answer.bytes.len(), whole.len());
        explained(answer.bytes == whole, || {
            format!("{id}: {} bytes, not the {} of the answer", sizes.0, sizes.1)
        })
    }

    /// A client leaves: with all it asked for, or for a cause.
    fn leave(&mut self, index: usize) -> Result<(), String> {
        let client = &self.clients[index];
        let next = client.ids.get(client.answered).filter(|_| !client.ending);
        let cuts = |id: &u64| self.servers.iter().any(|one| one.ids.contains(id) && one.end.cut.is_some());
        // An answer that is whole before its request ends the connection: nobody wants the rest of the request.
        let is_answered_early = || {
            let before = client.answered.checked_sub(1).map(|before| &self.exchanges[&client.ids[before]]);
            before.is_some_and(|exchange| exchange.early && !exchange.body.is_empty())
        };
        let is_explained = next.is_none_or(|id| client.end.cut.is_some() || cuts(id) || is_answered_early());
        explained(is_explained, || format!("{next:?}: the connection ended without a cause"))?;
        let rest = &client.end.heard[client.read..];
        let is_all = next.is_some() || rest.is_empty();
        explained(is_all, || format!("after the last answer came {}", rest.escape_ascii()))?;
        let client = &mut self.clients[index];
        client.is_done = true;
        client.end.close();
        Ok(())
    }
}

impl Story for World<'_> {
    fn ends(&mut self) -> Vec<&mut End> {
        self.accept();
        let clients = self.clients.iter_mut().map(|client| &mut client.end);
        clients.chain(self.servers.iter_mut().map(|server| &mut server.end)).collect()
    }

    fn react(&mut self) -> Result<(), String> {
        (0..self.servers.len()).try_for_each(|index| self.serve(index))?;
        (0..self.clients.len()).try_for_each(|index| self.listen(index))
    }

    fn is_over(&self) -> bool {
        self.clients.iter().all(|client| client.is_done)
    }

    fn told(&self) -> String {
        let mut told = String::new();
        for Client { end, ids, asked, answered, read, ending, is_done, .. } in &self.clients {
            let state = (end.said, end.cut, end.heard.len(), end.end);
            told += &format!(
                "client {ids:?}: {asked} asked, {answered} answered, {read} read, {ending} {is_done}, {state:?}\n"
            );
        }
        for (id, Exchange { method, body, framing, answer, early, closes, plan, seen, .. }) in &self.exchanges
        {
            let sizes = (body.len(), answer.len());
            told += &format!(
                "{id}: {method} {sizes:?} {framing:?}, early {early}, closes {closes}, {plan:?}, seen {seen}\n"
            );
        }
        for Server { end, read, ids, .. } in &self.servers {
            let state = (end.said, end.cut, end.heard.len(), end.end);
            told += &format!("server {ids:?}: {read} read, {state:?}\n");
        }
        told
    }
}

#[test]
fn every_exchange_ends_as_it_may_and_holds_nothing_afterwards() {
    let doors = [Door::open(), Door::open()];
    let backends = [("one", doors[0].address), ("two", doors[1].address)];
    let daemon = Daemon::start(&pool(&backends, "algorithm = \"round-robin\""));
    let address = daemon.address();
    play(&daemon, STORIES, |dice, seed, pulse| {
        run(&mut World::draw(dice, seed, address, &doors), dice, pulse)
    });
}
