//! The event loop: virtual time moves from one event to the next, and the daemon's decisions are asked at
//! each.
//!
//! What a request does is in `way`, what happens to proxies and servers meanwhile in `care`.

mod care;
mod way;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;

use aya_core::hash::mix;
use aya_core::rng::Rng;
use aya_core::time::Tick;

use crate::arm::Arm;
use crate::job::{JobId, Jobs};
use crate::proxy::Proxy;
use crate::report::Report;
use crate::scenario::{Scenario, Window};
use crate::server::Server;

/// Steps between two looks at whether somebody wants it to stop.
const LOOK_UP: u64 = 1 << 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Reach { server: u32, id: JobId },
    Finish { server: u32, id: JobId },
    Answer { id: JobId },
    TryOver { id: JobId },
    Again { id: JobId },
    Probe { proxy: u32, server: u32 },
    Check { proxy: u32, server: u32 },
    Retry { proxy: u32, server: u32 },
    Die { server: u32 },
    Begin { server: u32 },
    Wander { server: u32 },
    Tend,
    Change { index: u32 },
    Roll { server: u32, is_back: bool },
    Join { server: u32 },
}

struct Play<'s> {
    scenario: &'s Scenario,
    arm: Arm,
    now: Tick,
    /// What is to come; the number keeps events of the same moment in the order they were planned.
    events: BinaryHeap<Reverse<(Tick, u64, Event)>>,
    planned: u64,
    paces: Vec<(Tick, f64)>,
    /// The next request, which never waits in the heap; `None` after the last.
    arrival: Option<Tick>,
    /// When requests are given up, in the order they came: all wait for equally long.
    deadlines: VecDeque<(Tick, JobId)>,
    /// Draws arrivals, clients and work, and nothing else, so that they do not depend on decisions.
    traffic: Rng,
    /// Draws who is probed.
    probing: Rng,
    jobs: Jobs,
    proxies: Vec<Proxy>,
    servers: Vec<Server<'s>>,
    report: Report,
}

/// Plays a scenario to its end, with its own algorithm and seed.
pub fn run(scenario: &Scenario) -> Report {
    play(scenario, &scenario.algorithm, scenario.seed)
}

/// Plays a scenario to its end. Arms that are played with the same seed face the same requests and the same servers.
pub fn play(scenario: &Scenario, arm: &Arm, seed: u64) -> Report {
    let mut play = Play::new(scenario, arm, seed);
    play.plan_beginnings();
    while play.step() {}
    play.report
}

/// As [`play`], asking now and then whether to go on; `None` when it was stopped.
pub(crate) fn play_while(
    scenario: &Scenario,
    arm: &Arm,
    seed: u64,
    go_on: &mut dyn FnMut() -> ControlFlow<()>,
) -> Option<Report> {
    let mut play = Play::new(scenario, arm, seed);
    play.plan_beginnings();
    let mut steps = 0_u64;
    while play.step() {
        if steps.is_multiple_of(LOOK_UP) && go_on().is_break() {
            return None;
        }
        steps += 1;
    }
    Some(play.report)
}

impl<'s> Play<'s> {
    fn new(scenario: &'s Scenario, arm: &Arm, seed: u64) -> Self {
        let part = |part: u64| mix(seed, part);
        let servers = scenario.servers.iter().enumerate().map(|(index, spec)| {
            let downs = spec.down.into_iter().chain(scenario.rolled(index)).collect();
            Server::new(spec, scenario.work_of(spec), downs, part(2_000_000 + index as u64))
        });
        let proxies = (0..u64::from(scenario.proxies)).map(|n| Proxy::new(scenario, arm, part(1_000 + n)));
        Self {
            scenario,
            arm: *arm,
            now: Tick::ZERO,
            events: BinaryHeap::new(),
            planned: 0,
            paces: scenario.paces(),
            arrival: None,
            deadlines: VecDeque::new(),
            traffic: Rng::seeded(part(1)),
            probing: Rng::seeded(part(3)),
            jobs: Jobs::default(),
            proxies: proxies.collect(),
            servers: servers.collect(),
            report: Report::new(scenario, arm, seed),
        }
    }

    fn plan(&mut self, at: Tick, event: Event) {
        self.planned += 1;
        self.events.push(Reverse((at, self.planned, event)));
    }

    /// Plans what repeats itself, unless all requests have come by then.
    fn plan_while_busy(&mut self, wait: Duration, event: Event) {
        let at = self.now.after(wait);
        if at <= Tick::ZERO.after(self.scenario.duration) {
            self.plan(at, event);
        }
    }

    /// Lets the next thing happen; `false` when nothing is left.
    fn step(&mut self) -> bool {
        let event = self.events.peek().map(|Reverse((at, ..))| *at);
        let deadline = self.deadlines.front().map(|(at, _)| *at);
        let Some(next) = [event, deadline, self.arrival].into_iter().flatten().min() else { return false };
        self.now = next;
        if event == Some(next) {
            if let Some(Reverse((.., event))) = self.events.pop() {
                self.happen(event);
            }
        } else if deadline == Some(next) {
            if let Some((_, id)) = self.deadlines.pop_front() {
                self.give_up(id);
            }
        } else {
            self.arrive();
        }
        true
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Reach { server, id } => self.reach(server, id),
            Event::Finish { server, id } => self.finish(server, id),
            Event::Answer { id } => self.answer(id),
            Event::TryOver { id } => self.try_over(id),
            Event::Again { id } => self.send(id),
            Event::Probe { proxy, server } => self.probed(proxy, server),
            Event::Check { proxy, server } => self.check(proxy, server),
            Event::Retry { proxy, server } => self.penalty_over(proxy, server),
            Event::Die { server } => self.die(server),
            Event::Begin { server } => self.begin(server),
            Event::Wander { server } => self.wander(server),
            Event::Tend => self.tend(),
            Event::Change { index } => self.change(index),
            Event::Roll { server, is_back } => self.roll(server, is_back),
            Event::Join { server } => self.join(server),
        }
    }

    /// Requests per second at a moment, and until when that holds.
    fn pace_at(&self, now: Tick) -> (f64, Option<Tick>) {
        let next = self.paces.partition_point(|(from, _)| *from <= now);
        let (_, pace) = self.paces[next.saturating_sub(1)];
        (pace, self.paces.get(next).map(|(from, _)| *from))
    }

    /// When the next request comes, given the pace of now. A Poisson process has no memory, so at a change of pace
    /// it is drawn anew.
    fn plan_arrival(&mut self) {
        let end = Tick::ZERO.after(self.scenario.duration);
        let mut from = self.now;
        self.arrival = loop {
            let (pace, until) = self.pace_at(from);
            let seconds = -(1.0 - self.traffic.unit()).ln() / pace;
            let at = from.after(Duration::from_secs_f64(seconds));
            match until {
                Some(until) if at > until && until < end => from = until,
                _ => break (at <= end).then_some(at),
            }
        };
    }
}

impl Scenario {
    /// From when on requests arrive at which pace, a second.
    fn paces(&self) -> Vec<(Tick, f64)> {
        let later = self.step.iter().map(|step| (Tick::ZERO.after(step.at), self.pace(step.rate, step.load)));
        [(Tick::ZERO, self.rate())].into_iter().chain(later).collect()
    }

    /// When the server at `index` is away in the restart of all.
    fn rolled(&self, index: usize) -> Option<Window> {
        let rolling = self.rolling?;
        let from = self.roll_at(index)? + rolling.drain;
        Some(Window { from, to: from + rolling.down })
    }

    /// When its turn comes in the restart of all.
    fn roll_at(&self, index: usize) -> Option<Duration> {
        self.rolling.map(|rolling| rolling.at + rolling.every * index as u32)
    }
}
