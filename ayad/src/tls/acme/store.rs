//! What ACME leaves on the disk: accounts, and certificates with their keys, readable for nobody else.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aya_core::hash::hash64;
use instant_acme::AccountCredentials;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use crate::config::Acme;
use crate::tls::files::{Loaded, read_pair};

/// The folder `acme` in the state folder.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

/// How it goes with an order that fails. It outlives the process, so that starting over and over does not ask a
/// directory more often than waiting would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// Failures in a row, at least 1.
    pub count: u32,
    /// Why the last one failed.
    pub error: String,
    /// When the last one was made, milliseconds since 1970.
    pub tried_ms: u64,
    /// When the next one is due, milliseconds since 1970.
    pub next_ms: u64,
}

impl Store {
    /// The store in this state folder. Nothing is made before it is needed.
    pub fn at(state_dir: &Path) -> Self {
        Self { folder: state_dir.join("acme") }
    }

    /// The certificate that was kept; `None` when there is none that can be used. A damaged one is as good as none: the
    /// next order replaces it.
    pub fn certificate(&self, acme: &Acme) -> Option<Loaded> {
        let path = self.certificate_path(acme);
        if !path.exists() {
            return None;
        }
        let kept = read_pair(&path, &path);
        kept.inspect_err(|error| tracing::warn!(%error, "a certificate that was kept is of no use")).ok()
    }

    /// Keeps a certificate with its chain and key, both PEM, and reads it.
    pub(super) fn keep_certificate(&self, acme: &Acme, key: &str, chain: &str) -> io::Result<Loaded> {
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
        let certificates = certificates.map_err(|error| invalid(error.to_string()))?;
        let secret = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|e| invalid(e.to_string()))?;
        // Only what can be used is kept.
        let loaded = Loaded::new(certificates, secret).map_err(invalid)?;
        self.write(&self.certificate_path(acme), format!("{key}\n{chain}").as_bytes())?;
        Ok(loaded)
    }

    /// How often the order failed so far; `None` when it did not, or nobody can tell.
    pub fn failures(&self, acme: &Acme) -> Option<Failures> {
        let text = fs::read(self.failures_path(acme)).ok()?;
        let kept = serde_json::from_slice(&text);
        kept.inspect_err(|error| tracing::warn!(%error, "what was kept of failed orders is of no use")).ok()
    }

    /// Keeps how often the order failed, for the process that comes next.
    pub fn keep_failures(&self, acme: &Acme, failures: &Failures) -> io::Result<()> {
        self.write(&self.failures_path(acme), &serde_json::to_vec(failures)?)
    }

    /// The order did not fail.
    pub fn forget_failures(&self, acme: &Acme) {
        match fs::remove_file(self.failures_path(acme)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "what was kept of failed orders cannot be removed");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// The account at the directory; `None` when there is none that can be used.
    pub(super) fn account(&self, acme: &Acme) -> Option<AccountCredentials> {
        let text = fs::read(self.account_path(acme)).ok()?;
        let account = serde_json::from_slice(&text);
        account.inspect_err(|error| tracing::warn!(%error, "an account that was kept is of no use")).ok()
    }

    /// Keeps an account.
    pub(super) fn keep_account(&self, acme: &Acme, account: &AccountCredentials) -> io::Result<()> {
        self.write(&self.account_path(acme), &serde_json::to_vec(account)?)
    }

    /// Forgets an account that the directory does not know.
    pub(super) fn forget_account(&self, acme: &Acme) {
        if let Err(error) = fs::remove_file(self.account_path(acme)) {
            tracing::warn!(%error, "an account that is of no use cannot be removed");
        }
    }

    fn account_path(&self, acme: &Acme) -> PathBuf {
        let of = format!("{}\n{}", acme.directory, acme.email.as_deref().unwrap_or_default());
        self.folder.join(format!("account-{:016x}.json", hash64(of.as_bytes())))
    }

    fn certificate_path(&self, acme: &Acme) -> PathBuf {
        self.folder.join(format!("{}.pem", Self::order_name(acme)))
    }

    fn failures_path(&self, acme: &Acme) -> PathBuf {
        self.folder.join(format!("{}.failed.json", Self::order_name(acme)))
    }

    /// The first name is for people, the hash for all of them and the directory.
    fn order_name(acme: &Acme) -> String {
        let of = format!("{}\n{}", acme.directory, acme.names.join("\n"));
        let fits = |c: &char| c.is_ascii_alphanumeric() || ".-".contains(*c);
        let name: String = acme.names.iter().flat_map(|name| name.chars()).filter(fits).take(64).collect();
        format!("{name}-{:016x}", hash64(of.as_bytes()))
    }

    /// Writes a file that is either there as a whole or not at all, also after a loss of power.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let new = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(&self.folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::AcmeChallenge;

    #[test]
    fn a_certificate_is_kept_for_its_names_and_for_nobody_elses_eyes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        let acme = Acme {
            directory: "https://acme.test/directory".into(),
            names: vec!["a.test".into()],
            email: None,
            ca: None,
            challenge: AcmeChallenge::Http01,
            renew_before: None,
        };
        let made = rcgen::generate_simple_self_signed(acme.names.clone()).unwrap();
        let (key, chain) = (made.signing_key.serialize_pem(), made.cert.pem());

        assert!(store.certificate(&acme).is_none());
        assert!(store.keep_certificate(&acme, &chain, &chain).is_err());
        assert!(store.certificate(&acme).is_none());
        store.keep_certificate(&acme, &key, &chain).unwrap();

        assert_eq!(store.certificate(&acme).unwrap().info.names, ["a.test"]);
        let path = store.certificate_path(&acme);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(store.certificate(&Acme { names: vec!["b.test".into()], ..acme.clone() }).is_none());
        fs::write(&path, "damaged").unwrap();
        assert!(store.certificate(&acme).is_none());

        let failures = Failures { count: 3, error: "no".into(), tried_ms: 1, next_ms: 2 };
        store.keep_failures(&acme, &failures).unwrap();
        assert_eq!(store.failures(&acme), Some(failures));
        fs::write(store.failures_path(&acme), "damaged").unwrap();
        assert_eq!(store.failures(&acme), None);
        store.forget_failures(&acme);
        assert!(!store.failures_path(&acme).exists());
    }
}
