//! Which keys mean something to which kind of check.

use crate::config::check::At;
use crate::config::raw::health::Health;
use crate::config::raw::health::HealthKind::{
    self, Command, Grpc, Http, Icmp, Mysql, Postgres, Redis, Tcp, Tls,
};
use crate::config::report::Problem;

/// A key that not every kind has: its name, whether it is set, and the kinds that have it.
type Key = (&'static str, bool, &'static [HealthKind]);

/// All keys that not every kind has. Those that one kind has alone come first, then by how much they say about what was
/// meant.
fn keys(health: &Health) -> [Key; 13] {
    // Taken apart, so that a new key cannot be forgotten here.
    let Health {
        kind: _,
        path,
        method,
        host,
        status,
        body,
        service,
        min_valid,
        command,
        env,
        user,
        password,
        role,
        tls,
        interval: _,
        timeout: _,
        rise: _,
        fall: _,
        jitter: _,
        start: _,
    } = health;
    [
        ("command", command.is_some(), &[Command]),
        ("env", env.is_some(), &[Command]),
        ("service", service.is_some(), &[Grpc]),
        ("min_valid", min_valid.is_some(), &[Tls]),
        ("password", password.is_some(), &[Redis]),
        ("role", role.is_some(), &[Redis]),
        ("path", path.is_some(), &[Http]),
        ("method", method.is_some(), &[Http]),
        ("status", status.is_some(), &[Http]),
        ("body", body.is_some(), &[Http]),
        ("host", host.is_some(), &[Http, Grpc]),
        ("user", user.is_some(), &[Postgres, Mysql, Redis]),
        ("tls", tls.is_some(), &[Tls, Tcp, Http, Grpc, Postgres, Mysql, Redis]),
    ]
}

/// The kind that is written, or that is meant by the keys that are. Reports those that mean nothing to it.
pub(super) fn check(health: &Health, at: &At<'_>, problems: &mut Vec<Problem>) -> HealthKind {
    let keys = keys(health);
    let is_written = at.key("kind").is_written();
    let kind = health.kind.unwrap_or_else(|| meant(&keys));
    // What a damaged kind was to be is not known; and a check that is switched off keeps its settings.
    if kind == HealthKind::None || (health.kind.is_none() && is_written) {
        return kind;
    }
    for (key, _, kinds) in keys.iter().filter(|(_, is_set, kinds)| *is_set && !kinds.contains(&kind)) {
        let article = if kind == Icmp { "an" } else { "a" };
        let message = format!("\"{key}\" means nothing to {article} {} check", kind.as_str());
        let kinds: Vec<_> = kinds.iter().map(|kind| format!("\"{}\"", kind.as_str())).collect();
        let help = format!("write kind = {}, or leave it out", kinds.join(" or "));
        problems.push(Problem::new(at.key(key).name(), message).help(help));
    }
    kind
}

/// The kind of the first key that is set and says so; `user` says too little.
fn meant(keys: &[Key]) -> HealthKind {
    let said = keys.iter().find(|(key, is_set, _)| *is_set && *key != "user");
    said.and_then(|(_, _, kinds)| kinds.first()).copied().unwrap_or(Tcp)
}
