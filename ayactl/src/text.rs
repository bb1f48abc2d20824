//! Files that people wrote.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Largest file of that kind, in bytes: what is longer is something else, or has no end.
const MOST: u64 = 4 << 20;

/// The text of a file. Errors as reading does, and when it has over 4 MiB.
pub fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it has over 4 MiB, and is no file of this kind",
        ));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text (UTF-8)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_not_read() {
        let error = read(Path::new("/dev/zero")).expect_err("it has no end");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read(Path::new("/dev/null")).ok(), Some(String::new()));
    }
}
