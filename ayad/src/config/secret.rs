//! Secrets: a file of configuration says where one is, never what it is.
//!
//! They are read when the configuration is, so that a reload takes a changed one. Nothing shows what they hold: not
//! `Debug`, not the control API, not messages about what is wrong with them.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::env::Env;
use super::unit::Wrong;

/// Most bytes of a secret.
const LONGEST: u64 = 64 * 1024;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// In a file; a line feed at its end does not belong to it.
    File(PathBuf),
    /// In a variable of the environment that the daemon was started in.
    Env(String),
}

/// Something that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// What it is.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Reads where a secret is.
pub fn reference(text: &str) -> Result<Reference, Wrong> {
    match text.split_once(':') {
        Some(("file", path)) if !path.is_empty() => Ok(Reference::File(path.into())),
        Some(("env", name)) if is_variable(name) => Ok(Reference::Env(name.to_owned())),
        // It may be the secret itself, which is not for messages.
        _ => Err(Wrong::new(
            "this does not say where the secret is",
            "write \"file:/run/secrets/NAME\" or \"env:NAME\"; secrets themselves do not belong in this file",
        )),
    }
}

/// True for what can be the name of a variable of an environment.
pub fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// Gets a secret, or says why that is not possible. Relative files are relative to `folder`. Blocks on the disk.
pub fn read(reference: &Reference, folder: &Path, env: &Env) -> Result<Secret, String> {
    let text = match reference {
        Reference::Env(name) => {
            env.variable(name).ok_or_else(|| format!("the environment of ayad has no {name}"))?.to_owned()
        }
        Reference::File(path) => of_file(&folder.join(path))?,
    };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(Secret(text.to_owned())) }
}

fn of_file(path: &Path) -> Result<String, String> {
    let wrong = |what: &dyn fmt::Display| format!("{}: {what}", path.display());
    let file = File::open(path).map_err(|error| wrong(&error))?;
    let mut text = String::new();
    let count = file.take(LONGEST + 1).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    if count as u64 > LONGEST { Err(wrong(&"it has more than 64 KiB")) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_says_where_and_never_what() {
        assert_eq!(reference("file:a/b"), Ok(Reference::File("a/b".into())));
        assert_eq!(reference("env:A"), Ok(Reference::Env("A".into())));
        for text in ["hunter2", "env:", "env:a=b", "file:", "vault:x"] {
            let wrong = reference(text).unwrap_err();
            assert!(!wrong.to_string().contains("hunter2"), "{wrong}");
        }
    }

    #[test]
    fn a_secret_comes_without_its_line_feed_and_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("good"), "hunter2\n").unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        let env = Env::default().with_variables([("PASS".into(), "hunter3".into())]);
        let get = |text: &str| read(&reference(text).unwrap(), folder.path(), &env);

        assert_eq!(get("file:good").unwrap().reveal(), "hunter2");
        assert_eq!(get("env:PASS").unwrap().reveal(), "hunter3");
        assert!(!format!("{:?} {env:?}", get("env:PASS")).contains("hunter"));
        for gone in ["file:empty", "file:no-such", "env:NO_SUCH"] {
            assert!(get(gone).is_err(), "{gone}");
        }
    }
}
