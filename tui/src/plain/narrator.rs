//! Turns what the daemon says into sentences. Pure: the time comes with each message.

use aya_api::event::Event;
use aya_api::view::{PoolView, Status};

use crate::figure;
use crate::message::Message;
use crate::why;

/// Shares of failures that are worth a sentence when they are passed, up or down.
const ERROR_STEPS: [f64; 3] = [0.01, 0.05, 0.25];

/// A 99th percentile is worth a sentence when it is this many times what was last said, or that part of it.
const LATENCY_FACTOR: f64 = 2.0;

/// Below this many milliseconds a latency is not worth a sentence, however it moves.
const LATENCY_FLOOR_MS: f64 = 20.0;

/// Remembers what was said, so that only changes are.
#[derive(Debug)]
pub struct Narrator {
    only: Option<String>,
    was_lost: bool,
    process: Option<(u32, u64)>,
    /// Since when the line of processes serves.
    line: Option<u64>,
    /// The newest event of the summary: older ones are in it already.
    since_seq: u64,
    pools: Vec<Said>,
}

/// What was last said of a pool.
#[derive(Clone, Debug)]
struct Said {
    pool: String,
    error_step: usize,
    p99_ms: Option<f64>,
    serves: bool,
}

impl Narrator {
    /// Speaks of one pool only, or of everything.
    pub fn new(only: Option<String>) -> Self {
        Self { only, was_lost: false, process: None, line: None, since_seq: 0, pools: Vec::new() }
    }

    /// The sentences that `message` is worth, most important words first.
    pub fn hear(&mut self, message: &Message, now_ms: u64) -> Vec<String> {
        match message {
            Message::Status(status) => self.status(status, now_ms),
            Message::Lost { cause, hint, .. } => {
                if std::mem::replace(&mut self.was_lost, true) {
                    return Vec::new();
                }
                vec![format!("ayad does not answer: {cause}. Waiting for it. {hint}.")]
            }
            Message::Event(event) => self.event(event).into_iter().collect(),
            Message::Gap { missed } => {
                vec![format!("{} missing.", figure::plural(*missed as usize, "event"))]
            }
            Message::Tick { .. }
            | Message::Key(_)
            | Message::Mouse(_)
            | Message::Resize { .. }
            | Message::Detail(_)
            | Message::DetailLost { .. }
            | Message::Why { .. }
            | Message::Pick { .. }
            | Message::Requests { .. }
            | Message::Algorithms(_)
            | Message::Done(_)
            | Message::Told { .. }
            | Message::Refused { .. } => Vec::new(),
        }
    }

    fn status(&mut self, status: &Status, now_ms: u64) -> Vec<String> {
        let process = (status.daemon.pid, status.daemon.started_ms);
        let known = self.process.replace(process);
        let was_lost = std::mem::take(&mut self.was_lost);
        let mut lines = Vec::new();
        match known {
            Some(old) if old == process => {
                if was_lost {
                    lines.push("ayad answers again.".into());
                }
                let only = self.only.as_deref();
                let wanted = status.pools.iter().filter(|pool| only.is_none_or(|name| pool.name == name));
                for pool in wanted {
                    lines.extend(shifts(&mut self.pools, pool));
                }
            }
            other => {
                if other.is_some() {
                    let daemon = &status.daemon;
                    lines.push(if self.line == Some(daemon.serving_since_ms) {
                        format!("ayad was upgraded: process {}, version {}.", daemon.pid, daemon.version)
                    } else {
                        "ayad was restarted.".into()
                    });
                }
                self.line = Some(status.daemon.serving_since_ms);
                self.since_seq = status.seq;
                self.pools = status.pools.iter().map(said).collect();
                lines.extend(summary(status, now_ms, |name| self.wants(name)));
            }
        }
        lines
    }

    fn event(&self, event: &Event) -> Option<String> {
        let pool = event.subject.split('/').next().unwrap_or_default();
        // What concerns the whole daemon concerns every pool.
        let concerns = self.wants(pool) || event.subject == "ayad";
        if event.seq <= self.since_seq || !concerns {
            return None;
        }
        let change = match (&event.from, &event.to) {
            (Some(from), Some(to)) => format!("{to}, was {from}"),
            (None, Some(to)) => to.clone(),
            (_, None) => "changed".to_owned(),
        };
        let cause = if event.cause.is_empty() { String::new() } else { format!(": {}", event.cause) };
        let by = event.by.as_ref().map(|by| format!(", by {by}")).unwrap_or_default();
        let time = figure::time_of_day(event.at_ms);
        Some(format!("{} {} {change}{cause}{by}. {time} UTC.", event.subject, event.kind))
    }

    fn wants(&self, pool: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == pool)
    }
}

fn summary(status: &Status, now_ms: u64, wants: impl Fn(&str) -> bool) -> Vec<String> {
    let pools: Vec<&PoolView> = status.pools.iter().filter(|pool| wants(&pool.name)).collect();
    let backends: usize = pools.iter().map(|pool| pool.backends.len()).sum();
    let out: Vec<String> = pools
        .iter()
        .flat_map(|pool| &pool.backends)
        .filter_map(|b| why::why(b, now_ms).map(|why| format!("{} {}.", b.id, why.long)))
        .collect();
    let mut lines = vec![if out.is_empty() {
        format!(
            "All {} eligible in {}.",
            figure::plural(backends, "backend"),
            figure::plural(pools.len(), "pool")
        )
    } else {
        format!("{} of {} not eligible.", out.len(), figure::plural(backends, "backend"))
    }];
    lines.extend(out);
    for pool in pools {
        let traffic = &pool.traffic;
        let errors = traffic.error_share.map_or_else(|| "unknown".into(), figure::errors);
        let p99 = traffic.latency.map_or_else(|| "unknown".into(), |l| figure::latency(l.p99_ms));
        lines.push(format!(
            "Pool {}: {} of {} eligible, {} requests a second, errors {errors}, slowest hundredth {p99}, {}.",
            pool.name,
            pool.eligible,
            pool.backends.len(),
            figure::rate(traffic.rate),
            pool.algorithm.in_words(),
        ));
    }
    let daemon = &status.daemon;
    let up = figure::span(now_ms.saturating_sub(daemon.started_ms));
    lines.push(format!("ayad {}, up {up}. From here on only changes.", daemon.version));
    lines
}

fn shifts(known: &mut Vec<Said>, pool: &PoolView) -> Vec<String> {
    let now = said(pool);
    let Some(before) = known.iter_mut().find(|said| said.pool == pool.name) else {
        known.push(now);
        return vec![format!(
            "New pool {} with {}.",
            pool.name,
            figure::plural(pool.backends.len(), "backend")
        )];
    };
    let mut lines = Vec::new();
    if before.serves != now.serves {
        before.serves = now.serves;
        lines.push(if now.serves {
            format!("{} serves again: {} of {} eligible.", pool.name, pool.eligible, pool.backends.len())
        } else {
            format!("{} serves nothing: no eligible backend.", pool.name)
        });
    }
    if before.error_step != now.error_step {
        let way = if now.error_step > before.error_step { "Errors up" } else { "Errors down" };
        before.error_step = now.error_step;
        let share = figure::errors(pool.traffic.error_share.unwrap_or(0.0));
        lines.push(format!("{way} in {}: {share}.", pool.name));
    }
    if let Some(p99) = now.p99_ms {
        match before.p99_ms {
            None => before.p99_ms = Some(p99),
            Some(old) if has_moved(old, p99) => {
                before.p99_ms = Some(p99);
                let way = if p99 > old { "Slower" } else { "Faster" };
                let (old, new) = (figure::latency(old), figure::latency(p99));
                lines.push(format!("{way} in {}: slowest hundredth {new}, was {old}.", pool.name));
            }
            Some(_) => {}
        }
    }
    lines
}

fn has_moved(old: f64, new: f64) -> bool {
    let (low, high) = if old < new { (old, new) } else { (new, old) };
    high > LATENCY_FLOOR_MS && high > low * LATENCY_FACTOR
}

fn said(pool: &PoolView) -> Said {
    let share = pool.traffic.error_share.unwrap_or(0.0);
    Said {
        pool: pool.name.clone(),
        error_step: ERROR_STEPS.iter().filter(|step| share >= **step).count(),
        p99_ms: pool.traffic.latency.map(|l| l.p99_ms),
        serves: !why::is_dark(pool),
    }
}
