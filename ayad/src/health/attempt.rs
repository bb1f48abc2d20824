//! One check, from its beginning to its verdict: what is common to all kinds, and which of them it is.

use std::time::Duration;

use aya_core::health::Cause;

use super::{NoPass, command, grpc, handshake, http, icmp, mysql, postgres, redis, tcp, tls};
use crate::chaos::{CheckFate, Faults};
use crate::clock;
use crate::command::{Slot, Slots};
use crate::config::{Check, Probe};
use crate::state::Backend;
use crate::stream::Stream;
use crate::tls::{ClientTls, Offer};

/// Why a check failed that a fault made fail.
pub(super) const LIES: [&str; 1] = ["an injected fault says that it fails"];

/// How often a check that nobody answers looks whether that fault has ended.
const SILENCE: Duration = Duration::from_millis(50);

/// Makes one check of a backend, and says how long it took. Takes no longer than its timeout, after what a program has to
/// wait for its slot: at most an interval, which no verdict comes of. Cancel-safe: dropping the future closes its
/// connection and ends its program.
pub(super) async fn make(
    backend: &Backend,
    faults: &Faults,
    check: &Check,
    tls: Option<&ClientTls>,
    slots: &Slots,
) -> (Result<(), NoPass>, Duration) {
    let slot = match &check.probe {
        Probe::Command(_) => match slots.take(check.interval).await {
            Ok(slot) => Some(slot),
            Err(error) => return (Err(NoPass::Unmade(error)), check.interval),
        },
        _ => None,
    };
    let started = clock::now();
    let checking = async {
        let fate = faults.check(backend.load.token());
        if fate.is_some() {
            backend.touch.health();
        }
        match fate {
            None => probe(backend, check, tls, slot).await,
            Some(CheckFate::Passes) => Ok(()),
            Some(CheckFate::Fails) => Err(NoPass::Failed(Cause::Unreachable(LIES[0]))),
            Some(CheckFate::Refused) => Err(NoPass::Failed(Cause::Refused)),
            // Until the timeout, as one that nobody answers; or until the fault ends.
            Some(CheckFate::Silent) => {
                while faults.check(backend.load.token()) == Some(CheckFate::Silent) {
                    tokio::time::sleep(SILENCE).await;
                }
                probe(backend, check, tls, slot).await
            }
        }
    };
    let verdict = tokio::time::timeout(check.timeout, checking).await;
    let verdict = verdict.unwrap_or(Err(NoPass::Failed(Cause::TimedOut)));
    (verdict, clock::now().since(started))
}

async fn probe(
    backend: &Backend,
    check: &Check,
    tls: Option<&ClientTls>,
    slot: Option<Slot>,
) -> Result<(), NoPass> {
    let name = &*backend.address;
    let stream = async |offer: Offer| {
        let plain = tcp::probe(&backend.resolved, check.proxy_protocol).await?;
        match tls {
            Some(tls) => handshake::shake(plain, name, tls, offer).await,
            None => Ok(Stream::Plain(plain)),
        }
    };
    match &check.probe {
        Probe::Tcp => stream(Offer::Both).await.map(drop),
        Probe::Tls(min_valid) => Ok(tls::judge(&stream(Offer::Nothing).await?, *min_valid)?),
        Probe::Http(wanted) => http::probe(stream(Offer::Http1).await?, name, wanted).await,
        Probe::Grpc(wanted) => Ok(grpc::probe(stream(Offer::H2).await?, name, wanted).await?),
        Probe::Postgres(user) => Ok(postgres::probe(stream(Offer::Postgres).await?, user).await?),
        Probe::Mysql(user) => Ok(mysql::probe(stream(Offer::Nothing).await?, user).await?),
        Probe::Redis(wanted) => Ok(redis::probe(stream(Offer::Nothing).await?, wanted).await?),
        Probe::Icmp => icmp::probe(&backend.resolved).await,
        Probe::Command(wanted) => command::probe(wanted, backend, check.timeout, slot).await,
    }
}
