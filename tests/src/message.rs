//! HTTP/1.1 messages as they are on the wire: read strictly, kept whole.

use std::io::{self, BufRead, ErrorKind, Read};

/// First line and fields of a request or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The first line.
    pub line: String,
    /// Names as they were written, and values.
    pub fields: Vec<(String, String)>,
}

/// What follows a head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The bytes, without framing.
    pub bytes: Vec<u8>,
    /// Fields after the last chunk.
    pub trailers: Vec<(String, String)>,
}

impl Head {
    /// Reads a head. `None` when the connection ends before its first byte.
    pub fn read(stream: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(line) = read_line(stream)? else { return Ok(None) };
        let fields = read_fields(stream)?;
        Ok(Some(Self { line, fields }))
    }

    /// The only value of a field; `None` when it is absent. Panics when there are several.
    pub fn field(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} occurs {} times in {self:?}", all.len());
        all.first().copied()
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// True when `token` is in the list `name`.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        let values = self.all(name);
        values.iter().flat_map(|v| v.split(',')).any(|t| t.trim().eq_ignore_ascii_case(token))
    }

    /// The word of the first line at `index`.
    pub fn word(&self, index: usize) -> &str {
        self.line.split(' ').nth(index).unwrap_or_default()
    }
}

impl Body {
    /// Reads what follows `head`; `until_close` says that without a length it ends with the connection.
    pub fn read(stream: &mut impl BufRead, head: &Head, until_close: bool) -> io::Result<Self> {
        if head.lists("transfer-encoding", "chunked") {
            return Self::read_chunked(stream);
        }
        let mut bytes = Vec::new();
        match head.field("content-length") {
            Some(length) => {
                let length: usize = length.parse().map_err(|_| broken("content-length is no number"))?;
                bytes.resize(length, 0);
                stream.read_exact(&mut bytes)?;
            }
            None if until_close => {
                stream.read_to_end(&mut bytes)?;
            }
            None => {}
        }
        Ok(Self { bytes, trailers: Vec::new() })
    }

    fn read_chunked(stream: &mut impl BufRead) -> io::Result<Self> {
        let mut body = Self::default();
        loop {
            let line = read_line(stream)?.ok_or(ErrorKind::UnexpectedEof)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| broken("a chunk without a size"))?;
            if size == 0 {
                body.trailers = read_fields(stream)?;
                return Ok(body);
            }
            let before = body.bytes.len() as u64;
            stream.by_ref().take(size).read_to_end(&mut body.bytes)?;
            if body.bytes.len() as u64 != before + size || read_line(stream)?.as_deref() != Some("") {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The bytes as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Writes `bytes` as one chunk.
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
    framed.extend_from_slice(bytes);
    framed.extend_from_slice(b"\r\n");
    framed
}

fn read_fields(stream: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = read_line(stream)?.ok_or(ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(fields);
        }
        let (name, value) = line.split_once(':').ok_or_else(|| broken("a field without a colon"))?;
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// A line without its end; `None` at the end of the stream.
fn read_line(stream: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    match line.strip_suffix(b"\r\n") {
        Some(whole) => Ok(Some(String::from_utf8_lossy(whole).into_owned())),
        None => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn broken(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> io::Result<(Head, Body)> {
        let mut stream = text.as_bytes();
        let head = Head::read(&mut stream)?.ok_or(ErrorKind::UnexpectedEof)?;
        let body = Body::read(&mut stream, &head, true)?;
        Ok((head, body))
    }

    #[test]
    fn chunks_and_trailers_are_taken_apart() {
        let (head, body) =
            read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x\r\nd\r\n0\r\nX-T: 1\r\n\r\n")
                .unwrap();

        assert_eq!(head.word(1), "200");
        assert_eq!(body.text(), "abcd");
        assert_eq!(body.trailers, [("X-T".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn what_ends_too_early_is_an_error() {
        for cut in [
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            "HTTP/1.1 200 OK\r\nContent-Le",
        ] {
            assert!(read(cut).is_err(), "{cut}");
        }
    }
}
