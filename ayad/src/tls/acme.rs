//! Certificates from a directory by ACME (RFC 8555).
//!
//! [`order()`] makes one order and answers its challenges; [`Store`] keeps the account and certificates over restarts;
//! [`Challenges`] is what the data plane answers from. When to order is decided in `aya_core::certificate`, and
//! done by [`crate::certificates`]. Wildcards are not offered: they need DNS-01, and with it somebody's DNS.

mod challenges;
mod directory;
mod order;
mod store;

pub(super) use challenges::{ALPN, proof_config};
pub use challenges::{Challenges, Published};
pub use order::{OrderError, order};
pub use store::{Failures, Store};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::files::{FileError, Loaded};

/// The certificate that is shown until a directory has given one. No client trusts it; it is there so that the listener
/// can start, and can prove names by TLS-ALPN-01.
pub(super) fn placeholder(names: &[String]) -> Result<Loaded, FileError> {
    let failed = |what: String| FileError { path: "placeholder certificate".into(), what };
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| failed(error.to_string()))?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    Loaded::new(vec![made.cert.der().clone()], key).map_err(failed)
}
