//! The thread that keeps certificates: reads changed files, warns before certificates end, gets new ones by ACME.
//!
//! It has a runtime of its own, because files and directories may be slow, and neither requests nor operators wait
//! for them. What it decides by is in `aya_core::certificate`; what it works with is in [`crate::tls`].

mod renewal;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aya_api::event::Severity;
use aya_api::view::end_of_life;
use aya_core::certificate::{Life, Standing};
use aya_core::rng::Rng;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use self::renewal::Renewals;
use crate::clock;
use crate::state::{NewEvent, Snapshot, State};
use crate::tls::{CertificateInfo, ClientTls, Note, Source};

/// Time between two looks at files and ends.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Kind of the events of this thread.
const EVENT: &str = "certificate";

/// Keeps the certificates until the process ends. `applied` changes whenever a configuration was applied.
pub async fn run(state: Arc<State>, mut applied: watch::Receiver<u64>, seed: u64) {
    let mut keeper =
        Keeper { told: HashMap::new(), renewals: Renewals::new(&state, Rng::seeded(seed)), state };
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = tick.tick() => keeper.look(),
            changed = applied.changed() => match changed {
                Ok(()) => {
                    keeper.look();
                    // Whoever reloads has probably repaired what failed.
                    keeper.renewals.hurry();
                }
                Err(_) => return,
            },
        }
    }
}

/// What was told of a certificate: of which listener or pool, with which fingerprint.
type Told = HashMap<(String, String), Standing>;

struct Keeper {
    state: Arc<State>,
    told: Told,
    renewals: Renewals,
}

impl Keeper {
    fn look(&mut self) {
        let snapshot = self.state.snapshot.load_full();
        self.refresh(&snapshot);
        self.tell_ends(&snapshot);
        self.renewals.reconcile(&snapshot);
    }

    /// Has changed files read again.
    fn refresh(&self, snapshot: &Snapshot) {
        for listener in &snapshot.listeners {
            let notes = listener.tls.iter().flat_map(|tls| tls.refresh());
            notes.for_each(|note| self.tell(&listener.conf.name, note));
        }
        if let Some(geo) = &snapshot.geo
            && let Some(note) = geo.refresh()
        {
            let severity = if note.is_good { Severity::Info } else { Severity::Error };
            self.state.events.push(NewEvent::new(severity, "geo", "country", note.text));
        }
        for pool in &snapshot.pools {
            let is_own =
                |tls: &&Arc<ClientTls>| pool.tls.as_ref().is_none_or(|other| !Arc::ptr_eq(tls, other));
            let both = pool.tls.iter().chain(pool.check_tls.iter().filter(is_own));
            let notes = both.flat_map(|tls| tls.refresh());
            notes.for_each(|note| self.tell(&pool.name, note));
        }
    }

    fn tell(&self, subject: &str, note: Note) {
        let severity = if note.is_good { Severity::Info } else { Severity::Error };
        self.state.events.push(NewEvent::new(severity, EVENT, subject, note.text));
    }

    /// Tells each certificate that ends soon, has ended or has not begun, once for each of these.
    fn tell_ends(&mut self, snapshot: &Snapshot) {
        let now_s = now_s();
        let before = std::mem::take(&mut self.told);
        for (subject, info) in in_force(snapshot) {
            let standing = info.life.standing(now_s);
            let key = (subject, info.fingerprint.clone());
            let was = before.get(&key).copied().unwrap_or(Standing::Good);
            if standing != was && standing != Standing::Good {
                let severity =
                    if standing == Standing::Expiring { Severity::Warning } else { Severity::Error };
                let event = NewEvent::new(severity, EVENT, &key.0, words(&info, standing, now_s));
                self.state.events.push(event.change(was.as_str(), standing.as_str()));
            }
            self.told.insert(key, standing);
        }
    }
}

/// Certificates that somebody has to renew in time, with the listener or pool they are of.
fn in_force(snapshot: &Snapshot) -> impl Iterator<Item = (String, CertificateInfo)> {
    let of_listeners = snapshot.listeners.iter().flat_map(|listener| {
        let certificates = listener.tls.iter().flat_map(|tls| tls.certificates());
        // A placeholder ends when the real one comes.
        let real = certificates.filter(|one| !matches!(one.source, Source::Placeholder(_)));
        real.map(|one| (listener.conf.name.clone(), one.info))
    });
    let of_pools = snapshot.pools.iter().filter_map(|pool| {
        let shown = pool.tls.as_ref()?.certificate()?;
        Some((pool.name.clone(), shown))
    });
    of_listeners.chain(of_pools)
}

fn words(info: &CertificateInfo, standing: Standing, now_s: i64) -> String {
    let of = match info.names.as_slice() {
        [] => format!("the certificate signed by {}", info.issuer),
        [first] => format!("the certificate for {first}"),
        [first, rest @ ..] => format!("the certificate for {first} and {} more names", rest.len()),
    };
    format!("{of} {}", end(info.life, standing, now_s))
}

fn end(life: Life, standing: Standing, now_s: i64) -> String {
    match (standing, life.days_left(now_s)) {
        (Standing::NotYet, _) => "is not valid yet".to_owned(),
        (Standing::Good | Standing::Expiring | Standing::Expired, days) => end_of_life(days),
    }
}

/// The wall clock in seconds since 1970.
fn now_s() -> i64 {
    (clock::wall_ms() / 1000).cast_signed()
}
