//! Everything changes under load, and no request fails. Small in the suite; `AYA_CHURN=full` makes it the size
//! that the project promises.

use std::net::SocketAddr;
use std::time::Duration;

use aya_api::axis::{Admin, Health};
use aya_api::view::BackendView;
use aya_tests::backend::Backend;
use aya_tests::daemon::{Daemon, Setup, pool};
use aya_tests::load::{self, Load};
use aya_tests::wait;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const ALGORITHMS: [&str; 4] = ["round-robin", "least-connections", "p2c", "weighted-least-connections"];
/// Checks that a machine busy with other tests still answers in time: they are not what is tested here.
const CHECKED: &str = "health = { kind = \"http\", interval = \"1s\", timeout = \"1s\" }";

/// Longest time a call of the control API may take at full size.
const CALL: Duration = Duration::from_millis(100);

/// How much of it.
struct Size {
    requests: usize,
    connections: usize,
    is_full: bool,
}

/// The one place where the size is read.
#[expect(clippy::disallowed_methods, reason = "the one place where the size is read")]
fn size() -> Size {
    let is_full = std::env::var("AYA_CHURN").is_ok_and(|size| size == "full");
    if is_full {
        Size { requests: 200_000, connections: 64, is_full }
    } else {
        Size { requests: 10_000, connections: 16, is_full }
    }
}

fn backends() -> [Backend; 4] {
    NAMES.map(Backend::saying)
}

fn named(backends: &[Backend]) -> Vec<(&'static str, SocketAddr)> {
    NAMES.iter().zip(backends).map(|(name, backend)| (*name, backend.address)).collect()
}

fn start(backends: &[Backend], keys: &str) -> Daemon {
    Setup::new(&pool(&named(backends), keys)).workers(2).start()
}

/// One step of the churn: what changes is the next thing in turn.
fn change(step: usize, daemon: &mut Daemon, members: &[(&'static str, SocketAddr)]) {
    let turn = step / 6;
    let id = format!("main/{}", NAMES[turn % NAMES.len()]);
    match step % 6 {
        0 => drop(daemon.control.set_admin(&id, Admin::Draining)),
        1 => drop(daemon.control.set_weight(&format!("main/{}", NAMES[(turn + 1) % 4]), 1 + turn as u32 % 5)),
        2 => drop(daemon.control.set_algorithm("main", ALGORITHMS[turn % ALGORITHMS.len()])),
        3 => {
            // Another order of the backends, and another timeout: the pool changes, its members stay.
            let mut members = members.to_vec();
            members.rotate_left(turn % 4);
            let keys = format!("{CHECKED}\ntimeouts = {{ connect = \"{}ms\" }}", 1000 + turn);
            daemon.reconfigure(&pool(&members, &keys));
        }
        4 => drop(daemon.control.set_admin(&id, Admin::Ready)),
        _ => drop(daemon.control.status()),
    }
}

#[test]
fn no_request_fails_while_everything_changes() {
    let size = size();
    let backends = backends();
    let members = named(&backends);
    let mut daemon = start(&backends, CHECKED);
    let (mut steps, mut slowest) = (0, Duration::ZERO);

    let load = Load { requests: size.requests, connections: size.connections, fields: &[] };
    let tally = load::run_while(daemon.address(), &load, || {
        let ((), took) = wait::measured(|| change(steps, &mut daemon, &members));
        slowest = slowest.max(took);
        steps += 1;
    });

    tally.expect_all_fine();
    assert_eq!(tally.statuses[&200], size.requests);
    assert!(steps >= 24, "every backend had its turn: {steps} steps");
    assert!(NAMES.iter().all(|name| tally.of(name) > 0), "{:?}", tally.bodies);
    if size.is_full {
        assert!(slowest < CALL, "the slowest of {steps} calls took {slowest:?}");
    }
}

#[test]
fn a_backend_killed_under_load_costs_only_what_it_already_had() {
    let size = size();
    let backends = backends();
    let daemon = start(&backends, CHECKED);
    let control = daemon.control.again();
    let requests = size.requests / 4;
    let (mut is_dead, mut asked_when_down) = (false, None);

    let load = Load { requests, connections: size.connections, fields: &[] };
    let tally = load::run_while(daemon.address(), &load, || {
        let served: usize = backends.iter().map(Backend::requests).sum();
        if !is_dead && served > requests / 4 {
            backends[3].die();
            is_dead = true;
        }
        let dead = control.backend("main/d");
        if is_dead && asked_when_down.is_none() && is_gone(&dead) {
            asked_when_down = Some(dead.traffic.requests);
        }
    });

    assert_eq!(tally.failed, 0, "{:?}", tally.failures);
    let errors: usize =
        tally.statuses.iter().filter(|(status, _)| **status != 200).map(|(_, count)| count).sum();
    assert!(errors <= size.connections, "{errors} errors: {:?}", tally.statuses);
    // On a busy machine the load may be over before anybody could see it down.
    let asked_when_down = asked_when_down.unwrap_or_else(|| {
        wait::until("the dead backend is down", || {
            let dead = control.backend("main/d");
            is_gone(&dead).then_some(dead.traffic.requests)
        })
    });
    load::run(daemon.address(), &load).expect_all_fine();
    let dead = control.backend("main/d");
    assert_eq!(dead.traffic.requests, asked_when_down, "it was asked after it was known to be dead");
    // What it had, and one refusal for each worker.
    assert!(dead.traffic.failures <= size.connections as u64 + 2, "{} failures", dead.traffic.failures);
}

/// True once a dead backend is known to be dead and everything it had is recorded.
fn is_gone(backend: &BackendView) -> bool {
    backend.health.state == Health::Down && backend.traffic.in_flight == 0
}
