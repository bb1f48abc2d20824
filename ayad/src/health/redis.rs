//! Pings Redis, or what speaks like it (RESP, which Valkey, KeyDB and Dragonfly share).
//!
//! An error reply is as good as a pong when it only says that we may not ask: a proxy need not have a password for its
//! backends to know that they are alive. `LOADING`, `MASTERDOWN` and the like say that they cannot serve.

use aya_core::health::{Cause, Words};

use super::ProbeSpec;
use super::session::Session;
use crate::config::{RedisProbe, RedisRole};
use crate::stream::Stream;

/// Its line in the table.
pub(super) const SPEC: ProbeSpec = ProbeSpec {
    name: "redis",
    summary: "logs in where it has a password, pings, and asks for the role if told to",
};

/// Begins an error that says who may ask, not how the server is.
const NOT_ALLOWED: [&[u8]; 2] = [b"NOAUTH", b"NOPERM"];

/// Pings over a new connection. Takes as long as the backend does; the caller sets the limit.
pub(super) async fn probe(stream: Stream, wanted: &RedisProbe) -> Result<(), Cause> {
    let mut session = Session::new(stream);
    if let Some((user, password)) = &wanted.login {
        let login: Vec<_> = ["AUTH"].into_iter().chain(user.as_deref()).chain([password.reveal()]).collect();
        session.say(&command(&login)).await;
        match reply(&mut session).await? {
            Reply::Good(_) => {}
            Reply::Error(error) => return Err(said(&error)),
        }
    }
    session.say(&command(&["PING"])).await;
    match reply(&mut session).await? {
        Reply::Good(line) if line == b"+PONG" => {}
        Reply::Good(_) => return Err(Cause::Garbage),
        Reply::Error(error) => {
            let is_alive = NOT_ALLOWED.iter().any(|code| error.starts_with(code));
            if !is_alive || wanted.login.is_some() || wanted.role.is_some() {
                return Err(said(&error));
            }
        }
    }
    if let Some(role) = wanted.role {
        judge(role, &mut session).await?;
    }
    session.part(&command(&["QUIT"])).await;
    Ok(())
}

/// Asks for the role; of the answer the first item matters: `*3`, `$6`, `master`.
async fn judge(wanted: RedisRole, session: &mut Session) -> Result<(), Cause> {
    session.say(&command(&["ROLE"])).await;
    match reply(session).await? {
        Reply::Good(line) if line.starts_with(b"*") => {}
        Reply::Good(_) => return Err(Cause::Garbage),
        Reply::Error(error) => return Err(said(&error)),
    }
    if !session.line().await?.starts_with(b"$") {
        return Err(Cause::Garbage);
    }
    let role = session.line().await?;
    match (wanted, &*role) {
        (RedisRole::Master, b"master") | (RedisRole::Replica, b"slave") => Ok(()),
        _ => Err(said(&[b"role ", &*role].concat())),
    }
}

enum Reply {
    /// The line, with the sign of its type.
    Good(Vec<u8>),
    /// The line without the sign.
    Error(Vec<u8>),
}

async fn reply(session: &mut Session) -> Result<Reply, Cause> {
    let line = session.line().await?;
    match line.first() {
        Some(b'-') => Ok(Reply::Error(line[1..].to_vec())),
        Some(b'+' | b'*') => Ok(Reply::Good(line)),
        _ => Err(Cause::Garbage),
    }
}

fn said(words: &[u8]) -> Cause {
    Cause::Said(Words::of(words))
}

/// A command as an array of bulk strings, which may hold anything.
fn command(words: &[&str]) -> Vec<u8> {
    let head = format!("*{}\r\n", words.len());
    let words = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    std::iter::once(head).chain(words).collect::<String>().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_command_cannot_end_it() {
        assert_eq!(command(&["AUTH", "a\r\nb"]), b"*2\r\n$4\r\nAUTH\r\n$4\r\na\r\nb\r\n");
    }
}
