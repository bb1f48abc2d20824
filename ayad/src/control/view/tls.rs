//! TLS of a listener.

use std::sync::atomic::Ordering;

use aya_api::view::{AcmeView, CertificateStanding, CertificateView, TlsView};
use aya_core::certificate::Standing;

use crate::clock;
use crate::tls::{InForce, ServerTls, Source};

/// TLS of one listener.
pub(super) fn view(tls: &ServerTls) -> TlsView {
    let now_s = (clock::wall_ms() / 1000).cast_signed();
    let settings = tls.settings();
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let handshakes = tls.handshakes();
    let clients = settings.clients.as_ref();
    TlsView {
        certificates: tls.certificates().iter().map(|one| certificate(one, now_s)).collect(),
        client_certificates: clients
            .map_or("off", |auth| if auth.is_required { "required" } else { "optional" })
            .to_owned(),
        min_version: settings.min_version.as_str().to_owned(),
        sni_strict: settings.sni_strict,
        full: count(&handshakes.full),
        resumed: count(&handshakes.resumed),
        failed: count(&handshakes.failed),
        acme: settings.acme.as_ref().map(|acme| {
            let state = tls.acme_state();
            AcmeView {
                directory: acme.directory.clone(),
                error: state.error,
                failures: state.failures,
                next_ms: state.next_ms,
            }
        }),
    }
}

/// One certificate.
pub(super) fn certificate(one: &InForce, now_s: i64) -> CertificateView {
    let life = one.info.life;
    let ms = |seconds: i64| u64::try_from(seconds).unwrap_or(0).saturating_mul(1000);
    CertificateView {
        names: one.info.names.clone(),
        source: match &one.source {
            Source::File(path) => format!("file {}", path.display()),
            Source::Acme(directory) | Source::Placeholder(directory) => format!("acme {directory}"),
        },
        issuer: one.info.issuer.clone(),
        fingerprint: one.info.fingerprint.clone(),
        not_before_ms: ms(life.not_before),
        not_after_ms: ms(life.not_after),
        days_left: life.days_left(now_s),
        standing: match (&one.source, life.standing(now_s)) {
            (Source::Placeholder(_), _) => CertificateStanding::Placeholder,
            (_, Standing::Good) => CertificateStanding::Good,
            (_, Standing::Expiring) => CertificateStanding::Expiring,
            (_, Standing::NotYet) => CertificateStanding::NotYet,
            (_, Standing::Expired) => CertificateStanding::Expired,
        },
        trouble: one.trouble.clone(),
    }
}
