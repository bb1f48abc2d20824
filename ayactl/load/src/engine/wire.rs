//! Connections to targets: TCP, TLS, and those of HTTP/2 that many requests share.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::io::Errno;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use crate::plan::{Plan, Protocol, Target, Tls};
use crate::record::ErrorKind;

/// Where and how to connect; the same for all threads.
pub(super) struct Wire {
    lanes: Vec<Way>,
    pub(super) protocol: Protocol,
}

struct Way {
    address: SocketAddr,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// A byte stream of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Stream for S {}

/// A stream that was opened.
pub(super) enum Opened {
    Plain(TcpStream),
    Tls(Box<Secure>),
}

/// A stream of TLS.
pub(super) type Secure = tokio_rustls::client::TlsStream<TcpStream>;

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NoConnection {
    /// The system says so.
    Tcp(io::Error),
    /// There would be one, but no TLS.
    Tls(io::Error),
}

/// A connection of HTTP/2, made by whoever needs it first.
#[derive(Debug, Default)]
pub(super) struct Shared {
    sender: RefCell<Option<http2::SendRequest<Full<Bytes>>>>,
    opening: Mutex<()>,
}

impl Wire {
    pub(super) fn new(plan: &Plan) -> Result<Self, String> {
        let targets = std::iter::once(&plan.target).chain(&plan.overhead);
        let lanes = targets.map(|target| Way::new(target, plan)).collect::<Result<_, _>>()?;
        Ok(Self { lanes, protocol: plan.protocol })
    }

    /// Connects to the target of a lane.
    pub(super) async fn open(&self, lane: usize) -> Result<Opened, ErrorKind> {
        self.connect(lane).await.map_err(|why| match why {
            NoConnection::Tcp(error) => kind_of(&error),
            NoConnection::Tls(_) => ErrorKind::Tls,
        })
    }

    /// The same, with the whole reason when it cannot.
    pub(super) async fn connect(&self, lane: usize) -> Result<Opened, NoConnection> {
        let way = &self.lanes[lane];
        let stream = TcpStream::connect(way.address).await.map_err(NoConnection::Tcp)?;
        stream.set_nodelay(true).map_err(NoConnection::Tcp)?;
        match &way.tls {
            None => Ok(Opened::Plain(stream)),
            Some((connector, name)) => {
                let secure = connector.connect(name.clone(), stream).await.map_err(NoConnection::Tls)?;
                Ok(Opened::Tls(Box::new(secure)))
            }
        }
    }
}

/// Whether both sides agreed to HTTP/2.
pub(super) fn is_http2(stream: &Secure) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}

impl Way {
    fn new(target: &Target, plan: &Plan) -> Result<Self, String> {
        let address = target.address.parse().map_err(|_| format!("\"{}\" is no address", target.address))?;
        if !target.tls {
            return Ok(Self { address, tls: None });
        }
        let host = target.host.rsplit_once(':').map_or(target.host.as_str(), |(host, port)| {
            if port.bytes().all(|b| b.is_ascii_digit()) { host } else { target.host.as_str() }
        });
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name =
            ServerName::try_from(host.clone()).map_err(|_| format!("\"{host}\" is no name for TLS"))?;
        let config = client_config(&plan.tls, plan.protocol)?;
        Ok(Self { address, tls: Some((TlsConnector::from(Arc::new(config)), name)) })
    }
}

fn client_config(tls: &Tls, protocol: Protocol) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder();
    let builder = if tls.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody))
    } else {
        builder.with_root_certificates(roots(tls)?)
    };
    let mut config = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let key_file = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{key}: {error}"))?;
            builder
                .with_client_auth_cert(certificates(certificate)?, key_file)
                .map_err(|error| format!("{certificate}, {key}: {error}"))?
        }
        (None, None) => builder.with_no_client_auth(),
        _ => return Err("a client certificate needs both --cert and --key".into()),
    };
    config.alpn_protocols = match protocol {
        Protocol::Http1 => vec![b"http/1.1".to_vec()],
        Protocol::Http2 => vec![b"h2".to_vec()],
    };
    Ok(config)
}

fn roots(tls: &Tls) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = &tls.ca {
        for certificate in certificates(file)? {
            roots.add(certificate).map_err(|error| format!("{file}: {error}"))?;
        }
        return Ok(roots);
    }
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err("the system knows no authorities; name one with --cacert".into());
    }
    Ok(roots)
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{file}: {error}");
    let opened = File::open(file).map_err(|error| wrong(&error))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_reader_iter(BufReader::new(opened)).collect();
    let certificates = read.map_err(|error| wrong(&error))?;
    if certificates.is_empty() { Err(wrong(&"it holds no certificate (PEM)")) } else { Ok(certificates) }
}

/// Why a connection was not made, or broke.
pub(super) fn kind_of(error: &io::Error) -> ErrorKind {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::ADDRNOTAVAIL) => return ErrorKind::OutOfPorts,
        Some(Errno::MFILE | Errno::NFILE) => return ErrorKind::OutOfDescriptors,
        _ => {}
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ErrorKind::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            ErrorKind::Reset
        }
        io::ErrorKind::UnexpectedEof => ErrorKind::ClosedEarly,
        io::ErrorKind::TimedOut => ErrorKind::Timeout,
        io::ErrorKind::InvalidData => ErrorKind::Tls,
        _ => ErrorKind::Connect,
    }
}

/// Runs what the codec of HTTP/2 does beside requests, on the same thread.
#[derive(Clone, Copy, Debug)]
struct Here;

impl<F: Future + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

impl Shared {
    /// The connection, made when there is none or the last one is over. `true` when it was made now.
    pub(super) async fn sender(
        &self,
        wire: &Wire,
        lane: usize,
    ) -> Result<(http2::SendRequest<Full<Bytes>>, bool), ErrorKind> {
        if let Some(sender) = self.usable() {
            return Ok((sender, false));
        }
        let _opening = self.opening.lock().await;
        if let Some(sender) = self.usable() {
            return Ok((sender, false));
        }
        let sender = match wire.open(lane).await? {
            Opened::Plain(stream) => shake(stream).await?,
            Opened::Tls(stream) if !is_http2(&stream) => return Err(ErrorKind::Garbage),
            Opened::Tls(stream) => shake(*stream).await?,
        };
        *self.sender.borrow_mut() = Some(sender.clone());
        Ok((sender, true))
    }

    fn usable(&self) -> Option<http2::SendRequest<Full<Bytes>>> {
        self.sender.borrow().as_ref().filter(|sender| !sender.is_closed()).cloned()
    }
}

async fn shake(stream: impl Stream) -> Result<http2::SendRequest<Full<Bytes>>, ErrorKind> {
    /// Windows that never are what a test measures.
    const WINDOW: u32 = 1 << 20;
    let builder = http2::Builder::new(Here)
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW * 4)
        .handshake(TokioIo::new(stream));
    let (sender, connection) = builder.await.map_err(|_| ErrorKind::Garbage)?;
    tokio::task::spawn_local(async move {
        // Requests learn of its end by themselves.
        let _ = connection.await;
    });
    Ok(sender)
}

/// Believes anybody, for tests of one's own machine.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
