//! TLS to clients and to backends, on rustls with aws-lc.
//!
//! [`ServerTls`] is what a listener has: certificates by name, read again when their files change, and the tickets
//! by which clients resume on any worker. [`ClientTls`] is what a pool has. [`acme`] gets certificates by itself.
//! Both turn a [`crate::stream::Plain`] into a [`crate::stream::Stream`]; who calls them sets the time limit.
//!
//! What is deliberately not here: versions before 1.2 and renegotiation (rustls has neither), early data (a request in
//! it can be replayed by anybody, RFC 8446, 8), a choice of cipher suites (those of the provider are all good, and
//! the client's order holds), and revocation lists (short lives do that better). Nothing here knows the
//! daemon's state: files and directories are looked at by [`crate::certificates`], on a thread of its own.

pub mod acme;
mod certificate;
mod client;
mod files;
mod identity;
mod name;
mod resolver;
mod server;

use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use certificate::CertificateInfo;
pub(crate) use client::system_roots;
pub use client::{ClientTls, Offer, host_of, http_client};
pub(crate) use files::Watch;
pub use files::{FileError, Loaded, read_pair, read_roots};
pub use identity::{ClientIdentity, is_reserved};
pub use server::{AcmeState, Handshake, Handshakes, InForce, NoHandshake, Note, ServerTls, Source};

/// The one provider of cryptography. Key exchange is X25519 first; the post-quantum hybrid is used with clients
/// that offer nothing else, because it costs as much as the rest of the handshake.
pub fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider()))
}
