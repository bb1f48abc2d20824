//! The configuration of the demo's daemon, written as an operator would write it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::backend::{CAST, HEALTH_PATH};

/// Pools of the demo, each with the path that leads to it.
const POOLS: [(&str, &str); 2] = [("shop", "/*"), ("img", "/img/*")];

/// Writes the file's text. `folder` holds socket and state; `addresses` are those of [`CAST`], in its order.
pub(super) fn text(folder: &Path, socket: &Path, addresses: &[SocketAddr]) -> String {
    let mut text = format!(
        "# Written by `ayactl demo`.\naya = 1\n\n[daemon]\ncontrol = {}\nstate_dir = {}\nworkers = 2\n\
         shutdown_timeout = \"2s\"\n\n[listen.web]\nbind = [\"127.0.0.1:0\"]\n",
        quoted(socket),
        quoted(&folder.join("state"))
    );
    for (pool, path) in POOLS {
        let _ = write!(text, "\n[pool.{pool}]\nalgorithm = \"weighted-least-connections\"\nbackends = [\n");
        for (part, address) in CAST.iter().zip(addresses).filter(|(part, _)| part.pool == pool) {
            let (name, zone) = (part.name, part.zone);
            let _ = writeln!(text, "  {{ name = \"{name}\", address = \"{address}\", zone = \"{zone}\" }},");
        }
        let _ = write!(
            text,
            "]\nhealth = {{ kind = \"http\", path = \"{HEALTH_PATH}\", status = \"2xx\", interval = \"1s\", \
             timeout = \"500ms\", rise = 2, fall = 2 }}\n\
             breaker = {{ failures = 5, open = \"2s\" }}\n\
             retry = {{ on = [\"connect-failure\", \"reset\", \"timeout\", 503], per_try = \"1s\" }}\n\
             slow_start = \"4s\"\n\n\
             [route.{pool}]\nmatch = {{ path = \"{path}\" }}\npool = \"{pool}\"\n"
        );
    }
    text
}

/// A path as a TOML string.
fn quoted(path: &Path) -> String {
    let mut text = String::from("\"");
    for c in path.to_string_lossy().chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(text, "\\u{:04X}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_is_in_its_pool_and_paths_are_quoted() {
        let addresses: Vec<SocketAddr> =
            (1..=6).map(|n| SocketAddr::from(([127, 0, 0, 1], 9000 + n))).collect();
        let text = text(Path::new("/tmp/a\"b"), Path::new("/tmp/a\"b/control.sock"), &addresses);
        insta::assert_snapshot!(text);
    }
}
