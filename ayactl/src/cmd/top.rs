//! `ayactl top`: the dashboard of [`aya_tui`], or what it shows as text.

use aya_api::client::Client;
use aya_api::command::status::GetStatus;
use aya_api::exit::Exit;
use aya_api::view::Status;
use aya_tui::{Color, Options};
use tokio::runtime::Builder;

use crate::args::{Format, Global, TopArgs};
use crate::console::Console;
use crate::failure::Failure;
use crate::{cmd, session};

/// Size of one frame where there is no terminal, in columns and rows.
const FRAME: (u16, u16) = (120, 40);

/// Runs the verb. For machines (`-o json` and the like) it prints what the dashboard would show, once.
pub fn run(args: &TopArgs, global: &Global, console: &mut Console<'_>) -> Result<u8, Failure> {
    // The dashboard itself waits for a daemon that is away; somebody who has just typed this wants to know.
    let status = ask(global, console)?;
    if let Some(pool) = &args.pool
        && !status.pools.iter().any(|known| known.name == *pool)
    {
        return Err(Failure::not_found("pool", pool, status.pools.iter().map(|known| known.name.as_str())));
    }
    if !matches!(global.output, Format::Table | Format::Wide) {
        let text = cmd::status::render(&status, &session::view(global, console))?;
        console.out.write_all(text.as_bytes())?;
        return Ok(Exit::Done as u8);
    }
    let options = options(args, global, console);
    let facts = &console.facts;
    if args.once {
        let frame = aya_tui::once(&options, facts.size.unwrap_or(FRAME)).map_err(ended)?;
        console.out.write_all(frame.as_bytes())?;
    } else if args.plain {
        aya_tui::plain(options, console.out).map_err(ended)?;
    } else if facts.dumb && facts.stdout_tty {
        let message = "the dashboard needs a terminal that can move its cursor, and TERM is \"dumb\"";
        return Err(Failure::usage(message, "add --plain, --once or -o json"));
    } else if facts.stdin_tty && facts.stdout_tty {
        aya_tui::run(options).map_err(ended)?;
    } else {
        return Err(Failure::usage("the dashboard needs a terminal", "add --once, --plain or -o json"));
    }
    Ok(Exit::Done as u8)
}

fn ask(global: &Global, console: &Console<'_>) -> Result<Status, Failure> {
    let client = Client::new(session::socket(global, console), global.timeout)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(client.call(&GetStatus))?)
}

fn options(args: &TopArgs, global: &Global, console: &Console<'_>) -> Options {
    Options {
        pool: args.pool.clone(),
        color: color(global, console),
        read_only: args.read_only,
        fps: args.fps,
        mouse: !args.no_mouse,
        ascii: args.ascii,
        ..Options::new(session::socket(global, console))
    }
}

/// Colours of the dashboard on this console.
pub(crate) fn color(global: &Global, console: &Console<'_>) -> Color {
    if console.facts.color(global.color) { Color::Auto } else { Color::None }
}

/// Why the dashboard ended, as this command's failure.
pub(crate) fn ended(error: aya_tui::Error) -> Failure {
    match error {
        aya_tui::Error::Daemon(error) => error.into(),
        aya_tui::Error::Terminal(error) => error.into(),
        aya_tui::Error::Signal(signal) => Failure::signal(signal),
        error @ aya_tui::Error::Feed(_) => Failure::new(Exit::Error, "dashboard", error.to_string(), ""),
    }
}
