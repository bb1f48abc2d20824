//! Looks whether a challenge is answered, as a directory does.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

use super::jose::sha256;
use crate::client::{Client, request};
use crate::tls::provider;
use crate::wait::DEADLINE;

/// HTTP-01 (RFC 8555, 8.3).
pub(super) fn at_page(
    address: Option<SocketAddr>,
    name: &str,
    token: &str,
    authorization: &str,
) -> Result<(), String> {
    let address = address.ok_or("nobody answers at port 80")?;
    let mut client = Client::try_connect(address).map_err(|error| error.to_string())?;
    let path = format!("/.well-known/acme-challenge/{token}");
    client.try_send(request("GET", &path, &[("host", name)])).map_err(|error| error.to_string())?;
    let answer = client.try_answer().map_err(|error| error.to_string())?;
    match (answer.status, answer.text()) {
        (200, text) if text.trim_end() == authorization => Ok(()),
        (status, _) => Err(format!("{name} answers with another text and status {status}")),
    }
}

/// TLS-ALPN-01 (RFC 8737, 3).
pub(super) fn at_proof(address: Option<SocketAddr>, name: &str, authorization: &str) -> Result<(), String> {
    let address = address.ok_or("nobody answers at port 443")?;
    let said = |error: &dyn std::error::Error| error.to_string();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .map_err(|error| said(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let server = ServerName::try_from(name.to_owned()).map_err(|error| said(&error))?;
    let mut connection = ClientConnection::new(Arc::new(config), server).map_err(|error| said(&error))?;
    let mut socket =
        std::net::TcpStream::connect_timeout(&address, DEADLINE).map_err(|error| said(&error))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket).map_err(|error| said(&error))?;
    }
    if connection.alpn_protocol() != Some(b"acme-tls/1") {
        return Err("acme-tls/1 was not agreed on".into());
    }
    let certificate = connection.peer_certificates().and_then(<[_]>::first).ok_or("no certificate")?;
    holds(certificate, name, &sha256(authorization.as_bytes()))
}

/// The certificate is for this name alone, and holds the digest in a critical extension.
fn holds(certificate: &CertificateDer<'_>, name: &str, digest: &[u8]) -> Result<(), String> {
    /// 1.3.6.1.5.5.7.1.31 as DER, critical, then an octet string around an octet string of 32 bytes.
    const BEFORE: &[u8] = &[0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 1, 31, 0x01, 0x01, 0xff, 0x04, 0x22, 0x04, 0x20];
    let extension = [BEFORE, digest].concat();
    let contains = |part: &[u8]| certificate.windows(part.len()).any(|window| window == part);
    if !contains(&extension) {
        return Err("the certificate does not hold the digest".into());
    }
    if !contains(name.as_bytes()) {
        return Err("the certificate is for another name".into());
    }
    Ok(())
}

/// The proof is a certificate that nobody signed. Its own signature is not looked at: rustls reads no certificate with a
/// critical extension that it does not know.
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
        provider().signature_verification_algorithms.supported_schemes()
    }
}
