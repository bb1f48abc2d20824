//! What was discovered, as the control thread keeps it: it takes looks, decides by `aya_core::discovery` who is a
//! backend, and puts the next snapshot in force. It is the only writer of that, as of everything else.
//!
//! A pool in force has the backends of its file first, then those of its sources in their order; who has a name first
//! keeps it. A pool that has nobody yet, because its source is new, goes on with the backends it had.

mod kept;
mod pool;
mod source;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use aya_api::event::Severity;
use aya_core::discovery::Roster;
use aya_core::time::Tick;
use tokio::sync::mpsc;

pub(super) use self::pool::{Set, Sets};
use self::source::Found;
use super::Control;
use super::apply::refresh_pool;
use super::journal::Record;
use super::orders::Order;
use crate::clock;
use crate::config::{Backend, Config, Source};
use crate::discovery::Look;
use crate::state::{self, NewEvent, Pool, Snapshot};

/// Kind of the events of discovery.
const EVENT: &str = "discovery";
/// Longest wait at the start for the first answers about pools that have no backend at all.
const WARM_WITHIN: Duration = Duration::from_secs(2);
/// How long a backend that is gone is remembered, so that it goes on counting when it returns.
const REMEMBERED_FOR: Duration = Duration::from_secs(15 * 60);
/// Most backends that are remembered.
const REMEMBERED: usize = 1024;
/// All that was discovered.
#[derive(Debug, Default)]
pub struct Discovered {
    sets: Sets,
    file: kept::KeptFile,
    /// Backends that are gone, each since when.
    gone: HashMap<String, (Arc<state::Backend>, Tick)>,
    /// The newest look at each source while another process was to take over.
    held: HashMap<(String, String), Look>,
}

impl Discovered {
    /// Puts what an earlier process discovered into the pools of the first configuration. What is wrong with its file is
    /// told by the control thread.
    pub fn resume(config: &mut Config) -> Self {
        let mut file = kept::KeptFile::open(&config.daemon.state_dir);
        let kept = file.take();
        let known = |pool: &str, source: &Source| kept.get(&(pool.to_owned(), source.to_string())).cloned();
        let sets = pool::sets(config, &Sets::new(), &known, None);
        Self { sets, file, ..Self::default() }
    }
}

impl Control {
    /// Puts what is known into the pools of the next configuration, and returns that as it will be then.
    pub(super) fn discovered_for(&self, config: &mut Config, snapshot: &Snapshot) -> Sets {
        let ordered = self.ordered_members();
        let known = |pool: &str, source: &Source| {
            if *source == Source::Api { ordered.get(pool).cloned() } else { None }
        };
        pool::sets(config, &self.discovered.sets, &known, Some(snapshot))
    }

    /// The next configuration is in force.
    pub(super) fn discovered_is(&mut self, sets: Sets) {
        self.discovered.sets = sets;
        self.discovered.gone.clear();
        self.keep_discovered();
    }

    /// What operators added to pools, by pool, while those orders are in force.
    fn ordered_members(&self) -> HashMap<String, Vec<Backend>> {
        let mut members: HashMap<String, Vec<Backend>> = HashMap::new();
        let now = clock::wall_ms();
        let holds =
            |record: &Record| !record.clears && record.operation.until_ms.is_none_or(|until| until > now);
        for record in self.journal.in_force().iter().filter(|record| holds(record)) {
            if let Some(Order::Member { pool, member: Some(member), .. }) = Order::of(record) {
                members.entry(pool).or_default().push(*member);
            }
        }
        members
    }

    /// What operators added is as the journal says, whatever the file said: that is written after the journal.
    pub(super) fn restore_members(&mut self) {
        let mut ordered = self.ordered_members();
        let mut touched = Vec::new();
        for (pool, set) in &mut self.discovered.sets {
            for found in set.sources.iter_mut().filter(|found| found.discover.source == Source::Api) {
                let members = ordered.remove(pool).unwrap_or_default();
                found.roster = Roster::resume(members.into_iter().map(named));
                touched.push(pool.clone());
            }
        }
        for pool in touched {
            self.renew_pool(&pool);
        }
    }

    /// Waits a little for the first answers about pools that have no backend: nobody is served 503 for want of a
    /// question that was not asked yet.
    pub(super) async fn warm_up(&mut self, looks: &mut mpsc::Receiver<Look>) {
        let until = clock::instant(clock::now().after(WARM_WITHIN));
        while self.discovered.sets.values().any(Set::is_waiting) {
            match tokio::time::timeout_at(until, looks.recv()).await {
                Ok(Some(look)) => self.looked(look),
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Takes note of a look, and makes it hold.
    pub(super) fn looked(&mut self, look: Look) {
        if self.upgrades.is_frozen() {
            // Another process looks for itself, unless it does not come about.
            self.discovered.held.insert((look.pool.clone(), look.source.clone()), look);
            return;
        }
        let Look { pool, source, at_ms, outcome } = look;
        let set = self.discovered.sets.get_mut(&pool);
        let Some(found) = set.and_then(|set| set.source_mut(&source)) else { return };
        let source::Taken { changes, told } = found.take(outcome, at_ms);
        if let Some(changes) = changes {
            let cause = format!("{source}: {}", source::words(&changes));
            let count = found.roster.len();
            let before = (count + changes.removed.len()).saturating_sub(changes.added.len());
            self.renew_pool(&pool);
            self.keep_discovered();
            let event = NewEvent::new(Severity::Info, EVENT, &pool, cause);
            let backends = |count: usize| format!("{count} found");
            self.state.events.push(event.change(backends(before), backends(count)));
        }
        if let Some(told) = told {
            let event = NewEvent::new(told.severity, EVENT, &pool, format!("{source}: {}", told.cause));
            self.state.events.push(event.change(told.from, told.to));
        }
    }

    /// An operator added or took out a backend; that is written down.
    pub(super) fn set_member(&mut self, pool: &str, name: &str, member: Option<&Backend>) {
        let Some(found) = self.discovered.api_mut(pool) else { return };
        found.set(name, member.cloned(), clock::wall_ms());
        self.renew_pool(pool);
        self.keep_discovered();
    }

    /// Puts the pool in force as it is now. Backends that stay are the same objects; who is gone finishes what it has.
    fn renew_pool(&mut self, name: &str) {
        let Some(set) = self.discovered.sets.get(name) else { return };
        let before = self.state.snapshot.load_full();
        let Some(index) = before.pools.iter().position(|pool| pool.name == name) else { return };
        let old = &before.pools[index];
        let mut conf = old.conf.clone();
        conf.backends = set.backends();
        if conf.backends == old.conf.backends {
            return;
        }
        let returning = |id: &str| self.discovered.gone.get(id).map(|(backend, _)| Arc::clone(backend));
        let (workers, next_rev) = (self.state.crew.len(), || self.state.next_rev());
        let tls = old.tls.clone();
        let pool = Arc::new(Pool::build(
            conf,
            [tls, old.check_tls.clone()],
            old.algorithm,
            Some(old),
            &returning,
            workers,
            &next_rev,
        ));
        let stays =
            |backend: &Arc<state::Backend>| pool.backends.iter().any(|other| Arc::ptr_eq(other, backend));
        let left: Vec<_> = old.backends.iter().filter(|backend| !stays(backend)).cloned().collect();
        let weighed = self.journal.weighed();
        refresh_pool(&pool, &|id| weighed.contains(id), &next_rev);
        let mut snapshot = (*before).clone();
        snapshot.pools[index] = pool;
        self.state.publish(&Arc::new(snapshot));
        for backend in left {
            // It has what it was given; nothing new comes, so idle connections are of no use.
            backend.close_idle();
            self.discovered.remember(backend);
        }
        self.restore_missing();
        self.moved.send_modify(|count| *count += 1);
    }

    /// Makes up for what was held while another process was to take over.
    pub(super) fn take_held(&mut self) {
        if self.upgrades.is_frozen() {
            return;
        }
        for look in std::mem::take(&mut self.discovered.held).into_values() {
            self.looked(look);
        }
    }

    /// Writes down what holds, for the next process. When that fails nothing else does.
    fn keep_discovered(&mut self) {
        self.discovered.file.write(&self.discovered.sets);
        self.tell_kept();
    }

    /// Tells what is wrong with the file of what was discovered, once.
    pub(super) fn tell_kept(&mut self) {
        if let Some(trouble) = self.discovered.file.trouble() {
            self.state.events.push(NewEvent::new(Severity::Warning, EVENT, "ayad", trouble));
        }
    }

    /// What was discovered for a pool.
    pub(super) fn set_of(&self, pool: &str) -> Option<&Set> {
        self.discovered.sets.get(pool)
    }
}

impl Discovered {
    fn api_mut(&mut self, pool: &str) -> Option<&mut Found> {
        self.sets.get_mut(pool)?.sources.iter_mut().find(|found| found.discover.source == Source::Api)
    }

    fn remember(&mut self, backend: Arc<state::Backend>) {
        let now = clock::now();
        self.gone.retain(|_, (_, since)| now.since(*since) < REMEMBERED_FOR);
        if self.gone.len() < REMEMBERED {
            self.gone.insert(backend.id.clone(), (backend, now));
        }
    }
}

fn named(backend: Backend) -> (String, Backend) {
    (backend.name.clone(), backend)
}

/// Members by pool and source.
type ByName = BTreeMap<(String, String), Vec<Backend>>;
