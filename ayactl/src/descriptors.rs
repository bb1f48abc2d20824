//! How many files this process may open.

use aya_api::exit::Exit;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::failure::Failure;

/// What any command needs: its runtime takes most of them.
const LEAST: u64 = 24;

/// Raises the limit of this process to `needed`, if it is lower. Errors when the system does not allow as many: `what` needs
/// them, and `or` is what may be done instead, if the limit is `most`.
pub fn allow(needed: u64, what: &str, or: impl FnOnce(u64) -> Option<String>) -> Result<(), Failure> {
    let limit = getrlimit(Resource::Nofile);
    let (now, most) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    if now >= needed {
        return Ok(());
    }
    if most < needed {
        let root = format!("run `ulimit -Hn {needed}` as root first");
        return Err(Failure::new(
            Exit::Error,
            "out-of-descriptors",
            format!("{what} {needed} descriptors, and this process may have {most}"),
            or(most).map_or_else(|| root.clone(), |or| format!("{root}, or {or}")),
        ));
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })
        .map_err(|error| Failure::from(std::io::Error::from(error)).context("descriptors"))
}

/// Makes sure of what any command needs.
pub fn allow_least() -> Result<(), Failure> {
    allow(LEAST, "ayactl needs", |_| None)
}
