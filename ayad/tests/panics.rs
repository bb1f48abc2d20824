//! A panic ends the one connection it happened on, gives back what that held, and is counted.
//!
//! No input is known that makes a connection panic, so the tests panic in its place: in a task that holds the seat of a
//! connection, which is what every task of a client's connection holds until it ends (`Seat::take` is the only way in).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ayad::config::{self, Env};
use ayad::log::AccessLog;
use ayad::state::{Crew, EventLog, Listener, ListenerCell, Parts, Seat, Snapshot, State};

/// The state of a daemon with one listener, and that listener.
fn state() -> (Arc<State>, Arc<Listener>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ayad.toml");
    std::fs::write(&path, "aya = 1\nlisten = \"127.0.0.1:0\"\nbackends = [\"127.0.0.1:1\"]\n")
        .expect("it is ours");
    let config = config::load(&path, &Env::default()).expect("it is valid");
    let conf = config.listeners[0].clone();
    let listener = Arc::new(Listener {
        conf,
        bound: Vec::new(),
        cell: Arc::new(ListenerCell::new(1)),
        tls: None,
        rev: 1,
    });
    let snapshot = Snapshot {
        file: None,
        daemon: config.daemon,
        generation: 1,
        loaded_ms: 0,
        listeners: vec![Arc::clone(&listener)],
        bindings: Vec::new(),
        pools: Vec::new(),
        routes: Vec::new(),
        targets: Vec::new(),
        router: Arc::new(config.router),
        peeks: vec![false],
    };
    let (crew, _) = Crew::new(1);
    let (refusals, _) = tokio::sync::mpsc::unbounded_channel();
    let parts = Parts {
        snapshot,
        crew,
        rev: 1,
        max_clients: 10,
        refusals,
        access_log: AccessLog::new(),
        challenges: Arc::default(),
        events: EventLog::new(),
    };
    (Arc::new(State::new(parts)), listener)
}

/// A connection in its task: it waits, then panics or ends.
async fn connection(seat: Seat, go: tokio::sync::oneshot::Receiver<()>, panics: bool) {
    let told = go.await;
    assert!(!panics, "a defect, provoked: {told:?}");
    drop(seat);
}

#[test]
fn a_panic_ends_its_connection_alone_gives_its_seat_back_and_is_counted() {
    let (state, listener) = state();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
    let open = || (listener.cell.connections.load(Ordering::Relaxed), state.clients.load(Ordering::Relaxed));

    runtime.block_on(async {
        let begin = |panics| {
            let (go, wait) = tokio::sync::oneshot::channel();
            (go, tokio::spawn(connection(Seat::take(&state, &listener, 0), wait, panics)))
        };
        let (first, panicking) = begin(true);
        let (second, other) = begin(false);
        assert_eq!(open(), (2, 2));

        first.send(()).expect("it waits");
        assert!(panicking.await.expect_err("it panics").is_panic());
        assert_eq!((open(), state.panics.load(Ordering::Relaxed)), ((1, 1), 1));
        assert_eq!(state.crew.open().sum::<u64>(), 1);

        second.send(()).expect("the other one is still there");
        other.await.expect("and ends as it would have");
    });

    assert_eq!((open(), state.panics.load(Ordering::Relaxed)), ((0, 0), 1), "an ordinary end is not counted");
    let (told, _) = state.events.after(0, 10);
    assert!(told.iter().any(|event| event.cause.contains("defect")), "{told:?}");
}
