//! What the daemon of the tests has to tell besides its picture: what happened, one backend in full, its algorithms,
//! and what a change did.

use aya_api::SCHEMA_VERSION;
use aya_api::change::Change;
use aya_api::event::{Event, Severity};
use aya_api::view::{AlgorithmInfo, BackendDetail, Bucket, CheckView, Transition};

use crate::world::{HOUR, MINUTE, NOW_MS, SECOND, shop};

pub(crate) fn events() -> Vec<Event> {
    let event =
        |seq: u64, ago: u64, severity, kind: &str, subject: &str, from: &str, to: &str, cause: &str| Event {
            seq,
            at_ms: NOW_MS - ago,
            severity,
            kind: kind.into(),
            subject: subject.into(),
            from: (!from.is_empty()).then(|| from.into()),
            to: (!to.is_empty()).then(|| to.into()),
            cause: cause.into(),
            by: None,
            op: None,
        };
    let mut drain =
        event(38, 3 * MINUTE, Severity::Info, "admin", "shop/web-4", "ready", "draining", "kernel update");
    drain.by = Some("ann".into());
    vec![
        event(36, 2 * HOUR, Severity::Info, "reload", "ayad", "2", "3", "SIGHUP"),
        event(
            37,
            40 * MINUTE,
            Severity::Info,
            "breaker",
            "shop/web-2",
            "half-open",
            "closed",
            "a request passed",
        ),
        drain,
        event(39, 12 * SECOND, Severity::Error, "health", "shop/web-3", "up", "down", "refused"),
        event(
            40,
            4 * SECOND,
            Severity::Warning,
            "breaker",
            "shop/web-6",
            "closed",
            "open",
            "5 failures in a row",
        ),
        event(41, 2 * SECOND, Severity::Info, "breaker", "shop/web-5", "open", "half-open", "retry time"),
    ]
}

pub(crate) fn algorithms() -> Vec<AlgorithmInfo> {
    let info = |name: &str, summary: &str, when: &str, share: &str| AlgorithmInfo {
        name: name.into(),
        summary: summary.into(),
        when: when.into(),
        share: share.into(),
        params: Vec::new(),
    };
    vec![
        info("round-robin", "Every backend in turn", "equal backends, equal requests", "equal"),
        info(
            "weighted-round-robin",
            "In turn, as often as the weight says",
            "backends of known, unequal size",
            "weight",
        ),
        info(
            "least-connections",
            "The backend with the fewest requests in flight",
            "requests of unequal length",
            "adapts",
        ),
        info("p2c", "The less loaded of two drawn at random", "many backends", "adapts"),
    ]
}

pub(crate) fn detail() -> BackendDetail {
    let transition = |ago: u64, axis: &str, from: &str, to: &str, cause: &str, by: Option<&str>| Transition {
        at_ms: NOW_MS - ago,
        axis: axis.into(),
        from: from.into(),
        to: to.into(),
        cause: cause.into(),
        by: by.map(Into::into),
    };
    let check = |ago: u64, passed: bool, cause: &str| CheckView {
        at_ms: NOW_MS - ago,
        passed,
        cause: cause.into(),
        took_us: 1_250 + ago / 10,
    };
    let bucket = |from_ms: f64, to_ms: f64, count: u64| Bucket { from_ms, to_ms, count };
    BackendDetail {
        schema_version: SCHEMA_VERSION,
        at_ms: NOW_MS,
        backend: shop().backends.swap_remove(3),
        history: vec![
            transition(3 * MINUTE, "admin", "ready", "draining", "kernel update", Some("ann")),
            transition(40 * MINUTE, "breaker", "half-open", "closed", "a request passed", None),
            transition(41 * MINUTE, "breaker", "open", "half-open", "retry time", None),
            transition(41 * MINUTE, "breaker", "closed", "open", "5 failures in a row", None),
            transition(5 * HOUR, "health", "warming", "up", "passed", None),
        ],
        checks: vec![
            check(SECOND, true, "passed"),
            check(3 * SECOND, true, "passed"),
            check(5 * SECOND, false, "timed out"),
            check(7 * SECOND, true, "passed"),
        ],
        histogram: vec![
            bucket(0.8, 0.9, 120),
            bucket(1.1, 1.2, 2_210),
            bucket(3.0, 3.1, 8_301),
            bucket(7.0, 7.2, 4_120),
            bucket(13.0, 13.5, 980),
            bucket(44.0, 45.0, 77),
            bucket(210.0, 215.0, 3),
        ],
        defined: Some("ayad.toml:12".into()),
    }
}

pub(crate) fn change() -> Change {
    Change {
        schema_version: SCHEMA_VERSION,
        op: Some("op-17".into()),
        changed: true,
        dry_run: false,
        subject: "shop/web-1".into(),
        field: "admin".into(),
        before: "ready".into(),
        after: "draining".into(),
        undo: Some("ayactl ready shop/web-1".into()),
        until_ms: None,
        rev: 8,
        warnings: Vec::new(),
    }
}
