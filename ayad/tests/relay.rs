//! Tunnels between real sockets on the loopback.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ayad::relay::{End, Pipe, Side, Totals, Tunnel, poll_splice};
use ayad::stream::{Plain, Stream};
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A test that hangs is a test that fails.
const LIMIT: Duration = Duration::from_secs(20);
/// How long a full tunnel must take nothing.
const QUIET: Duration = Duration::from_millis(200);

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    runtime.block_on(async { tokio::time::timeout(LIMIT, test).await.expect("ends in time") })
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
    let (near, far) =
        tokio::join!(TcpStream::connect(listener.local_addr().expect("it is bound")), listener.accept());
    (near.expect("it is accepted"), far.expect("somebody connects").0)
}

/// A client, a backend, and what lies between.
async fn tcp(up: &[u8], down: &[u8]) -> (TcpStream, TcpStream, Tunnel) {
    let ((client, near), (far, backend)) = (pair().await, pair().await);
    (client, backend, Tunnel::new(near.into(), far.into(), up.to_vec(), down.to_vec()))
}

async fn joined(mut tunnel: Tunnel) -> Result<Totals, End> {
    poll_fn(|cx| tunnel.poll(cx)).await
}

/// Bytes of which each tells where it belongs.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

async fn read_all(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("it ends without an error");
    bytes
}

#[test]
fn what_goes_in_comes_out_both_ways_at_once_and_is_counted() {
    run(async {
        let (mut client, mut backend, tunnel) = tcp(b"first up", b"first down").await;
        let tunnel = tokio::spawn(joined(tunnel));
        let bytes = pattern(3_000_000);
        let (mut from_client, mut to_client) = client.split();
        let (mut from_backend, mut to_backend) = backend.split();
        let send_up = async { to_client.write_all(&bytes).await.and(to_client.shutdown().await) };
        let send_down = async { to_backend.write_all(&bytes).await.and(to_backend.shutdown().await) };

        let (up, down, sent_up, sent_down) =
            tokio::join!(read_all(&mut from_backend), read_all(&mut from_client), send_up, send_down);

        sent_up.and(sent_down).unwrap();
        assert!(up == [b"first up", &bytes[..]].concat());
        assert!(down == [b"first down", &bytes[..]].concat());
        let totals = tunnel.await.unwrap().unwrap();
        assert_eq!(totals, Totals { up: 3_000_008, down: 3_000_010 });
    });
}

#[test]
fn one_side_that_ends_leaves_the_other_open() {
    run(async {
        let (mut client, mut backend, tunnel) = tcp(b"", b"").await;
        let tunnel = tokio::spawn(joined(tunnel));
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(read_all(&mut backend).await, b"question");

        backend.write_all(b"late answer").await.unwrap();
        let mut answer = [0; 11];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"late answer");

        drop(backend);
        assert!(read_all(&mut client).await.is_empty());
        assert_eq!(tunnel.await.unwrap().unwrap(), Totals { up: 8, down: 11 });
    });
}

#[test]
fn a_reset_is_passed_on_as_a_reset() {
    run(async {
        let (client, mut backend, tunnel) = tcp(b"", b"").await;
        let tunnel = tokio::spawn(joined(tunnel));
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);

        let error = backend.read(&mut [0; 8]).await.unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(tunnel.await.unwrap().unwrap_err().side, Side::Client);
    });
}

#[test]
fn a_side_that_breaks_after_its_end_is_found_by_looking() {
    run(async {
        let (mut client, mut backend, mut tunnel) = tcp(b"", b"").await;
        client.shutdown().await.unwrap();
        poll_fn(|cx| {
            if tunnel.poll(cx).is_pending() && !tunnel.is_half_closed() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
        assert!(tunnel.check().is_ok());
        assert!(read_all(&mut backend).await.is_empty());

        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);

        let end = loop {
            match tunnel.check() {
                Err(end) => break end,
                Ok(()) => tokio::task::yield_now().await,
            }
        };
        assert_eq!(end.side, Side::Client);
    });
}

#[test]
fn the_last_words_of_a_server_that_stopped_listening_arrive() {
    run(async {
        let (mut client, mut backend, tunnel) = tcp(b"", b"").await;
        client.write_all(&pattern(100_000)).await.unwrap();
        let tunnel = tokio::spawn(joined(tunnel));
        backend.readable().await.unwrap();
        backend.write_all(b"too much").await.unwrap();
        // Bytes it did not read make its close a reset.
        drop(backend);

        let mut answer = [0; 8];
        client.read_exact(&mut answer).await.unwrap();

        assert_eq!(&answer, b"too much");
        assert_eq!(tunnel.await.unwrap().unwrap_err().side, Side::Backend);
    });
}

#[test]
fn a_reader_that_takes_nothing_stops_its_writer() {
    run(async {
        let (client, mut backend, tunnel) = tcp(b"", b"").await;
        let tunnel = tokio::spawn(joined(tunnel));
        let piece = vec![7; 64 * 1024];
        let mut taken = 0usize;
        // Until nothing went in for a while.
        while tokio::time::timeout(QUIET, client.writable()).await.is_ok() {
            match client.try_write(&piece) {
                Ok(bytes) => taken += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
            assert!(taken < 64 << 20, "somebody holds it all");
        }
        drop(client);

        let bytes = read_all(&mut backend).await;

        assert_eq!(bytes.len(), taken, "what was taken arrives");
        drop(backend);
        assert_eq!(tunnel.await.unwrap().unwrap().up, taken as u64);
    });
}

#[test]
fn a_unix_socket_is_as_good_an_end() {
    run(async {
        let ((client, near), (far, mut backend)) = (pair().await, UnixStream::pair().unwrap());
        let tunnel = Tunnel::new(near.into(), Stream::Plain(Plain::Unix(far)), Vec::new(), Vec::new());
        let tunnel = tokio::spawn(joined(tunnel));
        let bytes = pattern(1_000_000);
        let (_, mut to) = client.into_split();
        let send = async { to.write_all(&bytes).await.and(to.shutdown().await) };

        let (arrived, sent) = tokio::join!(read_all(&mut backend), send);

        sent.unwrap();
        assert!(arrived == bytes);
        drop(backend);
        tunnel.await.unwrap().unwrap();
    });
}

/// Both ends of a TLS connection, the client's first.
async fn tls_pair() -> (tokio_rustls::client::TlsStream<TcpStream>, Stream) {
    let key = rcgen::generate_simple_self_signed(["a.test".to_owned()]).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(key.cert.der().clone()).expect("a readable certificate");
    let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private.into())
        .expect("certificate and key fit");
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let (near, far) = pair().await;
    let name = ServerName::try_from("a.test").expect("a name");
    let (connected, accepted) = tokio::join!(
        TlsConnector::from(Arc::new(client)).connect(name, near),
        TlsAcceptor::from(Arc::new(server)).accept(Plain::Tcp(far)),
    );
    (connected.expect("they agree"), Stream::Tls(Box::new(accepted.expect("they agree").into())))
}

#[test]
fn tls_on_one_side_is_carried_in_plain_on_the_other() {
    run(async {
        let ((mut client, near), (far, mut backend)) = (tls_pair().await, pair().await);
        let tunnel = tokio::spawn(joined(Tunnel::new(near, far.into(), Vec::new(), Vec::new())));
        // Each small message arrives without another one behind it.
        for _ in 0..3 {
            client.write_all(b"ping").await.unwrap();
            backend.read_exact(&mut [0; 4]).await.unwrap();
            backend.write_all(b"pong").await.unwrap();
            client.read_exact(&mut [0; 4]).await.unwrap();
        }
        let bytes = pattern(2_000_000);
        let (mut from_client, mut to_client) = tokio::io::split(&mut client);
        let (mut from_backend, mut to_backend) = backend.split();
        let send_up = async { to_client.write_all(&bytes).await.and(to_client.shutdown().await) };
        let send_down = async { to_backend.write_all(&bytes).await.and(to_backend.shutdown().await) };

        let (up, down, sent_up, sent_down) =
            tokio::join!(read_all(&mut from_backend), read_all(&mut from_client), send_up, send_down);

        sent_up.and(sent_down).unwrap();
        assert!(up == bytes && down == bytes);
        assert_eq!(tunnel.await.unwrap().unwrap(), Totals { up: 2_000_012, down: 2_000_012 });
    });
}

#[test]
fn an_idle_tunnel_holds_no_buffer() {
    run(async {
        let (mut client, mut backend, tunnel) = tcp(b"", b"").await;
        let tunnel = tokio::spawn(joined(tunnel));
        client.write_all(b"ping").await.unwrap();
        backend.read_exact(&mut [0; 4]).await.unwrap();
        let before = ayad::buffers::bytes();

        // Everybody on this thread gets the same buffer, one after the other.
        let mut others = Vec::new();
        for _ in 0..50 {
            let (mut client, mut backend, tunnel) = tcp(b"", b"").await;
            let tunnel = tokio::spawn(joined(tunnel));
            client.write_all(b"ping").await.unwrap();
            backend.read_exact(&mut [0; 4]).await.unwrap();
            others.push((client, backend, tunnel));
        }

        assert!(ayad::buffers::bytes() < before + 10 * ayad::buffers::SMALL as u64);
        tunnel.abort();
    });
}

#[test]
fn a_body_is_spliced_up_to_its_length_and_not_beyond() {
    run(async {
        let ((mut source, from), (to, mut sink)) = (pair().await, pair().await);
        let bytes = pattern(700_000);
        let send = async { source.write_all(&[&bytes[..], b"next message"].concat()).await };
        let splice = async {
            let mut pipe = Pipe::take().unwrap();
            let mut left = bytes.len() as u64;
            while left > 0 {
                let moved = poll_fn(|cx| poll_splice(&from, &to, &mut pipe, left, cx)).await.unwrap();
                assert!(moved > 0);
                left -= moved;
            }
            assert_eq!(pipe.held(), 0);
            drop(to);
        };

        let (sent, (), arrived) = tokio::join!(send, splice, read_all(&mut sink));

        sent.unwrap();
        assert!(arrived == bytes);
        let mut next = [0; 12];
        let mut from = from;
        from.read_exact(&mut next).await.unwrap();
        assert_eq!(&next, b"next message");
    });
}
