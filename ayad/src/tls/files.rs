//! Certificates and keys in files: read within bounds, and read again when they change.
//!
//! Files are looked at, not watched by the kernel: a look at a handful of files a second costs nothing, works on every
//! file system, and sees renamed files, moved symbolic links and mounted secrets alike.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;
use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::certificate::CertificateInfo;
use super::provider;

/// Most bytes that are read of one file; bundles of all public authorities have a quarter of that.
const MOST: u64 = 1 << 20;

/// Why a file is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

impl FileError {
    pub(crate) fn new(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), what: what.into() }
    }
}

/// A certificate that can be shown, and what it says about itself.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The chain with its key.
    pub key: Arc<CertifiedKey>,
    /// What the certificate says.
    pub info: CertificateInfo,
}

impl Loaded {
    /// Puts a chain and its key together, or says why they do not fit.
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, String> {
        let first = chain.first().ok_or("it holds no certificate")?;
        let info = CertificateInfo::read(first)?;
        let key = CertifiedKey::from_der(chain, key, provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => "the key does not belong to the certificate".to_owned(),
            other => other.to_string(),
        })?;
        Ok(Self { key: Arc::new(key), info })
    }
}

/// Reads a certificate with its chain and its key. Blocks on the disk.
pub fn read_pair(cert: &Path, key: &Path) -> Result<Loaded, FileError> {
    let chain = read_certificates(cert)?;
    let secret = read_key(key)?;
    CertificateInfo::read(&chain[0]).map_err(|what| FileError::new(cert, what))?;
    Loaded::new(chain, secret).map_err(|what| FileError::new(key, what))
}

/// Reads a private key.
fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let what = match error {
            pem::Error::NoItemsFound => "it holds no private key (PEM, without a password)".to_owned(),
            other => format!("its private key cannot be read: {}", in_words(&other)),
        };
        FileError::new(path, what)
    })
}

/// What is wrong with a PEM file. The library tells lines as the numbers of their bytes.
fn in_words(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!("the line \"-----END {}-----\" is missing", String::from_utf8_lossy(end_marker))
        }
        // What stands in that line may be part of a key.
        pem::Error::IllegalSectionStart { .. } => {
            "a line begins like \"-----BEGIN ...-----\" and does not end like it".to_owned()
        }
        other => other.to_string(),
    }
}

/// Reads all certificates of a file, at least one.
pub(super) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let bytes = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain
        .map_err(|error| FileError::new(path, format!("it cannot be read as PEM: {}", in_words(&error))))?;
    if chain.is_empty() {
        return Err(FileError::new(path, "it holds no certificate (PEM)"));
    }
    Ok(chain)
}

/// Adds the authorities of a file to `roots`. Blocks on the disk.
pub fn read_roots(path: &Path, roots: &mut RootCertStore) -> Result<(), FileError> {
    for certificate in read_certificates(path)? {
        roots.add(certificate).map_err(|error| {
            FileError::new(path, format!("one of its certificates is no authority: {error}"))
        })?;
    }
    Ok(())
}

/// Reads a regular file of at most [`MOST`] bytes. Anything else is refused: a pipe would be waited for, and with it
/// the thread that looks at all certificates.
fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut options = File::options();
        let file = options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let mut bytes = Vec::new();
        file.take(MOST + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) if bytes.len() as u64 > MOST => Err(FileError::new(path, "it is larger than 1 MiB")),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(FileError::new(path, format!("cannot be read: {error}"))),
    }
}

/// What tells that a file is another one, has other content, or may be read by others: device, inode, size, and when
/// its content and its entry changed, in nanoseconds.
type Stamp = Option<(u64, u64, u64, i128, i128)>;

fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let (content, entry) = (nanos(meta.mtime(), meta.mtime_nsec()), nanos(meta.ctime(), meta.ctime_nsec()));
    Some((meta.dev(), meta.ino(), meta.size(), content, entry))
}

/// Files that belong together, and what came of reading them last.
#[derive(Debug)]
pub(crate) struct Watch {
    paths: Vec<PathBuf>,
    loaded: Vec<Stamp>,
    refused: Option<Refused>,
}

/// Files that are there and cannot be used; what they held before stays in force.
#[derive(Debug)]
struct Refused {
    seen: Vec<Stamp>,
    error: FileError,
    is_told: bool,
}

impl Watch {
    /// To be called before the files are read for the first time, so that no change in between is missed.
    pub(crate) fn new(paths: Vec<PathBuf>) -> Self {
        let loaded = paths.iter().map(|path| stamp(path)).collect();
        Self { paths, loaded, refused: None }
    }

    /// Reads the files when they have changed. Files that cannot be used are told once, and only when they are still
    /// the same at the next look: a certificate and its key are never replaced in one step. They are tried again at each
    /// look, because the cause may not be in them.
    pub(crate) fn look<T>(
        &mut self,
        read: impl FnOnce() -> Result<T, FileError>,
    ) -> Option<Result<T, FileError>> {
        let seen: Vec<Stamp> = self.paths.iter().map(|path| stamp(path)).collect();
        if seen == self.loaded {
            self.refused = None;
            return None;
        }
        let before = self.refused.take().filter(|refused| refused.seen == seen);
        let was_told = before.as_ref().is_some_and(|refused| refused.is_told);
        match read() {
            Ok(value) => {
                self.loaded = seen;
                Some(Ok(value))
            }
            Err(error) => {
                let is_told = before.is_some();
                self.refused = Some(Refused { seen, error: error.clone(), is_told });
                (is_told && !was_told).then_some(Err(error))
            }
        }
    }

    /// Why the files as they are now are not those in force.
    pub(crate) fn trouble(&self) -> Option<&FileError> {
        self.refused.as_ref().filter(|refused| refused.is_told).map(|refused| &refused.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_files_are_read_and_bad_ones_told_once_at_the_second_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        let bad = || Err(FileError::new(&path, "bad"));
        write("one");
        let mut watch = Watch::new(vec![path.clone()]);

        assert_eq!(watch.look(|| Ok(1)), None);
        write("three");
        assert_eq!(watch.look(|| Ok(3)), Some(Ok(3)));
        write("a bad one");
        assert_eq!(watch.look(bad), None::<Result<i32, _>>);
        assert!(watch.trouble().is_none());
        assert_eq!(watch.look(bad), Some(bad()) as Option<Result<i32, _>>);
        assert!(watch.trouble().is_some());
        assert_eq!(watch.look(bad), None);
        assert_eq!(watch.look(|| Ok(4)), Some(Ok(4)));
        write("good again");
        assert_eq!(watch.look(|| Ok(5)), Some(Ok(5)));
        assert!(watch.trouble().is_none());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(watch.look(bad), None::<Result<i32, _>>);
        assert_eq!(watch.look(|| Ok(6)), Some(Ok(6)));
    }

    #[test]
    fn a_file_that_is_not_what_it_should_be_is_told_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.pem");
        let said = |error: FileError| error.to_string();

        assert!(said(read(&path).unwrap_err()).contains("file.pem: cannot be read: No such file"));
        std::fs::write(&path, "nothing of use").unwrap();
        assert!(said(read_certificates(&path).unwrap_err()).ends_with("holds no certificate (PEM)"));
        assert!(said(read_key(&path).unwrap_err()).contains("holds no private key"));
        // In two pieces, so that nobody who looks for keys in texts takes this for one.
        std::fs::write(&path, ["-----BEGIN ", "PRIVATE KEY-----\nAAAA\n"].concat()).unwrap();
        assert!(said(read_key(&path).unwrap_err()).ends_with("\"-----END PRIVATE KEY-----\" is missing"));
        std::fs::write(&path, "-----BEGIN CERTIFICATE\nAAAA\n").unwrap();
        assert!(said(read_certificates(&path).unwrap_err()).contains("does not end like it"));
        std::fs::write(&path, vec![b'x'; (MOST + 1) as usize]).unwrap();
        assert!(said(read(&path).unwrap_err()).contains("larger than 1 MiB"));
    }
}
