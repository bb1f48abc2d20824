//! Countries of addresses, from a database file in the format `MMDB`.
//!
//! A file is read whole, verified whole, and only then in force; one that changed and cannot be used leaves the one
//! before in force. A look-up neither locks nor allocates. Not here: which country may do what, which is a route's.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use aya_core::route::Country;
use maxminddb::{PathElement, Reader};

use crate::tls::{FileError, Note, Watch};

/// Most bytes of a database: the largest of those that have countries have half of that.
const MOST: u64 = 256 << 20;

/// One database as it was read.
#[derive(Debug)]
pub struct Database(Reader<Vec<u8>>);

impl Database {
    /// Reads and verifies a file. Takes time in proportion to its size; not for a thread that serves.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let wrong = |what: String| FileError::new(path, what);
        let size = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
        if !size.is_file() {
            return Err(wrong("this is no file".to_owned()));
        }
        if size.len() > MOST {
            return Err(wrong(format!("{} bytes are too many for a database of countries", size.len())));
        }
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
        file.take(MOST).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
        let damaged = |error: maxminddb::MaxMindDbError| wrong(format!("the database is damaged: {error}"));
        let reader = Reader::from_source(bytes).map_err(damaged)?;
        reader.verify().map_err(damaged)?;
        Ok(Self(reader))
    }

    /// The country in which an address is, else the one in which it is registered.
    pub fn country(&self, address: IpAddr) -> Option<Country> {
        let found = self.0.lookup(address).ok()?;
        let code = |of: &str| {
            let path = [PathElement::Key(of), PathElement::Key("iso_code")];
            found.decode_path::<&str>(&path).ok().flatten().and_then(Country::parse)
        };
        code("country").or_else(|| code("registered_country"))
    }
}

/// The database in force, and its file.
#[derive(Debug)]
pub struct Geo {
    path: PathBuf,
    current: ArcSwap<Database>,
    watch: Mutex<Watch>,
}

impl Geo {
    /// Reads the file for the first time.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let watch = Watch::new(vec![path.to_owned()]);
        let current = ArcSwap::from_pointee(Database::read(path)?);
        Ok(Self { path: path.to_owned(), current, watch: Mutex::new(watch) })
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The country of an address.
    pub fn country(&self, address: IpAddr) -> Option<Country> {
        self.current.load().country(address)
    }

    /// Reads the file when it has changed, and says what came of it.
    pub fn refresh(&self) -> Option<Note> {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        match watch.look(|| Database::read(&self.path))? {
            Ok(database) => {
                self.current.store(Arc::new(database));
                Some(Note::good(format!("{} has changed and is in force", self.path.display())))
            }
            Err(error) => Some(Note::bad(format!("{error}; the database read before stays in force"))),
        }
    }

    /// Why the file as it is now is not the database in force.
    pub fn trouble(&self) -> Option<String> {
        let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        watch.trouble().map(ToString::to_string)
    }
}
