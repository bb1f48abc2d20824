//! What the binary does for each thing it can be asked.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use aya_api::exit::Exit;
use signal_hook::iterator::Signals;

use crate::args::{Args, Format, Intent, LogLevel, NOTHING_TO_DO, Origin, Style, completions};
use crate::config::{self, Config, Env, Kept, Problems};
use crate::handover::taker::Inheritance;
use crate::handover::{HandoverError, Program};
use crate::server::StartError;
use crate::{clock, descriptors, heap, lifeline, log, server, shutdown, upgrade};

/// Reads the command line and does what it says.
pub fn main() -> Exit {
    let (args, take_over) = Args::of_process();
    let (intent, overrides) = args.into_intent();
    let env = Env::from_process(overrides);
    match intent {
        Intent::Run { origin, log_level, stop_on_eof } => {
            let wish = Wish { level: log_level, stop_on_eof, is_successor: take_over };
            run(origin, &wish, env)
        }
        Intent::Check { file, format } => check(&file, format, &env),
        Intent::Upgrade { socket, binary, dry_run } => {
            upgrade(&socket.unwrap_or_else(|| env.default_control()), binary, dry_run)
        }
        Intent::Schema => match serde_json::to_string_pretty(&config::schema()) {
            Ok(schema) => print(schema.as_bytes()),
            Err(error) => fail(&error.to_string(), "report this defect"),
        },
        Intent::Completion(shell) => print(&completions(shell)),
        Intent::Nothing => {
            tell(NOTHING_TO_DO);
            Exit::Usage
        }
    }
}

impl Origin {
    /// Reads and checks the configuration, but for what `kept` knows from the last time. Blocks: reads files, resolves
    /// names.
    ///
    /// It happens on a thread of its own that ends with it. What a large file takes on the way is several times what
    /// is left of it in the end; the allocator gives it back some seconds after its thread has ended, and keeps it
    /// for a thread that lives on.
    pub fn load(&self, env: &Env, kept: &Kept) -> Result<Config, Problems> {
        let load = || match self {
            Self::File(path) => config::load_again(path, env, kept),
            Self::Flags { listen, backends } => config::from_flags(listen, backends, None, env),
        };
        thread::scope(|scope| {
            match thread::Builder::new().name("aya-load".to_owned()).spawn_scoped(scope, load) {
                Ok(loading) => loading.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // No thread to be had is no reason not to read a file.
                Err(_) => load(),
            }
        })
    }
}

/// How the daemon is to be run.
struct Wish {
    level: LogLevel,
    stop_on_eof: bool,
    is_successor: bool,
}

fn run(origin: Origin, wish: &Wish, env: Env) -> Exit {
    // The clock's zero, and signals that come while the daemon starts, must not be missed.
    clock::now();
    let signals = match shutdown::signals() {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("cannot take signals: {error}"), "is this a supported system?"),
    };
    if let Err(error) = log::start(wish.level.as_str(), false) {
        return fail(&error, "see `ayad --help`");
    }
    descriptors::raise();
    let mut inheritance = match wish.is_successor.then(Inheritance::receive).transpose() {
        Ok(inheritance) => inheritance,
        Err(error) => return fail(&error.to_string(), &error.hint()),
    };
    let lifeline = match &mut inheritance {
        Some(inheritance) => Ok(inheritance.lifeline()),
        None => wish.stop_on_eof.then(lifeline::of_stdin).transpose(),
    };
    let lifeline = lifeline.map(|end| end.map(Arc::new));
    let held = lifeline.and_then(|end| end.as_ref().map(lifeline::hold_on).transpose().map(|_| end));
    match held {
        Ok(lifeline) => start(origin, env, signals, inheritance, lifeline),
        Err(error) => fail(&format!("standard input: {error}"), "leave out --stop-on-eof"),
    }
}

fn start(
    origin: Origin,
    env: Env,
    signals: Signals,
    mut inheritance: Option<Inheritance>,
    lifeline: Option<Arc<OwnedFd>>,
) -> Exit {
    let program = Program { lifeline, ..Program::of_process() };
    let kept = Arc::new(Kept::default());
    let config = match origin.load(&env, &kept) {
        Ok(config) => config,
        Err(problems) => {
            if let Some(mut inheritance) = inheritance {
                inheritance.failed(problems.to_string(), "see all problems with `ayad check FILE`");
            }
            show(&problems);
            return Exit::Error;
        }
    };
    let start = server::Start { config, source: origin, kept, env, program };
    let running = match server::start(start, inheritance.as_mut()) {
        Ok(running) => running,
        Err(StartError::Handover(HandoverError::CalledOff)) => {
            tracing::info!("ready to take over, and called off");
            return Exit::Done;
        }
        Err(error) => {
            if let Some(mut inheritance) = inheritance {
                inheritance.failed(error.to_string(), error.hint());
            }
            return fail(&error.to_string(), &error.hint());
        }
    };
    for listener in &running.state.snapshot.load().listeners {
        for address in &listener.bound {
            tracing::info!(listener = listener.conf.name, %address, "accepting connections");
        }
    }
    tracing::info!(socket = %running.control.path().display(), "control API");
    if let Some(inheritance) = inheritance {
        inheritance.started();
    }
    heap::give_back();
    shutdown::wait(&running, signals)
}

fn check(file: &Path, format: Format, env: &Env) -> Exit {
    match (config::load(file, env), format) {
        (Ok(config), Format::Human) => print(config::describe(&config).as_bytes()),
        (Ok(config), Format::Json) => print(format!("{}\n", config::describe_json(&config)).as_bytes()),
        (Err(problems), Format::Human) => {
            show(&problems);
            Exit::Error
        }
        (Err(problems), Format::Json) => {
            let printed = print(format!("{}\n", problems.to_json()).as_bytes());
            if printed == Exit::Done { Exit::Error } else { printed }
        }
    }
}

fn upgrade(socket: &Path, binary: Option<String>, dry_run: bool) -> Exit {
    tell("waiting for the new process to get ready; the running one serves meanwhile\n");
    match upgrade::ask(socket, binary, dry_run) {
        Ok(change) => {
            let would = if dry_run { "would change: " } else { "" };
            print(format!("{would}{} {} → {}\n", change.subject, change.before, change.after).as_bytes())
        }
        Err(error) => {
            tell(&format!("error: {error}\nhint: {}\n", error.hint()));
            error.exit()
        }
    }
}

fn show(problems: &Problems) {
    let style = Style::of_stderr();
    tell(&problems.render(style.color, style.width));
}

fn fail(message: &str, hint: &str) -> Exit {
    tell(&format!("error: {message}\nhint: {hint}\n"));
    Exit::Error
}

/// Writes to standard output. A reader that has seen enough is no error.
fn print(bytes: &[u8]) -> Exit {
    match io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            fail(&error.to_string(), "is the disk full?")
        }
        Ok(()) | Err(_) => Exit::Done,
    }
}

/// Writes to standard error. When that is closed there is nobody left to tell.
fn tell(text: &str) {
    drop(io::stderr().write_all(text.as_bytes()));
}
