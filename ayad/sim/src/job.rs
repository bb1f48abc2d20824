//! Requests on their way, in one slab: places are used again, and a name that outlived its request is noticed.

use aya_core::pick::Tried;
use aya_core::time::Tick;

/// A request on its way. What it will cost is drawn when it arrives, before anybody picks for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    /// The turn of its first attempt.
    pub(crate) born: u32,
    pub(crate) arrived: Tick,
    pub(crate) sent: Tick,
    pub(crate) proxy: u32,
    pub(crate) worker: u32,
    pub(crate) key: u64,
    pub(crate) tried: Tried,
    pub(crate) attempts: u32,
    /// Where it falls among all requests by work, 0 to 1.
    pub(crate) work: f64,
    /// Where it falls among all requests by luck, 0 to 1; a server fails those below its failing share.
    pub(crate) luck: f64,
    /// Where it is, while an attempt is under way.
    pub(crate) server: Option<u32>,
    /// It gets a failure there.
    pub(crate) fails: bool,
    /// It is in the line there.
    pub(crate) is_waiting: bool,
    /// Requests its server had when it was sent, this one included, as its proxy saw it.
    pub(crate) among: f32,
    /// What its server reports with the answer.
    pub(crate) reported: u32,
    /// The attempt is an extra one, which the retry budget waits for.
    pub(crate) is_extra: bool,
}

/// The name of one attempt of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobId {
    slot: u32,
    turn: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Jobs {
    slots: Vec<(u32, Option<Job>)>,
    free: Vec<u32>,
}

impl Jobs {
    pub(crate) fn add(&mut self, job: Job) -> JobId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() as u32 - 1
        });
        let (turn, place) = &mut self.slots[slot as usize];
        *place = Some(Job { born: *turn, ..job });
        JobId { slot, turn: *turn }
    }

    /// The request, unless it is over or another attempt of it has begun.
    pub(crate) fn get(&mut self, id: JobId) -> Option<&mut Job> {
        let (turn, job) = &mut self.slots[id.slot as usize];
        if *turn == id.turn { job.as_mut() } else { None }
    }

    /// The attempt that is under way of the request that this was a name of, unless the request is over.
    pub(crate) fn current(&self, request: JobId) -> Option<JobId> {
        let (turn, job) = &self.slots[request.slot as usize];
        job.filter(|job| job.born == request.turn).map(|_| JobId { slot: request.slot, turn: *turn })
    }

    /// The request is over.
    pub(crate) fn remove(&mut self, id: JobId) -> Option<Job> {
        let (turn, job) = &mut self.slots[id.slot as usize];
        if *turn != id.turn {
            return None;
        }
        *turn = turn.wrapping_add(1);
        self.free.push(id.slot);
        job.take()
    }

    /// Another attempt of it begins: it has a new name.
    pub(crate) fn renew(&mut self, id: JobId) -> JobId {
        let turn = &mut self.slots[id.slot as usize].0;
        *turn = turn.wrapping_add(1);
        JobId { slot: id.slot, turn: *turn }
    }
}
