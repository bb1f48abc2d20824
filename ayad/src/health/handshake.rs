//! Shakes hands with a backend whose pool speaks TLS, and says in words of a closed set why that failed.
//!
//! A check that only connected would call a backend up whose every request fails for its certificate.

use std::io;

use aya_core::health::Cause;
use rustls::{CertificateError, Error};

use super::NoPass;
use crate::stream::{Plain, Stream};
use crate::tls::{ClientTls, Offer};

/// Why nothing can be sent to a backend that accepts connections.
pub(super) const UNREACHABLE: [&str; 7] =
    [UNKNOWN_AUTHORITY, OTHER_NAME, EXPIRED, NOT_YET, NO_TLS, TURNED_AWAY, FAILED];
const UNKNOWN_AUTHORITY: &str = "certificate of an unknown authority";
const OTHER_NAME: &str = "certificate for another name";
const EXPIRED: &str = "certificate has expired";
const NOT_YET: &str = "certificate is not valid yet";
const NO_TLS: &str = "does not speak TLS";
const TURNED_AWAY: &str = "refuses the TLS handshake";
const FAILED: &str = "TLS handshake failed";

/// Begins TLS as requests do. Takes as long as the backend does; the caller sets the limit.
pub(super) async fn shake(plain: Plain, name: &str, tls: &ClientTls, offer: Offer) -> Result<Stream, NoPass> {
    let (stream, _) = tls.connect(plain, name, offer).await.map_err(|error| {
        tracing::debug!(backend = name, %error, "a check failed in the TLS handshake");
        NoPass::Failed(Cause::Unreachable(words_of(&error)))
    })?;
    Ok(stream)
}

fn words_of(error: &io::Error) -> &'static str {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return FAILED;
    };
    match error {
        Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer => UNKNOWN_AUTHORITY,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => OTHER_NAME,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => EXPIRED,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => NOT_YET,
            _ => FAILED,
        },
        Error::InvalidMessage(_) => NO_TLS,
        Error::AlertReceived(_) => TURNED_AWAY,
        _ => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_went_wrong_has_words_that_another_process_knows() {
        let of_tls = |error: Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let errors = [
            of_tls(CertificateError::UnknownIssuer.into()),
            of_tls(CertificateError::NotValidForName.into()),
            of_tls(CertificateError::Expired.into()),
            of_tls(CertificateError::NotValidYet.into()),
            of_tls(rustls::InvalidMessage::InvalidContentType.into()),
            of_tls(Error::AlertReceived(rustls::AlertDescription::HandshakeFailure)),
            io::ErrorKind::UnexpectedEof.into(),
        ];
        assert_eq!(errors.each_ref().map(words_of), UNREACHABLE);
    }
}
