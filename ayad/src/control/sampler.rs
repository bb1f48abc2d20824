//! Figures over time: once a second the cells of all workers are read, and what is new since the last time
//! is kept for a minute. Requests never compute a rate or a percentile.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use aya_api::view::{Bucket, Latency, SPARK_POINTS, WINDOW_S};
use aya_core::hedge::delay_of;
use aya_core::histogram::{BUCKETS, Counts, bounds, bucket_of, delta};

use crate::state::{Backend, ListenerCell, Snapshot, Totals};

/// What was new about one backend in one second.
#[derive(Clone, Debug, Default)]
struct Second {
    latencies: Vec<(u16, u32)>,
    requests: u32,
    failures: u32,
    moved: u32,
    sum_us: u64,
}

/// The last minute of one backend, and its totals.
#[derive(Debug)]
struct Series {
    backend: Arc<Backend>,
    seen: Vec<Vec<u32>>,
    totals: Totals,
    seconds: VecDeque<Second>,
    all: Counts,
    sum_us: u64,
}

/// What happened in the last [`WINDOW_S`] seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    /// Latencies.
    pub latencies: Counts,
    /// Requests.
    pub requests: u64,
    /// Failed requests.
    pub failures: u64,
    /// Failed requests that went on to another backend.
    pub moved: u64,
    /// Sum of the latencies, in microseconds.
    pub sum_us: u64,
    /// Seconds covered, at most [`WINDOW_S`].
    pub seconds: u64,
}

/// The last seconds of one listener.
#[derive(Debug)]
struct Flow {
    cell: Arc<ListenerCell>,
    total: u64,
    seconds: VecDeque<u64>,
}

/// The last minute of every backend, and the last seconds of every listener.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    series: HashMap<usize, Series>,
    flows: HashMap<usize, Flow>,
}

fn key(backend: &Arc<Backend>) -> usize {
    Arc::as_ptr(backend) as usize
}

impl Sampler {
    /// Reads all cells. To be called once a second.
    pub(super) fn sample(&mut self, snapshot: &Snapshot) {
        let live: HashMap<usize, &Arc<Backend>> = snapshot.backends().map(|b| (key(b), b)).collect();
        self.series.retain(|key, _| live.contains_key(key));
        for (key, backend) in live {
            self.series.entry(key).or_insert_with(|| Series::new(backend)).sample();
        }
        let live: HashMap<usize, &Arc<ListenerCell>> =
            snapshot.listeners.iter().map(|l| (Arc::as_ptr(&l.cell) as usize, &l.cell)).collect();
        self.flows.retain(|key, _| live.contains_key(key));
        for (key, cell) in live {
            self.flows.entry(key).or_insert_with(|| Flow::new(cell)).sample();
        }
    }

    /// Reads the cells of these backends alone, of which no other is kept. For whoever looks at some of them more often
    /// than once a second: what are seconds elsewhere are then the times between two looks.
    pub(super) fn sample_some<'b>(&mut self, backends: impl Iterator<Item = &'b Arc<Backend>>) {
        let wanted: HashMap<usize, &Arc<Backend>> = backends.map(|b| (key(b), b)).collect();
        self.series.retain(|key, _| wanted.contains_key(key));
        for (key, backend) in wanted {
            match self.series.entry(key) {
                Entry::Occupied(mut known) => known.get_mut().sample(),
                Entry::Vacant(new) => {
                    // What was before the first look is not new.
                    let series = new.insert(Series::new(backend));
                    series.sample();
                    series.seconds.clear();
                }
            }
        }
    }

    /// The last `looks` at one backend.
    pub(super) fn last(&self, backend: &Arc<Backend>, looks: usize) -> Window {
        let mut window = Window::default();
        if let Some(series) = self.series.get(&key(backend)) {
            series.add_last(looks, &mut window);
        }
        window
    }

    /// Tells the workers after what time a waiting request is hedged, where pools do that.
    pub(super) fn set_hedge_delays(&self, snapshot: &Snapshot) {
        for pool in &snapshot.pools {
            let Some(rules) = &pool.conf.hedge else { continue };
            let mut all = Window::default();
            for backend in &pool.backends {
                all.merge(&self.window(backend));
            }
            pool.hedging.delay.set(delay_of(&all.latencies, rules));
        }
    }

    /// The last [`WINDOW_S`] seconds of one backend.
    pub(super) fn window(&self, backend: &Arc<Backend>) -> Window {
        self.last(backend, WINDOW_S as usize)
    }

    /// Requests of one backend that were over in the last second.
    pub(super) fn last_second(&self, backend: &Arc<Backend>) -> u32 {
        let series = self.series.get(&key(backend));
        series.and_then(|series| series.seconds.back()).map_or(0, |second| second.requests)
    }

    /// Requests a second that came in at one listener, over the last [`WINDOW_S`] seconds.
    pub(super) fn listener_rate(&self, cell: &Arc<ListenerCell>) -> f64 {
        let flow = self.flows.get(&(Arc::as_ptr(cell) as usize));
        flow.map_or(0.0, |flow| flow.seconds.iter().sum::<u64>() as f64 / flow.seconds.len().max(1) as f64)
    }

    /// Requests a second of one backend, oldest first, always [`SPARK_POINTS`] of them.
    pub(super) fn spark(&self, backend: &Arc<Backend>) -> Vec<u32> {
        let mut spark = vec![0; SPARK_POINTS];
        if let Some(series) = self.series.get(&key(backend)) {
            for (point, second) in spark.iter_mut().rev().zip(series.seconds.iter().rev()) {
                *point = second.requests;
            }
        }
        spark
    }

    /// Latencies of the last minute of one backend, as non-empty buckets.
    pub(super) fn histogram(&self, backend: &Arc<Backend>) -> Vec<Bucket> {
        let mut window = Window::default();
        if let Some(series) = self.series.get(&key(backend)) {
            series.add_last(SPARK_POINTS, &mut window);
        }
        let ms = |us: u64| us as f64 / 1e3;
        let buckets = window.latencies.iter().map(|(index, count)| {
            let (from, to) = bounds(index);
            Bucket { from_ms: ms(from), to_ms: ms(to), count }
        });
        buckets.collect()
    }

    /// All latencies of one backend since the start, with their sum in microseconds.
    pub(super) fn since_start(&self, backend: &Arc<Backend>) -> Option<(&Counts, u64)> {
        self.series.get(&key(backend)).map(|series| (&series.all, series.sum_us))
    }
}

impl Flow {
    fn new(cell: &Arc<ListenerCell>) -> Self {
        Self { cell: Arc::clone(cell), total: 0, seconds: VecDeque::with_capacity(WINDOW_S as usize) }
    }

    fn sample(&mut self) {
        let total = self.cell.requests();
        if self.seconds.len() == WINDOW_S as usize {
            self.seconds.pop_front();
        }
        self.seconds.push_back(total.saturating_sub(self.total));
        self.total = total;
    }
}

impl Series {
    fn new(backend: &Arc<Backend>) -> Self {
        Self {
            backend: Arc::clone(backend),
            seen: vec![vec![0; BUCKETS]; backend.workers.len()],
            totals: Totals::default(),
            seconds: VecDeque::with_capacity(SPARK_POINTS),
            all: Counts::new(),
            sum_us: 0,
        }
    }

    fn sample(&mut self) {
        let mut second = Second::default();
        for (seen, worker) in self.seen.iter_mut().zip(&self.backend.workers) {
            delta(seen, &worker.latency, &mut second.latencies);
        }
        for (index, count) in &second.latencies {
            self.all.add(usize::from(*index), u64::from(*count));
        }
        let sum_us = self.backend.workers.iter().map(|w| w.latency.sum_us()).sum();
        second.sum_us = sum_us - self.sum_us.min(sum_us);
        self.sum_us = sum_us;
        let totals = self.backend.totals();
        let new = |now: u64, before: u64| now.saturating_sub(before).try_into().unwrap_or(u32::MAX);
        second.requests = new(totals.requests, self.totals.requests);
        second.failures = new(totals.failures, self.totals.failures);
        second.moved = new(totals.moved, self.totals.moved);
        self.totals = totals;
        if self.seconds.len() == SPARK_POINTS {
            self.seconds.pop_front();
        }
        self.seconds.push_back(second);
    }

    fn add_last(&self, seconds: usize, window: &mut Window) {
        for second in self.seconds.iter().rev().take(seconds) {
            for (index, count) in &second.latencies {
                window.latencies.add(usize::from(*index), u64::from(*count));
            }
            window.requests += u64::from(second.requests);
            window.failures += u64::from(second.failures);
            window.moved += u64::from(second.moved);
            window.sum_us += second.sum_us;
            window.seconds += 1;
        }
    }
}

impl Window {
    /// Adds another backend's window of the same seconds.
    pub(super) fn merge(&mut self, other: &Self) {
        self.latencies.merge(&other.latencies);
        self.requests += other.requests;
        self.failures += other.failures;
        self.moved += other.moved;
        self.sum_us += other.sum_us;
        self.seconds = self.seconds.max(other.seconds);
    }

    /// The window of a whole pool: a request that went on to another backend is one request there, and no
    /// failure.
    pub(super) fn into_pool(mut self) -> Self {
        self.requests = self.requests.saturating_sub(self.moved);
        self.failures = self.failures.saturating_sub(self.moved);
        self
    }

    /// Adds a latency of something that is not over yet: it is no request so far.
    pub(super) fn add(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latencies.add(bucket_of(us), 1);
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// Requests a second.
    pub(super) fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds.max(1) as f64
    }

    /// Share of failed requests; `None` without requests.
    pub(super) fn error_share(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.failures as f64 / self.requests as f64)
    }

    /// Percentiles; `None` without requests.
    pub(super) fn latency(&self) -> Option<Latency> {
        let ms = |us: u64| us as f64 / 1e3;
        let at = |q: f64| self.latencies.quantile(q).map(ms);
        Some(Latency {
            p50_ms: at(0.5)?,
            p90_ms: at(0.9)?,
            p99_ms: at(0.99)?,
            max_ms: self.latencies.max().map(ms)?,
        })
    }
}
