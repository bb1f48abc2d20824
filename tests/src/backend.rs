//! Servers that do exactly what a test tells them, and remember what they were asked.

mod visit;

use std::io::{self, BufReader};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use self::visit::{Then, Visit};
use crate::message::Head;
use crate::wait::{self, DEADLINE, Gate};

/// Heads that are remembered.
const REMEMBERED: usize = 1000;

/// What a backend does with each request.
type Script = dyn Fn(&mut Visit<'_>) -> io::Result<Then> + Send + Sync;
/// What a backend does with each connection, instead of reading requests from it.
type Raw = dyn Fn(TcpStream) + Send + Sync;

/// A server on a loopback port of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct Backend {
    /// Where it listens, also while it refuses.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

enum Behaviour {
    Script(Box<Script>),
    Raw(Box<Raw>),
}

struct Shared {
    behaviour: Behaviour,
    refusing: AtomicBool,
    connections: AtomicUsize,
    open: AtomicUsize,
    requests: AtomicUsize,
    heads: Mutex<Vec<Head>>,
    streams: Mutex<Vec<TcpStream>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("requests", &self.requests).finish_non_exhaustive()
    }
}

impl Backend {
    /// Follows a script, once for each request.
    pub fn with(script: impl Fn(&mut Visit<'_>) -> io::Result<Then> + Send + Sync + 'static) -> Self {
        Self::start(Behaviour::Script(Box::new(script)))
    }

    /// Is handed each connection as it comes; nothing is read from it.
    pub fn raw(behaviour: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        Self::start(Behaviour::Raw(Box::new(behaviour)))
    }

    /// Answers every request with 200 and this text.
    pub fn saying(text: &str) -> Self {
        let text = text.to_owned();
        Self::with(move |visit| visit.answer(200, &text))
    }

    /// Answers every request with 200 and this text, but takes its time for each.
    pub fn slow(text: &str, delay: Duration) -> Self {
        let (text, never) = (text.to_owned(), Gate::default());
        Self::with(move |visit| {
            never.linger(delay);
            visit.answer(200, &text)
        })
    }

    /// Answers every request with its own head and body.
    pub fn echo() -> Self {
        Self::with(|visit| {
            let body = visit.body()?;
            let fields = visit.head.fields.iter().map(|(name, value)| format!("{name}: {value}\n"));
            let text = format!("{}\n{}\n{}", visit.head.line, fields.collect::<String>(), body.text());
            visit.answer(200, &text)
        })
    }

    /// Accepts connections, reads what comes, and never answers.
    pub fn silent() -> Self {
        Self::with(|visit| {
            visit.wait_for_close();
            Ok(Then::Close)
        })
    }

    /// A port at which nobody listens until [`Self::reopen`].
    pub fn refusing() -> Self {
        let backend = Self::saying("was refusing");
        backend.refuse();
        backend
    }

    fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            behaviour,
            refusing: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            heads: Mutex::new(Vec::new()),
            streams: Mutex::new(Vec::new()),
        });
        let backend = Self { address, shared, acceptor: Mutex::new(None) };
        backend.accept_on(listener);
        backend
    }

    fn accept_on(&self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        let acceptor = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.refusing.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.serve(stream));
            }
        });
        *lock(&self.acceptor) = Some(acceptor);
    }

    /// Closes its port; connections it already has go on.
    pub fn refuse(&self) {
        let Some(acceptor) = lock(&self.acceptor).take() else { return };
        self.shared.refusing.store(true, Ordering::SeqCst);
        // The acceptor waits for a connection: here is its last one.
        drop(TcpStream::connect_timeout(&self.address, DEADLINE));
        acceptor.join().expect("the acceptor does not panic");
    }

    /// Listens again, on the same port.
    pub fn reopen(&self) {
        self.shared.refusing.store(false, Ordering::SeqCst);
        let again = || TcpListener::bind(self.address).ok();
        self.accept_on(wait::until("the port is free again", again));
    }

    /// Closes every connection it has, whatever goes on there.
    pub fn hang_up(&self) {
        for stream in lock(&self.shared.streams).drain(..) {
            // Some are closed already.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Is gone at once, as after a power cut.
    pub fn die(&self) {
        self.refuse();
        self.hang_up();
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Connections open now.
    pub fn open_connections(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Requests whose head was read so far.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// The heads of its requests, oldest first.
    pub fn heads(&self) -> Vec<Head> {
        lock(&self.shared.heads).clone()
    }

    /// Waits for this many requests.
    pub fn expect_requests(&self, count: usize) {
        wait::until_true("the backend has its requests", || self.requests() >= count);
    }

    /// Waits until its last connection is closed.
    pub fn expect_no_connections(&self) {
        wait::until_true("the backend's connections are closed", || self.open_connections() == 0);
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.die();
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        self.open.fetch_add(1, Ordering::SeqCst);
        match &self.behaviour {
            Behaviour::Raw(raw) => raw(stream),
            // Broken connections are what many tests are about.
            Behaviour::Script(script) => drop(self.follow(script, stream)),
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    fn follow(&self, script: &Script, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        lock(&self.streams).push(stream.try_clone()?);
        let mut reader = BufReader::new(stream);
        for nth_on_connection in 0.. {
            let Some(head) = Head::read(&mut reader)? else { break };
            let nth = self.requests.fetch_add(1, Ordering::SeqCst);
            {
                let mut heads = lock(&self.heads);
                if heads.len() < REMEMBERED {
                    heads.push(head.clone());
                }
            }
            let mut visit = Visit::new(head, nth, nth_on_connection, &mut reader);
            if script(&mut visit)? == Then::Close {
                break;
            }
            visit.read_leftover()?;
        }
        // Other handles of the socket are kept, so that closing this one would not close the connection.
        reader.get_ref().shutdown(Shutdown::Both)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
