//! Where callers come in, and that they go on finding it.
//!
//! The control socket is found by its file, and files get lost: a cleaner of temporary folders, somebody's `rm`. So the
//! file is looked at every two seconds, and bound again when it is gone. A path that another daemon has taken
//! meanwhile is left to that one, for as long as it answers.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::sync::Arc;

use aya_api::event::Severity;
use tokio::task::AbortHandle;

use super::server::{self, Door};
use super::{Control, Shared};
use crate::sockets::{BindError, ControlFile};
use crate::state::NewEvent;

/// Where callers come in, as it can be handed over.
#[derive(Debug)]
pub struct Entrance {
    /// File of the control socket.
    pub file: Arc<ControlFile>,
    /// The control socket.
    pub control: Arc<UnixListener>,
    /// Where metrics are served besides.
    pub admin: Option<(SocketAddr, Arc<TcpListener>)>,
    /// Who takes callers at the control socket.
    porter: Option<AbortHandle>,
    /// Why the socket cannot be bound again, once that was told.
    told: Option<String>,
}

impl Entrance {
    /// Nobody is let in yet.
    pub fn new(
        file: Arc<ControlFile>,
        control: UnixListener,
        admin: Option<(SocketAddr, Arc<TcpListener>)>,
    ) -> Self {
        Self { file, control: Arc::new(control), admin, porter: None, told: None }
    }

    /// The control socket, for a task to accept at.
    pub(super) fn listener(&self) -> io::Result<tokio::net::UnixListener> {
        self.control.try_clone().and_then(tokio::net::UnixListener::from_std)
    }
}

/// Lets callers in at this socket, and no more at the one before. Who came in there stays.
pub(super) fn open(shared: &Shared, socket: tokio::net::UnixListener) {
    let doors = shared.borrow().upgrades.doors();
    let serving = server::serve(Rc::clone(shared), Door::Control(socket), doors);
    let porter = tokio::task::spawn_local(serving).abort_handle();
    let mut control = shared.borrow_mut();
    let before = control.upgrades.entrance().and_then(|entrance| entrance.porter.replace(porter));
    if let Some(before) = before {
        before.abort();
    }
}

/// Binds the control socket again when its file is gone.
pub(super) fn look(shared: &Shared) {
    let bound = shared.borrow_mut().bind_again();
    if let Some(socket) = bound {
        open(shared, socket);
    }
}

impl Control {
    /// Another control socket, when callers no longer find the one there was and another can be had.
    fn bind_again(&mut self) -> Option<tokio::net::UnixListener> {
        if self.state.is_stopping() {
            return None;
        }
        let default = self.env.default_control();
        let entrance = self.upgrades.entrance()?;
        if entrance.file.is_ours() {
            entrance.told = None;
            return None;
        }
        let path = entrance.file.path().to_owned();
        if path == default {
            ControlFile::make_folder(&path);
        }
        let bound = entrance.file.bind_again().and_then(|socket| {
            entrance.control = Arc::new(socket);
            let failed = |source| BindError::System { address: path.display().to_string(), source };
            entrance.listener().map_err(failed)
        });
        let (severity, cause) = match &bound {
            Ok(_) => {
                entrance.told = None;
                let cause =
                    format!("the file of the control socket was gone; bound again at {}", path.display());
                (Severity::Warning, cause)
            }
            Err(error) => {
                let why = error.to_string();
                if entrance.told.replace(why.clone()).is_some_and(|told| told == why) {
                    return None;
                }
                let cause =
                    format!("nobody finds the control socket any more, and it cannot be bound again: {why}");
                (Severity::Error, cause)
            }
        };
        self.state.events.push(NewEvent::new(severity, "daemon", "ayad", cause));
        bound.ok()
    }
}
