//! One request and its answer, as a story draws them.

use aya_tests::message::chunk;
use aya_tests::rough::{Dice, Plan, pattern};

/// Bytes of bodies: none, within one read, over several, and enough to be spliced.
const SIZES: &[usize] = &[0, 1, 90, 90, 4_000, 4_000, 40_000, 200_000];
/// Cuts in a hundred answers.
const ANSWER_CUTS: usize = 15;

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length,
    Chunks,
    Close,
}

/// One request and what becomes of it.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) method: &'static str,
    pub(super) request: Vec<u8>,
    /// Where the request ends in what its client says.
    pub(super) ends_at: usize,
    pub(super) body: Vec<u8>,
    pub(super) framing: Framing,
    pub(super) answer: Vec<u8>,
    /// Answered before the request's body has come.
    pub(super) early: bool,
    /// The backend closes after it.
    pub(super) closes: bool,
    pub(super) plan: Plan,
    /// How often a backend saw its head.
    pub(super) seen: usize,
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
    pub(super) fn draw(dice: &mut Dice, id: u64) -> Self {
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
    pub(super) fn reply(&self, id: u64) -> (Vec<u8>, usize) {
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

    pub(super) fn is_last(&self) -> bool {
        self.closes || (self.framing == Framing::Close && self.method != "HEAD")
    }
}
