//! Lets weights follow: the word of the agent, and a signal where the pool says so.

use aya_core::follow::{Follower, step};
use aya_core::time::Tick;

use crate::clock;
use crate::config::signals::Source;
use crate::state::{Backend, Pool, State};

/// Memory for one look after the other.
#[derive(Debug, Default)]
pub(super) struct Followers {
    pool: Vec<Follower>,
    values: Vec<f64>,
}

impl Followers {
    /// Looks at every pool.
    pub(super) fn look(&mut self, state: &State) {
        let now = clock::now();
        for pool in &state.snapshot.load().pools {
            self.follow(pool, now);
            for backend in &pool.backends {
                let factor = backend.reported.follow().0 * backend.reported.agent().agent.weight();
                if (factor - backend.load.signal_factor()).abs() > f64::EPSILON {
                    backend.load.set_signal_factor(factor);
                }
            }
        }
    }

    fn follow(&mut self, pool: &Pool, now: Tick) {
        let Some(rules) = &pool.conf.signals.follow else {
            let following = pool.backends.iter().filter(|backend| backend.reported.follow().0 < 1.0);
            following.for_each(|backend| backend.reported.set_follow(1.0, None));
            return;
        };
        let stand = |backend: &std::sync::Arc<Backend>| {
            let (factor, at) = backend.reported.follow();
            let source = backend.reported.source(rules.signal).unwrap_or(Source::Headers);
            let expiry = pool.conf.signals.expiry(source, rules.signal);
            let reading = backend.load.signals().latest(rules.signal, now);
            let fresh = reading.filter(|reading| reading.age <= expiry);
            let since = now.since(at);
            let is_new = fresh.is_some_and(|reading| reading.age < since);
            Follower { factor, value: fresh.map(|reading| reading.value), since: is_new.then_some(since) }
        };
        self.pool.clear();
        self.pool.extend(pool.backends.iter().map(stand));
        step(rules, &mut self.pool, &mut self.values);
        for (backend, follower) in pool.backends.iter().zip(&self.pool) {
            backend.reported.set_follow(follower.factor, follower.since.map(|_| now));
        }
    }
}
