//! Sends an ICMP echo request, by a socket that needs no privilege.
//!
//! Linux has such sockets for the groups that `net.ipv4.ping_group_range` names; the kernel fills in identifier and
//! checksum, and hands over answers to this socket alone. Where they are not allowed, no check is made: that a machine
//! may not ping says nothing about its backends. What an answer proves is that the host is there, not that it serves.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::{NoPass, ProbeSpec, tcp};
use crate::clock;
use crate::stream::Endpoint;

/// Its line in the table.
pub(super) const SPEC: ProbeSpec =
    ProbeSpec { name: "icmp", summary: "sends an ICMP echo request to the host" };

/// Bytes before the data of an echo message: type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;

/// Sends a request and waits for its answer. Takes as long as the host does; the caller sets the limit.
pub(super) async fn probe(to: &Endpoint) -> Result<(), NoPass> {
    let Endpoint::Tcp(address) = to else {
        return Err(NoPass::Unmade(io::Error::other("a Unix socket has no address for ICMP")));
    };
    let ip = address.ip();
    let socket = open(ip).map_err(NoPass::Unmade)?;
    // Answers to a request that was given up must not count for this one.
    let data = clock::now().as_nanos().to_be_bytes();
    echo(&socket, ip, data).await.map_err(|error| NoPass::Failed(tcp::cause_of(&error)))
}

async fn echo(socket: &UdpSocket, ip: IpAddr, data: [u8; 8]) -> io::Result<()> {
    socket.connect(SocketAddr::new(ip, 0)).await?;
    socket.send(&request(ip, data)).await?;
    let mut answer = [0; 256];
    loop {
        let count = socket.recv(&mut answer).await?;
        if is_answer(ip, data, &answer[..count]) {
            return Ok(());
        }
    }
}

fn open(ip: IpAddr) -> io::Result<UdpSocket> {
    let (domain, protocol) = match ip {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol)).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => {
            let what = "the system does not let ayad ping; set net.ipv4.ping_group_range to a range with its group, \
                e.g. sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"";
            io::Error::new(error.kind(), what)
        }
        _ => error,
    })?;
    socket.set_nonblocking(true)?;
    // The runtime only sees datagrams on a socket that was connected.
    UdpSocket::from_std(socket.into())
}

fn request(ip: IpAddr, data: [u8; 8]) -> [u8; HEADER + 8] {
    let mut request = [0; HEADER + 8];
    request[0] = if ip.is_ipv4() { 8 } else { 128 };
    request[HEADER..].copy_from_slice(&data);
    request
}

fn is_answer(ip: IpAddr, data: [u8; 8], answer: &[u8]) -> bool {
    let kind = if ip.is_ipv4() { 0 } else { 129 };
    answer.starts_with(&[kind, 0]) && answer.get(HEADER..) == Some(&data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_this_request_counts() {
        for (ip, kind) in [("127.0.0.1", 0), ("::1", 129)] {
            let ip: IpAddr = ip.parse().unwrap();
            let data = [7; 8];
            let mut answer = request(ip, data);
            assert!(!is_answer(ip, data, &answer), "a request is no answer");
            answer[0] = kind;
            assert!(is_answer(ip, data, &answer));
            assert!(!is_answer(ip, [8; 8], &answer));
            for length in 0..answer.len() {
                assert!(!is_answer(ip, data, &answer[..length]), "{length} bytes");
            }
        }
    }
}
