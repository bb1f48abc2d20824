//! Completion: the shell asks this binary, which asks the running daemon for names.
//!
//! What a shell sources is only a hook, so it never goes stale. The daemon has 50 ms; when it does not answer
//! there are simply no names to offer, and verbs and flags still complete. Nothing is ever printed about it:
//! a person is typing.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use aya_api::change::{Change, Operation};
use aya_api::client::Client;
use aya_api::command::Call;
use aya_api::command::algorithms::GetAlgorithms;
use aya_api::command::faults::GetFaults;
use aya_api::command::listeners::GetListeners;
use aya_api::command::pools::GetPools;
use aya_api::command::routes::GetRoutes;
use aya_api::event::Event;
use aya_api::exit::Exit;
use aya_api::fault::FaultView;
use aya_api::view::{AlgorithmInfo, BackendView, ListenerView, PoolView, RouteView};
use clap::ValueEnum;
use clap_complete::engine::{PathCompleter, ValueCompleter};
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};
use clap_complete::{CompleteEnv, CompletionCandidate};
use serde_json::json;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::args::{CompletionArgs, Format, Global, Kind, Shell, command};
use crate::console::{Console, Facts};
use crate::failure::Failure;
use crate::loadtest::kept::{Line, Shelf};
use crate::render::Row;
use crate::{render, session};

/// How long the daemon may take.
const BUDGET: Duration = Duration::from_millis(50);
/// Variable by which a shell's hook asks for completions.
const VARIABLE: &str = "COMPLETE";

/// Answers and ends the process when a shell's hook is asking; does nothing otherwise.
pub fn answer_shell() {
    CompleteEnv::with_factory(command).var(VARIABLE).complete();
}

/// Runs the verb: prints the hook of a shell.
pub fn run(args: &CompletionArgs, global: &Global, console: &mut Console<'_>) -> Result<u8, Failure> {
    let shell: &dyn EnvCompleter = match args.shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
    };
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "ayactl", "ayactl", "ayactl", &mut script)?;
    let script = String::from_utf8_lossy(&script);
    let view = session::view(global, console);
    let text = match view.format {
        Format::Name => format!("{}\n", shell.name()),
        Format::Table | Format::Wide | Format::Csv | Format::Json | Format::Jsonl | Format::Yaml => {
            let object = json!({ "shell": shell.name(), "script": script.trim() });
            render::document(&object, &view)?.unwrap_or_else(|| format!("{}\n", script.trim()))
        }
    };
    console.out.write_all(text.as_bytes())?;
    Ok(Exit::Done as u8)
}

/// Backends as `pool/backend`, each with its state.
pub fn backends(typed: &OsStr) -> Vec<CompletionCandidate> {
    offer(typed, backend_names(&ask(&GetPools).unwrap_or_default()))
}

/// Experiments that ship.
pub fn experiments(typed: &OsStr) -> Vec<CompletionCandidate> {
    let each = crate::experiment::shipped::EXPERIMENTS.iter();
    offer(
        typed,
        each.map(|(name, text)| ((*name).to_owned(), crate::experiment::shipped::title(text))).collect(),
    )
}

/// Recordings of load tests that are kept, and files.
pub fn recordings(typed: &OsStr) -> Vec<CompletionCandidate> {
    let shelf = Facts::observe().state_dir.map(|state| Shelf::new(&state));
    let names = shelf.and_then(|shelf| shelf.names().ok()).unwrap_or_default();
    let mut found = offer(typed, names.into_iter().map(|name| (name, "recording".to_owned())).collect());
    found.extend(PathCompleter::file().complete(typed));
    found
}

/// Pools, each with its algorithm.
pub fn pools(typed: &OsStr) -> Vec<CompletionCandidate> {
    offer(typed, pool_names(&ask(&GetPools).unwrap_or_default()))
}

/// Pools and backends.
pub fn pools_and_backends(typed: &OsStr) -> Vec<CompletionCandidate> {
    let pools = ask(&GetPools).unwrap_or_default();
    let mut names = pool_names(&pools);
    names.extend(backend_names(&pools));
    offer(typed, names)
}

/// What can be described: pools, backends, listeners and routes.
pub fn described(typed: &OsStr) -> Vec<CompletionCandidate> {
    let listeners = ask(&GetListeners).unwrap_or_default();
    let mut names: Vec<_> =
        listeners.into_iter().map(|l| (l.name, format!("listener {}", l.bind.join(", ")))).collect();
    let routes = ask(&GetRoutes).unwrap_or_default();
    names.extend(routes.into_iter().map(|route| (route.name, format!("route to {}", route.pool))));
    let pools = ask(&GetPools).unwrap_or_default();
    names.extend(pool_names(&pools));
    names.extend(backend_names(&pools));
    offer(typed, names)
}

/// What can be described, and kinds of it.
pub fn described_first(typed: &OsStr) -> Vec<CompletionCandidate> {
    let kinds = ["pool", "backend", "listener", "route"];
    let kinds = kinds.map(|kind| (kind.to_owned(), format!("a {kind}, by its name")));
    let mut names = offer(typed, kinds.into());
    names.extend(described(typed));
    names
}

/// What can be explained: a pick, a request, or a backend.
pub fn explained(typed: &OsStr) -> Vec<CompletionCandidate> {
    let kinds = [
        ("pick", "the next pick of a pool"),
        ("request", "one request"),
        ("requests", "those that are kept"),
    ];
    let mut names: Vec<_> = kinds.map(|(name, about)| (name.to_owned(), about.to_owned())).into();
    names.extend(backend_names(&ask(&GetPools).unwrap_or_default()));
    offer(typed, names)
}

/// Whom a fault can be for.
pub fn fault_targets(typed: &OsStr) -> Vec<CompletionCandidate> {
    let mut names = offer(typed, vec![("all".to_owned(), "every backend".to_owned())]);
    names.extend(pools_and_backends(typed));
    names
}

/// Faults that are injected, each with what it does.
pub fn faults(typed: &OsStr) -> Vec<CompletionCandidate> {
    let known = ask(&GetFaults::default()).unwrap_or_default();
    let about = |fault: &FaultView| format!("{} for {}", fault.fault, fault.target);
    offer(typed, known.into_iter().map(|fault| (fault.id.clone(), about(&fault))).collect())
}

/// Backends as `pool/backend=`, each with its weight.
pub fn weights(typed: &OsStr) -> Vec<CompletionCandidate> {
    let pools = ask(&GetPools).unwrap_or_default();
    let backends = pools.iter().flat_map(|pool| &pool.backends);
    offer(typed, backends.map(|b| (format!("{}=", b.id), format!("weight {}", b.weight))).collect())
}

/// Algorithms, each with what it does.
pub fn algorithms(typed: &OsStr) -> Vec<CompletionCandidate> {
    let known = ask(&GetAlgorithms).unwrap_or_default();
    offer(typed, known.into_iter().map(|algorithm| (algorithm.name, algorithm.summary)).collect())
}

/// Objects of the kind that stands before on the command line, as in `ayactl get pools …`.
pub fn objects(typed: &OsStr) -> Vec<CompletionCandidate> {
    let kind = typed_words().iter().filter_map(|word| Kind::from_str(word, false).ok()).next_back();
    match kind {
        Some(Kind::Backends) => backends(typed),
        Some(Kind::Pools) => pools(typed),
        Some(Kind::Algorithms) => algorithms(typed),
        Some(Kind::Listeners) => {
            let known = ask(&GetListeners).unwrap_or_default();
            offer(typed, known.into_iter().map(|l| (l.name, l.bind.join(", "))).collect())
        }
        Some(Kind::Routes) => {
            let known = ask(&GetRoutes).unwrap_or_default();
            offer(typed, known.into_iter().map(|r| (r.name, format!("to {}", r.pool))).collect())
        }
        Some(Kind::Events | Kind::Operations) => pools_and_backends(typed),
        None => Vec::new(),
    }
}

/// Columns of what the command line lists, each with its heading.
pub fn columns(typed: &OsStr) -> Vec<CompletionCandidate> {
    offer(typed, column_names(&typed_words()))
}

/// Columns to sort by; after a `-`, those that turn the order round.
pub fn sort_keys(typed: &OsStr) -> Vec<CompletionCandidate> {
    let turned = if typed.to_string_lossy().starts_with('-') { "-" } else { "" };
    let names = column_names(&typed_words()).into_iter();
    offer(typed, names.map(|(name, heading)| (format!("{turned}{name}"), heading)).collect())
}

fn typed_words() -> Vec<String> {
    std::env::args_os().filter_map(|word| word.into_string().ok()).collect()
}

fn column_names(words: &[String]) -> Vec<(String, String)> {
    let has = |word: &str| words.iter().any(|typed| typed == word);
    let kind = || words.iter().filter_map(|word| Kind::from_str(word, false).ok()).next_back();
    let verbs = [
        "status",
        "get",
        "drain",
        "ready",
        "maint",
        "weight",
        "breaker",
        "algorithm",
        "algo",
        "reload",
        "upgrade",
        "chaos",
        "loadtest",
        "load",
    ];
    match words.iter().find(|word| verbs.contains(&word.as_str())).map_or("", String::as_str) {
        "drain" | "ready" | "maint" | "reload" | "upgrade" => names_of::<Change>(),
        "weight" | "algorithm" | "algo" if has("set") => names_of::<Change>(),
        "chaos" if has("log") => names_of::<Event>(),
        "chaos" => names_of::<FaultView>(),
        "loadtest" | "load" if has("list") => names_of::<Line>(),
        "breaker" if !has("list") => names_of::<Change>(),
        "weight" | "breaker" => names_of::<BackendView>(),
        "algorithm" | "algo" if has("list") => names_of::<AlgorithmInfo>(),
        "status" | "algorithm" | "algo" => names_of::<PoolView>(),
        "get" => match kind() {
            Some(Kind::Backends) => names_of::<BackendView>(),
            Some(Kind::Pools) => names_of::<PoolView>(),
            Some(Kind::Routes) => names_of::<RouteView>(),
            Some(Kind::Listeners) => names_of::<ListenerView>(),
            Some(Kind::Events) => names_of::<Event>(),
            Some(Kind::Algorithms) => names_of::<AlgorithmInfo>(),
            Some(Kind::Operations) => names_of::<Operation>(),
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn names_of<T: Row>() -> Vec<(String, String)> {
    T::COLUMNS.iter().map(|column| (column.name.to_owned(), column.heading.to_owned())).collect()
}

fn backend_names(pools: &[PoolView]) -> Vec<(String, String)> {
    let backends = pools.iter().flat_map(|pool| &pool.backends);
    backends.map(|b| (b.id.clone(), format!("{}, {}", b.admin.state, b.health.state))).collect()
}

fn pool_names(pools: &[PoolView]) -> Vec<(String, String)> {
    pools.iter().map(|pool| (pool.name.clone(), pool.algorithm.name.clone())).collect()
}

fn offer(typed: &OsStr, names: Vec<(String, String)>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let fitting = names.into_iter().filter(|(name, _)| name.starts_with(typed.as_ref()));
    fitting.map(|(name, help)| CompletionCandidate::new(name).help(Some(help.into()))).collect()
}

/// Asks the daemon that the command line means; nothing when it is not there in time.
fn ask<C: Call>(call: &C) -> Option<C::Reply> {
    let client = Client::new(typed_socket(), BUDGET).ok()?;
    let runtime = Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async { timeout(BUDGET, client.call(call)).await.ok()?.ok() })
}

/// The socket named on the command line that is being completed, else in the environment, else the default.
fn typed_socket() -> PathBuf {
    let words: Vec<OsString> = std::env::args_os().collect();
    let after = words.windows(2).find(|pair| pair[0] == "--socket").map(|pair| PathBuf::from(&pair[1]));
    let joined = || words.iter().find_map(|word| word.to_str()?.strip_prefix("--socket=").map(PathBuf::from));
    after.or_else(joined).unwrap_or_else(|| Facts::observe().socket())
}
