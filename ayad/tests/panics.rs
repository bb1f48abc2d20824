//! A panic ends what it happened in and nothing else, gives back what that held, and is counted and told.
//!
//! No input is known that makes the daemon panic, so the tests panic in its place, in the process of a daemon that was
//! started as always: in a task that holds the seat of a connection, which is what every task of a client's connection
//! holds until it ends (`Seat::take` is the only way in), and in the kinds of tasks and threads that do everything else.

use std::panic;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use ayad::args::Origin;
use ayad::config::{self, Env, Overrides};
use ayad::handover::Program;
use ayad::server::{self, Running, Start};
use ayad::state::{Listener, Seat, State};
use tokio::sync::oneshot;

/// Every panic of the process is counted: only one test may panic at a time.
static ALONE: Mutex<()> = Mutex::new(());

struct Daemon {
    running: Running,
    _folder: tempfile::TempDir,
}

impl Daemon {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("ayad.toml");
        std::fs::write(&path, "aya = 1\nlisten = \"127.0.0.1:0\"\nbackends = [\"127.0.0.1:1\"]\n")
            .expect("it is ours");
        let overrides = Overrides {
            control: Some(folder.path().join("control.sock")),
            state_dir: Some(folder.path().join("state")),
            workers: Some(1),
        };
        let env = Env { overrides, ..Env::default() };
        let config = config::load(&path, &env).expect("it is valid");
        let start = Start {
            config,
            source: Origin::File(path),
            kept: Arc::default(),
            env,
            program: Program::of_process(),
        };
        Self { running: server::start(start, None).expect("it can start"), _folder: folder }
    }

    fn state(&self) -> &Arc<State> {
        &self.running.state
    }

    fn listener(&self) -> Arc<Listener> {
        Arc::clone(&self.state().snapshot.load().listeners[0])
    }

    /// Panics counted while `provoke` runs, and the causes of the events that came with it. Failures of the test
    /// itself are printed again afterwards.
    fn panics_of(&self, provoke: impl FnOnce()) -> (u64, Vec<String>) {
        let panics = || self.state().panics.load(Ordering::Relaxed);
        let (before, newest) = (panics(), self.state().events.newest());
        provoke();
        drop(panic::take_hook());
        let (told, _) = self.state().events.after(newest, usize::MAX);
        let defects = told.into_iter().map(|event| event.cause).filter(|cause| cause.contains("a defect"));
        (panics() - before, defects.collect())
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made")
}

/// A connection in its task: it waits, then panics or ends.
async fn connection(seat: Seat, go: oneshot::Receiver<()>, panics: bool) {
    let told = go.await;
    assert!(!panics, "a defect, provoked: {told:?}");
    drop(seat);
}

#[test]
fn a_panic_ends_its_connection_alone_gives_its_seat_back_and_is_counted() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let daemon = Daemon::start();
    let (state, listener) = (daemon.state(), daemon.listener());
    let open = || (listener.cell.connections.load(Ordering::Relaxed), state.clients.load(Ordering::Relaxed));
    let runtime = runtime();
    let begin = |panics| {
        let (go, wait) = oneshot::channel();
        (go, runtime.spawn(connection(Seat::take(state, &listener, 0), wait, panics)))
    };
    let (first, panicking) = begin(true);
    let (second, other) = begin(false);
    assert_eq!(open(), (2, 2));

    first.send(()).expect("it waits");
    let mut ended = None;
    let (count, told) = daemon.panics_of(|| ended = Some(runtime.block_on(panicking)));

    assert!(ended.is_some_and(|end| end.is_err_and(|error| error.is_panic())));
    assert_eq!((open(), count), ((1, 1), 1));
    assert_eq!(state.crew.open().sum::<u64>(), 1);
    assert!(told[0].contains("provoked") && told[0].contains("panics.rs:"), "{told:?}");
    second.send(()).expect("the other one is still there");
    runtime.block_on(other).expect("and ends as it would have");
    assert_eq!((open(), state.panics.load(Ordering::Relaxed)), ((0, 0), 1), "an ordinary end is not counted");
}

#[test]
fn a_panic_is_counted_once_and_told_whatever_it_ends() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let daemon = Daemon::start();
    let runtime = runtime();

    let (count, told) = daemon.panics_of(|| {
        runtime.block_on(async {
            let task = tokio::spawn(async { panic!("the first\x1b[2J one") });
            let local = tokio::task::LocalSet::new();
            let call =
                local.run_until(async { tokio::task::spawn_local(async { panic!("the second") }).await });
            let blocking = tokio::task::spawn_blocking(|| panic!("the third"));
            drop((task.await, call.await, blocking.await));
        });
        let thread = thread::Builder::new().name("aya-other".to_owned());
        drop(thread.spawn(|| panic!("{}", "4".repeat(100_000))).expect("there is room for a thread").join());
    });

    assert_eq!((count, told.len()), (4, 4), "{told:?}");
    // Threads tell when they get to it: only what one of them tells has an order.
    let about = |what: &str| told.iter().filter(|cause| cause.contains(what)).count();
    assert_eq!(about(r"the first\u{1b}[2J one"), 1, "what is told moves no cursor: {told:?}");
    assert_eq!((about("the second"), about("the third"), about("aya-other")), (1, 1, 1), "{told:?}");
    assert!(told.iter().all(|cause| cause.len() < 1000), "{told:?}");
}
