//! `discover`: where backends come from that are not written in the file.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::OneOrMany;
use super::format::{Address, NameServer, Period, Service};
use crate::config::unit::Wrong;

/// Port of name servers that are written without one.
const DNS_PORT: u16 = 53;

/// A source of backends: exactly one of `dns`, `srv`, `file`, `command` and `api`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Discover {
    /// A host name with a port. Each of its addresses (A and AAAA) is a backend.
    pub dns: Option<Address>,
    /// The name of a service, as `_http._tcp.shop.internal`. Each address of each SRV record is a backend, with the
    /// record's port and weight, and the priority group that its priority stands for: the lowest number is group 0.
    pub srv: Option<Service>,
    /// A file with a list of backends, JSON or TOML: addresses, or tables as in `backends`. A JSON file is a list; a
    /// TOML file has it under `backends`. It is read again when it changes. Put a new one in its place by renaming.
    pub file: Option<PathBuf>,
    /// A command that prints such a list as JSON: the program and its arguments, without a shell.
    pub command: Option<Vec<String>>,
    /// Backends are added and removed by operators: `ayactl backend add`, or the control API.
    pub api: Option<bool>,
    /// Longest time between two looks. Default: "30s", for files "1s". What DNS answers may be looked at sooner, when it
    /// holds for a shorter time.
    pub interval: Option<Period>,
    /// Shortest time between two looks, however short an answer of DNS holds; also the wait after the first failure.
    /// Default: "1s", or the interval if that is shorter.
    pub min_interval: Option<Period>,
    /// Longest time for one look. Default: "5s". A command that takes longer is killed with everything it started.
    pub timeout: Option<Period>,
    /// Looks in a row that a backend must be missing from before it is gone. Default: 2, so that an answer with half of
    /// the set does no harm; for files 1.
    #[schemars(range(min = 1, max = 100))]
    pub linger: Option<u32>,
    /// Most backends that are taken from this source; more are left out, and that is told. Default: 1000.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_backends: Option<u32>,
    /// Name servers to ask, as IP or IP:PORT. Default: those of the system (`/etc/resolv.conf`). Only with `dns` and
    /// `srv`.
    pub resolver: Option<OneOrMany<NameServer>>,
    /// Environment variables for the command; it gets no others but PATH. Only with `command`.
    pub env: Option<BTreeMap<String, String>>,
}

/// Reads the address of a name server.
pub(super) fn name_server(text: &str) -> Result<SocketAddr, Wrong> {
    let alone = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT));
    alone.or_else(|_| text.parse()).map_err(|_| {
        let help = "write the IP address of a name server, e.g. \"10.0.0.2\" or \"127.0.0.1:8600\"";
        Wrong::new(format!("\"{text}\" is no address of a name server"), help)
    })
}

/// Reads the name of a service in DNS.
pub(super) fn service(text: &str) -> Result<String, Wrong> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let is_label = |label: &str| !label.is_empty() && label.len() <= 63 && label.chars().all(fits);
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() <= 253 && name.contains('.') && name.split('.').all(is_label) {
        return Ok(text.to_owned());
    }
    let help = "write the name of its SRV records, e.g. \"_http._tcp.shop.internal\"";
    Err(Wrong::new(format!("{text:?} is no name of a service in DNS"), help))
}
