//! One order of one certificate, from the account to the chain.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};

use super::challenges::{Challenges, Published};
use super::directory::Transport;
use super::store::Store;
use crate::config::{Acme, AcmeChallenge};
use crate::tls::files::{FileError, Loaded};

/// Longest wait for the directory to look at our answers, and then for it to sign.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why an order came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The authority that is trusted for the directory cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The directory said no, or could not be talked to.
    #[error("{}", with_causes(.0))]
    Acme(#[from] Error),
    /// The directory does not offer the challenge we were told to answer.
    #[error("the directory offers no {challenge} for {name}")]
    NoChallenge {
        /// What we would have answered.
        challenge: &'static str,
        /// For this name.
        name: String,
    },
    /// The directory looked and was not convinced.
    #[error("the directory does not believe that {name} is ours: {why}")]
    NotBelieved {
        /// This name.
        name: String,
        /// In its words.
        why: String,
    },
    /// It took too long; whoever set the limit says so.
    #[error("the directory took over {} min", .0.as_secs() / 60)]
    TooSlow(Duration),
    /// Our answer could not be made.
    #[error("no proof could be made: {0}")]
    Proof(String),
    /// The certificate could not be kept, or is of no use.
    #[error("the certificate cannot be kept: {0}")]
    Store(io::Error),
}

/// Libraries put what went wrong into the cause, not into the message.
fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// Orders a certificate and keeps it. Takes as long as the directory does, at most a few minutes. Cancel-safe: an order
/// that is dropped is left to expire at the directory.
pub async fn order(acme: &Acme, store: &Store, challenges: &Arc<Challenges>) -> Result<Loaded, OrderError> {
    let account = account(acme, store).await?;
    let names: Vec<_> = acme.names.iter().cloned().map(Identifier::Dns).collect();
    let mut order = match account.new_order(&NewOrder::new(&names)).await {
        Err(error) if is_unknown_account(&error) => {
            // The directory has forgotten us; the next order makes a new account.
            store.forget_account(acme);
            return Err(error.into());
        }
        ordered => ordered?,
    };
    let retries = RetryPolicy::new().timeout(PATIENCE);
    let answers = answer(acme, &mut order, challenges).await?;
    let status = order.poll_ready(&retries).await?;
    drop(answers);
    if status == OrderStatus::Invalid {
        return Err(disbelief(&mut order).await);
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&retries).await?;
    store.keep_certificate(acme, &key, &chain).map_err(OrderError::Store)
}

/// The account that was kept, or a new one.
async fn account(acme: &Acme, store: &Store) -> Result<Account, OrderError> {
    let builder = || -> Result<_, FileError> {
        Ok(Account::builder_with_http(Box::new(Transport::new(acme.ca.as_deref())?)))
    };
    if let Some(kept) = store.account(acme) {
        return Ok(builder()?.from_credentials(kept).await?);
    }
    let contact = acme.email.as_ref().map(|email| format!("mailto:{email}"));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder()?.create(&wanted, acme.directory.clone(), None).await?;
    store.keep_account(acme, &credentials).map_err(OrderError::Store)?;
    Ok(account)
}

fn is_unknown_account(error: &Error) -> bool {
    let Error::Api(problem) = error else { return false };
    problem.r#type.as_deref().is_some_and(|kind| kind.ends_with(":accountDoesNotExist"))
}

/// Puts the answers up and says that they are there. They go when the result is dropped.
async fn answer(
    acme: &Acme,
    order: &mut Order,
    challenges: &Arc<Challenges>,
) -> Result<Vec<Published>, OrderError> {
    let mut published = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Valid {
            published.push(answer_one(acme, &mut authorization, challenges).await?);
        }
    }
    Ok(published)
}

async fn answer_one<'h>(
    acme: &Acme,
    authorization: &'h mut AuthorizationHandle<'h>,
    challenges: &Arc<Challenges>,
) -> Result<Published, OrderError> {
    let name = authorization.identifier().to_string();
    let (kind, word) = match acme.challenge {
        AcmeChallenge::Http01 => (ChallengeType::Http01, "http-01"),
        AcmeChallenge::TlsAlpn01 => (ChallengeType::TlsAlpn01, "tls-alpn-01"),
    };
    let Some(mut challenge) = authorization.challenge(kind) else {
        return Err(OrderError::NoChallenge { challenge: word, name });
    };
    let authorization = challenge.key_authorization();
    let published = match acme.challenge {
        AcmeChallenge::Http01 => challenges.publish_page(&name, &challenge.token, authorization.as_str()),
        AcmeChallenge::TlsAlpn01 => {
            let digest = authorization.digest();
            challenges.publish_proof(&name, digest.as_ref()).map_err(OrderError::Proof)?
        }
    };
    challenge.set_ready().await.map_err(|error| match error {
        Error::Api(problem) => OrderError::NotBelieved { name, why: problem.to_string() },
        other => other.into(),
    })?;
    Ok(published)
}

/// Why an order is invalid: the first of its challenges that failed.
async fn disbelief(order: &mut Order) -> OrderError {
    let whole = order.state().error.as_ref().map(ToString::to_string);
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if let Err(error) = authorization.refresh().await {
            return error.into();
        }
        if let Some(error) = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            let why = error.to_string();
            return OrderError::NotBelieved { name: authorization.identifier().to_string(), why };
        }
    }
    let why = whole.unwrap_or_else(|| "it does not say why".to_owned());
    OrderError::NotBelieved { name: "every name".to_owned(), why }
}
