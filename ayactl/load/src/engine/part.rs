//! What one thread saw in one part of a second, in the form in which counting costs least: what follows from other figures
//! is not counted but computed, by whoever takes the part.

use std::time::Duration;

use super::exchange::Timing;
use super::lane::Work;
use crate::hist::Hist;
use crate::record::{ErrorKind, OfStatus, Seen};

/// How a request ended.
pub(super) enum Outcome {
    /// With a whole answer.
    Answer { status: u16, bytes: u64, timing: Option<Timing> },
    /// Without.
    Failed(ErrorKind),
}

/// How long requests took.
#[derive(Default)]
struct Times {
    /// Those that were sent at the very moment they were planned for, as in a closed loop: response and service time are one.
    prompt: Hist,
    /// Response times of the others.
    response: Hist,
    /// Their service times.
    service: Hist,
}

impl Times {
    fn record(&mut self, work: &Work, now: Duration) {
        let us = |from: Duration| now.saturating_sub(from).as_micros() as u64;
        if work.sent == work.planned {
            self.prompt.record(us(work.sent));
        } else {
            self.response.record(us(work.planned));
            self.service.record(us(work.sent));
        }
    }

    fn hand_over(&mut self) -> Self {
        let Self { prompt, response, service } = self;
        Self {
            prompt: prompt.take_packed(),
            response: response.take_packed(),
            service: service.take_packed(),
        }
    }

    fn count(&self) -> u64 {
        self.prompt.count() + self.response.count()
    }

    fn settled(mut self) -> OfStatus {
        self.response.merge(&self.prompt);
        self.service.merge(&self.prompt);
        OfStatus { response: self.response, service: self.service }
    }
}

/// A part of a second.
#[derive(Default)]
pub(super) struct Part {
    /// Its number.
    pub(super) at: u32,
    /// Most requests under way at once.
    pub(super) in_flight: u64,
    /// What is counted as it is.
    seen: Seen,
    /// Send lag of requests that were sent later than planned.
    lag: Hist,
    /// Requests that were sent at the moment they were planned for.
    prompt: u64,
    /// Answers by status; few at a time.
    answers: Vec<(u16, Times)>,
    /// Requests without a whole answer.
    failed: Times,
}

impl Part {
    pub(super) fn new(at: u32) -> Self {
        Self { at, ..Self::default() }
    }

    /// So many requests were due in it.
    pub(super) fn offered(&mut self, count: u64) {
        self.seen.offered += count;
    }

    /// A request found no free connection.
    pub(super) fn waited(&mut self) {
        self.seen.waited += 1;
    }

    /// A request was sent.
    pub(super) fn sent(&mut self, work: &Work) {
        if work.sent == work.planned {
            self.prompt += 1;
        } else {
            self.lag.record(work.lag_us());
        }
    }

    /// A request ended at `now`.
    pub(super) fn ended(&mut self, work: &Work, now: Duration, outcome: &Outcome) {
        match outcome {
            Outcome::Answer { status, bytes, .. } => {
                self.seen.bytes += bytes;
                self.of(*status).record(work, now);
            }
            Outcome::Failed(kind) => {
                *self.seen.errors.entry(*kind).or_default() += 1;
                self.failed.record(work, now);
            }
        }
    }

    fn of(&mut self, status: u16) -> &mut Times {
        let found = self.answers.iter().position(|(known, _)| *known == status);
        let at = found.unwrap_or_else(|| {
            self.answers.push((status, Times::default()));
            self.answers.len() - 1
        });
        &mut self.answers[at].1
    }

    /// What was seen so far, packed; this is part `next` from now on, in which nothing was seen yet. What things are counted
    /// in stays where it is: fresh memory once a second would be lag.
    pub(super) fn hand_over(&mut self, next: u32) -> Self {
        let answers = self.answers.iter_mut().filter(|(_, of)| of.count() > 0);
        Self {
            at: std::mem::replace(&mut self.at, next),
            in_flight: std::mem::take(&mut self.in_flight),
            seen: std::mem::take(&mut self.seen),
            lag: self.lag.take_packed(),
            prompt: std::mem::take(&mut self.prompt),
            answers: answers.map(|(status, of)| (*status, of.hand_over())).collect(),
            failed: self.failed.hand_over(),
        }
    }

    /// All of what was seen, packed, and the answers by status; of a part that was handed over.
    pub(super) fn settled(self) -> (Seen, Vec<(u16, OfStatus)>) {
        let Self { mut seen, lag, prompt, answers, failed, .. } = self;
        seen.lag = lag;
        if prompt > 0 {
            let none: Hist = [(0, prompt)].into_iter().collect();
            seen.lag.merge(&none.packed());
        }
        seen.sent = seen.lag.count();
        let answers: Vec<_> = answers.into_iter().map(|(status, of)| (status, of.settled())).collect();
        for (status, of) in &answers {
            let count = of.response.count();
            seen.answered += count;
            *seen.statuses.entry(*status).or_default() += count;
            seen.response.merge(&of.response);
            seen.service.merge(&of.service);
            if *status >= 500 {
                seen.failures.merge(&of.response);
            }
        }
        let failed = failed.settled();
        seen.response.merge(&failed.response);
        seen.service.merge(&failed.service);
        seen.failures.merge(&failed.response);
        seen.failed = seen.failures.count();
        (seen, answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn work(planned: Duration, sent: Duration) -> Work {
        Work { number: 0, lane: 0, planned, sent }
    }

    fn answer(status: u16) -> Outcome {
        Outcome::Answer { status, bytes: 10, timing: None }
    }

    #[test]
    fn what_is_not_counted_is_computed() {
        let mut part = Part::new(7);
        let (prompt, late) = (work(ms(10), ms(10)), work(ms(10), ms(12)));
        for (work, outcome) in [
            (&prompt, answer(200)),
            (&prompt, answer(503)),
            (&late, answer(200)),
            (&late, Outcome::Failed(ErrorKind::Reset)),
        ] {
            part.offered(1);
            part.sent(work);
            part.ended(work, ms(20), &outcome);
        }
        let (seen, answers) = part.hand_over(8).settled();
        assert_eq!(part.hand_over(9).settled(), (Seen::default(), Vec::new()));
        assert_eq!((seen.offered, seen.sent, seen.answered, seen.failed, seen.bytes), (4, 4, 3, 2, 30));
        assert_eq!(seen.statuses, [(200, 2), (503, 1)].into());
        assert_eq!(seen.errors, [(ErrorKind::Reset, 1)].into());
        let hist = |of: &[(u64, u64)]| of.iter().copied().collect::<Hist>();
        assert_eq!(seen.response, hist(&[(10_000, 4)]));
        assert_eq!(seen.service, hist(&[(8_000, 2), (10_000, 2)]));
        assert_eq!(seen.lag, hist(&[(0, 2), (2_000, 2)]));
        assert_eq!(seen.failures, hist(&[(10_000, 2)]));
        assert_eq!(answers[0].1.service, hist(&[(8_000, 1), (10_000, 1)]));
        assert_eq!(answers[1].1.service, hist(&[(10_000, 1)]));
    }
}
