//! The control API of a daemon under test: typed calls, and exact bytes for what a client would not send.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use aya_api::axis::{Admin, Health, StickyDrain};
use aya_api::change::{Change, ChangeOptions};
use aya_api::client::{Client as ApiClient, ClientError, Events};
use aya_api::command::Call;
use aya_api::command::admin::SetAdmin;
use aya_api::command::algorithm::SetAlgorithm;
use aya_api::command::backends::{GetBackend, GetBackends};
use aya_api::command::events::GetEvents;
use aya_api::command::listeners::GetListeners;
use aya_api::command::reload::Reload;
use aya_api::command::status::GetStatus;
use aya_api::command::weight::SetWeight;
use aya_api::error::ApiError;
use aya_api::event::{Event, StreamItem};
use aya_api::view::{BackendDetail, BackendView, ListenerView, Status};

use crate::client::{Answer, Client, request};
use crate::wait::{self, DEADLINE};

/// Calls one daemon.
#[derive(Debug)]
pub struct Control {
    runtime: tokio::runtime::Runtime,
    client: ApiClient,
    socket: PathBuf,
}

impl Control {
    /// Calls whoever serves `socket`.
    pub fn at(socket: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let client = ApiClient::new(socket, DEADLINE).expect("a client can be made");
        Self { runtime: runtime.expect("a runtime can be made"), client, socket: socket.to_owned() }
    }

    /// Another caller of the same daemon.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::at(&self.socket)
    }

    /// Makes a call with options and returns what came of it.
    pub fn try_call<C: Call>(&self, call: &C, options: &ChangeOptions) -> Result<C::Reply, ClientError> {
        self.runtime.block_on(self.client.change(call, options))
    }

    /// Makes a call that must succeed.
    pub fn call<C: Call>(&self, call: &C) -> C::Reply {
        self.call_with(call, &ChangeOptions::default())
    }

    /// Makes a call that must succeed, with options.
    pub fn call_with<C: Call>(&self, call: &C, options: &ChangeOptions) -> C::Reply {
        self.try_call(call, options).unwrap_or_else(|error| panic!("{}: {error}", C::SPEC.path))
    }

    /// Makes a call that the daemon must refuse.
    pub fn refused<C: Call>(&self, call: &C, options: &ChangeOptions) -> ApiError
    where
        C::Reply: std::fmt::Debug,
    {
        match self.try_call(call, options) {
            Err(ClientError::Refused(error)) => error,
            other => panic!("{} was not refused: {other:?}", C::SPEC.path),
        }
    }

    /// Everything an operator sees first.
    pub fn status(&self) -> Status {
        self.call(&GetStatus)
    }

    /// True while a daemon answers.
    pub fn answers(&self) -> bool {
        self.try_call(&GetStatus, &ChangeOptions::default()).is_ok()
    }

    /// All listeners.
    pub fn listeners(&self) -> Vec<ListenerView> {
        self.call(&GetListeners)
    }

    /// All backends.
    pub fn backends(&self) -> Vec<BackendView> {
        self.call(&GetBackends)
    }

    /// One backend, written `pool/backend`, with its past.
    pub fn detail(&self, id: &str) -> BackendDetail {
        let (pool, backend) = split(id);
        self.call(&GetBackend { pool, backend })
    }

    /// One backend, written `pool/backend`.
    pub fn backend(&self, id: &str) -> BackendView {
        self.detail(id).backend
    }

    /// The events still kept.
    pub fn events(&self) -> Vec<Event> {
        self.call(&GetEvents { since: 0 })
    }

    /// Orders an admin state.
    pub fn set_admin(&self, id: &str, state: Admin) -> Change {
        let (pool, backend) = split(id);
        self.call(&SetAdmin::new(&pool, &backend, state, None))
    }

    /// Drains a backend and says what happens to bound clients.
    pub fn drain(&self, id: &str, sticky: StickyDrain) -> Change {
        let (pool, backend) = split(id);
        self.call(&SetAdmin::new(&pool, &backend, Admin::Draining, Some(sticky)))
    }

    /// Orders a weight.
    pub fn set_weight(&self, id: &str, weight: u32) -> Change {
        let (pool, backend) = split(id);
        self.call(&SetWeight::new(&pool, &backend, weight))
    }

    /// Orders an algorithm.
    pub fn set_algorithm(&self, pool: &str, name: &str) -> Change {
        self.call(&SetAlgorithm::new(pool, name))
    }

    /// Reads the configuration again.
    pub fn reload(&self) -> Change {
        self.call(&Reload)
    }

    /// Waits until the health of a backend is `wanted`, and returns the backend.
    pub fn expect_health(&self, id: &str, wanted: Health) -> BackendView {
        wait::until(&format!("{id} is {wanted}"), || {
            Some(self.backend(id)).filter(|backend| backend.health.state == wanted)
        })
    }

    /// Waits until the admin state of a backend is `wanted`, and returns the backend.
    pub fn expect_admin(&self, id: &str, wanted: Admin) -> BackendView {
        wait::until(&format!("{id} is {wanted}"), || {
            Some(self.backend(id)).filter(|backend| backend.admin.state == wanted)
        })
    }

    /// Plain text at a path.
    pub fn text(&self, path: &str) -> String {
        self.runtime.block_on(self.client.text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The event stream after `since`, or from the next event on.
    pub fn stream(&self, since: Option<u64>) -> Stream<'_> {
        let events = self.runtime.block_on(self.client.stream(since));
        Stream { control: self, events: events.expect("the daemon streams") }
    }

    /// A connection for exact bytes.
    pub fn connect(&self) -> Client<UnixStream> {
        let stream = UnixStream::connect(&self.socket).expect("the control socket accepts");
        stream.set_read_timeout(Some(DEADLINE)).expect("a time limit can be set");
        Client::over(stream)
    }

    /// Sends exact bytes on a connection of their own and reads the answer.
    pub fn raw(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut client = self.connect();
        client.send(bytes);
        client.answer()
    }

    /// Sends a call with fields and a body as they are.
    pub fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        let length = body.len().to_string();
        let mut all = vec![("content-length", length.as_str()), ("connection", "close")];
        all.extend_from_slice(fields);
        self.raw(request(method, path, &all) + body)
    }
}

/// The event stream of a daemon.
#[derive(Debug)]
pub struct Stream<'c> {
    control: &'c Control,
    events: Events,
}

impl Stream<'_> {
    /// Waits for the next item; `None` at the end of the stream. Panics when none comes within [`DEADLINE`].
    pub fn item(&mut self) -> Option<StreamItem> {
        let next = async { tokio::time::timeout(DEADLINE, self.events.next()).await };
        let next = self.control.runtime.block_on(next).expect("something comes by the stream");
        next.expect("the stream is well-formed")
    }

    /// Waits for the next event; skips signs of life, panics at a gap or the end.
    pub fn event(&mut self) -> Event {
        loop {
            match self.item() {
                Some(StreamItem::Event(event)) => return event,
                Some(StreamItem::Idle { .. }) => {}
                other => panic!("no event but {other:?}"),
            }
        }
    }
}

fn split(id: &str) -> (String, String) {
    let (pool, backend) = id.split_once('/').expect("a backend is written pool/backend");
    (pool.to_owned(), backend.to_owned())
}
