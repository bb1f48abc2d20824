//! How a pool is divided, and what its requests are told apart by.

use aya_core::hash::hash64;

use super::super::At;
use crate::config::raw::division::{HashKey, HashPart, HashWord, Zones};
use crate::config::raw::format::{CookieName, FieldName, Share};
use crate::config::raw::pool::Pool;
use crate::config::report::Problem;
use crate::config::{Daemon, Division, HashBy};

const SPILL: f64 = 0.8;
const CAPACITY: u32 = 32;

pub(super) fn check(
    pool: &Pool,
    name: &str,
    daemon: &Daemon,
    at: &At<'_>,
    problems: &mut Vec<Problem>,
) -> Division {
    let Zones { prefer_local, spill, capacity } = pool.zones.clone().unwrap_or_default();
    Division {
        hash: pool.hash.as_ref().map_or(HashBy::Source, |key| hash(key, &at.key("hash"), problems)),
        local_zone: daemon.zone.clone().filter(|_| prefer_local.unwrap_or(true)),
        instance: hash64(format!("{} {name}", daemon.node).as_bytes()),
        spill: spill.map_or(SPILL, |Share(spill)| spill),
        capacity: capacity.unwrap_or(CAPACITY),
        panic: pool.panic.as_ref().map_or(0.0, |Share(share)| *share),
        subset: pool.subset.map_or(usize::MAX, |size| size as usize),
        bounded_load: pool.bounded_load.unwrap_or(f64::INFINITY),
    }
}

fn hash(key: &HashKey, at: &At<'_>, problems: &mut Vec<Problem>) -> HashBy {
    let HashPart { header, cookie, query } = match key {
        HashKey::Word(HashWord::Source) => return HashBy::Source,
        HashKey::Word(HashWord::Path) => return HashBy::Path,
        HashKey::Part(part) => part,
    };
    match (header, cookie, query) {
        (Some(FieldName(name)), None, None) => return HashBy::Header(name.clone()),
        (None, Some(CookieName(name)), None) => return HashBy::Cookie(name.clone()),
        (None, None, Some(name)) if !name.is_empty() => return HashBy::Query(name.clone()),
        _ => {}
    }
    if at.is_sound() {
        let help = "write e.g. hash = \"path\", hash = { header = \"x-user\" }, { cookie = \"sid\" } or { query = \"user\" }";
        problems
            .push(at.problem("hash needs exactly one of \"header\", \"cookie\" and \"query\"").help(help));
    }
    HashBy::Source
}
