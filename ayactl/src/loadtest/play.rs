//! Plays one load test to its end: seconds come in, gates are looked at, the daemon is told, people see it live.

use std::time::Duration;

use aya_api::run::{GateState, GateView, LoadView, RunBody, RunKind, RunState};
use aya_load::engine::{Step, Window, start};
use aya_load::gate::{self, Standing, Watch};
use aya_load::plan::{Model, Plan};
use aya_load::record::{Ended, Recording, Second, Seen};

use super::job::Order;
use super::link::Link;
use super::live::{Key, Live};
use crate::demo::signals::Signals;
use crate::failure::Failure;

/// How often keys and signals are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Seconds that are shown.
pub const SHOWN: usize = 120;
/// By how much a key changes the rate.
const STEP: f64 = 1.1;

/// What a test has around it.
pub(crate) struct Around<'a> {
    /// The daemon, where it is told.
    pub link: Option<Link>,
    /// The view for people.
    pub live: &'a mut Live,
    /// Signals that end it.
    pub signals: &'a Signals,
    /// What the run is called.
    pub title: String,
}

/// Plays `order`. A first signal ends it early, with a report of what there is; a second one at once.
pub(crate) fn play(order: &Order, around: Around<'_>) -> Result<Recording, Failure> {
    let Around { link, live, signals, title } = around;
    let mut running = start(order.job()?).map_err(|error| {
        Failure::new(
            aya_api::exit::Exit::Error,
            "engine",
            error.to_string(),
            "see --cacert, --threads and `ulimit -a`",
        )
    })?;
    let control = running.control();
    let mut watch = Watch::new(order.abort.clone());
    let mut state = Telling::new(order, running.started_ms(), title);
    let mut ended = Ended::Done;
    loop {
        match running.next(LOOK) {
            Step::Part(number) => {
                if let Some(second) = running.seconds().find(|second| second.at == number) {
                    state.take(second, control.factor());
                    let now = Duration::from_secs(u64::from(number) + 1);
                    if let Some(condition) = watch.look(&second.seen, second.in_flight, now) {
                        ended = Ended::Aborted(condition);
                        control.stop();
                    }
                }
                if let Some(link) = &link {
                    link.tell(state.body(RunState::Running, None));
                }
                live.second(&state);
            }
            Step::Waiting => {}
            Step::Over => break,
        }
        if let Some(signal) = signals.take() {
            if control.is_stopped() {
                live.close();
                return Err(Failure::signal(signal));
            }
            ended = Ended::Interrupted;
            control.stop();
            live.say("ending: a report of what there is follows; once more ends at once");
        }
        match live.key() {
            Some(Key::Faster) => control.scale((control.factor() * STEP).min(order.greatest_factor())),
            Some(Key::Slower) => control.scale(control.factor() / STEP),
            Some(Key::End) if !control.is_stopped() => {
                ended = Ended::Interrupted;
                control.stop();
            }
            Some(Key::End) | None => {}
        }
    }
    live.close();
    let mut recording = running.finish(ended);
    if let Some(link) = link {
        let over = if recording.ended == Ended::Done { RunState::Done } else { RunState::Aborted };
        let verdict = aya_load::verdict::judge(&recording);
        let words = format!("{}: {}", verdict.word.shout(), verdict.reasons.join("; "));
        recording.marks = link.finish(state.body(over, Some(words)));
    }
    Ok(recording)
}

/// How a test stands: for the daemon, and for people who watch.
pub struct Telling<'o> {
    order: &'o Order,
    started_ms: u64,
    title: String,
    /// The last whole seconds.
    pub seconds: Vec<Second>,
    /// All of them.
    pub total: Seen,
    /// Seconds that count.
    pub counted: u32,
    /// By what the rate is multiplied.
    pub factor: f64,
}

impl<'o> Telling<'o> {
    fn new(order: &'o Order, started_ms: u64, title: String) -> Self {
        let (seconds, total) = (Vec::new(), Seen::default());
        Self { order, started_ms, title, seconds, total, counted: 0, factor: 1.0 }
    }

    fn take(&mut self, second: &Second, factor: f64) {
        self.factor = factor;
        self.counted += 1;
        self.total.merge(&second.seen);
        if self.seconds.len() == SHOWN {
            self.seconds.remove(0);
        }
        self.seconds.push(second.clone());
    }

    /// What is asked for now, in requests a second; `None` in a closed loop.
    pub fn offered(&self) -> Option<f64> {
        let second = self.seconds.last()?;
        (self.order.plan.model == Model::Open).then_some(second.seen.offered as f64)
    }

    /// How its gates stand.
    pub fn gates(&self) -> Vec<Standing> {
        let in_flight = self.seconds.last().map_or(0, |second| second.in_flight);
        gate::standings(&self.order.slo, &self.total, f64::from(self.counted), in_flight)
    }

    /// What is asked of it.
    pub fn order(&self) -> &Order {
        self.order
    }

    fn body(&self, state: RunState, verdict: Option<String>) -> RunBody {
        RunBody {
            kind: RunKind::Load,
            title: self.title.clone(),
            state,
            started_ms: self.started_ms,
            ends_ms: Some(self.started_ms + self.order.plan.length_ms),
            load: Some(self.load()),
            gates: self.gates().into_iter().map(gate_view).collect(),
            steps: Vec::new(),
            pools: Vec::new(),
            verdict,
        }
    }

    fn load(&self) -> LoadView {
        let last = self.seconds.last().cloned().unwrap_or_default();
        let now = Window { seen: last.seen, in_flight: last.in_flight, seconds: 1.0 };
        view(&self.order.plan, &now, &self.seconds, self.total.sent)
    }
}

/// What the generator sees `now`, with its last `seconds` behind it, for the daemon and whoever looks at it.
pub fn view(plan: &Plan, now: &Window, seconds: &[Second], total: u64) -> LoadView {
    let seen = &now.seen;
    let rate = |count: u64| if now.seconds > 0.0 { count as f64 / now.seconds } else { 0.0 };
    let shown = &seconds[seconds.len().saturating_sub(SHOWN)..];
    let spark = |of: fn(&Second) -> f64| shown.iter().map(of).collect::<Vec<f64>>();
    let is_open = plan.model == Model::Open;
    LoadView {
        url: plan.target.url.clone(),
        model: if is_open { "open".into() } else { "closed".into() },
        offered: is_open.then(|| rate(seen.offered)),
        sent: rate(seen.sent),
        achieved: rate(seen.answered),
        lag_p99_ms: if is_open { seen.lag.percentile_ms(99.0) } else { None },
        p50_ms: seen.response.percentile_ms(50.0),
        p99_ms: seen.response.percentile_ms(99.0),
        p999_ms: seen.response.percentile_ms(99.9),
        service_p99_ms: seen.service.percentile_ms(99.0),
        error_share: seen.error_share(),
        in_flight: now.in_flight,
        total,
        offered_spark: spark(|second| second.seen.offered as f64),
        achieved_spark: spark(|second| second.seen.answered as f64),
        p99_spark: spark(|second| second.seen.response.percentile_ms(99.0).unwrap_or(0.0)),
    }
}

fn gate_view(standing: Standing) -> GateView {
    let state = match standing.holds {
        Some(true) => GateState::Holds,
        Some(false) => GateState::Fails,
        None => GateState::Unknown,
    };
    GateView { condition: standing.condition, state, value: standing.value }
}
