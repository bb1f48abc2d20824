//! A name server that says exactly what it is told, over UDP and TCP.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Types of records.
const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;
/// Code of an answer: there is no such name.
const NO_SUCH_NAME: u8 = 3;
/// Largest message that is read.
const MAX_MESSAGE: usize = 4096;

/// What is answered to a question.
#[derive(Clone, Debug)]
pub enum Reply {
    /// These records.
    Records(Vec<Record>),
    /// These records, by TCP alone: UDP says that they do not fit.
    TcpOnly(Vec<Record>),
    /// Only a code, such as 2 for a failure of the server.
    Code(u8),
    /// Bytes that are no answer.
    Garbage,
    /// Nothing at all.
    Silence,
}

/// One record.
#[derive(Clone, Debug)]
pub enum Record {
    /// An address.
    Address(IpAddr, u32),
    /// A server of a service.
    Server {
        /// Lowest first.
        priority: u16,
        /// Its share.
        weight: u16,
        /// Its port.
        port: u16,
        /// Its host.
        target: String,
        /// Seconds for which it holds.
        ttl: u32,
    },
}

/// A running name server; ends with the process.
#[derive(Debug)]
pub struct NameServer {
    /// Where it is asked.
    pub address: SocketAddr,
    zone: Arc<Zone>,
}

#[derive(Debug, Default)]
struct Zone {
    replies: Mutex<HashMap<(String, u16), Reply>>,
    asked: Mutex<HashMap<String, usize>>,
}

impl NameServer {
    /// A server that knows no name yet.
    pub fn start() -> Self {
        let (udp, tcp) = sockets();
        let address = udp.local_addr().expect("a bound socket has an address");
        let zone = Arc::new(Zone::default());
        let (of_udp, of_tcp) = (Arc::clone(&zone), Arc::clone(&zone));
        thread::spawn(move || serve_udp(&udp, &of_udp));
        thread::spawn(move || {
            for stream in tcp.incoming().map_while(Result::ok) {
                let zone = Arc::clone(&of_tcp);
                thread::spawn(move || serve_tcp(stream, &zone));
            }
        });
        Self { address, zone }
    }

    /// From now on `name` has these IPv4 addresses, which hold for `ttl` seconds.
    pub fn addresses(&self, name: &str, addresses: &[&str], ttl: u32) {
        let address = |text: &&str| Record::Address(text.parse().expect("an address"), ttl);
        self.say(name, &Reply::Records(addresses.iter().map(address).collect()));
    }

    /// From now on questions about `name` are answered like this. Of records each question gets those of its type.
    pub fn say(&self, name: &str, reply: &Reply) {
        for kind in [A, AAAA, SRV] {
            self.say_of(name, kind, reply.clone());
        }
    }

    /// The same for IPv6 addresses alone.
    pub fn say_of_ipv6(&self, name: &str, reply: Reply) {
        self.say_of(name, AAAA, reply);
    }

    fn say_of(&self, name: &str, kind: u16, reply: Reply) {
        lock(&self.zone.replies).insert((name.to_owned(), kind), reply);
    }

    /// How often it was asked about `name`.
    pub fn asked(&self, name: &str) -> usize {
        lock(&self.zone.asked).get(name).copied().unwrap_or_default()
    }
}

/// A port that is free for both.
fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = tcp.local_addr().expect("a bound socket has an address");
        if let Ok(udp) = UdpSocket::bind(address) {
            return (udp, tcp);
        }
    }
}

fn serve_udp(socket: &UdpSocket, zone: &Zone) {
    let mut bytes = [0; MAX_MESSAGE];
    while let Ok((length, from)) = socket.recv_from(&mut bytes) {
        if let Some(answer) = zone.answer(&bytes[..length], false) {
            // Who has gone does not want it.
            drop(socket.send_to(&answer, from));
        }
    }
}

fn serve_tcp(mut stream: TcpStream, zone: &Zone) {
    let mut length = [0; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        if stream.read_exact(&mut question).is_err() {
            return;
        }
        let Some(answer) = zone.answer(&question, true) else { return };
        let framed = [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
        if stream.write_all(&framed).is_err() {
            return;
        }
    }
}

impl Zone {
    fn answer(&self, message: &[u8], by_tcp: bool) -> Option<Vec<u8>> {
        let (name, kind, question) = question(message)?;
        *lock(&self.asked).entry(name.clone()).or_default() += 1;
        let reply = lock(&self.replies).get(&(name, kind)).cloned().unwrap_or(Reply::Code(NO_SUCH_NAME));
        let (records, code, is_cut) = match reply {
            Reply::Silence => return None,
            Reply::Garbage => return Some(vec![0xff; 7]),
            Reply::Code(code) => (Vec::new(), code, false),
            Reply::TcpOnly(_) if !by_tcp => (Vec::new(), 0, true),
            Reply::Records(records) | Reply::TcpOnly(records) => (records, 0, false),
        };
        let records: Vec<_> = records.iter().filter(|record| record.kind() == kind).collect();
        let mut answer = message[..2].to_vec();
        answer.extend([0x81 | u8::from(is_cut) << 1, 0x80 | code, 0, 1]);
        answer.extend((records.len() as u16).to_be_bytes());
        answer.extend([0, 0, 0, 0]);
        answer.extend_from_slice(question);
        for record in records {
            record.write(&mut answer);
        }
        Some(answer)
    }
}

impl Record {
    fn kind(&self) -> u16 {
        match self {
            Self::Address(IpAddr::V4(_), _) => A,
            Self::Address(IpAddr::V6(_), _) => AAAA,
            Self::Server { .. } => SRV,
        }
    }

    fn write(&self, answer: &mut Vec<u8>) {
        let (data, ttl) = match self {
            Self::Address(IpAddr::V4(address), ttl) => (address.octets().to_vec(), *ttl),
            Self::Address(IpAddr::V6(address), ttl) => (address.octets().to_vec(), *ttl),
            Self::Server { priority, weight, port, target, ttl } => {
                let mut data: Vec<u8> =
                    [priority, weight, port].into_iter().flat_map(|number| number.to_be_bytes()).collect();
                for label in target.split('.') {
                    data.push(label.len() as u8);
                    data.extend(label.bytes());
                }
                data.push(0);
                (data, *ttl)
            }
        };
        // The name of the question, by where it stands.
        answer.extend([0xc0, 12]);
        answer.extend(self.kind().to_be_bytes());
        answer.extend([0, 1]);
        answer.extend(ttl.to_be_bytes());
        answer.extend((data.len() as u16).to_be_bytes());
        answer.extend(data);
    }
}

/// The name in lower case, the type, and the bytes of the question.
fn question(message: &[u8]) -> Option<(String, u16, &[u8])> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(message.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]);
    Some((labels.join("."), kind, message.get(12..at + 4)?))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
