//! The end: signals, draining, the deadline.
//!
//! The first SIGTERM or SIGINT stops accepting and lets requests finish within `shutdown_timeout`; the second
//! one ends the process at once. SIGHUP reloads, SIGUSR2 hands over to a new process (see [`crate::handover`]), after
//! which this one ends as if it had been stopped, but for what belongs to the other now.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aya_api::event::Severity;
use aya_api::exit::Exit;
use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use signal_hook::iterator::Signals;
use tokio::sync::mpsc;

use crate::clock;
use crate::control::Signal;
use crate::server::Running;
use crate::state::{Ending, NewEvent, State};

/// Time between two looks at the connections that are left.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Longest wait for streams to tell their readers of the end.
const TELL_WITHIN: Duration = Duration::from_millis(250);
/// Longest wait for workers to cut what they still serve.
const CUT_WITHIN: Duration = Duration::from_secs(1);
/// Longest wait for the end of the access log.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Waits for signals until the daemon is to end, then ends it. Returns the exit code.
pub fn wait(running: &Running, mut signals: Signals) -> Exit {
    notify(&[NotifyState::Ready]);
    let handle = signals.handle();
    for signal in signals.forever() {
        match signal {
            SIGHUP => {
                notify(&[NotifyState::Reloading, monotonic()]);
                if running.signals.send(Signal::Reload).is_err() {
                    tracing::error!("the control thread has ended: nothing was reloaded");
                }
                notify(&[NotifyState::Ready]);
            }
            SIGUSR2 => {
                if running.signals.send(Signal::Upgrade).is_err() {
                    tracing::error!("the control thread has ended: nobody can take over");
                }
            }
            SIGTERM | SIGINT => break,
            other => tracing::debug!(signal = other, "ignored"),
        }
    }
    let (second, on_second) = mpsc::unbounded_channel();
    let name = "aya-signals".to_owned();
    let waiter = std::thread::Builder::new().name(name).spawn(move || {
        if let Some(signal) = signals.forever().find(|signal| [SIGTERM, SIGINT].contains(signal))
            && second.send(signal).is_err()
        {
            tracing::debug!("a second signal came when everything was over");
        }
    });
    if let Err(error) = waiter {
        tracing::warn!(%error, "a second signal will not be noticed");
    }
    let exit = drain(running, on_second);
    if !running.state.handed_over.load(Ordering::Acquire) {
        running.control.remove();
    }
    handle.close();
    exit
}

/// The signals this daemon takes; to be registered before anything else starts.
pub fn signals() -> std::io::Result<Signals> {
    Signals::new([SIGHUP, SIGINT, SIGTERM, SIGUSR2])
}

fn drain(running: &Running, mut second: mpsc::UnboundedReceiver<i32>) -> Exit {
    let state = &running.state;
    let is_handed_over = state.handed_over.load(Ordering::Acquire);
    if !is_handed_over {
        // After a hand-over the service goes on.
        notify(&[NotifyState::Stopping]);
    }
    state.stopping.store(true, Ordering::Relaxed);
    let snapshot = state.snapshot.load_full();
    // Nobody is there any more to end them.
    state.faults.end_all(&snapshot);
    for binding in &snapshot.bindings {
        binding.end(if is_handed_over { Ending::HandOver } else { Ending::Refuse });
    }
    state.crew.end_clients(None);
    let limit = snapshot.daemon.shutdown_timeout;
    let cause = format!("stopping: requests in flight may take {} s more", limit.as_secs());
    state.events.push(NewEvent::new(Severity::Info, "daemon", "ayad", cause));
    let deadline = clock::now().after(limit);
    let exit = loop {
        let left = state.clients.load(Ordering::Relaxed);
        // While workers accept what was begun, somebody may still come.
        if left == 0 && state.accepting.load(Ordering::Relaxed) == 0 {
            break Exit::Done;
        }
        if clock::now() >= deadline {
            tracing::warn!(connections = left, "the deadline has passed: connections are cut");
            break Exit::Deadline;
        }
        if second.try_recv().is_ok() {
            tracing::warn!(connections = left, "a second signal: connections are cut");
            break Exit::Error;
        }
        pause();
    };
    cut(state);
    state.access_log.flush(FLUSH_WITHIN);
    state.events.close();
    let told = clock::now().after(TELL_WITHIN);
    while state.events.readers() > 0 && clock::now() < told {
        pause();
    }
    exit
}

/// Has the workers cut what is left, and waits until they have recorded it.
fn cut(state: &State) {
    state.cut.send_replace(true);
    let until = clock::now().after(CUT_WITHIN);
    while state.cut.receiver_count() > 0 && clock::now() < until {
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a thread without a runtime waits for counters it cannot be told about"
)]
fn pause() {
    std::thread::sleep(LOOK_EVERY);
}

fn monotonic() -> NotifyState<'static> {
    NotifyState::monotonic_usec_now().unwrap_or(NotifyState::MonotonicUsec(0))
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}
