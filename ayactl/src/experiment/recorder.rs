//! Looks at a daemon several times a second and keeps what it sees: figures, events, and what loads see.

use std::collections::BTreeMap;
use std::time::Duration;

use aya_api::client::{Client, ClientError};
use aya_api::command::events::GetEvents;
use aya_api::command::status::GetStatusOver;
use aya_api::event::Event;
use tokio::time::Instant;

use super::figures::{Figures, WINDOW_S};
use super::load::Load;
use super::record::{EVENTS, PoolSample, SAMPLES, Sample};

/// How often it is looked.
pub const LOOK: Duration = Duration::from_millis(200);
/// How often a sample is kept.
const SAMPLE: Duration = Duration::from_millis(500);
/// How often events are read.
const SECOND: Duration = Duration::from_secs(1);
/// A daemon that does not answer for so long is lost.
pub const LOST: Duration = Duration::from_secs(5);
/// Limit of one call.
const CALL: Duration = Duration::from_secs(2);

/// Keeps what is seen.
pub struct Recorder {
    /// The daemon.
    pub client: Client,
    /// What was seen last.
    pub figures: Figures,
    /// What was seen, oldest first.
    pub samples: Vec<Sample>,
    /// What happened, oldest first.
    pub events: Vec<Event>,
    /// Loads that run, by a number of their owner's.
    pub loads: BTreeMap<usize, Load>,
    now_ms: fn() -> u64,
    started: Instant,
    sampled: Option<Duration>,
    second: Option<Duration>,
    good: Duration,
    seq: u64,
    stride: usize,
    skipped: usize,
}

impl Recorder {
    /// Takes the first look.
    pub async fn start(client: &Client, now_ms: fn() -> u64) -> Result<Self, ClientError> {
        let client = Client::new(client.socket(), CALL)?;
        let status = client.call(&GetStatusOver { window_s: WINDOW_S }).await?;
        let seq = status.seq;
        Ok(Self {
            client,
            figures: Figures { status: Some(status), ..Figures::default() },
            samples: Vec::new(),
            events: Vec::new(),
            loads: BTreeMap::new(),
            now_ms,
            started: Instant::now(),
            sampled: None,
            second: None,
            good: Duration::ZERO,
            seq,
            stride: 1,
            skipped: 0,
        })
    }

    /// How long it has been looking.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Milliseconds since 1970.
    pub fn wall_ms(&self) -> u64 {
        (self.now_ms)()
    }

    /// Looks. An error is what the daemon's silence is to be called, once it has lasted for [`LOST`].
    pub async fn look(&mut self) -> Result<(), String> {
        let asked = self.client.call(&GetStatusOver { window_s: WINDOW_S }).await;
        let now = self.elapsed();
        match asked {
            Ok(status) => {
                self.figures.status = Some(status);
                self.good = now;
            }
            Err(error) => {
                self.figures.status = None;
                let silent = now.saturating_sub(self.good);
                return if silent >= LOST { Err(error.to_string()) } else { Ok(()) };
            }
        }
        if self.second.is_none_or(|last| now.saturating_sub(last) >= SECOND) {
            self.second = Some(now);
            self.read_events().await;
        }
        self.figures.loads = self.loads.iter().map(|(key, load)| (*key, load.glance())).collect();
        if self.sampled.is_none_or(|last| now.saturating_sub(last) >= SAMPLE) {
            self.sampled = Some(now);
            self.sample();
        }
        Ok(())
    }

    /// Reads what happened since the last time. A daemon that does not answer is asked again at the next look.
    pub async fn read_events(&mut self) {
        let Ok(events) = self.client.call(&GetEvents { since: self.seq }).await else { return };
        for event in events {
            self.seq = self.seq.max(event.seq);
            if self.events.len() < EVENTS {
                self.events.push(event);
            }
        }
    }

    fn sample(&mut self) {
        let Some(status) = &self.figures.status else { return };
        self.skipped += 1;
        if self.skipped < self.stride {
            return;
        }
        self.skipped = 0;
        let pools = status.pools.iter().map(|pool| {
            let latency = pool.traffic.latency.as_ref();
            let sample = PoolSample {
                rate: pool.traffic.rate,
                err: pool.traffic.error_share,
                p50_ms: latency.map(|latency| latency.p50_ms),
                p99_ms: latency.map(|latency| latency.p99_ms),
                eligible: pool.eligible,
            };
            (pool.name.clone(), sample)
        });
        let pools = pools.collect();
        let views = || self.figures.loads.values().map(|load| &load.view);
        let sum = |of: fn(&aya_api::run::LoadView) -> f64| views().next().map(|_| views().map(of).sum());
        let offered = sum(|load| load.offered.unwrap_or(load.sent));
        let achieved = sum(|load| load.achieved);
        self.samples.push(Sample { at_ms: (self.now_ms)(), pools, offered, achieved });
        if self.samples.len() >= SAMPLES {
            let mut keep = false;
            self.samples.retain(|_| {
                keep = !keep;
                keep
            });
            self.stride *= 2;
        }
    }
}
