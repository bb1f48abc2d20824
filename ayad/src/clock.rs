//! The only file that reads the clock. Everything else is given ticks and wall-clock times.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aya_core::time::Tick;

static START: OnceLock<Instant> = OnceLock::new();

/// Nanoseconds since the first call in this process. Costs one `clock_gettime` without a system call.
#[expect(clippy::disallowed_methods, reason = "this is the file that owns the clock")]
pub fn now() -> Tick {
    let now = Instant::now();
    let start = START.get_or_init(|| now);
    Tick::from_nanos(now.saturating_duration_since(*start).as_nanos() as u64)
}

/// Milliseconds since 1970, for people and the journal. It may jump; nothing is decided by it but leases
/// that must survive a restart.
#[expect(clippy::disallowed_methods, reason = "this is the file that owns the clock")]
pub fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

/// The runtime's instant of a tick, for timers.
pub fn instant(tick: Tick) -> tokio::time::Instant {
    let start = START.get_or_init(first_instant);
    tokio::time::Instant::from_std(*start + Duration::from_nanos(tick.as_nanos()))
}

/// Wall-clock time of a tick, by today's distance between the two clocks.
pub fn wall_of(tick: Tick) -> u64 {
    let (now, wall) = (now(), wall_ms());
    if tick >= now {
        wall.saturating_add(tick.since(now).as_millis() as u64)
    } else {
        wall.saturating_sub(now.since(tick).as_millis() as u64)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the file that owns the clock")]
fn first_instant() -> Instant {
    Instant::now()
}
