//! HTTP/1.1 on both sides: a few clients with a few requests each, two backends, and answers of all framings.
//!
//! What must hold: an answer that looks whole is the whole answer to that request. Where nobody cut anything, every
//! request has one. An answer of the proxy's own, or a connection that ends early, needs a cut that explains it.
//! Backends are sent nothing but the requests, and never a `POST` twice.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use aya_core::reason::{Blame, Reason};
use aya_tests::daemon::{Daemon, pool};
use aya_tests::message::{Body, Head};
use aya_tests::rough::{Cut, Dice, Door, End, Heard, Plan};
use ayad::h1::RequestHead;

use super::exchange::{Exchange, Framing};
use super::{Story, explained, play, run};
use crate::strict::{LIMITS, body};

/// Stories in the suite.
const STORIES: u64 = 300;
/// Connections of clients in one story, at most, and requests of each.
const CLIENTS: usize = 3;
const REQUESTS: usize = 4;
/// Cuts in a hundred connections of clients.
const CLIENT_CUTS: usize = 30;

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
        // Writing to a string cannot fail.
        for Client { end, ids, asked, answered, read, ending, .. } in &self.clients {
            let state = (end.said, end.state());
            writeln!(told, "client {ids:?}: {asked} {answered} {read} {ending} {state:?}")
                .unwrap_or_default();
        }
        for (id, Exchange { method, body, framing, answer, early, closes, plan, seen, .. }) in &self.exchanges
        {
            let facts = (body.len(), answer.len(), framing, early, closes, plan, seen);
            writeln!(told, "{id}: {method} {facts:?}").unwrap_or_default();
        }
        for Server { end, read, ids, .. } in &self.servers {
            writeln!(told, "server {ids:?}: {read} {:?}", (end.said, end.state())).unwrap_or_default();
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
