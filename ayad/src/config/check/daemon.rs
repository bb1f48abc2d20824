//! `[daemon]`: defaults from the surroundings, flags before the file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::At;
use super::chaos::only;
use crate::config::env::{MAX_SOCKET_PATH, is_socket_path};
use crate::config::raw;
use crate::config::raw::format::Size;
use crate::config::report::Problem;
use crate::config::shape::suggest::nearest;
use crate::config::{AccessLog, Daemon, Env};
use crate::geo::Database;

const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Share of requests that are kept to be explained.
const EXPLAIN_SAMPLE: f64 = 0.01;
const BODY_LIMIT: u64 = 64 << 10;
const MAX_BODY_LIMIT: u64 = 1 << 20;
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_COMMANDS: usize = 8;

pub(super) fn check(
    daemons: &[(&raw::daemon::Daemon, At<'_>)],
    env: &Env,
    problems: &mut Vec<Problem>,
) -> Daemon {
    let absent = raw::daemon::Daemon::default();
    let written = only(daemons, "daemon", problems);
    let (daemon, at) = written.as_ref().map_or((&absent, None), |(daemon, at)| (*daemon, Some(at)));
    let raw::daemon::Daemon {
        control,
        state_dir,
        workers,
        shutdown_timeout,
        load_timeout,
        upgrade_timeout,
        max_commands,
        admin_listen,
        access_log,
        explain_sample,
        zone,
        node,
        geo,
        body_limit,
    } = daemon;
    let chosen = |flag: &Option<PathBuf>, file: &Option<PathBuf>| flag.clone().or_else(|| file.clone());
    if let (Some(at), Some(control)) = (at, control) {
        check_control(control, &at.key("control"), problems);
    }
    if let (Some(at), Some(folder)) = (at, state_dir)
        && folder.as_os_str().is_empty()
    {
        problems.push(
            at.key("state_dir").problem("an empty text is no folder").help("write e.g. \"/var/lib/ayad\""),
        );
    }
    let (geo, body_limit) = routing(geo.as_ref(), body_limit.as_ref(), at, problems);
    let access_log =
        access_log.as_deref().zip(at).map(|(text, at)| log(text, &at.key("access_log"), problems));
    Daemon {
        control: chosen(&env.overrides.control, control).unwrap_or_else(|| env.default_control()),
        state_dir: chosen(&env.overrides.state_dir, state_dir).unwrap_or_else(|| env.default_state_dir()),
        workers: env
            .overrides
            .workers
            .or(workers.map(|n| n as usize))
            .unwrap_or_else(|| env.default_workers()),
        shutdown_timeout: shutdown_timeout.as_ref().map_or(SHUTDOWN_TIMEOUT, |wait| wait.0),
        load_timeout: load_timeout.as_ref().map_or(LOAD_TIMEOUT, |period| period.0),
        upgrade_timeout: upgrade_timeout.as_ref().map_or(UPGRADE_TIMEOUT, |period| period.0),
        max_commands: max_commands.map_or(MAX_COMMANDS, |most| most as usize),
        admin_listen: admin_listen.as_ref().map(|bind| bind.0),
        access_log: access_log.unwrap_or(AccessLog::Off),
        explain_sample: explain_sample.as_ref().map_or(EXPLAIN_SAMPLE, |share| share.0),
        zone: zone.clone(),
        node: node.clone().unwrap_or_else(|| env.host.clone()),
        geo,
        body_limit,
    }
}

/// What routes need to match by: the file of countries, and most bytes of a body.
fn routing(
    geo: Option<&raw::daemon::Geo>,
    body_limit: Option<&Size>,
    at: Option<&At<'_>>,
    problems: &mut Vec<Problem>,
) -> (Option<PathBuf>, usize) {
    if let (Some(at), Some(geo)) = (at, geo)
        && let Err(error) = Database::read(&geo.country)
    {
        let help = "put a good database there, e.g. with geoipupdate, or leave \"geo\" out";
        problems.push(at.key("geo").key("country").problem(error.to_string()).help(help));
    }
    let limit = body_limit.map_or(BODY_LIMIT, |size| size.0);
    if let Some(at) = at.filter(|_| !(1..=MAX_BODY_LIMIT).contains(&limit)) {
        problems.push(at.key("body_limit").problem("so much of a body is not read").help("write 1B to 1MiB"));
    }
    (geo.map(|geo| geo.country.clone()), limit as usize)
}

fn check_control(control: &Path, at: &At<'_>, problems: &mut Vec<Problem>) {
    if !is_socket_path(control) {
        let length = control.as_os_str().len();
        let message = format!("the path of the control socket has {length} bytes");
        problems.push(
            at.problem(message).help(format!("the kernel takes 1 to {MAX_SOCKET_PATH}; use a shorter one")),
        );
    }
}

fn log(text: &str, at: &At<'_>, problems: &mut Vec<Problem>) -> AccessLog {
    match text {
        "off" => AccessLog::Off,
        "stdout" => AccessLog::Stdout,
        path if path.contains('/') => AccessLog::File(path.into()),
        word => {
            // A bare word is more likely a slip than a file in whatever folder ayad was started in.
            let help = match nearest(word, ["off", "stdout"]) {
                Some(best) => format!("did you mean \"{best}\"?"),
                None => format!("write \"off\", \"stdout\", or a path with a \"/\" such as \"./{word}\""),
            };
            problems.push(at.problem(format!("{word:?} is no place for the access log")).help(help));
            AccessLog::Off
        }
    }
}
