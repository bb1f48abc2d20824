//! Which sockets the listeners of a configuration get: those that are open already, wherever they can be used,
//! whichever listener had them before.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use super::{ApplyError, Before, ptr_of};
use crate::config::{self, Config};
use crate::control::changes;
use crate::sockets;
use crate::state::{Binding, Listener, ListenerCell};
use crate::tls::ServerTls;
use crate::tls::acme::Store;

/// An address that is open, and the listener it belongs to.
#[derive(Debug)]
pub struct OpenAddress {
    /// Name of the listener.
    pub listener: String,
    /// The address with its sockets.
    pub binding: Arc<Binding>,
}

/// Listeners, and the address each of their sockets is at.
#[derive(Default)]
pub(super) struct Addresses {
    pub(super) listeners: Vec<Arc<Listener>>,
    /// Every address, with the index of its listener.
    pub(super) bindings: Vec<(Arc<Binding>, usize)>,
}

/// Gives every listener its addresses. Binds those that are not open yet.
pub(super) fn listeners(
    config: &Config,
    before: &Before<'_>,
    summary: &mut Vec<String>,
) -> Result<Addresses, ApplyError> {
    let wanted = &config.listeners;
    let addresses: Vec<_> =
        wanted.iter().flat_map(|l| l.bind.iter().map(|address| (l.name.as_str(), *address))).collect();
    let mut assigned = assign(&before.open, &addresses).into_iter();
    let past = Past::of(wanted, before);
    let mut all = Addresses::default();
    for (index, conf) in wanted.iter().enumerate() {
        let bindings: Vec<_> =
            conf.bind.iter().zip(&mut assigned).map(|(a, open)| binding(*a, open, conf, before)).collect();
        let bindings = bindings.into_iter().collect::<Result<Vec<_>, _>>()?;
        let bound = bindings.iter().map(|binding| binding.address).collect();
        all.listeners.push(listener(config, conf, bound, &past, before, summary)?);
        all.bindings.extend(bindings.into_iter().map(|binding| (binding, index)));
    }
    Ok(all)
}

/// The address as it is open, or bound now.
fn binding(
    address: SocketAddr,
    open: Option<usize>,
    conf: &config::Listener,
    before: &Before<'_>,
) -> Result<Arc<Binding>, ApplyError> {
    let failed = |error| ApplyError::Bind { name: conf.name.clone(), origin: conf.origin.0.clone(), error };
    if let Some(open) = open {
        let binding = Arc::clone(&before.open[open].binding);
        // Taken over from a process with fewer workers: the others get sockets beside those.
        let missing = before.workers.saturating_sub(binding.sockets().len());
        if missing > 0 {
            binding.add(sockets::bind(binding.address, missing, true).map_err(failed)?);
        }
        return Ok(binding);
    }
    let ending = before.ending.iter().filter(|binding| binding.is_in_use());
    let mut ours = before.open.iter().map(|open| &open.binding).chain(ending);
    let is_shared = ours.any(|ours| overlaps(ours.address, address));
    let made = sockets::bind(address, before.workers, is_shared).map_err(failed)?;
    let bound = made.first().and_then(|socket| socket.local_addr().ok()).unwrap_or(address);
    Ok(Arc::new(Binding::new(address, bound, made)))
}

/// Whether both can have sockets only if they share the port.
fn overlaps(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

/// The listeners of the configuration before.
struct Past<'b> {
    by_name: HashMap<&'b str, &'b Arc<Listener>>,
    /// Listeners whose name is gone, by their addresses: one that only got another name goes on as it is.
    nameless: HashMap<&'b [SocketAddr], &'b Arc<Listener>>,
}

impl<'b> Past<'b> {
    fn of(wanted: &[config::Listener], before: &Before<'b>) -> Self {
        let names: HashSet<&str> = wanted.iter().map(|l| l.name.as_str()).collect();
        let old = || before.snapshot.iter().flat_map(|s| &s.listeners);
        let nameless = old().filter(|l| !names.contains(l.conf.name.as_str()));
        Self {
            by_name: old().map(|l| (l.conf.name.as_str(), l)).collect(),
            nameless: nameless.map(|l| (l.conf.bind.as_slice(), l)).collect(),
        }
    }
}

fn listener(
    config: &Config,
    conf: &config::Listener,
    bound: Vec<SocketAddr>,
    past: &Past<'_>,
    before: &Before<'_>,
    summary: &mut Vec<String>,
) -> Result<Arc<Listener>, ApplyError> {
    let known = past.by_name.get(conf.name.as_str()).copied();
    if let Some(same) = known.filter(|l| l.conf == *conf && l.bound == bound) {
        return Ok(Arc::clone(same));
    }
    let renamed = past.nameless.get(conf.bind.as_slice()).copied().filter(|_| known.is_none());
    summary.push(match (known, renamed) {
        (Some(old), _) => format!("listener {} changed{}", conf.name, changes::of_listener(&old.conf, conf)),
        (None, Some(old)) => format!("listener {} renamed to {}", old.conf.name, conf.name),
        (None, None) => format!("listener {} added", conf.name),
    });
    let cell = known
        .or(renamed)
        .map_or_else(|| Arc::new(ListenerCell::new(before.workers)), |old| Arc::clone(&old.cell));
    let tls = server_tls(config, conf, known.or(renamed).map(|old| &**old), &cell, before)?;
    Ok(Arc::new(Listener { conf: conf.clone(), bound, cell, tls, rev: (before.next_rev)() }))
}

/// TLS whose settings did not change stays the same object: its tickets go on being good.
fn server_tls(
    config: &Config,
    conf: &config::Listener,
    known: Option<&Listener>,
    cell: &ListenerCell,
    before: &Before<'_>,
) -> Result<Option<Arc<ServerTls>>, ApplyError> {
    let Some(settings) = &conf.tls else { return Ok(None) };
    let same = known.and_then(|listener| listener.tls.as_ref()).filter(|tls| tls.settings() == settings);
    if let Some(same) = same {
        return Ok(Some(Arc::clone(same)));
    }
    let store = Store::at(before.snapshot.map_or(&config.daemon.state_dir, |s| &s.daemon.state_dir));
    let made = ServerTls::new(settings.clone(), &store, before.challenges, Arc::clone(&cell.handshakes));
    made.map(|tls| Some(Arc::new(tls))).map_err(|error| ApplyError::Tls {
        of: format!("listener \"{}\"", conf.name),
        origin: conf.origin.0.clone(),
        error,
    })
}

/// Cells of listeners that are gone, in order of their names.
pub(super) fn removed(
    before: &Before<'_>,
    now: &[Arc<Listener>],
    summary: &mut Vec<String>,
) -> Vec<Arc<ListenerCell>> {
    let kept: HashSet<_> = now.iter().map(|l| ptr_of(&l.cell)).collect();
    let old = before.snapshot.iter().flat_map(|s| &s.listeners);
    let gone: Vec<_> = old.filter(|l| !kept.contains(&ptr_of(&l.cell))).collect();
    summary.extend(gone.iter().map(|l| format!("listener {} removed", l.conf.name)));
    gone.into_iter().map(|l| Arc::clone(&l.cell)).collect()
}

/// For each wanted address the index of the open one that serves it. An address is taken by what it is really
/// bound to. Any free port (0) is first the one that the same listener had for the same address, then one
/// that nobody else wants: its listener may have been renamed.
fn assign(open: &[OpenAddress], wanted: &[(&str, SocketAddr)]) -> Vec<Option<usize>> {
    let mut free: HashMap<SocketAddr, usize> =
        open.iter().enumerate().map(|(index, o)| (o.binding.address, index)).collect();
    let mut assigned: Vec<Option<usize>> = wanted.iter().map(|(_, address)| free.remove(address)).collect();
    let mut left: Vec<usize> = free.into_values().filter(|at| open[*at].binding.wanted.port() == 0).collect();
    left.sort_unstable();
    for by_name in [true, false] {
        let any_port = wanted.iter().zip(&mut assigned).filter(|((_, a), to)| a.port() == 0 && to.is_none());
        for ((name, address), to) in any_port {
            let fits = |at: &usize| {
                let OpenAddress { listener, binding } = &open[*at];
                binding.wanted == *address && (!by_name || listener == name)
            };
            *to = left.iter().position(fits).map(|at| left.remove(at));
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn open(listener: &str, wanted: &str, bound: &str) -> OpenAddress {
        let binding = Arc::new(Binding::new(at(wanted), at(bound), Vec::new()));
        OpenAddress { listener: listener.to_owned(), binding }
    }

    #[test]
    fn an_address_keeps_its_sockets_whoever_gets_it() {
        let open = [open("a", "127.0.0.1:81", "127.0.0.1:81"), open("b", "127.0.0.1:82", "127.0.0.1:82")];

        let swapped = [("a", at("127.0.0.1:82")), ("b", at("127.0.0.1:81")), ("b", at("127.0.0.1:83"))];

        assert_eq!(assign(&open, &swapped), [Some(1), Some(0), None]);
    }

    #[test]
    fn any_port_is_the_one_the_listener_had() {
        let open = [open("a", "127.0.0.1:0", "127.0.0.1:4001"), open("b", "127.0.0.1:0", "127.0.0.1:4002")];
        let any = at("127.0.0.1:0");

        assert_eq!(assign(&open, &[("b", any), ("a", any)]), [Some(1), Some(0)]);
        assert_eq!(assign(&open, &[("new", any), ("b", any)]), [Some(0), Some(1)]);
        assert_eq!(assign(&open, &[("a", any), ("a", any), ("a", any)]), [Some(0), Some(1), None]);
    }

    #[test]
    fn a_port_that_was_found_free_can_be_written_down() {
        let open = [open("a", "127.0.0.1:0", "127.0.0.1:4001")];

        assert_eq!(assign(&open, &[("a", at("127.0.0.1:4001"))]), [Some(0)]);
        assert_eq!(assign(&open, &[("a", at("127.0.0.2:0"))]), [None]);
    }

    #[test]
    fn every_address_overlaps_all_addresses_of_its_port() {
        assert!(overlaps(at("0.0.0.0:80"), at("127.0.0.1:80")));
        assert!(overlaps(at("127.0.0.1:80"), at("127.0.0.1:80")));
        assert!(!overlaps(at("127.0.0.1:80"), at("127.0.0.2:80")));
        assert!(!overlaps(at("0.0.0.0:80"), at("127.0.0.1:81")));
    }
}
