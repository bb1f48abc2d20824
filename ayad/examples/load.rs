//! What a reload of a large configuration costs, by part, without a daemon.
//!
//! ```text
//! cargo run --release -p ayad --example load -- 5000 500
//! ```
//!
//! The arguments are the numbers of routes and pools; every pool has two backends. Each line is the median of
//! several runs.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aya_core::route::Router;
use ayad::config::{self, Config, Env, Kept, check, include};
use ayad::control::apply::{Before, Prepared, prepare};
use ayad::state::Snapshot;

const RUNS: usize = 15;

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut counts = std::env::args().skip(1).map_while(|text| text.parse().ok());
    let (routes, pools) = (counts.next().unwrap_or(5000), counts.next().unwrap_or(500));
    let folder = std::env::temp_dir().join(format!("ayad-load-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("ayad.toml");
    std::fs::write(&file, text(routes, pools, &folder.display().to_string()))?;
    let env = Env { cores: 1, ..Env::default() };

    let kept = Kept::default();
    let read = median_after(Kept::default, |nothing| include::read(&file, &nothing, &mut Vec::new()));
    let again = median(|| include::read(&file, &kept, &mut Vec::new()));
    let whole = median(|| config::load_again(&file, &env, &kept));
    let documents = || include::read(&file, &kept, &mut Vec::new());
    let checked = median_after(documents, |d| check::check(d, &env, None, "a file", Vec::new()));
    let first = snapshot(config::load(&file, &env)?, None)?;
    let load = || config::load(&file, &env).expect("it was valid a moment ago");
    let applied = median_after(load, |config| snapshot(config, Some(&first)).map(|p| p.snapshot));
    let specs: Vec<_> = load().routes.into_iter().map(|route| route.matches).collect();
    let compiled = median(|| Router::build(&specs));
    std::fs::remove_dir_all(&folder)?;

    println!("{routes} routes, {pools} pools");
    println!("read, parse and shape  {read:>10.2?}");
    println!("read it again          {again:>10.2?}");
    println!("check and compile      {checked:>10.2?}");
    println!("  the matcher alone    {compiled:>10.2?}");
    println!("both together, again   {whole:>10.2?}");
    println!("next snapshot          {applied:>10.2?}");
    Ok(())
}

fn snapshot(config: Config, before: Option<&Prepared>) -> Result<Prepared, Box<dyn Error>> {
    let snapshot: Option<&Snapshot> = before.map(|prepared| &prepared.snapshot);
    let challenges = Arc::default();
    let before = Before {
        snapshot,
        open: snapshot.map(Before::open_in).unwrap_or_default(),
        ending: &[],
        workers: 1,
        challenges: &challenges,
        ordered: &|_| None,
        next_rev: &|| 1,
    };
    Ok(prepare(config, &before)?)
}

fn median<T>(run: impl Fn() -> T) -> Duration {
    median_after(|| (), |()| run())
}

fn median_after<I, T>(set_up: impl Fn() -> I, run: impl Fn(I) -> T) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS).map(|_| timed(set_up(), &run)).collect();
    times.sort_unstable();
    times[RUNS / 2]
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn timed<I, T>(input: I, run: impl Fn(I) -> T) -> Duration {
    let started = Instant::now();
    let result = run(input);
    let took = started.elapsed();
    drop(result);
    took
}

fn text(routes: usize, pools: usize, state: &str) -> String {
    let mut text =
        format!("aya = 1\n[daemon]\nstate_dir = \"{state}\"\n[listen.main]\nbind = \"127.0.0.1:0\"\n");
    for pool in 0..pools {
        let _ = writeln!(
            text,
            "[pool.p{pool}]\nhealth = {{ kind = \"none\" }}\nbackends = [\"127.0.0.1:9\", \"127.0.0.2:9\"]"
        );
    }
    for route in 0..routes {
        let _ = writeln!(
            text,
            "[route.r{route}]\nmatch = {{ host = \"h{}.example.com\", path = \"/api/v{}/{route}/*\" }}\npool = \"p{}\"",
            route % 50,
            route % 7,
            route % pools
        );
    }
    text
}
