//! File descriptors: as many as the system gives, and never all of them for clients.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors of the daemon itself: listeners, logs, control connections, streams.
const OWN: u64 = 256;
/// Taken where the system sets no limit.
const PLENTY: u64 = 1 << 20;
/// Fewest clients, however tight the limit is.
const FEWEST: u64 = 8;

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
    let reserved = (OWN + backends as u64 + 8 * workers as u64).min(limit / 2);
    ((limit - reserved) / 2).max(FEWEST)
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
}
