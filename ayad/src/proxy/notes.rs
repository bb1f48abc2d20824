//! Notes taken of a request along its way, for whoever records it at its end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use aya_core::grpc;
use aya_core::reason::{Blame, Reason};
use aya_core::time::Tick;

use super::between::{Hit, Identity, Request, Target};
use super::exchange::{Exchange, Place};
use super::trace::{Attempt, Brief};
use super::verdict;
use super::worker::Worker;
use crate::chaos::{Asked, Struck};
use crate::clock;
use crate::h1::{Known, Refusal};
use crate::log::LogDraft;
use crate::state::Pool;

/// Longest request id taken over from a client, in bytes.
const LONGEST_ID: usize = 128;

/// What the access log calls one of two attempts at once that had not ended when the other one did.
const GIVEN_UP: &str = "given-up";

impl Exchange {
    /// Takes down what the access log needs of the request, while there is an access log.
    pub(super) fn note_request(&mut self, request: &Request<'_>, target: &Target<'_>) {
        self.brief = Brief::of(request, target);
        self.is_sampled = Worker::with(Worker::samples_request);
        if self.is_sampled || self.client.state.access_log.is_on() {
            self.draft = Some(Box::new(LogDraft::of(request, target)));
        }
    }

    /// Takes down why the request cannot be read, and says what that is called.
    pub(super) fn note_unread(&mut self, refusal: Refusal) -> Reason {
        self.cause = Some(refusal.rule.into());
        refusal.reason
    }

    /// Takes down which pool the request is for.
    pub(super) fn note_routed(&mut self, hit: &Hit) {
        self.route = Some(hit.route);
        self.rule = hit.rule;
        if let Some(draft) = &mut self.draft {
            draft.routed(&hit.pool);
            draft.country = hit.country;
        }
    }

    /// Gives the request an id unless it has one, and takes down who asks.
    pub(super) fn note_identity(&mut self, request: &Request<'_>, identity: &Identity) -> &Id {
        if let Some(draft) = &mut self.draft {
            draft.client = Some(identity.address);
        }
        self.address = Some(identity.address);
        let given = request.get(Known::RequestId).filter(|id| (1..=LONGEST_ID).contains(&id.len()));
        self.id.insert(given.map_or_else(Id::new, |given| Id::Given(given.into())))
    }

    /// The id of the request; one is made for a request that is refused before it got one.
    pub(super) fn id(&mut self) -> &Id {
        self.id.get_or_insert_with(Id::new)
    }

    /// A backend was picked.
    pub(super) fn note_picked(&mut self) {
        if let Some(failed) = self.failed.take() {
            failed.workers[self.client.worker].moved_on();
        }
        if let (Some(breakdown), Some(place)) = (&mut self.breakdown, &self.place) {
            breakdown.attempt(place);
        }
        self.struck_at = None;
        if let Some(place) = &self.place {
            verdict::begun(&self.client.state, place);
        }
        if self.draft.is_some() && self.steps.picked.is_none() {
            self.steps.picked = Some(clock::now());
        }
    }

    /// The first backend was picked at that time.
    pub(super) fn note_pick_at(&mut self, at: Tick) {
        self.steps.picked.get_or_insert(at);
    }

    /// What faults do to the attempt at the place that was taken. Costs one load while there are none.
    #[inline]
    pub(super) fn strike(&mut self, head: &[u8]) -> Option<Box<Struck>> {
        if self.client.state.faults.is_idle() {
            return None;
        }
        let place = self.place.take();
        let struck = place.as_ref().and_then(|place| self.strike_at(place, head));
        self.place = place;
        struck
    }

    /// The same at another place.
    #[cold]
    pub(super) fn strike_at(&mut self, place: &Place, head: &[u8]) -> Option<Box<Struck>> {
        let client = &self.client;
        let epoch = client.state.faults.epoch();
        let struck = client.state.faults.strike(&Asked {
            pool: &place.pool.name,
            token: place.backend().load.token(),
            head,
            route: self.route,
            client: self.address.unwrap_or_else(|| client.peer.ip().to_canonical()),
            marks: &client.marks,
            is_http: true,
        })?;
        place.backend().touch.attempt();
        self.struck_at = Some(epoch);
        self.faults = Some(match self.faults.take() {
            Some(before) => format!("{before}, {}", struck.note).into(),
            None => struck.note.as_str().into(),
        });
        Some(struck)
    }

    /// A connection to the backend is there.
    pub(super) fn note_connected(&mut self) {
        if self.draft.is_some() {
            self.note_connected_at(clock::now());
        }
    }

    /// A connection to the backend was there at that time.
    pub(super) fn note_connected_at(&mut self, at: Tick) {
        self.steps.connected = Some(at);
    }

    /// The head of the answer is there.
    pub(super) fn note_answer(&mut self, status: u16) {
        self.status = status;
        if self.draft.is_some() {
            self.steps.first_byte = Some(clock::now());
        }
    }

    /// An attempt failed; another one may follow.
    ///
    /// `outcome` is the status of an answer that is not passed on, or why there is none.
    pub(super) fn note_failed_attempt(&mut self, outcome: Result<u16, Reason>) {
        let Some(place) = self.place.take() else { return };
        let cause = self.cause.take();
        let word = outcome.map_or_else(|reason| reason.as_str().to_owned(), |status| status.to_string());
        let took = clock::now().since(place.since());
        self.tried.push(Attempt::of(&place, word.clone(), cause.clone(), took));
        if let Some(draft) = &mut self.draft {
            draft.attempted(&place.backend().name, word, cause, took);
        }
        if outcome.map_or_else(|reason| reason.blame() == Blame::Backend, |status| status >= 500) {
            self.note_result(&place, clock::now(), false);
            self.failed = Some(Arc::clone(place.backend()));
        }
    }

    /// One of two attempts at once had not ended when the other one did. That it takes longer than usual is all that
    /// says about its backend.
    pub(super) fn note_given_up(&mut self, place: &Place) {
        let now = clock::now();
        let took = now.since(place.since());
        place.backend().load.record_at_least(now, took);
        self.tried.push(Attempt::of(place, GIVEN_UP.to_owned(), None, took));
        if let Some(draft) = &mut self.draft {
            draft.attempted(&place.backend().name, GIVEN_UP.to_owned(), None, took);
        }
    }

    /// A second backend was asked at the same time, and brought the answer or did not.
    pub(super) fn note_hedged(&mut self, pool: &Pool, won: bool) {
        pool.hedging.won.fetch_add(u64::from(won), Ordering::Relaxed);
        if let Some(draft) = &mut self.draft {
            draft.hedged(won);
        }
    }

    /// The answer says how a gRPC call ended.
    #[inline]
    pub(super) fn note_grpc(&mut self, status: Option<u32>) {
        if let Some(status) = status {
            self.grpc_status = Some(status);
            self.is_failure |= grpc::is_failure(status);
        }
    }

    /// The connection carries another protocol from here on, which may have a name: how long it does says nothing about
    /// its backend.
    pub(super) fn note_switched(&mut self, status: u16, protocol: Option<&[u8]>, now: Tick) {
        self.note_answer(status);
        if let (Some(draft), Some(protocol)) = (&mut self.draft, protocol) {
            draft.switched(protocol);
        }
        if let Some(place) = &self.place {
            self.note_result(place, now, true);
        }
        self.is_measured = true;
    }

    /// A request that was sent to a backend is over.
    pub(super) fn note_result(&self, place: &Place, now: Tick, ok: bool) {
        let took = now.since(if self.attempts > 1 { place.since() } else { self.started });
        place.cell().finished(took.as_micros() as u64, ok);
        // What a fault did that has ended meanwhile says nothing about the backend.
        if self.struck_at.is_none_or(|epoch| epoch == self.client.state.faults.epoch()) {
            verdict::reached(&self.client.state, place, now, took, ok);
        }
    }
}

/// The id of a request.
#[derive(Clone, Debug)]
pub enum Id {
    /// Made here, of hexadecimal digits.
    Made([u8; 32]),
    /// Taken over from the client.
    Given(Box<[u8]>),
}

impl Id {
    /// A random one.
    fn new() -> Self {
        let random = Worker::with(Worker::random);
        let mut id = [0; 32];
        for (i, digits) in id.chunks_exact_mut(8).enumerate() {
            digits.copy_from_slice(&hex((random[i / 2] >> (32 * (i % 2))) as u32));
        }
        Self::Made(id)
    }

    /// Its bytes, fit for a field.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Made(id) => id,
            Self::Given(id) => id,
        }
    }

    /// Its text, unless the client chose one that is none.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()).ok()
    }
}

/// Eight hexadecimal digits, computed side by side: an id is made for every request.
fn hex(value: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut spread = u64::from(value);
    spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // A nibble over 9 carries into bit 4 when 6 is added, and needs the distance from '9' to 'a'.
    let is_letter = (spread + 6 * ONES) >> 4 & ONES;
    (spread + u64::from(b'0') * ONES + is_letter * u64::from(b'a' - b'9' - 1)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_standard_library() {
        for value in [0, 1, 0x9a, 0x1234_abcd, 0xdead_beef, u32::MAX] {
            assert_eq!(std::str::from_utf8(&hex(value)).unwrap(), format!("{value:08x}"));
        }
    }
}
