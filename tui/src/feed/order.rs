//! What is ordered: changes that were confirmed, and the one that needs no answer.

use std::sync::Arc;

use aya_api::change::ChangeOptions;
use aya_api::client::{Client, ClientError};
use aya_api::command::admin::SetAdmin;
use aya_api::command::algorithm::SetAlgorithm;
use aya_api::command::chaos::Panic;
use aya_api::command::faults::StopFault;
use aya_api::command::weight::SetWeight;
use aya_api::error::ErrorCode;

use super::cause;
use super::mailbox::Mailbox;
use crate::figure;
use crate::message::{Message, Refusal};
use crate::plan::{Order, Wish};
use crate::theme::Tone;

/// Stops all faults and locks.
pub(super) async fn panic(client: Client, mailbox: Arc<Mailbox>) {
    mailbox.push(match stop_all(&client).await {
        Ok(text) => Message::Told { tone: Tone::Good, text },
        Err(error) => {
            let text = format!("PANIC: faults may go on: {}; {}", cause(&error), error.hint());
            Message::Told { tone: Tone::Bad, text }
        }
    });
}

pub(super) async fn change(client: Client, mailbox: Arc<Mailbox>, order: Order) {
    let message = match send(&client, &order).await {
        Ok(message) => message,
        Err(error) => {
            let conflict = matches!(&error, ClientError::Refused(e) if e.code == ErrorCode::Conflict);
            let refusal = Refusal { cause: error.to_string(), hint: error.hint(), conflict };
            Message::Refused { order, refusal }
        }
    };
    mailbox.push(message);
}

async fn send(client: &Client, order: &Order) -> Result<Message, ClientError> {
    let options = ChangeOptions { if_rev: Some(order.if_rev), ..ChangeOptions::default() };
    let change = match &order.wish {
        Wish::StopFault { id } => return stop(client, id).await,
        Wish::Admin { target, state } => {
            client.change(&SetAdmin::new(&target.pool, &target.backend, *state, None), &options).await
        }
        Wish::Weight { target, weight } => {
            client.change(&SetWeight::new(&target.pool, &target.backend, *weight), &options).await
        }
        Wish::Algorithm { pool, name } => client.change(&SetAlgorithm::new(pool, name), &options).await,
    };
    Ok(Message::Done(Box::new(change?)))
}

/// Ends one fault, and says what came of it.
async fn stop(client: &Client, id: &str) -> Result<Message, ClientError> {
    let ended = client.call(&StopFault::new(id)).await?;
    let observed = &ended.observed;
    let text = format!(
        "{}: {} at {} ended, {} of {} hit",
        ended.id,
        ended.fault,
        ended.target,
        figure::count(observed.hit),
        figure::count(observed.matched)
    );
    Ok(Message::Told { tone: Tone::Good, text })
}

/// Ends all faults and locks, and says what holds from now on.
async fn stop_all(client: &Client) -> Result<String, ClientError> {
    let options =
        ChangeOptions { reason: Some("panic key of the dashboard".into()), ..ChangeOptions::default() };
    client.change(&Panic, &options).await?;
    Ok("PANIC: all faults have ended, and nobody can inject; `ayactl chaos unlock` allows it again".into())
}
