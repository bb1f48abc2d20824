//! Every metric: name, unit, meaning. To add one, add a constant here and emit it in [`super`].
//!
//! Names follow the conventions of Prometheus and ``OpenMetrics``: base units, the unit last in the name,
//! counters end in `_total` (which the encoder adds).

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises; starts again at 0 with the process.
    Counter,
    /// Rises and falls.
    Gauge,
    /// A distribution, in seconds.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Name without the suffixes that the format adds.
    pub name: &'static str,
    /// What it tells.
    pub help: &'static str,
    /// What it is.
    pub kind: Kind,
}

macro_rules! metrics {
    ($($constant:ident: $kind:ident = $name:literal, $help:literal;)+) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric { name: $name, help: $help, kind: Kind::$kind };
        )+

        /// Every metric.
        pub const ALL: &[Metric] = &[$($constant),+];
    };
}

metrics! {
    BUILD: Gauge = "ayad_build_info", "Always 1; its label tells the version";
    START_TIME: Gauge = "ayad_start_time_seconds", "When the process started, in seconds since 1970";
    GENERATION: Gauge = "ayad_config_generation", "Configurations applied since the start";
    RELOAD_FAILED: Gauge = "ayad_config_last_reload_failed", "1 while the last reload was refused";
    RESIDENT: Gauge = "ayad_resident_memory_bytes", "Resident memory of the process";
    RESPONSES: Counter = "ayad_responses", "Answered requests by class of status";
    REASONS: Counter = "ayad_refusals", "Requests the proxy answered or ended by itself, by reason";
    BODY_BYTES: Counter = "ayad_body_bytes", "Bytes of bodies received from and sent to clients";
    LOG_DROPPED: Counter = "ayad_access_log_dropped_lines", "Lines of the access log that were dropped";
    EVENTS: Counter = "ayad_events", "Events since the start";
    PANICS: Counter = "ayad_panics", "Panics of any thread or task, each a defect of ayad";
    WORKER_CONNECTIONS: Gauge = "ayad_worker_connections", "Client connections open now, by the worker that serves them";
    CONNECTIONS: Gauge = "ayad_listener_connections", "Client connections open now";
    ACCEPTED: Counter = "ayad_listener_accepted_connections", "Client connections accepted";
    TURNED_AWAY: Counter = "ayad_listener_refused_connections", "Client connections turned away at the limit";
    HANDSHAKES: Counter = "ayad_tls_handshakes", "TLS handshakes with clients, by result";
    CERTIFICATE_END: Gauge = "ayad_certificate_expiry_time_seconds", "When a certificate in force expires, in seconds since 1970";
    ACME_FAILURES: Gauge = "ayad_acme_failed_orders", "Orders of a certificate that failed since the last one that did not";
    FAULTS: Gauge = "ayad_faults", "Faults that are injected now, by kind";
    FAULTS_LOCKED: Gauge = "ayad_faults_locked", "1 while nobody may inject faults";
    FAULT_MATCHES: Counter = "ayad_fault_matches", "What faults matched, by kind";
    FAULT_HITS: Counter = "ayad_fault_hits", "What faults hit of that, by kind";
    FAULT_SKIPS: Counter = "ayad_fault_skips", "What faults were meant to hit and did not, by kind";
    FAULT_HELD: Gauge = "ayad_fault_held_requests", "Requests that faults hold now, by kind";
    ROUTE_REQUESTS: Counter = "ayad_route_requests", "Requests matched by a route";
    POOL_HEDGE_DELAY: Gauge = "ayad_pool_hedge_delay_seconds", "Wait after which a request is sent to a second backend as well; absent while unknown";
    POOL_HEDGES: Counter = "ayad_pool_hedges", "Requests sent to a second backend as well";
    POOL_HEDGES_WON: Counter = "ayad_pool_hedges_won", "Hedged requests that the second backend answered first";
    DISCOVERED: Gauge = "ayad_discovery_backends", "Backends that a source has";
    DISCOVERY_STALE: Gauge = "ayad_discovery_stale", "1 while the last look at a source was not good and the last good set is kept";
    DISCOVERY_CHANGED: Gauge = "ayad_discovery_changed_time_seconds", "When the backends of a source last changed, in seconds since 1970";
    DISCOVERY_LOOKS: Counter = "ayad_discovery_looks", "Looks at a source";
    DISCOVERY_FAILURES: Counter = "ayad_discovery_failed_looks", "Looks at a source that were not good";
    POOL_AUTO_ARM: Gauge = "ayad_pool_auto_arm", "1 for the arm that steers a pool that chooses its algorithm, 0 for the others";
    POOL_AUTO_EVIDENCE: Gauge = "ayad_pool_auto_evidence", "Evidence (e-value) that an arm is better than the one that steers";
    POOL_AUTO_SWITCHES: Counter = "ayad_pool_auto_switches", "Switches of a pool that chooses its algorithm";
    POOL_AUTO_LOST: Counter = "ayad_pool_auto_lost_notes", "Notes on requests that found no room on their way to the choice";
    BACKEND_REQUESTS: Counter = "ayad_backend_requests", "Finished requests of a backend";
    BACKEND_FAILURES: Counter = "ayad_backend_failures", "Requests of a backend without an answer or with a 5xx";
    BACKEND_IN_FLIGHT: Gauge = "ayad_backend_in_flight_requests", "Requests of a backend in flight now";
    BACKEND_IDLE: Gauge = "ayad_backend_idle_connections", "Upstream connections waiting for a request";
    BACKEND_WEIGHT: Gauge = "ayad_backend_weight", "Weight in force";
    BACKEND_ADMIN: Gauge = "ayad_backend_admin_state", "1 for the admin state in force, 0 for the others";
    BACKEND_HEALTH: Gauge = "ayad_backend_health", "1 for the health in force, 0 for the others";
    BACKEND_BREAKER: Gauge = "ayad_backend_breaker", "1 for the breaker state in force, 0 for the others";
    BACKEND_STANDING: Gauge = "ayad_backend_standing", "1 for how the backend stands among the others, 0 for the rest";
    BACKEND_EASE: Gauge = "ayad_backend_ease", "Part of its weight that slow start, standing and signals leave a backend";
    BACKEND_FORCED: Gauge = "ayad_backend_breaker_forced", "1 for the order about the breaker in force";
    BACKEND_ELIGIBLE: Gauge = "ayad_backend_eligible", "1 while the backend can get a new request";
    BACKEND_CONNECT: Gauge = "ayad_backend_connect_seconds", "Smoothed time of making a connection, TLS included";
    BACKEND_SIGNAL: Gauge = "ayad_backend_signal", "What is reported about a backend, by kind of signal; absent once it is stale";
    BACKEND_SIGNAL_FACTOR: Gauge = "ayad_backend_signal_factor", "Share of its weight that signals and its agent leave a backend";
    BACKEND_SIGNAL_FAILING: Gauge = "ayad_backend_signal_source_failing", "1 while a source of signals cannot be used or believed";
    BACKEND_SIGNAL_VALUES: Counter = "ayad_backend_signal_values", "Values reported about a backend, and answers without any, by what became of them";
    BACKEND_LATENCY: Histogram = "ayad_backend_latency_seconds", "From the request's first byte to the answer's last";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_follow_the_conventions() {
        for metric in ALL {
            assert_eq!(ALL.iter().filter(|m| m.name == metric.name).count(), 1, "{}", metric.name);
            assert!(metric.name.starts_with("ayad_") && !metric.name.ends_with("_total"), "{}", metric.name);
            assert!(!metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
