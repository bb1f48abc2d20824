//! Begins a session with MySQL or MariaDB, as far as the server welcomes the user or turns it away.
//!
//! The greeting alone would prove that the server lives, but a server counts who leaves without an answer, and blocks the
//! host after 100 of them. Being turned away is not counted, so a name is sent, and no password.

use aya_core::health::{Cause, Words};

use super::ProbeSpec;
use super::session::Session;
use crate::stream::Stream;

/// Its line in the table.
pub(super) const SPEC: ProbeSpec = ProbeSpec {
    name: "mysql",
    summary: "begins a session with MySQL or MariaDB and looks whether it may go on",
};

/// Longest packet of the server that is read, in bytes.
const LONGEST: usize = 8 * 1024;
/// Version of the protocol that every server of the last twenty years speaks.
const PROTOCOL: u8 = 10;
/// What begins a packet.
const OK: u8 = 0x00;
const MORE: u8 = 0x01;
const SWITCH: u8 = 0xfe;
const ERROR: u8 = 0xff;
/// Ends a session: a packet of its own, with one byte.
const QUIT: [u8; 5] = [1, 0, 0, 0, 1];
/// `LONG_PASSWORD`, `PROTOCOL_41`, `SECURE_CONNECTION`, `PLUGIN_AUTH`.
const CAPABILITIES: u32 = 1 | 0x200 | 0x8000 | 0x8_0000;
/// `utf8mb3_general_ci`, which all versions have.
const CHARSET: u8 = 33;
/// What most versions know; others ask for their own, which makes no difference without a password.
const PLUGIN: &str = "mysql_native_password";
/// Times that a server may ask for a proof.
const ROUNDS: usize = 4;

/// Errors about who we are, not about how the server is: access denied (1044, 1045, 1698), an unknown database (1049), a
/// way to log in that we do not have (1251), a password that has expired (1820, 1862), a locked account (3118, 4151), TLS
/// required (3159).
const ABOUT_US: [u16; 10] = [1044, 1045, 1049, 1251, 1698, 1820, 1862, 3118, 3159, 4151];

/// Begins a session over a new connection. Takes as long as the backend does; the caller sets the limit.
pub(super) async fn probe(stream: Stream, user: &str) -> Result<(), Cause> {
    let mut session = Session::new(stream);
    let (_, greeting) = packet(&mut session).await?;
    match greeting.first() {
        Some(&ERROR) => return Err(error(&greeting)?.1),
        Some(&PROTOCOL) if is_greeting(&greeting) => {}
        _ => return Err(Cause::Garbage),
    }
    session.say(&framed(1, &response(user))).await;
    for _ in 0..ROUNDS {
        let (number, answer) = packet(&mut session).await?;
        match answer.first() {
            Some(&OK) => {
                session.part(&QUIT).await;
                return Ok(());
            }
            Some(&ERROR) => {
                let (code, cause) = error(&answer)?;
                return if ABOUT_US.contains(&code) { Ok(()) } else { Err(cause) };
            }
            // No password: an empty proof, whatever it is called.
            Some(&(SWITCH | MORE)) => session.say(&framed(number.wrapping_add(1), &[])).await,
            _ => return Err(Cause::Garbage),
        }
    }
    Err(Cause::Garbage)
}

/// Reads a packet: three bytes of length, its number, and what it holds.
async fn packet(session: &mut Session) -> Result<(u8, Vec<u8>), Cause> {
    let head = session.take(4).await?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
    if length == 0 || length > LONGEST {
        return Err(Cause::Garbage);
    }
    Ok((head[3], session.take(length).await?))
}

fn framed(number: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = (payload.len() as u32).to_le_bytes()[..3].to_vec();
    packet.push(number);
    packet.extend_from_slice(payload);
    packet
}

/// True when there is a version, the number of the connection, the first part of the challenge, and capabilities.
fn is_greeting(greeting: &[u8]) -> bool {
    let version = greeting.iter().skip(1).position(|b| *b == 0);
    version.is_some_and(|length| length > 0 && greeting.len() >= 1 + length + 1 + 4 + 8 + 1 + 2)
}

fn response(user: &str) -> Vec<u8> {
    let mut response = Vec::new();
    response.extend(CAPABILITIES.to_le_bytes());
    // Longest packet that we take.
    response.extend((LONGEST as u32).to_le_bytes());
    response.push(CHARSET);
    response.extend([0; 23]);
    response.extend(user.as_bytes());
    // The end of the name, and a proof of no bytes.
    response.extend([0, 0]);
    response.extend(PLUGIN.as_bytes());
    response.push(0);
    response
}

/// The code of an error packet, and what it says; the state (`#` and five bytes) is there only late in a session.
fn error(packet: &[u8]) -> Result<(u16, Cause), Cause> {
    let [_, low, high, text @ ..] = packet else { return Err(Cause::Garbage) };
    let code = u16::from_le_bytes([*low, *high]);
    let text = if text.first() == Some(&b'#') { text.get(6..).unwrap_or_default() } else { text };
    Ok((code, Cause::Said(Words::of(&[code.to_string().as_bytes(), b" ", text].concat()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_with_and_without_a_state() {
        let text = |packet: &[u8]| error(packet).map(|(code, cause)| (code, cause.to_string()));

        assert_eq!(
            text(b"\xff\x10\x04Too many connections"),
            Ok((1040, "says 1040 Too many connections".into()))
        );
        assert_eq!(text(b"\xff\x15\x04#28000Access denied"), Ok((1045, "says 1045 Access denied".into())));
        assert_eq!(text(b"\xff\x15\x04#28"), Ok((1045, "says 1045".into())));
        assert_eq!(text(b"\xff\x15"), Err(Cause::Garbage));
    }

    #[test]
    fn half_a_greeting_is_none() {
        let greeting = b"\x0a8.4.0\0\x01\0\0\0challeng\0\xff\xff";

        assert!(is_greeting(greeting));
        for length in 0..greeting.len() {
            assert!(!is_greeting(&greeting[..length]), "{length} bytes");
        }
    }
}
