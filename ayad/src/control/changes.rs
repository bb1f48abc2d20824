//! What differs between two configurations of the same thing, in words for whoever reloaded.

use std::collections::BTreeMap;

use crate::config::{Listener, Pool};

/// What differs between two configurations of a pool: ` (+web-4, -web-3, web-1 weight 1 → 2)`.
pub(super) fn of_pool(old: &Pool, new: &Pool) -> String {
    let before: BTreeMap<_, _> = old.backends.iter().map(|b| (b.name.as_str(), b)).collect();
    let after: BTreeMap<_, _> = new.backends.iter().map(|b| (b.name.as_str(), b)).collect();
    let mut words: Vec<String> =
        after.keys().filter(|name| !before.contains_key(*name)).map(|name| format!("+{name}")).collect();
    words.extend(before.keys().filter(|name| !after.contains_key(*name)).map(|name| format!("-{name}")));
    for (name, now) in &after {
        let Some(was) = before.get(name) else { continue };
        if was.weight != now.weight {
            words.push(format!("{name} weight {} → {}", was.weight, now.weight));
        }
        if was.resolved != now.resolved {
            words.push(format!("{name} at {} → {}", was.address, now.address));
        }
    }
    if old.auto != new.auto {
        words.push("how the algorithm is chosen".to_owned());
    }
    if old.algorithm != new.algorithm {
        words.push(format!("algorithm {} → {}", old.algorithm, new.algorithm));
    }
    let others = [
        ("discover", old.discover != new.discover),
        ("sticky", old.sticky != new.sticky),
        ("health", old.check != new.check),
        ("breaker", old.breaker != new.breaker),
        ("outliers", old.outliers != new.outliers),
        ("slow_start", old.slow_start != new.slow_start),
        ("retry", old.retry != new.retry),
        ("hedge", old.hedge != new.hedge),
        ("protocol", old.protocol != new.protocol),
        ("keepalive", old.keepalive != new.keepalive),
        ("proxy_protocol", old.proxy_protocol != new.proxy_protocol),
        ("tls", old.tls != new.tls),
        ("timeouts", timeouts(old) != timeouts(new)),
    ];
    words.extend(others.iter().filter(|(_, differs)| *differs).map(|(word, _)| (*word).to_owned()));
    in_brackets(&words)
}

/// What differs between two configurations of a listener: ` (bind 127.0.0.1:80 → 127.0.0.1:81)`.
pub(super) fn of_listener(old: &Listener, new: &Listener) -> String {
    if old.protocol != new.protocol {
        let [old, new] = [old, new].map(|listener| listener.protocol.as_str());
        return in_brackets(&[format!("protocol {old} → {new}")]);
    }
    let tls = (old.tls != new.tls).then(|| "tls".to_owned());
    if old.bind == new.bind {
        return in_brackets(&[tls.unwrap_or_else(|| "settings".to_owned())]);
    }
    let text =
        |listener: &Listener| listener.bind.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let moved = format!("bind {} → {}", text(old), text(new));
    in_brackets(&std::iter::once(moved).chain(tls).collect::<Vec<_>>())
}

fn timeouts(pool: &Pool) -> impl PartialEq + use<> {
    (
        pool.connect_timeout,
        pool.first_byte_timeout,
        pool.idle_timeout,
        pool.tunnel_timeout,
        pool.request_timeout,
    )
}

fn in_brackets(words: &[String]) -> String {
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}
