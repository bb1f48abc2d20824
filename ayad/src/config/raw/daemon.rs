//! `[daemon]`: the process itself.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::format::{Bind, Period, Share, Size, Wait};

/// Settings of the process. Relative paths are relative to the folder in which ayad was started.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Daemon {
    /// Path of the control socket. Default: `$XDG_RUNTIME_DIR/ayad.sock`, else `/run/ayad/control.sock`.
    /// Change it to run several daemons on one machine; ayactl then needs `--socket` or `AYA_SOCKET`.
    pub control: Option<PathBuf>,
    /// Folder of the journal, in which orders of operators survive a restart. Default: `/var/lib/ayad` for
    /// root, else `$XDG_STATE_HOME/ayad` or `~/.local/state/ayad`. Daemons must not share it.
    pub state_dir: Option<PathBuf>,
    /// Worker threads of the data plane. Default: one per core. Lower it to leave cores to other programs.
    #[schemars(range(min = 1, max = 1024))]
    pub workers: Option<u32>,
    /// How long requests in flight may go on after a stop was asked for, e.g. "30s" (the default); "0s"
    /// stops at once. Raise it when downloads or streams are long.
    pub shutdown_timeout: Option<Wait>,
    /// Longest time for reading the configuration again, with its includes and the host names in it, e.g. "30s"
    /// (the default). What takes longer (a pipe nobody writes to, a mount that hangs) is given up, and nothing
    /// changes.
    pub load_timeout: Option<Period>,
    /// Longest time for a new process to get ready during an upgrade, e.g. "30s" (the default). One that takes
    /// longer is killed, and the running one goes on. Raise it when host names take long to resolve.
    pub upgrade_timeout: Option<Period>,
    /// Most programs that run at once, for checks of kind "command" and for commands that discover. Default: 8. A check
    /// that finds no slot in time is not made, which says nothing about its backend; a source keeps its last good set.
    #[schemars(range(min = 1, max = 1024))]
    pub max_commands: Option<u32>,
    /// Address at which `/metrics` is served over HTTP besides the control socket. Default: none. Anybody
    /// who reaches it can read the metrics; keep it on a private address.
    pub admin_listen: Option<Bind>,
    /// Where the access log goes, one JSON object a line: "off" (the default), "stdout", or the path of a
    /// file, which is opened again on reload.
    pub access_log: Option<String>,
    /// Share of requests that are kept to be explained (`ayactl explain request`) though nothing is wrong with them.
    /// Default: "1%". Those that failed or were tried again are kept in any case.
    pub explain_sample: Option<Share>,
    /// Zone this daemon stands in, as `zone` of backends. Default: none, and no zone is preferred.
    pub zone: Option<String>,
    /// Name that tells this daemon apart from others in front of the same backends, for subsets. Default: the name of
    /// the machine.
    pub node: Option<String>,
    /// Where countries of clients come from, for routes that match by "country". Default: none.
    pub geo: Option<Geo>,
    /// Most bytes of a body that are read before a request is routed, when a route matches by a field of it: 1B to
    /// 1MiB, default "64KiB". Longer bodies have no fields. Each such request holds so much memory until it is over.
    pub body_limit: Option<Size>,
}

/// Databases about addresses, in the format `MMDB`. Read at the start, at a reload and when they change.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Geo {
    /// File of the database of countries, e.g. "/var/lib/GeoIP/GeoLite2-Country.mmdb"; one of cities does too.
    /// Required.
    pub country: PathBuf,
}
