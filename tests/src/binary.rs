//! Where the binaries under test are: next to the test executable, built from the sources as they are now.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// Folders whose sources make up the binaries.
const SOURCES: &[&str] = &["ayad/src", "ayad/api/src", "ayad/core/src", "ayactl/src", "tui/src"];

/// The daemon.
pub fn ayad() -> PathBuf {
    folder().join("ayad")
}

/// The command line.
pub fn ayactl() -> PathBuf {
    folder().join("ayactl")
}

/// Folder of the binaries. Cargo does not build the binaries of other packages for a test, so the first
/// caller has them built when they are missing or older than their sources.
fn folder() -> &'static Path {
    // A failed build is remembered, too: every other test would only repeat it.
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOLDER.get_or_init(|| {
        let test = env::current_exe().expect("a running program has a path");
        let folder = test.ancestors().nth(2).expect("tests are at TARGET/PROFILE/deps/NAME").to_owned();
        let built = |name| fs::metadata(folder.join(name)).and_then(|found| found.modified()).ok();
        let oldest = built("ayad").and_then(|ayad| Some(ayad.min(built("ayactl")?)));
        if oldest.is_none_or(|oldest| oldest < newest_source()) {
            build(&folder).then_some(folder)
        } else {
            Some(folder)
        }
    });
    found.as_deref().expect("the binaries under test build")
}

fn build(folder: &Path) -> bool {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "-p", "ayad", "-p", "ayactl", "--target-dir"]);
    cargo.arg(folder.parent().expect("profiles are folders of the target folder"));
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    cargo.current_dir(root()).status().expect("cargo can be run").success()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is a folder of the workspace")
}

fn newest_source() -> SystemTime {
    SOURCES.iter().map(|folder| newest(&root().join(folder))).max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn newest(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder).expect("the folder of sources is there");
    let times = entries.filter_map(Result::ok).map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => newest(&entry.path()),
        Ok(found) => found.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        Err(_) => SystemTime::UNIX_EPOCH,
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
