//! The daemon as a library: reads a configuration and says what it means, or everything that is wrong with it.
//!
//! `cargo run -p ayad --example check -- profiles/web.toml`

use std::path::Path;
use std::process::ExitCode;

use ayad::config::{self, Env};

/// Columns of the text about problems.
const WIDTH: usize = 100;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]
fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1) else {
        eprintln!("name a configuration file");
        return ExitCode::from(2);
    };
    // Defaults come from plain values; the binary takes them from its environment.
    let env = Env { cores: 1, ..Env::default() };
    match config::load(Path::new(&file), &env) {
        Ok(config) => {
            print!("{}", config::describe(&config));
            ExitCode::SUCCESS
        }
        Err(problems) => {
            eprintln!("{}", problems.render(false, WIDTH));
            ExitCode::FAILURE
        }
    }
}
