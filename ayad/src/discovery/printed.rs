//! What a command prints.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::command;

/// Runs the command on a thread that may wait; it is over soon after `timeout` in any case.
pub(super) async fn by(
    argv: &[String],
    env: &BTreeMap<String, String>,
    timeout: Duration,
) -> Result<Vec<u8>, String> {
    let (argv, env) = (argv.to_vec(), env.clone());
    let running = tokio::task::spawn_blocking(move || {
        command::run(&argv, &env, timeout).and_then(command::Output::successful)
    });
    running.await.map_err(|error| error.to_string())?.map_err(|error| format!("the command {error}"))
}
