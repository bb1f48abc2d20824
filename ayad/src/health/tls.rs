//! Shakes hands, and looks how long the certificate is good.

use std::time::Duration;

use aya_core::health::Cause;

use super::ProbeSpec;
use crate::clock;
use crate::stream::Stream;
use crate::tls::CertificateInfo;

/// Its line in the table.
pub(super) const SPEC: ProbeSpec =
    ProbeSpec { name: "tls", summary: "shakes hands and looks how long the certificate is good" };

/// Judges by the certificate that was shown in the handshake, which has been verified already.
pub(super) fn judge(stream: &Stream, min_valid: Option<Duration>) -> Result<(), Cause> {
    let (Some(min_valid), Stream::Tls(tls)) = (min_valid, stream) else { return Ok(()) };
    let shown = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let info = shown.and_then(|shown| CertificateInfo::read(shown).ok()).ok_or(Cause::Garbage)?;
    let now_s = clock::wall_ms() / 1000;
    let left = Duration::from_secs(u64::try_from(info.life.not_after).unwrap_or(0).saturating_sub(now_s));
    if left >= min_valid {
        return Ok(());
    }
    Err(Cause::Expiring(u16::try_from(left.as_secs() / 3600).unwrap_or(u16::MAX)))
}
