//! File descriptors: as many as the system gives, and never all of them for clients.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors of the daemon itself: listeners, logs, certificates, what it hands over.
const OWN: u64 = 256;
/// Taken where the system sets no limit.
const PLENTY: u64 = 1 << 20;
/// Fewest clients, however tight the limit is.
const FEWEST: u64 = 8;
/// Where callers come in: the control socket, and the address of the metrics.
const DOORS: u64 = 2;
/// One in so many descriptors is for the callers at one door.
const CALLERS_SHARE: u64 = 64;
/// Fewest and most callers at one door: a script that forgets its connections must not take those of clients.
const CALLERS: (u64, u64) = (16, 512);

/// Raises the soft limit to the hard one. The soft limit is low for programs that cannot handle more than
/// 1024 descriptors, which this one can.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

/// How many client connections can be held at once. Each may need a second descriptor for its backend; checks
/// and operators always find one.
pub fn max_clients(backends: usize, workers: usize) -> u64 {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(PLENTY);
    let reserved = (OWN + DOORS * callers_of(limit) + backends as u64 + 8 * workers as u64).min(limit / 2);
    ((limit - reserved) / 2).max(FEWEST)
}

/// How many callers are served at once at one door of the control API.
pub fn max_callers() -> usize {
    callers_of(getrlimit(Resource::Nofile).current.unwrap_or(PLENTY)) as usize
}

fn callers_of(limit: u64) -> u64 {
    (limit / CALLERS_SHARE).clamp(CALLERS.0, CALLERS.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_get_every_descriptor() {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(PLENTY);
        for (backends, workers) in [(0, 1), (2, 2), (5000, 64)] {
            assert!(max_clients(backends, workers) * 2 < limit.max(4 * FEWEST));
        }
    }

    #[test]
    fn callers_get_a_small_share_and_always_some() {
        let callers = [64, 256, 4096, 65_536, PLENTY].map(callers_of);
        assert_eq!(callers, [16, 16, 64, 512, 512]);
    }
}
