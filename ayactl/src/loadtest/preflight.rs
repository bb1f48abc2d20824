//! What can be known to go wrong before a load test begins: descriptors, ports, a target that is not there.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use aya_api::exit::Exit;
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

/// Looks at everything, and says what is worth knowing.
pub fn check(plan: &Plan) -> Result<Vec<String>, Failure> {
    descriptors(u64::from(plan.connections))?;
    let mut notes = Vec::new();
    notes.extend(ports(u64::from(plan.connections), std::fs::read_to_string(PORTS).ok().as_deref())?);
    for target in std::iter::once(&plan.target).chain(&plan.overhead) {
        reach(&target.address)?;
    }
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

/// One connection, so that a target that is not there is told at once.
fn reach(address: &str) -> Result<(), Failure> {
    let parsed: SocketAddr = address.parse().map_err(|_| {
        Failure::usage(format!("\"{address}\" is no address"), "write it like 127.0.0.1:8080")
    })?;
    let error = match TcpStream::connect_timeout(&parsed, PATIENCE) {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    if error.kind() == std::io::ErrorKind::AddrNotAvailable {
        let message = format!("nothing was sent: all ports of this machine for connections to {address} are in use");
        let remedy = format!("wait a minute for those of closed connections, or {MORE_PORTS}");
        return Err(Failure::new(Exit::Error, "out-of-ports", message, remedy));
    }
    Err(Failure::new(
        Exit::Error,
        "no-target",
        format!("nothing was sent: {address} does not take connections: {error}"),
        "is the target running, and is that its address?",
    ))
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
    fn a_target_that_refuses_is_told_before_anything_is_sent() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = socket.local_addr().expect("it is bound").to_string();
        assert!(reach(&address).is_ok());
        drop(socket);
        let error = reach(&address).expect_err("nobody listens");
        assert!(error.message.contains(&address), "{}", error.message);
    }
}
