//! Backends from DNS: the addresses of a host, and the servers of a service.
//!
//! Every look asks anew: what holds for how long is the business of [`super`], so the resolver keeps nothing. The
//! system's configuration and its hosts file are read with each look, because they change while a daemon runs.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use aya_api::command::weight::MAX_WEIGHT;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::task::JoinSet;

use super::Answer;
use crate::config::{Backend, Endpoint, Origin};

/// How often one look asks a name server that does not answer.
const ATTEMPTS: u32 = 3;

/// Somebody to ask.
#[derive(Clone)]
pub(super) struct Names {
    resolver: TokioResolver,
}

/// The addresses of a host.
#[derive(Debug, Default)]
struct Addresses {
    found: Vec<IpAddr>,
    ttl: Option<Duration>,
    /// One of the two kinds could not be had.
    is_part: bool,
}

impl Names {
    /// Asks these name servers, or those of the system.
    pub(super) fn new(servers: &[SocketAddr], timeout: Duration) -> Result<Self, String> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = if servers.is_empty() {
            TokioResolver::builder(provider)
                .map_err(|error| format!("/etc/resolv.conf: {}", words(&error)))?
        } else {
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(server).collect());
            TokioResolver::builder_with_config(config, provider)
        };
        let options: &mut ResolverOpts = builder.options_mut();
        options.cache_size = 0;
        options.timeout = options.timeout.min(timeout / (ATTEMPTS + 1));
        options.attempts = ATTEMPTS as usize - 1;
        Ok(Self { resolver: builder.build().map_err(|error| words(&error))? })
    }

    /// Every address of `host` with this port.
    pub(super) async fn addresses_of(&self, host: &str, port: u16, source: &str) -> Result<Answer, String> {
        let Addresses { found, ttl, is_part } = self.addresses(host).await?;
        let origin = Origin(source.to_owned());
        let backend = |ip| backend(host, ip, port, 1, &origin);
        Ok(Answer {
            backends: found.into_iter().map(backend).collect(),
            is_whole: !is_part,
            ttl,
            left_out: 0,
        })
    }

    /// Every address of every server of a service.
    pub(super) async fn servers_of(&self, name: &str, most: usize, source: &str) -> Result<Answer, String> {
        let found = self.resolver.lookup(name, RecordType::SRV).await.map_err(|error| words(&error))?;
        let mut ttl = found.answers().iter().map(|record| record.ttl).min();
        let records = found.answers().iter().filter_map(|record| match &record.data {
            // A lone dot says that there is no such service.
            RData::SRV(server) if !server.target.is_root() => Some(server.clone()),
            _ => None,
        });
        let mut records: Vec<SRV> = records.collect();
        records.sort_by_key(|server| (server.priority, server.target.clone(), server.port));
        let left_out = records.len().saturating_sub(most);
        records.truncate(most);
        let mut asked = JoinSet::new();
        for (index, server) in records.iter().enumerate() {
            let (names, target) = (self.clone(), server.target.to_utf8());
            asked.spawn(async move { (index, names.addresses(&target).await) });
        }
        let mut all = asked.join_all().await;
        all.sort_by_key(|(index, _)| *index);
        let (weights, origin) = (weights(&records), Origin(source.to_owned()));
        let mut answer = Answer { is_whole: true, left_out, ..Answer::default() };
        let mut trouble = None;
        for ((server, weight), (_, addresses)) in records.iter().zip(weights).zip(all) {
            let addresses = match addresses {
                Ok(addresses) => addresses,
                Err(error) => {
                    answer.is_whole = false;
                    trouble = Some(format!("{}: {error}", server.target));
                    continue;
                }
            };
            answer.is_whole &= !addresses.is_part;
            ttl = ttl.into_iter().chain(addresses.ttl.map(|ttl| ttl.as_secs() as u32)).min();
            for ip in addresses.found {
                let mut backend = backend(&server.target.to_utf8(), ip, server.port, weight, &origin);
                if answer.backends.iter().all(|known| known.name != backend.name) {
                    backend.priority = rank(&records, server);
                    answer.backends.push(backend);
                }
            }
        }
        answer.ttl = ttl.map(|ttl| Duration::from_secs(ttl.into()));
        match trouble {
            Some(trouble) if answer.backends.is_empty() => Err(trouble),
            _ => Ok(answer),
        }
    }

    async fn addresses(&self, host: &str) -> Result<Addresses, String> {
        let (four, six) = tokio::join!(
            self.resolver.lookup(host, RecordType::A),
            self.resolver.lookup(host, RecordType::AAAA)
        );
        let mut all = Addresses::default();
        let (mut trouble, mut nothing) = (None, "the name has no address".to_owned());
        for looked_up in [four, six] {
            match looked_up {
                Ok(found) => {
                    for record in found.answers() {
                        let ttl = Duration::from_secs(record.ttl.into());
                        all.ttl = Some(all.ttl.map_or(ttl, |least: Duration| least.min(ttl)));
                        all.found.extend(record.data.ip_addr());
                    }
                }
                Err(error) if is_nothing(&error) => nothing = words(&error),
                Err(error) => trouble = Some(words(&error)),
            }
        }
        // Answers come in another order each time.
        all.found.sort_unstable();
        all.found.dedup();
        all.is_part = trouble.is_some();
        if all.found.is_empty() { Err(trouble.unwrap_or(nothing)) } else { Ok(all) }
    }
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let at = |connection: ConnectionConfig| {
        let mut connection = connection;
        connection.port = address.port();
        connection
    };
    let ways = vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())];
    NameServerConfig::new(address.ip(), true, ways)
}

/// The name of a backend is where it is; its address is the name it was found by, which certificates are for.
fn backend(host: &str, ip: IpAddr, port: u16, weight: u32, origin: &Origin) -> Backend {
    let at = SocketAddr::new(ip, port);
    Backend {
        name: at.to_string(),
        address: format!("{}:{port}", host.trim_end_matches('.')),
        resolved: Endpoint::Tcp(at),
        weight,
        zone: None,
        priority: 0,
        tags: Vec::new(),
        origin: origin.clone(),
    }
}

/// Priorities of SRV records go up to 65535; what counts is their order.
fn rank(records: &[SRV], server: &SRV) -> u8 {
    let lower: BTreeSet<u16> =
        records.iter().map(|other| other.priority).filter(|other| *other < server.priority).collect();
    u8::try_from(lower.len()).unwrap_or(u8::MAX)
}

/// Weights of SRV records go up to 65535, and 0 there is little rather than nothing.
fn weights(records: &[SRV]) -> Vec<u32> {
    let greatest = records.iter().map(|server| u32::from(server.weight)).max().unwrap_or(0).max(MAX_WEIGHT);
    let scaled = |server: &SRV| (u32::from(server.weight) * MAX_WEIGHT / greatest).max(1);
    records.iter().map(scaled).collect()
}

/// True when a name server says that there is nothing of this kind.
fn is_nothing(error: &NetError) -> bool {
    matches!(error, NetError::Dns(DnsError::NoRecordsFound(nothing))
        if matches!(nothing.response_code, ResponseCode::NXDomain | ResponseCode::NoError))
}

fn words(error: &NetError) -> String {
    match error {
        _ if error.is_nx_domain() => "there is no such name".to_owned(),
        NetError::Dns(DnsError::NoRecordsFound(_)) => "the name has no such records".to_owned(),
        NetError::Dns(DnsError::ResponseCode(code)) => format!("the name server failed: {code}"),
        NetError::Timeout => "no name server answered in time".to_owned(),
        NetError::NoConnections => "no name server can be reached".to_owned(),
        other => other.to_string(),
    }
}
