//! `--stop-on-eof`: a daemon that ends with whoever started it.
//!
//! Whoever starts it keeps the other end of its standard input open for as long as the daemon is to live. The system
//! closes that end however its owner ends, also when it is killed; so nothing has to be said, and nothing is left behind.
//! What is written there is read and thrown away. After an upgrade the next process holds on to the same end. A process
//! that is stopping already goes on with that: a second signal would cut what it finishes.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::raise;

/// Standard input, under a number of its own.
pub fn of_stdin() -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?)
}

/// Stops this process as SIGTERM does, once the other end is closed.
pub fn hold_on(lifeline: &Arc<OwnedFd>) -> io::Result<()> {
    let mut end = File::from(lifeline.try_clone()?);
    let is_stopping = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        flag::register(signal, Arc::clone(&is_stopping))?;
    }
    let wait = move || {
        let mut nothing = [0; 512];
        loop {
            match end.read(&mut nothing) {
                Ok(0) => break tracing::info!("standard input has ended"),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break tracing::warn!(%error, "standard input cannot be read"),
            }
        }
        if is_stopping.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = raise(SIGTERM) {
            tracing::error!(%error, "this process has to be stopped by hand");
        }
    };
    thread::Builder::new().name("aya-lifeline".to_owned()).spawn(wait).map(drop)
}
