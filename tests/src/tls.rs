//! TLS on both sides of the proxy: a client that says what it wants and tells what it got, and backends.

use std::cell::{Ref, RefCell};
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
    StreamOwned, SupportedProtocolVersion,
};

use crate::backend::Backend;
use crate::certs::{Authority, Leaf};
use crate::client::{Answer, Client, request};
use crate::message::{Body, Head};
use crate::wait::DEADLINE;

/// The provider of cryptography.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A client that trusts one authority. Connections of one caller share their sessions.
#[derive(Clone, Debug)]
pub struct Caller {
    config: ClientConfig,
}

impl Caller {
    /// Trusts this authority, asks for HTTP/1.1, shows no certificate.
    pub fn trusting(authority: &Authority) -> Self {
        Self::new(authority, None, rustls::ALL_VERSIONS)
    }

    /// Shows a certificate besides.
    pub fn showing(authority: &Authority, leaf: &Leaf) -> Self {
        Self::new(authority, Some(leaf), rustls::ALL_VERSIONS)
    }

    /// Speaks only this version.
    pub fn of_version(authority: &Authority, version: &'static SupportedProtocolVersion) -> Self {
        Self::new(authority, None, &[version])
    }

    fn new(
        authority: &Authority,
        leaf: Option<&Leaf>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .expect("the provider knows the versions")
            .with_root_certificates(roots(authority));
        let mut config = match leaf {
            None => builder.with_no_client_auth(),
            Some(leaf) => {
                let (chain, key) = leaf.parts();
                builder.with_client_auth_cert(chain, key).expect("the key fits")
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::in_memory_sessions(8);
        Self { config }
    }

    /// Offers these protocols instead.
    #[must_use]
    pub fn offering(mut self, protocols: &[&str]) -> Self {
        self.config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    /// Connects to `address` and asks for `name`; the handshake is over when this returns.
    pub fn connect(&self, address: SocketAddr, name: &str) -> io::Result<Client<TlsSocket>> {
        let name = ServerName::try_from(name.to_owned()).expect("it can be the name of a server");
        let socket = TcpStream::connect_timeout(&address, DEADLINE)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        socket.set_write_timeout(Some(DEADLINE))?;
        let connection =
            ClientConnection::new(Arc::new(self.config.clone()), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Client::over(TlsSocket(RefCell::new(stream))))
    }

    /// Connects, sends one request and reads the answer. A refusal by the server may only show here: with TLS 1.3 a
    /// client is through before the server has seen its certificate.
    pub fn ask(&self, address: SocketAddr, name: &str, text: &str) -> io::Result<Answer> {
        let mut client = self.connect(address, name)?;
        client.try_send(text)?;
        client.try_answer()
    }

    /// Asks for a path of a host.
    pub fn get(&self, address: SocketAddr, host: &str, path: &str) -> io::Result<Answer> {
        self.ask(address, host, &request("GET", path, &[("host", host)]))
    }
}

fn roots(authority: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der()).expect("it is an authority");
    roots
}

/// A socket inside TLS, of a client.
#[derive(Debug)]
pub struct TlsSocket(RefCell<StreamOwned<ClientConnection, TcpStream>>);

impl TlsSocket {
    /// The certificate the server showed.
    pub fn certificate(&self) -> CertificateDer<'static> {
        let certificates = Ref::map(self.0.borrow(), |stream| stream.conn.peer_certificates().unwrap_or(&[]));
        certificates.first().expect("the server showed a certificate").clone().into_owned()
    }

    /// Whether the handshake resumed a session.
    pub fn is_resumed(&self) -> bool {
        self.0.borrow().conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The protocol that was agreed on.
    pub fn protocol(&self) -> Option<String> {
        self.0.borrow().conn.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned())
    }
}

impl Read for TlsSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.get_mut().read(buffer)
    }
}

impl Write for &TlsSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

/// What a server inside TLS shows and asks for.
pub fn server_config(leaf: &Leaf, clients: Option<&Authority>) -> ServerConfig {
    let (chain, key) = leaf.parts();
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("the provider knows the versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots(authority).into(), provider());
            builder.with_client_cert_verifier(verifier.build().expect("there is an authority"))
        }
    };
    builder.with_single_cert(chain, key).expect("the key fits")
}

/// A backend inside TLS. Answers each request with the text that `answer` makes of it and of the name that was asked for
/// in the handshake; 200 when it is text, 500 for connections that are not what they should be.
pub fn backend(
    config: ServerConfig,
    answer: impl Fn(&Head, &Body, Option<&str>) -> (Vec<(String, String)>, String) + Send + Sync + 'static,
) -> Backend {
    let config = Arc::new(config);
    // Broken connections are what many tests are about.
    Backend::raw(move |socket| drop(serve(&config, socket, &answer)))
}

fn serve(
    config: &Arc<ServerConfig>,
    socket: TcpStream,
    answer: &impl Fn(&Head, &Body, Option<&str>) -> (Vec<(String, String)>, String),
) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    let mut reader = BufReader::new(StreamOwned::new(connection, socket));
    while let Some(head) = Head::read(&mut reader)? {
        let body = Body::read(&mut reader, &head, false)?;
        let name = reader.get_ref().conn.server_name().map(str::to_owned);
        let (fields, text) = answer(&head, &body, name.as_deref());
        let status = fields.iter().find(|(name, _)| name == ":status").map_or("200", |(_, value)| value);
        let mut out = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", text.len());
        for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with(':')) {
            out.extend([name, ": ", value, "\r\n"]);
        }
        out.push_str("\r\n");
        if !head.line.starts_with("HEAD ") {
            out.push_str(&text);
        }
        reader.get_mut().write_all(out.as_bytes())?;
    }
    Ok(())
}
