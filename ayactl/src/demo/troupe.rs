//! The processes of the practice backends, and what may be done to them: each backend is a child of this process, which
//! starts it again when it has been killed and lets it go on when it has been stopped.
//!
//! A child ends with its parent, whatever ends that: the system kills it with the thread that started it, even while it
//! is stopped. Only children of this process are ever touched, through their own handles. Who wants something asks at a
//! socket beside that of the daemon ([`super::practice`]).

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use aya_api::client::Client;
use aya_api::command::faults::GetFault;
use aya_api::exit::Exit;
use aya_api::fault::FaultState;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixListener;
use tokio::process::{Child, Command};
use tokio::time::{Instant, interval, timeout};

use super::backend::CAST;
use super::crew::{Crew, Stop};
use super::practice::{self, Request, Told};
use crate::experiment::practice::Verb;

/// Longest time until a backend says where it is.
const START: Duration = Duration::from_secs(10);
/// How often it is looked whether something is over.
const LOOK: Duration = Duration::from_millis(50);

/// How often the daemon is asked whether the fault of something has ended.
const ASK: Duration = Duration::from_millis(200);
/// Limit of one such call.
const CALL: Duration = Duration::from_secs(1);

/// Starts a process for each backend, and answers beside the socket `control` of the daemon. Returns their addresses in the
/// order of [`CAST`].
pub(super) fn start(seed: u64, control: &Path) -> io::Result<(Crew, Vec<SocketAddr>)> {
    let socket = practice::socket(control);
    let client = Client::new(control, CALL).map_err(io::Error::other)?;
    let (tell, told) = mpsc::channel();
    let crew = Crew::start("backends", move |stop| async move {
        match Troupe::gather(seed, client).await {
            Ok(mut troupe) => {
                let listener = UnixListener::bind(&socket);
                let addresses = troupe.players.iter().map(|player| player.address).collect();
                match listener {
                    Ok(listener) => {
                        // Whoever waits for it is there until it has come.
                        let _ = tell.send(Ok(addresses));
                        troupe.perform(listener, stop).await;
                    }
                    Err(error) => drop(tell.send(Err(error))),
                }
            }
            Err(error) => drop(tell.send(Err(error))),
        }
    })?;
    let addresses = told.recv().map_err(|_| io::Error::other("the practice backends did not start"))??;
    Ok((crew, addresses))
}

/// What a process is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Plays,
    /// Stopped, until then.
    Paused(Instant),
    /// Killed, until then.
    Dead(Instant),
}

/// One backend and its process.
struct Player {
    id: String,
    index: usize,
    address: SocketAddr,
    child: Child,
    state: State,
    /// The fault of the daemon that it is so for.
    fault: Option<String>,
}

struct Troupe {
    seed: u64,
    daemon: Client,
    asked: Instant,
    players: Vec<Player>,
}

impl Troupe {
    async fn gather(seed: u64, daemon: Client) -> io::Result<Self> {
        let mut players = Vec::new();
        for (index, part) in CAST.iter().enumerate() {
            let (child, address) = spawn(index, seed, None).await?;
            let (state, fault) = (State::Plays, None);
            players.push(Player { id: part.id(), index, address, child, state, fault });
        }
        Ok(Self { seed, daemon, asked: Instant::now(), players })
    }

    async fn perform(&mut self, listener: UnixListener, mut stop: Stop) {
        let mut looks = interval(LOOK);
        loop {
            tokio::select! {
                () = stop.told() => break,
                _ = looks.tick() => self.look().await,
                accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                    practice::converse(stream, async |request| self.obey(&request).await).await;
                },
            }
        }
        for player in &mut self.players {
            // One that has ended already needs nothing.
            let _ = player.child.kill().await;
        }
    }

    /// Ends what is over, and starts again what ended by itself.
    async fn look(&mut self) {
        let now = Instant::now();
        for index in 0..self.players.len() {
            let state = self.players[index].state;
            match state {
                State::Paused(until) if now >= until => self.resume(index).await,
                State::Dead(until) if now >= until => self.resume(index).await,
                State::Plays if matches!(self.players[index].child.try_wait(), Ok(Some(_))) => {
                    self.players[index].state = State::Dead(now);
                }
                _ => {}
            }
        }
        if now >= self.asked + ASK {
            self.asked = now;
            for index in 0..self.players.len() {
                if self.is_forgiven(index).await {
                    self.resume(index).await;
                }
            }
        }
    }

    /// Whether the daemon says that a fault has ended, or is not there to know of it any more.
    async fn is_forgiven(&self, index: usize) -> bool {
        let Some(fault) = &self.players[index].fault else { return false };
        match self.daemon.call(&GetFault::new(fault)).await {
            Ok(view) => view.state == FaultState::Ended,
            Err(error) => matches!(error.exit(), Exit::NotFound | Exit::Unreachable),
        }
    }

    async fn obey(&mut self, request: &Request) -> Result<Told, String> {
        let known = self.players.iter().position(|player| player.id == request.backend);
        let index = known.ok_or_else(|| {
            let names: Vec<&str> = self.players.iter().map(|player| player.id.as_str()).collect();
            format!("there is no practice backend \"{}\"; there are {}", request.backend, names.join(", "))
        })?;
        let until = Instant::now() + Duration::from_millis(request.for_ms);
        let was = self.players[index].state;
        let is_idle = was == State::Plays;
        match request.verb {
            None => {
                if !is_idle {
                    self.resume(index).await;
                }
            }
            Some(_) if !is_idle => {
                let what = if matches!(was, State::Paused(_)) { "paused" } else { "killed" };
                return Err(format!("{} is {what} already; wait until it is back", request.backend));
            }
            Some(Verb::Pause) => {
                self.players[index].fault.clone_from(&request.fault);
                signal(&self.players[index].child, Signal::STOP)?;
                self.players[index].state = State::Paused(until);
            }
            Some(Verb::Kill) => {
                self.players[index].fault.clone_from(&request.fault);
                self.kill(index).await?;
                self.players[index].state = State::Dead(until);
            }
            Some(Verb::Restart) => {
                self.kill(index).await?;
                self.players[index].state = State::Dead(Instant::now());
                self.resume(index).await;
            }
        }
        let player = &self.players[index];
        let state = match player.state {
            State::Plays => "plays",
            State::Paused(_) => "paused",
            State::Dead(_) => "killed",
        };
        Ok(Told { backend: player.id.clone(), state: state.to_owned(), pid: player.child.id() })
    }

    async fn kill(&mut self, index: usize) -> Result<(), String> {
        self.players[index].child.kill().await.map_err(|error| format!("it cannot be killed: {error}"))
    }

    /// Lets it go on, or starts it again; what fails is tried again at the next look.
    async fn resume(&mut self, index: usize) {
        let seed = self.seed;
        let player = &mut self.players[index];
        match player.state {
            State::Plays => {}
            State::Paused(_) => {
                if signal(&player.child, Signal::CONT).is_ok() {
                    (player.state, player.fault) = (State::Plays, None);
                }
            }
            State::Dead(_) => {
                if let Ok((child, _)) = spawn(player.index, seed, Some(player.address)).await {
                    player.child = child;
                    (player.state, player.fault) = (State::Plays, None);
                }
            }
        }
    }
}

/// A signal to a child that has not been waited for, so that its number is still its own.
fn signal(child: &Child, signal: Signal) -> Result<(), String> {
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let pid = pid.ok_or_else(|| "its process has just ended; it is started again".to_owned())?;
    kill_process(pid, signal).map_err(|error| format!("its process cannot be signalled: {error}"))
}

/// Starts a backend: at its address, or at a free one, which it says in its first line.
async fn spawn(index: usize, seed: u64, address: Option<SocketAddr>) -> io::Result<(Child, SocketAddr)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("practice-backend").args(["--part", &index.to_string(), "--seed", &seed.to_string()]);
    if let Some(address) = address {
        command.args(["--address", &address.to_string()]);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
    let silent = || io::Error::other("a practice backend ended without saying where it is");
    let mut out = BufReader::new(child.stdout.take().ok_or_else(silent)?).lines();
    let line = timeout(START, out.next_line()).await.map_err(|_| silent())??.ok_or_else(silent)?;
    let address = line.parse().map_err(|_| io::Error::other(format!("\"{line}\" is no address")))?;
    Ok((child, address))
}
