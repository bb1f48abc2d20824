//! Asks the agent of a backend, in `HAProxy`'s text protocol.
//!
//! What an agent says is a fact beside the orders of people: it takes a backend out by its health, with the agent's word
//! for a cause, and gives it a part of its weight. It overrules no order, and expires like every signal.

use std::io;
use std::sync::Arc;

use aya_api::event::Severity;
use aya_core::agent::{self, Agent, LONGEST};
use aya_core::report::Subject;
use aya_core::rng::Rng;
use aya_core::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{fetch, first_wait, is_asked, next_wait, told};
use crate::config::signals::{self, Source};
use crate::state::{Backend, NewEvent, State};
use crate::{clock, health};

pub(super) async fn keep_asking(
    state: Arc<State>,
    backend: Arc<Backend>,
    conf: signals::Agent,
    mut rng: Rng,
) {
    first_wait(conf.interval, &mut rng).await;
    loop {
        if is_asked(&backend) {
            let asked = tokio::time::timeout(conf.timeout, ask(&backend, &conf)).await;
            let outcome = match asked {
                Ok(Ok(answer)) => hear(&state, &backend, &answer),
                Ok(Err(error)) => Err(format!("port {}: {error}", conf.port)),
                Err(_) => Err(format!("no answer from port {} within {:?}", conf.port, conf.timeout)),
            };
            told(&state, &backend, Source::Agent, outcome);
        }
        let fact = backend.reported.agent();
        if fact.since_ms != 0 && clock::now().since(fact.heard) > expiry(&state, &backend) {
            release(&state, &backend);
        }
        next_wait(conf.interval, &mut rng).await;
    }
}

fn expiry(state: &State, backend: &Backend) -> std::time::Duration {
    let snapshot = state.snapshot.load();
    let signals = snapshot.pool(&backend.pool).map(|pool| &pool.conf.signals);
    signals.map(|signals| signals.expiry(Source::Agent, Signal::Custom)).unwrap_or_default()
}

/// The answer: its first line, as far as it may be long.
async fn ask(backend: &Backend, conf: &signals::Agent) -> io::Result<Vec<u8>> {
    let mut stream = fetch::on_port(&backend.resolved, Some(conf.port)).connect().await?;
    if !conf.send.is_empty() {
        stream.write_all(conf.send.as_bytes()).await?;
    }
    let mut answer = Vec::new();
    let mut part = [0; LONGEST];
    while answer.len() < LONGEST && !answer.contains(&b'\n') {
        match stream.read(&mut part).await? {
            0 => break,
            count => answer.extend_from_slice(&part[..count]),
        }
    }
    Ok(answer)
}

fn hear(state: &State, backend: &Backend, answer: &[u8]) -> Result<(), String> {
    let said = agent::read(answer).map_err(|mute| format!("its answer {}", mute.as_str()))?;
    let now = clock::now();
    let mut fact = backend.reported.agent().agent;
    fact.hear(&said);
    if let Some(most) = said.most {
        backend.hear(Source::Agent, (Subject::Slots, Ok(f64::from(most))), now);
    }
    let before = backend.reported.set_agent(fact, said.reason, now);
    health::agent_says(state, backend, fact.hold());
    if let Some(before) = before {
        tell(state, backend, &before, &fact, said.reason);
    }
    match said.unknown {
        Some(word) => Err(format!("its answer has the unknown word {word:?}")),
        None => Ok(()),
    }
}

/// The agent no longer counts: it is not asked any more, or has not answered for too long.
pub(super) fn release(state: &State, backend: &Backend) {
    let fact = backend.reported.agent();
    if fact.agent == Agent::default() {
        return;
    }
    backend.reported.set_agent(Agent::default(), "", fact.heard);
    health::agent_says(state, backend, None);
    tell(state, backend, &fact.agent, &Agent::default(), "it no longer answers");
}

fn tell(state: &State, backend: &Backend, before: &Agent, now: &Agent, reason: &str) {
    let words = |agent: &Agent| match agent.hold() {
        Some(hold) => hold.as_str().to_owned(),
        None => format!("{:.0}%", agent.weight() * 100.0),
    };
    let cause =
        if reason.is_empty() { "its agent says so".to_owned() } else { format!("its agent says: {reason}") };
    let severity = if now.hold().is_some() { Severity::Warning } else { Severity::Info };
    let event = NewEvent::new(severity, "agent", &backend.id, cause);
    state.events.push(event.change(words(before), words(now)));
}
