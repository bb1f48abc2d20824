//! The PROXY protocol, versions 1 and 2: who connected, told ahead of the first byte of a connection.
//!
//! A load balancer in front writes it for us ([`read_header`]), and we write it for backends ([`write_header`]). It
//! can be believed only from peers that may speak for others, so a listener that takes it names their networks.
//!
//! Reading is strict and bounded, and consumes exactly the header: the next byte of the socket is the first one of
//! what the client sent. TLVs are checked for their lengths and skipped: nothing here acts on what they say.
//!
//! Source: "The PROXY protocol, versions 1 & 2", W. Tarreau, `HAProxy` Technologies (proxy-protocol.txt).

mod parse;
mod write;

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

pub use self::parse::{MAX_HEADER, Parsed, parse};
pub use self::write::{Facts, write_header};

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// A line of text with the addresses.
    V1,
    /// Binary; may say more than addresses.
    V2,
}

impl Version {
    /// As the configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Addresses {
    /// Who connected.
    pub source: SocketAddr,
    /// What it connected to.
    pub destination: SocketAddr,
}

/// Reads the header a connection has to begin with. `None` when it names nobody (a check of the load balancer
/// itself, or a client over something else than TCP): then the peer is who it is.
///
/// Fails with `InvalidData` when there is no header or a wrong one, and `UnexpectedEof` when the connection ends
/// first. Waits as long as it takes: the caller sets the limit. What a dropped future has read is lost, so the
/// connection has to be closed then.
pub async fn read_header(stream: &TcpStream) -> io::Result<Option<Addresses>> {
    let mut header = Vec::with_capacity(parse::LONGEST_LINE);
    loop {
        let more = match parse(&header) {
            Ok(Parsed::Whole(_, addresses)) => return Ok(addresses),
            Ok(Parsed::More(more)) => more,
            Err(problem) => return Err(io::Error::new(io::ErrorKind::InvalidData, problem)),
        };
        let more = if parse::is_line(&header) { rest_of_line(stream, &header).await? } else { more };
        let at = header.len();
        header.resize(at + more, 0);
        let read = read(stream, &mut header[at..]).await?;
        header.truncate(at + read);
    }
}

/// How many of the bytes that are there belong to the line that has begun.
async fn rest_of_line(stream: &TcpStream, begun: &[u8]) -> io::Result<usize> {
    let mut ahead = [0; parse::LONGEST_LINE];
    let most = parse::LONGEST_LINE.saturating_sub(begun.len()).max(1);
    let there = stream.peek(&mut ahead[..most]).await?;
    // At the end of the stream, one more read says so.
    Ok(ahead[..there].iter().position(|byte| *byte == b'\n').map_or(there, |at| at + 1).max(1))
}

async fn read(stream: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read(into) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    /// Sends `pieces`, each once the one before may have been read, and returns what is read as header and after it.
    async fn sent(pieces: &[&[u8]]) -> (io::Result<Option<Addresses>>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.set_nodelay(true).unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let send = async {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
            }
            client.shutdown().await.unwrap();
        };
        let (header, ()) = tokio::join!(read_header(&server), send);
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).await.unwrap();
        (header, rest)
    }

    const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.7 1234 443\r\n";

    fn addresses() -> Addresses {
        Addresses {
            source: "192.0.2.1:1234".parse().unwrap(),
            destination: "198.51.100.7:443".parse().unwrap(),
        }
    }

    #[test]
    fn exactly_the_header_is_consumed_however_it_is_cut() {
        run(async {
            let mut binary = Vec::new();
            write_header(
                Version::V2,
                Some(addresses()),
                &Facts { authority: Some("a.test"), ..Facts::default() },
                &mut binary,
            );
            for header in [LINE, &binary] {
                for cut in 0..=header.len() {
                    let all = [&header[cut..], b"\nfirst bytes\n"].concat();
                    let (read, rest) = sent(&[&header[..cut], &all]).await;
                    assert_eq!(read.unwrap(), Some(addresses()), "cut at {cut}");
                    assert_eq!(rest, b"\nfirst bytes\n", "cut at {cut}");
                }
                let bytes: Vec<&[u8]> = header.chunks(1).collect();
                assert_eq!(sent(&bytes).await.0.unwrap(), Some(addresses()));
            }
        });
    }

    #[test]
    fn the_shortest_header_takes_nothing_of_what_follows_it() {
        run(async {
            let (read, rest) = sent(&[b"PROXY UNKNOWN\r\nGET / HTTP/1.1\r\n"]).await;
            assert_eq!((read.unwrap(), rest.as_slice()), (None, &b"GET / HTTP/1.1\r\n"[..]));
        });
    }

    #[test]
    fn a_connection_that_ends_or_begins_with_something_else_fails() {
        run(async {
            let (ended, _) = sent(&[&LINE[..20]]).await;
            assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            let (nothing, _) = sent(&[]).await;
            assert_eq!(nothing.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            let (other, _) = sent(&[b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"]).await;
            assert_eq!(other.unwrap_err().kind(), io::ErrorKind::InvalidData);
        });
    }
}
