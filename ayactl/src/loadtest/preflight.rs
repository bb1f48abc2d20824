//! What can be known to go wrong before a load test begins: descriptors, ports, a target that is not there.

use std::io::ErrorKind;
use std::time::Duration;

use aya_api::exit::Exit;
use aya_load::engine::{ProbeError, probe};
use aya_load::plan::Plan;

use crate::descriptors;
use crate::failure::Failure;

/// Descriptors that are needed besides connections.
const OTHERS: u64 = 64;
/// How long a target may take to accept the first connection.
const PATIENCE: Duration = Duration::from_secs(3);
/// Where the system says which ports it gives to clients.
const PORTS: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// How there are more ports.
const MORE_PORTS: &str = "sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"";

/// What to do where TLS does not come about.
const UNTRUSTED: &str = "does it speak TLS there? use a name that its certificate has, name its authority with --cacert FILE, \
                         or believe anybody with --insecure (on loopback alone)";

/// The same, for the certificates that `openssl req -x509` makes.
const AUTHORITY: &str = "its certificate says that it is an authority itself, and is not taken for a server's: make it with \
                         -addext basicConstraints=CA:FALSE, or believe anybody with --insecure (on loopback alone)";

/// Looks at everything, and says what is worth knowing.
pub fn check(plan: &Plan) -> Result<Vec<String>, Failure> {
    descriptors(u64::from(plan.connections))?;
    let mut notes = Vec::new();
    notes.extend(ports(u64::from(plan.connections), std::fs::read_to_string(PORTS).ok().as_deref())?);
    probe(plan, PATIENCE).map_err(|error| unreached(&error))?;
    Ok(notes)
}

fn descriptors(connections: u64) -> Result<(), Failure> {
    descriptors::allow(connections + OTHERS, &format!("{connections} connections need"), |most| {
        most.checked_sub(OTHERS).filter(|fewer| *fewer > 0).map(|fewer| format!("take -c {fewer}"))
    })
}

/// Says when there are fewer ports than connections.
fn ports(connections: u64, range: Option<&str>) -> Result<Option<String>, Failure> {
    let numbers: Vec<u64> =
        range.unwrap_or_default().split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let [first, last] = numbers[..] else { return Ok(None) };
    let there = (last + 1).saturating_sub(first);
    let remedy = format!("{MORE_PORTS}, or take -c {there} at most");
    if connections > there {
        let message =
            format!("{connections} connections to one address need as many ports, and there are {there}");
        return Err(Failure::new(Exit::Error, "out-of-ports", message, remedy));
    }
    Ok((connections * 2 > there).then(|| {
        format!("{connections} connections of {there} ports: closed ones keep theirs for a minute; if they run out, {remedy}")
    }))
}

/// A target that cannot be asked, with the remedy.
fn unreached(error: &ProbeError) -> Failure {
    let (code, remedy) = match error {
        ProbeError::Conf(_) => ("tls", "--cacert, --cert and --key take files of PEM".to_owned()),
        ProbeError::Tcp { error, .. } if error.kind() == ErrorKind::AddrNotAvailable => {
            let wait =
                "all ports for connections to it are in use: wait a minute for those of closed connections";
            ("out-of-ports", format!("{wait}, or {MORE_PORTS}"))
        }
        ProbeError::Tcp { .. } => ("no-target", "is the target running, and is that its address?".to_owned()),
        ProbeError::Tls { error, .. } if error.to_string().contains("CaUsedAsEndEntity") => {
            ("tls", AUTHORITY.to_owned())
        }
        ProbeError::Tls { .. } => ("tls", UNTRUSTED.to_owned()),
        ProbeError::NoHttp2 { .. } => {
            ("no-http2", "leave --http2 away, or let the target offer h2".to_owned())
        }
    };
    Failure::new(Exit::Error, code, format!("nothing was sent: {error}"), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_ports_are_told_with_the_remedy() {
        let error = ports(40_000, Some("32768\t60999\n")).expect_err("there are 28,232");
        assert!(error.message.contains("there are 28232") && error.hint.contains("sysctl"), "{error:?}");
        assert!(ports(20_000, Some("32768 60999")).is_ok_and(|note| note.is_some()));
        assert_eq!(ports(100, Some("32768 60999")), Ok(None));
        assert_eq!(ports(100, None), Ok(None));
    }

    #[test]
    fn a_target_that_cannot_be_asked_is_told_before_anything_is_sent() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = socket.local_addr().expect("it is bound").to_string();
        let target = aya_load::plan::Target::plain(&address, "/");
        let plan = Plan::to(target);
        assert_eq!(check(&plan).ok(), Some(Vec::new()));
        drop(socket);
        let error = check(&plan).expect_err("nobody listens");
        assert!(error.message.contains(&address), "{}", error.message);
    }
}
