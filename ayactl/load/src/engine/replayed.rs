//! The requests of an access log at their moments. One thread reads the log ahead of those that send, by a bounded number of
//! requests, so that neither a slow disk nor a large file is in their way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::common::{self, Common};
use super::due::Moments;
use super::{Outgoing, Requests};
use crate::input::{Body, InputError, Replay, Request, Rng, Template};
use crate::plan::Plan;

/// Requests that are read ahead for all threads together.
const AHEAD: usize = 4096;

/// The moments of a thread, until it takes them.
type Part = Mutex<Option<Receiver<(u64, Duration)>>>;

/// The requests of a log.
#[derive(Debug)]
pub struct Replayed {
    common: Common,
    body: Body,
    seed: u64,
    keeps_host: bool,
    read: Arc<Read>,
    moments: Vec<Part>,
    ends: Duration,
}

/// What was read and is not sent yet.
#[derive(Debug)]
struct Read {
    /// Which thread has a number, by its rest; `None` for numbers that are sent elsewhere.
    owners: Vec<Option<usize>>,
    /// By thread, so that none waits for another.
    parts: Vec<Mutex<HashMap<u64, Request>>>,
    failed: Mutex<Option<String>>,
}

impl Read {
    /// The thread that sends request number `number`.
    fn owner(&self, number: u64) -> Option<usize> {
        self.owners[(number % self.owners.len() as u64) as usize]
    }

    fn part(&self, thread: usize) -> MutexGuard<'_, HashMap<u64, Request>> {
        self.parts[thread].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request out.
    fn take(&self, number: u64) -> Option<Request> {
        self.owner(number).and_then(|thread| self.part(thread).remove(&number))
    }
}

impl Replayed {
    /// Begins to read ahead. The typed `headers` are added to each request, and `body` to those that may have one; with
    /// `keeps_host`, each is for the host that the log names. The test ends with the plan's length. Errors name what cannot
    /// be sent, or the file that cannot be read.
    pub fn start(
        plan: &Plan,
        replay: Replay,
        headers: &[(String, Template)],
        body: Body,
        keeps_host: bool,
    ) -> Result<Self, String> {
        let common = Common::new(plan, headers)?;
        let threads = plan.threads.max(1) as usize;
        let (to, moments): (Vec<_>, Vec<_>) =
            (0..threads).map(|_| channel((AHEAD / threads).max(1))).map(|(to, of)| (Some(to), of)).unzip();
        let parts = (0..threads).map(|_| Mutex::default()).collect();
        let read = Arc::new(Read { owners: owners(plan), parts, failed: Mutex::default() });
        let (own, most) = (Arc::clone(&read), plan.requests.unwrap_or(u64::MAX));
        std::thread::Builder::new()
            .name("load-replay".to_owned())
            .spawn(move || {
                if let Err(error) = feed(replay, &own, to, most) {
                    *own.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                }
            })
            .map_err(|error| format!("no thread to read the log with: {error}"))?;
        Ok(Self {
            common,
            body,
            seed: plan.seed,
            keeps_host,
            read,
            moments: moments.into_iter().map(|of| Mutex::new(Some(of))).collect(),
            ends: Duration::from_millis(plan.length_ms),
        })
    }
}

/// Reads on until the end, or until nobody wants more.
fn feed(
    mut replay: Replay,
    read: &Read,
    mut to: Vec<Option<Sender<(u64, Duration)>>>,
    most: u64,
) -> Result<(), InputError> {
    for number in 0..most {
        let Some(request) = replay.next_request()? else { return Ok(()) };
        let Some(thread) = read.owner(number) else { continue };
        let at = request.at.unwrap_or_default();
        read.part(thread).insert(number, request);
        if to[thread].as_ref().is_some_and(|to| to.blocking_send((number, at)).is_ok()) {
            continue;
        }
        // That thread has ended; the others are at the same moments, and end as well.
        read.part(thread).remove(&number);
        to[thread] = None;
        if to.iter().all(Option::is_none) {
            return Ok(());
        }
    }
    Ok(())
}

/// Which thread has which rest of numbers, as with profiles; none has those of other parts.
fn owners(plan: &Plan) -> Vec<Option<usize>> {
    let (_, by) = plan.lot(0);
    let mut owners = vec![None; by as usize];
    for thread in 0..plan.threads.max(1) {
        let (rest, _) = plan.lot(thread);
        owners[rest as usize] = Some(thread as usize);
    }
    owners
}

impl Requests for Replayed {
    fn request(&self, number: u64, host: &HeaderValue, room: HeaderMap) -> Outgoing {
        // Each is asked for once, after it was given out.
        let mut asked = self.read.take(number).unwrap_or_default();
        if !self.keeps_host {
            asked.host = None;
        }
        if common::has_body(&asked.method) {
            asked.body = self.body.make(number, &mut Rng::new(self.seed, number));
        }
        self.common.make(number, asked, host, room)
    }

    fn moments(&self, thread: u32) -> Option<Moments> {
        let mut of = self.moments.get(thread as usize)?.lock().unwrap_or_else(PoisonError::into_inner);
        of.take().map(|of| Moments::new(of, self.ends))
    }

    fn forget(&self, number: u64) {
        self.read.take(number);
    }

    fn failed(&self) -> Option<String> {
        self.read.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Target;

    #[test]
    fn what_was_given_out_is_forgotten_sent_or_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("access.log");
        let line =
            |at: usize| format!("{{\"time_ms\":{at},\"method\":\"GET\",\"uri\":\"/{at}\",\"host\":\"h\"}}\n");
        std::fs::write(&file, (0..20_000).map(line).collect::<String>()).expect("it can be written");
        let mut plan = Plan::to(Target::plain("127.0.0.1:80", "/"));
        plan.threads = 2;
        plan.length_ms = 60_000;
        let replay = Replay::open(&file, 1.0, Some(1)).expect("it is there");
        let replayed =
            Replayed::start(&plan, replay, &[], Body::Fixed(Arc::from([])), true).expect("it is valid");
        let held = || {
            replayed.read.parts.iter().map(|part| part.lock().expect("nobody panicked").len()).sum::<usize>()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let host = HeaderValue::from_static("target");
        let mut parts = [0, 1].map(|thread| replayed.moments(thread).expect("they are there"));
        assert!(replayed.moments(0).is_none(), "each has its moments once");
        for number in 0..20_000 {
            let moment = runtime.block_on(parts[(number % 2) as usize].next());
            assert_eq!(moment.map(|(number, _)| number), Some(number));
            assert!(held() <= AHEAD + 2, "{} are read ahead", held());
            if number % 2 == 0 {
                let request = replayed.request(number, &host, HeaderMap::new());
                assert_eq!(request.uri().path(), format!("/{number}"));
                assert_eq!(request.headers()["host"], "h");
            }
            replayed.forget(number);
        }
        assert_eq!(held(), 0);
        assert_eq!(replayed.failed(), None);
    }
}
