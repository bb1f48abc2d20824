//! What keeps faults small: who may inject, how much, for how long, and what ends them. Through the real binaries.

mod edges;

use std::process::{Child, Command, Output, Stdio};

use aya_api::axis::BreakerOrder;
use aya_api::change::ChangeOptions;
use aya_api::command::chaos::{GetChaos, Lock, Panic, Unlock};
use aya_api::command::faults::{GetFault, GetFaults, RenewFault, StartFault, StopAll, StopFault};
use aya_api::command::notes::AddNote;
use aya_api::command::runs::{EndRun, GetRuns, PutRun};
use aya_api::error::ErrorCode;
use aya_api::fault::{
    ChaosLimits, Distribution, Fault, FaultBody, FaultState, FaultTarget, FaultView, Phase,
};
use aya_api::run::{RunBody, RunKind, RunState};
use aya_tests::backend::Backend;
use aya_tests::binary;
use aya_tests::client::{self, Client};
use aya_tests::daemon::{Daemon, pool};
use aya_tests::load::{self, Load};
use aya_tests::wait::{until, until_true};

const ASIS: fn() -> ChangeOptions = ChangeOptions::default;

/// A daemon before two backends that answer.
struct Bench {
    daemon: Daemon,
    backends: [Backend; 2],
}

impl Bench {
    fn start(tables: &str) -> Self {
        let backends = [Backend::saying("a"), Backend::saying("b")];
        let daemon = Daemon::start(&Self::text(&backends, tables));
        Self { daemon, backends }
    }

    fn text(backends: &[Backend; 2], tables: &str) -> String {
        let [a, b] = backends;
        format!("{}\n{tables}", pool(&[("a", a.address), ("b", b.address)], ""))
    }

    fn inject(&self, body: &FaultBody) -> FaultView {
        self.daemon.control.call(&StartFault::new(body.clone()))
    }

    fn refused(&self, body: &FaultBody) -> (ErrorCode, String) {
        let error = self.daemon.control.refused(&StartFault::new(body.clone()), &ASIS());
        assert!(!error.hint.is_empty(), "{error}");
        (error.code, error.message)
    }

    /// The fault once it has ended.
    fn ended(&self, id: &str) -> FaultView {
        until("the end of the fault", || {
            let view = self.daemon.control.call(&GetFault::new(id));
            (view.state == FaultState::Ended).then_some(view)
        })
    }

    fn ayactl(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary::ayactl());
        command.args(arguments).arg("--socket").arg(self.daemon.socket()).output().expect("ayactl runs")
    }

    /// Sends requests until `enough` says so.
    fn request_until(&self, mut enough: impl FnMut() -> bool) {
        until("enough requests", || {
            client::get(self.daemon.address(), "/");
            enough().then_some(())
        });
    }
}

fn latency(target: FaultTarget) -> FaultBody {
    FaultBody::new(
        Fault::Latency { mean_ms: 1.0, jitter_ms: 0.0, distribution: Distribution::default() },
        target,
    )
}

fn main_pool() -> FaultBody {
    latency(FaultTarget::pool("main"))
}

#[test]
fn what_is_not_safe_is_refused_and_says_why() {
    let bench = Bench::start("[chaos]\nlongest = \"5m\"\nmax_faults = 2\nmax_backends = 1\n");
    let one = latency(FaultTarget::backend("main/a"));
    let (code, message) = bench.refused(&main_pool());
    assert_eq!((code, message.contains("max_backends")), (ErrorCode::Unsafe, true), "{message}");
    let (code, message) = bench.refused(&FaultBody { for_ms: 300_001, ..one.clone() });
    assert_eq!((code, message.as_str()), (ErrorCode::BadValue, "a fault of 300001 ms is not possible"));
    let (code, message) = bench.refused(&latency(FaultTarget::pool("mian")));
    assert_eq!((code, message.as_str()), (ErrorCode::NotFound, "no pool \"mian\""));
    let limits = ChaosLimits { min_ready: Some(2), ..ChaosLimits::default() };
    let narrow = FaultBody { limits: Some(limits), ..one.clone() };
    let (code, message) = bench.refused(&narrow);
    assert_eq!((code, message.contains("min_ready")), (ErrorCode::Unsafe, true), "{message}");
    let (code, message) = bench.refused(&FaultBody { stop_if: vec!["lag-p99>1ms".into()], ..one.clone() });
    assert_eq!((code, message.contains("lag-p99")), (ErrorCode::BadValue, true), "{message}");

    let view = bench.inject(&FaultBody { force: true, ..narrow });
    assert_eq!(view.backends, ["main/a"]);
    let (code, message) = bench.refused(&one);
    assert_eq!((code, message.contains(&view.id)), (ErrorCode::Conflict, true), "{message}");
    bench.inject(&FaultBody::new(Fault::Hang {}, FaultTarget::backend("main/a")));
    let (code, _) = bench.refused(&FaultBody::new(Fault::Refuse {}, FaultTarget::backend("main/a")));
    assert_eq!(code, ErrorCode::Unsafe);
    assert_eq!(bench.daemon.control.call(&StopAll).len(), 2);
    assert!(bench.daemon.control.call(&GetFaults::default()).is_empty());
}

#[test]
fn a_configuration_may_allow_no_faults() {
    let bench = Bench::start("[chaos]\nallow = false\n");
    assert_eq!(bench.refused(&main_pool()).0, ErrorCode::NotPermitted);
    let output = bench.ayactl(&["chaos", "hang", "main/a", "--percent", "1"]);
    assert_eq!(output.status.code(), Some(8));
    assert!(!bench.daemon.control.call(&GetChaos).allowed);
}

#[test]
fn whoever_locks_says_why_and_a_panic_ends_everything() {
    let bench = Bench::start("");
    let control = &bench.daemon.control;
    let fault = bench.inject(&main_pool());
    assert_eq!(control.refused(&Lock, &ASIS()).code, ErrorCode::BadRequest);
    let because = ChangeOptions { reason: Some("release day".into()), ..ASIS() };
    assert_eq!(control.call_with(&Lock, &because).faults.len(), 1);
    let (code, message) = bench.refused(&latency(FaultTarget::backend("main/a")));
    assert_eq!((code, message.contains("release day")), (ErrorCode::NotPermitted, true), "{message}");
    let burning = ChangeOptions { reason: Some("it burns".into()), ..ASIS() };
    for options in [&burning, &because, &burning] {
        let lock = control.call_with(&Panic, options).lock.expect("it is locked");
        let expected = format!("release day; {}: it burns", lock.by);
        assert_eq!(lock.reason, expected, "one lock does not hide another");
    }
    assert!(control.call_with(&Unlock, &because).lock.is_none());
    assert!(control.call(&Panic).lock.is_some());
    let ended = bench.ended(&fault.id);
    assert!(ended.ended_by.is_some_and(|cause| cause.starts_with("panic")));
    // What has ended stays as it is.
    assert_eq!(control.call(&StopFault::new(&fault.id)).ended_ms, ended.ended_ms);
}

#[test]
fn a_dry_run_says_whom_and_changes_nothing() {
    let bench = Bench::start("");
    let tried = ChangeOptions { dry_run: true, ..ASIS() };
    let view = bench.daemon.control.call_with(&StartFault::new(main_pool()), &tried);
    assert_eq!((view.state, view.id.as_str()), (FaultState::Planned, ""));
    assert_eq!(view.backends, ["main/a", "main/b"]);
    assert!(bench.daemon.control.call(&GetFaults { all: true }).is_empty());
    let output = bench.ayactl(&["chaos", "hang", "main"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--yes"));
    let output = bench.ayactl(&["chaos", "hang", "main", "--dry-run", "--percent", "10"]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_fault_ends_in_time_and_with_its_target() {
    let mut bench = Bench::start("");
    let short = bench.inject(&FaultBody { for_ms: 200, ..main_pool() });
    assert_eq!(bench.ended(&short.id).ended_by.as_deref(), Some("over"));
    let gone = bench.inject(&latency(FaultTarget::backend("main/a")));
    let [_, b] = &bench.backends;
    let text = pool(&[("b", b.address)], "");
    bench.daemon.reconfigure(&text);
    assert!(bench.ended(&gone.id).ended_by.is_some_and(|cause| cause.starts_with("target")));
    let forbidden = bench.inject(&latency(FaultTarget::backend("main/b")));
    bench.daemon.reconfigure(&format!("{text}\n[chaos]\nallow = false\n"));
    assert!(bench.ended(&forbidden.id).ended_by.is_some_and(|cause| cause.starts_with("configuration")));
}

#[test]
fn a_stop_condition_ends_its_fault_when_it_holds_or_cannot_be_told() {
    let bench = Bench::start("");
    let error = Fault::Error { status: 500, body: String::new(), headers: Vec::new() };
    let mut body = FaultBody::new(error, FaultTarget::pool("main"));
    body.stop_if = vec!["err>50%".into()];
    let fault = bench.inject(&body);
    let get = GetFault::new(&fault.id);
    bench.request_until(|| bench.daemon.control.call(&get).state == FaultState::Ended);
    assert!(bench.ended(&fault.id).ended_by.is_some_and(|cause| cause.starts_with("condition")));
    let blind = FaultBody { stop_if: vec!["p99>1s".into()], force: true, ..main_pool() };
    let blind = bench.inject(&blind);
    let ended = bench.ended(&blind.id);
    assert!(ended.ended_by.is_some_and(|cause| cause.starts_with("no data")));
}

#[test]
fn a_share_of_nothing_hits_nothing_and_counts() {
    let bench = Bench::start("");
    let fault = bench.inject(&FaultBody { share: 0.0, ..main_pool() });
    let get = GetFault::new(&fault.id);
    bench.request_until(|| bench.daemon.control.call(&get).observed.matched >= 20);
    assert_eq!(bench.daemon.control.call(&get).observed.hit, 0);
}

#[test]
fn a_share_of_all_hits_all() {
    let bench = Bench::start("");
    let error = Fault::Error { status: 418, body: String::new(), headers: Vec::new() };
    let fault = bench.inject(&FaultBody::new(error, FaultTarget::pool("main")));
    let tally = load::run(bench.daemon.address(), &Load { requests: 500, connections: 4, fields: &[] });
    assert_eq!((tally.statuses.get(&418), tally.failed), (Some(&500), 0), "{tally:?}");
    let seen = bench.daemon.control.call(&GetFault::new(&fault.id)).observed;
    assert_eq!((seen.matched, seen.hit, seen.share), (500, 500, Some(1.0)));
    bench.daemon.control.call(&StopAll);
    load::run(bench.daemon.address(), &Load { requests: 500, connections: 4, fields: &[] }).expect_all_fine();
}

/// One fault for each place where faults act: connecting, the attempt, its bytes, the breaker.
#[test]
fn faults_act_wherever_they_can() {
    let text = "a body that is long enough to be cut in the middle of it. ".repeat(5);
    let backend = Backend::saying(&text);
    let daemon = Daemon::start(&pool(&[("a", backend.address)], "retry = { attempts = 1 }"));
    let reason = |fault: Fault| {
        let body = FaultBody { force: true, ..FaultBody::new(fault, FaultTarget::pool("main")) };
        daemon.control.call(&StartFault::new(body));
        let mut client = Client::connect(daemon.address());
        client.send(client::request("GET", "/", &[]));
        let said = client.try_answer().map(|answer| answer.reason().unwrap_or("none").to_owned());
        daemon.control.call(&StopAll);
        // What the daemon made of the failures itself ends in its own time.
        until_true("it is back", || client::get(daemon.address(), "/").text() == text);
        said.ok()
    };
    let latency = main_pool().fault;
    assert_eq!(reason(Fault::Refuse {}).as_deref(), Some("connect-refused"));
    assert_eq!(
        reason(Fault::Reset { phase: Phase::Before, after_bytes: 0 }).as_deref(),
        Some("closed-early")
    );
    assert_eq!(reason(latency).as_deref(), Some("none"));
    assert_eq!(reason(Fault::Truncate { after_bytes: 200 }), None);
    assert_eq!(reason(Fault::Breaker { order: BreakerOrder::Open }).as_deref(), Some("no-backend"));
}

/// Ends whatever happens.
struct Attached(Child);

impl Drop for Attached {
    fn drop(&mut self) {
        // One that was killed already is what was wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_attached_fault_ends_when_its_caller_is_killed() {
    let bench = Bench::start("");
    let mut command = Command::new(binary::ayactl());
    command.args(["chaos", "latency", "main/a", "--mean", "1ms", "--attached", "--quiet"]);
    command.arg("--socket").arg(bench.daemon.socket()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut attached = Attached(command.spawn().expect("ayactl runs"));
    let fault = until("the fault", || bench.daemon.control.call(&GetFaults::default()).pop());
    assert!(fault.lease_ends_ms.is_some());
    attached.0.kill().expect("it runs");
    let ended = bench.ended(&fault.id);
    assert!(ended.ended_by.is_some_and(|cause| cause.starts_with("lease")));
    assert_eq!(bench.daemon.control.refused(&RenewFault::new(&fault.id), &ASIS()).code, ErrorCode::Conflict);
}

#[test]
fn a_daemon_that_is_killed_leaves_no_fault() {
    let bench = Bench::start("");
    bench.inject(&main_pool());
    let daemon = bench.daemon.restart("KILL");
    let chaos = daemon.control.call(&GetChaos);
    assert!(chaos.faults.is_empty() && chaos.ended.is_empty() && chaos.lock.is_none());
}

fn running(title: &str) -> RunBody {
    RunBody {
        kind: RunKind::Experiment,
        title: title.into(),
        state: RunState::Running,
        started_ms: 1,
        ends_ms: None,
        load: None,
        gates: Vec::new(),
        steps: Vec::new(),
        pools: Vec::new(),
        verdict: None,
    }
}

#[test]
fn one_run_at_a_time_is_for_a_pool_and_its_faults_end_with_it() {
    let bench = Bench::start("");
    let control = &bench.daemon.control;
    control.call(&PutRun::new("one", running("first")));
    let fault = bench.inject(&FaultBody { run: Some("one".into()), ..main_pool() });
    let other = FaultBody { run: Some("two".into()), ..latency(FaultTarget::backend("main/b")) };
    assert_eq!(bench.refused(&other).0, ErrorCode::Conflict);
    assert_eq!(control.call(&AddNote::new("it is slow").about("one")).kind, "note");
    control.call(&EndRun::new("one"));
    assert!(bench.ended(&fault.id).ended_by.is_some_and(|cause| cause.contains("one")));
    assert!(control.call(&GetRuns).is_empty());
    // Of one that nobody tells of any more nothing stays either.
    control.call(&PutRun::new("lost", running("second")));
    let body = FaultBody { run: Some("lost".into()), for_ms: 120_000, ..main_pool() };
    let fault = bench.inject(&body);
    assert!(bench.ended(&fault.id).ended_by.is_some_and(|cause| cause.contains("lost")));
    assert_eq!(control.call(&GetRuns)[0].run.state, RunState::Lost);
}
