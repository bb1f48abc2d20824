//! Faults and load: what is injected must be seen everywhere, and stopped from anywhere.

use aya_api::fault::{
    ChaosLimits, ChaosView, Fault, FaultState, FaultTarget, FaultView, LockView, Observed, Per, Skipped,
    StopState, StopView,
};
use aya_api::run::{GateState, GateView, LoadView, RunBody, RunKind, RunState, RunView, StepView};
use aya_api::view::Status;
use aya_tui::message::{Effect, Request};
use aya_tui::plan::{Order, Wish};

use super::world::{MINUTE, SECOND};
use super::{KeyCode, Message, Model, NOW_MS, SIZES, hear, live, lose, options, picture, press, select};
use super::{detail, snapshot, status, strike};

fn fault(id: &str, fault: Fault, backend: &str, share: f64) -> FaultView {
    FaultView {
        id: id.into(),
        fault,
        target: FaultTarget::backend(backend),
        share,
        per: Per::Request,
        seed: 7,
        state: FaultState::Active,
        started_ms: NOW_MS - 26 * SECOND,
        ends_ms: NOW_MS + 34 * SECOND,
        lease_ends_ms: None,
        ended_ms: None,
        ended_by: None,
        by: "ada".into(),
        reason: Some("game day".into()),
        run: None,
        backends: vec![backend.into()],
        observed: Observed {
            matched: 16_240,
            hit: 812,
            share: Some(0.05),
            low: Some(0.0459),
            high: Some(0.0546),
            held: 12,
            skipped: vec![Skipped { cause: "max-traffic".into(), count: 12 }],
        },
        stop_if: Vec::new(),
        limits: ChaosLimits::default(),
    }
}

fn chaos() -> ChaosView {
    let slow = Fault::Latency {
        mean_ms: 200.0,
        jitter_ms: 50.0,
        distribution: aya_api::fault::Distribution::Normal,
    };
    let stop = |condition: &str, state, value| StopView {
        condition: condition.into(),
        state,
        value,
        since_ms: NOW_MS - 20 * SECOND,
    };
    let mut first = fault("f7", slow, "shop/web-2", 0.05);
    first.stop_if = vec![
        stop("shop: err > 5% for 3s", StopState::Clear, Some(0.004)),
        stop("shop: p99 > 1s", StopState::NoData, None),
    ];
    let mut second = fault("f8", Fault::Refuse {}, "shop/web-4", 1.0);
    second.ends_ms = NOW_MS + 4 * SECOND;
    second.lease_ends_ms = Some(NOW_MS + 2 * SECOND);
    second.run = Some("backend-dies-3".into());
    second.observed = Observed { matched: 0, ..Observed::default() };
    let mut ended = fault("f6", Fault::Hang {}, "shop/web-1", 1.0);
    ended.state = FaultState::Ended;
    ended.started_ms = NOW_MS - 2 * MINUTE;
    ended.ended_ms = Some(NOW_MS - 50 * SECOND);
    ended.ended_by = Some("condition shop: err > 5% for 3s".into());
    ChaosView {
        allowed: true,
        lock: None,
        longest_ms: 10 * MINUTE,
        max_faults: 16,
        load: aya_api::run::LoadLimits::default(),
        limits: ChaosLimits { max_backends: Some(2), min_ready: Some(1), ..ChaosLimits::default() },
        faults: vec![first, second],
        ended: vec![ended],
    }
}

fn gate(condition: &str, state: GateState, value: Option<f64>) -> GateView {
    GateView { condition: condition.into(), state, value }
}

fn run(id: &str, kind: RunKind, state: RunState) -> RunView {
    let wave = |i: u32| 5_000.0 + 300.0 * (f64::from(i) / 6.0).sin();
    RunView {
        id: id.into(),
        by: "ada".into(),
        told_ms: NOW_MS,
        run: RunBody {
            kind,
            title: "checkout at peak".into(),
            state,
            started_ms: NOW_MS - 34 * SECOND,
            ends_ms: Some(NOW_MS + 26 * SECOND),
            load: Some(LoadView {
                url: "http://127.0.0.1:8080/cart".into(),
                model: "open".into(),
                offered: Some(5_000.0),
                sent: 5_001.0,
                achieved: 4_812.0,
                lag_p99_ms: Some(0.12),
                p50_ms: Some(1.2),
                p99_ms: Some(48.0),
                p999_ms: Some(210.0),
                service_p99_ms: Some(31.0),
                error_share: Some(0.004),
                in_flight: 212,
                total: 170_012,
                offered_spark: vec![5_000.0; 34],
                achieved_spark: (0..34).map(wave).collect(),
                p99_spark: (0..34).map(|i| if i > 8 { 48.0 } else { 6.0 }).collect(),
            }),
            gates: vec![
                gate("p99<50ms", GateState::Holds, Some(48.0)),
                gate("err<0.1%", GateState::Fails, Some(0.004)),
            ],
            steps: vec![
                StepView {
                    what: "fault refuse shop/web-4".into(),
                    started_ms: Some(NOW_MS - 26 * SECOND),
                    ended_ms: None,
                    outcome: None,
                },
                StepView { what: "wait 5s".into(), started_ms: None, ended_ms: None, outcome: None },
            ],
            pools: Vec::new(),
            verdict: None,
        },
    }
}

fn game_day() -> Status {
    let mut status = status();
    status.chaos = chaos();
    status.runs =
        vec![run("r2", RunKind::Load, RunState::Running), run("r1", RunKind::Experiment, RunState::Lost)];
    status.runs[1].run.title = "A backend dies".into();
    status.runs[1].told_ms = NOW_MS - 9 * SECOND;
    status
}

fn on_game_day(size: (u16, u16)) -> Model {
    let mut model = live(size);
    hear(&mut model, Message::Status(Box::new(game_day())));
    model
}

#[test]
fn faults_and_load_at_every_size() {
    for size in SIZES.into_iter().chain([(250, 70), (60, 16)]) {
        let mut model = on_game_day(size);
        snapshot("game_day", &model);
        strike(&mut model, "7");
        snapshot("chaos", &model);
        strike(&mut model, "8");
        snapshot("load", &model);
    }
}

#[test]
fn many_gates_and_steps_leave_room_for_the_plot() {
    let mut status = game_day();
    status.runs[1].run.state = RunState::Done;
    status.runs[1].run.verdict = Some("NO PROOF: the generator was full".into());
    let body = &mut status.runs[0].run;
    body.gates = (0..8).map(|at| gate(&format!("p99<{at}s"), GateState::Holds, Some(48.0))).collect();
    body.gates[6] = gate("err<0.1%", GateState::Fails, Some(0.004));
    let step = body.steps[1].clone();
    body.steps.extend((0..6).map(|at| StepView { what: format!("wait {at}m"), ..step.clone() }));
    let mut model = live((80, 24));
    hear(&mut model, Message::Status(Box::new(status)));
    strike(&mut model, "8");
    snapshot("load_many", &model);

    let mut status = game_day();
    status.runs[0].run.state = RunState::Done;
    status.runs[0].run.verdict = Some("VALID: 100 % of what was offered came to an end".into());
    hear(&mut model, Message::Status(Box::new(status.clone())));
    assert!(picture(&model).contains("GATES FAIL"), "{}", picture(&model));
    status.runs[0].run.gates.retain(|gate| gate.state == GateState::Holds);
    hear(&mut model, Message::Status(Box::new(status)));
    assert!(picture(&model).contains("load        VALID"), "{}", picture(&model));
}

#[test]
fn nothing_injected_and_nothing_run_say_how_to_begin() {
    for size in [(80, 24), (60, 16)] {
        let mut model = live(size);
        let mut status = status();
        status.chaos = ChaosView { faults: Vec::new(), ended: Vec::new(), ..chaos() };
        hear(&mut model, Message::Status(Box::new(status)));
        strike(&mut model, "7");
        snapshot("chaos_empty", &model);
        strike(&mut model, "8");
        snapshot("load_empty", &model);
    }
}

#[test]
fn a_backend_shows_the_fault_under_its_time_axis() {
    let mut model = on_game_day((120, 40));
    select(&mut model, "shop/web-2");
    press(&mut model, KeyCode::Enter);
    let mut detail = detail();
    detail.backend = game_day().pools[1].backends[1].clone();
    hear(&mut model, Message::Detail(Box::new(detail)));
    assert!(picture(&model).contains("▲f7─"), "{}", picture(&model));
}

#[test]
fn a_lock_is_told_with_who_why_and_how_to_lift_it() {
    let mut status = game_day();
    status.chaos.faults.clear();
    status.chaos.lock =
        Some(LockView { by: "ada".into(), reason: "incident 42".into(), since_ms: NOW_MS - 3 * MINUTE });
    let mut model = live((80, 24));
    hear(&mut model, Message::Status(Box::new(status)));
    strike(&mut model, "7");
    snapshot("chaos_locked", &model);
}

#[test]
fn the_panic_key_asks_nothing_and_works_from_an_old_picture() {
    let mut model = on_game_day((80, 24));
    lose(&mut model, 9);
    assert!(matches!(strike(&mut model, "!")[..], [Effect::Ask(Request::Panic)]));

    let mut looking = Model::new(&aya_tui::Options { read_only: true, ..options() }, (80, 24), NOW_MS);
    hear(&mut looking, Message::Status(Box::new(game_day())));
    assert!(strike(&mut looking, "!").is_empty(), "who only looks stops nothing");
    assert!(picture(&looking).contains("read-only"));
}

#[test]
fn one_fault_is_stopped_after_a_yes() {
    let mut model = on_game_day((80, 24));
    strike(&mut model, "7j");
    let asked = strike(&mut model, "x");
    assert!(asked.is_empty(), "{asked:?}");
    snapshot("chaos_stop", &model);
    let order = Order { wish: Wish::StopFault { id: "f8".into() }, if_rev: 0 };
    let effects = strike(&mut model, "y");
    assert!(matches!(&effects[..], [Effect::Ask(Request::Change(sent))] if *sent == order), "{effects:?}");
}

#[test]
fn the_selected_fault_stays_selected_when_another_one_ends() {
    let mut model = on_game_day((80, 24));
    strike(&mut model, "7j");
    let mut status = game_day();
    status.chaos.faults.remove(0);
    hear(&mut model, Message::Status(Box::new(status)));
    strike(&mut model, "x");
    assert!(picture(&model).contains("Stop fault f8?"), "{}", picture(&model));
}
