//! The control API over its socket: what it shows, what it changes, what it refuses, what it remembers.

mod calls;
mod changes;
mod door;
mod journal;
mod stream;

use aya_tests::backend::Backend;
use aya_tests::daemon::Daemon;

/// A daemon with backends `main/one` and `main/two`, which say their names.
struct Pair {
    one: Backend,
    two: Backend,
    daemon: Daemon,
}

fn pair() -> Pair {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let members = [("one", one.address), ("two", two.address)];
    let daemon = Daemon::balancing(&members, "algorithm = \"weighted-round-robin\"");
    Pair { one, two, daemon }
}
