//! Where the requests of a load test go, and whether they may.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use aya_api::client::{Client, ClientError};
use aya_api::command::listeners::GetListeners;
use aya_api::command::routes::GetRoutes;
use aya_api::error::ErrorCode;
use aya_api::exit::Exit;
use aya_api::run::LoadLimits;
use aya_api::view::{ListenerView, RouteView};
use aya_load::plan::Target;
use hyper::Uri;
use ipnet::IpNet;

use crate::failure::Failure;

/// A target, and whether it is a listener of the daemon.
pub struct Found {
    /// Where.
    pub target: Target,
    /// Its answers may tell the times of their parts.
    pub is_own: bool,
}

/// What the daemon says of itself; empty when there is none.
#[derive(Default)]
pub struct Surroundings {
    /// Its listeners.
    pub listeners: Vec<ListenerView>,
    /// Its routes.
    pub routes: Vec<RouteView>,
    /// What its configuration says of load tests.
    pub limits: LoadLimits,
}

impl Surroundings {
    /// Asks the daemon.
    pub async fn ask(client: &Client) -> Result<Self, Failure> {
        let listeners = client.call(&GetListeners).await?;
        let routes = client.call(&GetRoutes).await?;
        let limits = match client.call(&aya_api::command::chaos::GetChaos).await {
            Ok(chaos) => chaos.load,
            // An older daemon has no limits to tell. One that does not answer may have some.
            Err(ClientError::Refused(error)) if error.code == ErrorCode::NotFound => LoadLimits::default(),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { listeners, routes, limits })
    }
}

/// Finds the target that was typed. `around` is what the daemon said, or why it said nothing.
pub fn find(
    typed: Option<&str>,
    around: &Result<Surroundings, Failure>,
    allowed: &[String],
) -> Result<Found, Failure> {
    let typed = typed.unwrap_or("/");
    let target = if let Some(pool) = typed.strip_prefix("pool:") {
        of_pool(pool, around.as_ref().map_err(Clone::clone)?)?
    } else if typed.starts_with('/') {
        of_listener(first(around.as_ref().map_err(Clone::clone)?)?, None, typed)?
    } else {
        of_url(typed)?
    };
    let address = address(&target)?;
    let is_own = around.as_ref().is_ok_and(|around| is_listener(around, address));
    let limits = around.as_ref().map(|around| &around.limits.allow[..]).unwrap_or_default();
    if !is_own && !address.ip().is_loopback() && !is_allowed(&target, address, allowed, limits) {
        let host = target.host.clone();
        return Err(Failure::new(
            Exit::NotPermitted,
            "not-permitted",
            format!("{host} is not this machine, and nobody said that it may be loaded"),
            format!("add --allow-target {}, if it is yours", name(&host)),
        ));
    }
    Ok(Found { target, is_own })
}

/// Straight to a backend, for the same request beside the proxy.
pub fn direct(address: &str, through: &Target, allowed: &[String]) -> Result<Target, Failure> {
    let target = Target {
        url: format!("http://{address}{}", through.path),
        address: address.to_owned(),
        host: through.host.clone(),
        path: through.path.clone(),
        tls: false,
    };
    let to = self::address(&target)?;
    if !to.ip().is_loopback() && !is_allowed(&target, to, allowed, &[]) {
        let hint = format!("add --allow-target {}, if it is yours", to.ip());
        return Err(Failure::new(
            Exit::NotPermitted,
            "not-permitted",
            format!("{to} is not this machine"),
            hint,
        ));
    }
    Ok(Target { address: to.to_string(), ..target })
}

fn first(around: &Surroundings) -> Result<&ListenerView, Failure> {
    let http = |listener: &&ListenerView| matches!(listener.protocol.as_str(), "http" | "https");
    around.listeners.iter().find(http).ok_or_else(|| {
        let hint = "name a URL: ayactl loadtest http://127.0.0.1:8080/";
        Failure::new(Exit::NotFound, "not-found", "the daemon has no listener for HTTP", hint)
    })
}

fn of_listener(listener: &ListenerView, host: Option<&str>, path: &str) -> Result<Target, Failure> {
    let bound = listener.bind.iter().find_map(|bind| bind.parse::<SocketAddr>().ok());
    let Some(mut address) = bound else {
        let message = format!("listener {} has no address that can be connected to", listener.name);
        return Err(Failure::new(Exit::NotFound, "not-found", message, "name a URL instead"));
    };
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            IpAddr::from([127, 0, 0, 1])
        } else {
            IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])
        });
    }
    let tls = listener.protocol == "https";
    let named = listener.tls.as_ref().and_then(|tls| tls.certificates.first()?.names.first().cloned());
    let host = host.map(str::to_owned).or(named.filter(|name| !name.contains('*')));
    let host = host.unwrap_or_else(|| address.to_string());
    let scheme = if tls { "https" } else { "http" };
    Ok(Target {
        url: format!("{scheme}://{host}{path}"),
        address: address.to_string(),
        host,
        path: path.to_owned(),
        tls,
    })
}

/// A request that the routes send to `pool`.
fn of_pool(pool: &str, around: &Surroundings) -> Result<Target, Failure> {
    let Some(route) = around.routes.iter().find(|route| route.pool == pool) else {
        return Err(Failure::not_found("pool", pool, around.routes.iter().map(|route| route.pool.as_str())));
    };
    let listener = route.listeners.iter().find_map(|name| around.listeners.iter().find(|l| l.name == *name));
    let listener = match listener {
        Some(listener) => listener,
        None => first(around)?,
    };
    let host = match route.host.as_str() {
        "*" | "" => None,
        host => Some(host.replacen("*.", "www.", 1)),
    };
    let path = route.path.replace(['*', '{', '}'], "");
    of_listener(listener, host.as_deref(), if path.is_empty() { "/" } else { &path })
}

fn of_url(typed: &str) -> Result<Target, Failure> {
    let hint = "write it like http://127.0.0.1:8080/path, /path, or pool:NAME";
    let whole = if typed.contains("://") { typed.to_owned() } else { format!("http://{typed}") };
    // The path may have something to fill in, which is no URL yet.
    let (origin, path) = parts(&whole);
    let uri: Uri = origin.parse().map_err(|_| Failure::usage(format!("\"{typed}\" is no URL"), hint))?;
    let tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        other => {
            let scheme = other.unwrap_or_default();
            return Err(Failure::usage(
                format!("\"{scheme}\" cannot be spoken; there are http and https"),
                hint,
            ));
        }
    };
    let Some(authority) = uri.authority() else {
        return Err(Failure::usage(format!("\"{typed}\" names no host"), hint));
    };
    let port = port(&uri, tls).ok_or_else(|| {
        Failure::usage(format!("\"{typed}\" has no port that there is"), "ports go from 1 to 65535")
    })?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let found = (host, port).to_socket_addrs().map_err(|error| {
        let message = format!("{host}: {error}");
        Failure::new(Exit::Error, "no-address", message, "check the name, or use the address")
    })?;
    let mut found: Vec<SocketAddr> = found.collect();
    // The one that most servers listen at comes first.
    found.sort_by_key(SocketAddr::is_ipv6);
    let Some(address) = found.first() else {
        let message = format!("{host} has no address");
        return Err(Failure::new(Exit::Error, "no-address", message, "check the name, or use the address"));
    };
    Ok(Target {
        url: format!("{origin}{path}"),
        address: address.to_string(),
        host: authority.as_str().rsplit('@').next().unwrap_or_default().to_owned(),
        path,
        tls,
    })
}

/// The port that is written, or else the usual one. Nothing when what is written is no port: the usual one would be
/// somebody else's.
fn port(uri: &Uri, tls: bool) -> Option<u16> {
    let behind_host = uri.authority()?.as_str().rsplit('@').next()?.strip_prefix(uri.host()?)?;
    match behind_host.strip_prefix(':') {
        Some(written) => written.parse().ok().filter(|port| *port != 0),
        None => Some(if tls { 443 } else { 80 }),
    }
}

/// A URL up to its path, and its path with its query.
fn parts(url: &str) -> (&str, String) {
    let from = url.find("://").map_or(0, |at| at + 3);
    let at = url[from..].find(['/', '?', '#']).map_or(url.len(), |at| from + at);
    let (origin, path) = url.split_at(at);
    let path = path.split('#').next().unwrap_or_default();
    let slash = if path.starts_with('/') { "" } else { "/" };
    (origin, format!("{slash}{path}"))
}

fn address(target: &Target) -> Result<SocketAddr, Failure> {
    target.address.parse().map_err(|_| {
        Failure::usage(format!("\"{}\" is no address", target.address), "write it like 127.0.0.1:8080")
    })
}

fn is_listener(around: &Surroundings, address: SocketAddr) -> bool {
    let binds = around.listeners.iter().flat_map(|listener| &listener.bind);
    binds.filter_map(|bind| bind.parse::<SocketAddr>().ok()).any(|bind| {
        bind.port() == address.port()
            && (bind.ip() == address.ip() || (bind.ip().is_unspecified() && address.ip().is_loopback()))
    })
}

fn is_allowed(target: &Target, address: SocketAddr, typed: &[String], configured: &[String]) -> bool {
    let host = name(&target.host);
    typed.iter().chain(configured).any(|allowed| {
        allowed.eq_ignore_ascii_case(host)
            || allowed.parse::<IpAddr>() == Ok(address.ip())
            || allowed.parse::<IpNet>().is_ok_and(|net| net.contains(&address.ip()))
            || allowed.strip_prefix("*.").is_some_and(|tail| {
                host.to_ascii_lowercase()
                    .strip_suffix(&tail.to_ascii_lowercase())
                    .is_some_and(|h| h.ends_with('.'))
            })
    })
}

/// A host without its port.
fn name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let found =
            find(Some("127.0.0.1:8080/a?b=c"), &Ok(Surroundings::default()), &[]).map(|found| found.target);
        let target = found.expect("it is loopback");
        assert_eq!((target.address.as_str(), target.path.as_str()), ("127.0.0.1:8080", "/a?b=c"));
        assert_eq!(target.host, "127.0.0.1:8080");
        let secure = find(Some("https://127.0.0.1"), &Ok(Surroundings::default()), &[])
            .expect("it is loopback")
            .target;
        let six =
            find(Some("http://x@[::1]:8080/"), &Ok(Surroundings::default()), &[]).expect("it is loopback");
        assert_eq!(six.target.address, "[::1]:8080");
        assert!(secure.tls && secure.address == "127.0.0.1:443" && secure.path == "/");
    }

    #[test]
    fn strangers_are_left_alone_unless_somebody_says_so() {
        let refused = find(Some("http://192.0.2.7/"), &Ok(Surroundings::default()), &[])
            .map(|_| ())
            .expect_err("it is a stranger");
        assert_eq!(refused.status, Exit::NotPermitted as u8);
        assert!(refused.hint.contains("--allow-target 192.0.2.7"), "{}", refused.hint);
        assert!(find(Some("http://192.0.2.7/"), &Ok(Surroundings::default()), &["192.0.2.7".into()]).is_ok());
        let around = Surroundings {
            limits: LoadLimits { allow: vec!["192.0.2.7".into()], ..LoadLimits::default() },
            ..Surroundings::default()
        };
        assert!(find(Some("http://192.0.2.7/"), &Ok(around), &[]).is_ok());
        // The configuration may name networks.
        let around = Surroundings {
            limits: LoadLimits { allow: vec!["192.0.2.0/24".into()], ..LoadLimits::default() },
            ..Surroundings::default()
        };
        let around = Ok(around);
        assert!(find(Some("http://192.0.2.7/"), &around, &[]).is_ok());
        assert!(find(Some("http://198.51.100.7/"), &around, &[]).is_err());
    }

    #[test]
    fn what_is_no_target_says_what_is() {
        for (typed, part) in [
            ("ftp://127.0.0.1/", "cannot be spoken"),
            ("http://", "no URL"),
            ("/x", "no listener"),
            // The usual port would be another target than the one that was meant.
            ("http://127.0.0.1:99999/", "has no port"),
            ("http://127.0.0.1:/", "has no port"),
            ("http://[::1]:65536/", "has no port"),
            ("127.0.0.1:0", "has no port"),
        ] {
            let error = find(Some(typed), &Ok(Surroundings::default()), &[]).map(|_| ()).expect_err(typed);
            assert!(error.message.contains(part), "{typed}: {}", error.message);
        }
    }
}
