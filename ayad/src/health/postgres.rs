//! Begins a session with PostgreSQL, as far as the server asks for a password or turns the user away.
//!
//! That is the least that proves more than an open port: who is starting up, shutting down or out of connections says so
//! only to whoever begins a session. No password is sent, and the server logs nothing by its default settings.

use aya_core::health::{Cause, Words};

use super::ProbeSpec;
use super::session::Session;
use crate::stream::Stream;

/// Its line in the table.
pub(super) const SPEC: ProbeSpec = ProbeSpec {
    name: "postgres",
    summary: "begins a session with PostgreSQL and looks whether it may go on",
};

/// Version 3.0 of the protocol.
const VERSION: u32 = 3 << 16;
/// Longest message of the server that is read, in bytes.
const LONGEST: usize = 8 * 1024;
/// Begins what a server says that asks for nothing more.
const WELCOME: &[u8] = &[0; 4];
/// Ends a session.
const TERMINATE: &[u8] = b"X\0\0\0\x04";
/// Bytes of the length of a message, which it counts itself.
const LENGTH: usize = 4;

/// Begins a session over a new connection. Takes as long as the backend does; the caller sets the limit.
pub(super) async fn probe(stream: Stream, user: &str) -> Result<(), Cause> {
    let mut session = Session::new(stream);
    session.say(&startup(user)).await;
    let head = session.take(1 + LENGTH).await?;
    let (kind, length) = (head[0], u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize);
    let body = length.checked_sub(LENGTH).filter(|length| *length <= LONGEST).ok_or(Cause::Garbage)?;
    match kind {
        b'R' => {
            // Read to its end, so that the server sees a connection closed, not reset.
            let asked = session.take(body).await?;
            // Whoever is asked for a password leaves without a word: the server would complain of any other.
            session.part(if asked.starts_with(WELCOME) { TERMINATE } else { b"" }).await;
            Ok(())
        }
        b'E' => judge(&session.take(body).await?),
        _ => Err(Cause::Garbage),
    }
}

fn startup(user: &str) -> Vec<u8> {
    let mut message = vec![0; LENGTH];
    message.extend(VERSION.to_be_bytes());
    for text in ["user", user, "database", "postgres", "application_name", "ayad"] {
        message.extend(text.as_bytes());
        message.push(0);
    }
    message.push(0);
    let length = (message.len() as u32).to_be_bytes();
    message[..LENGTH].copy_from_slice(&length);
    message
}

/// An error passes when it is about who we are: class 28 (authorization), or the database that was named (3D000).
fn judge(error: &[u8]) -> Result<(), Cause> {
    let field = |wanted: u8| {
        let mut fields = error.split(|b| *b == 0).filter_map(|field| field.split_first());
        fields.find(|(name, _)| **name == wanted).map(|(_, text)| text)
    };
    let code = field(b'C').filter(|code| code.len() == 5).ok_or(Cause::Garbage)?;
    if code.starts_with(b"28") || code == b"3D000" {
        return Ok(());
    }
    Err(Cause::Said(Words::of(&[code, b" ", field(b'M').unwrap_or_default()].concat())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_says_its_length_version_and_user() {
        let message = startup("ada");

        assert_eq!(message[..4], (message.len() as u32).to_be_bytes());
        assert!(message[4..].starts_with(b"\0\x03\0\0user\0ada\0database\0"));
        assert!(message.ends_with(b"\0\0"));
    }

    #[test]
    fn errors_about_us_pass_and_others_are_told() {
        assert_eq!(judge(b"SFATAL\0VFATAL\0C28P01\0Mno\0\0"), Ok(()));
        assert_eq!(judge(b"SFATAL\0C3D000\0Mno database\0\0"), Ok(()));
        let starting = judge(b"SFATAL\0C57P03\0Mthe database system is starting up\0\0").unwrap_err();
        assert_eq!(starting.to_string(), "says 57P03 the database system is starting up");
        for garbage in [&b""[..], b"\0\0\0", b"C", b"C57P033\0", b"Mno code\0\0"] {
            assert_eq!(judge(garbage), Err(Cause::Garbage), "{garbage:?}");
        }
    }
}
