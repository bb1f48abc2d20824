//! Asks a Prometheus server, and finds the backend of each value by a label.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aya_core::report::Subject;
use aya_core::rng::Rng;
use reqwest::Client;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{first_wait, next_wait, told};
use crate::clock;
use crate::config::signals::{Query, Source};
use crate::state::{Backend, State};
use crate::tls;

/// Most bytes of an answer.
const LARGEST: usize = 4 * 1024 * 1024;
/// Most characters of an answer that are told.
const QUOTED: usize = 120;

pub(super) async fn keep_asking(state: Arc<State>, pool: String, query: Query, mut rng: Rng) {
    first_wait(query.interval, &mut rng).await;
    let mut client = None;
    loop {
        let values = asked(&mut client, &query).await;
        let backends = state.snapshot.load().pool(&pool).map(|pool| pool.backends.clone());
        for backend in backends.iter().flatten() {
            let outcome = match &values {
                Ok(values) => hear(backend, values, &query, backends.iter().flatten().count() == 1),
                Err(cause) => Err(cause.clone()),
            };
            told(&state, backend, Source::Query, outcome);
        }
        next_wait(query.interval, &mut rng).await;
    }
}

/// Values by label, or the one value of a scalar.
#[derive(Debug)]
enum Values {
    Scalar(f64),
    /// Of a label that several series have: the last one, and that there were several.
    Labelled(HashMap<String, (f64, bool)>),
}

async fn asked(client: &mut Option<Client>, query: &Query) -> Result<Values, String> {
    let client = match client {
        Some(client) => client,
        None => client.insert(tls::http_client(query.url.starts_with("https:"))?),
    };
    let answer = tokio::time::timeout(query.timeout, ask(client, query)).await;
    let answer = answer.unwrap_or_else(|_| Err(late(query.timeout)))?;
    values(&answer, &query.label)
}

fn late(timeout: Duration) -> String {
    format!("the server does not answer within {timeout:?}")
}

async fn ask(client: &Client, query: &Query) -> Result<Vec<u8>, String> {
    let mut request = client.get(&query.url).query(&[("query", &query.query)]);
    if let Some(token) = &query.token {
        request = request.bearer_auth(token.reveal());
    }
    let mut response = request.send().await.map_err(|error| words(&error.without_url()))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| words(&error.without_url()))? {
        if body.len() + part.len() > LARGEST {
            return Err("the answer has more than 4 MiB".to_owned());
        }
        body.extend_from_slice(&part);
    }
    // Prometheus answers mistakes in a query with 400 and JSON that says more.
    if status.is_success() || body.starts_with(b"{") {
        Ok(body)
    } else {
        Err(format!("the server answers {status}"))
    }
}

/// An error with what caused it, which is where the cause is told.
fn words(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    first(&text)
}

fn first(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(QUOTED).collect()
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Option<Data<'a>>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "resultType")]
    kind: String,
    #[serde(borrow)]
    result: &'a RawValue,
}

#[derive(Deserialize)]
struct Series {
    metric: HashMap<String, String>,
    value: (f64, String),
}

/// What an answer of `/api/v1/query` says.
fn values(answer: &[u8], label: &str) -> Result<Values, String> {
    let Ok(answer) = serde_json::from_slice::<Answer<'_>>(answer) else {
        let text = String::from_utf8_lossy(&answer[..answer.len().min(QUOTED)]);
        return Err(format!("the answer is not that of a Prometheus server: {}", first(&text)));
    };
    if let Some(error) = answer.error {
        return Err(format!("the server refuses the query: {}", first(&error)));
    }
    let Some(data) = answer.data else { return Err("the answer has no data".to_owned()) };
    let unreadable = |_| "the result cannot be read".to_owned();
    match data.kind.as_str() {
        "scalar" => {
            let (_, value): (f64, String) = serde_json::from_str(data.result.get()).map_err(unreadable)?;
            Ok(Values::Scalar(number(&value)))
        }
        "vector" => {
            let series: Vec<Series> = serde_json::from_str(data.result.get()).map_err(unreadable)?;
            let mut values = HashMap::new();
            for Series { mut metric, value: (_, value) } in series {
                let Some(name) = metric.remove(label) else { continue };
                let is_again = values.contains_key(&name);
                values.insert(name, (number(&value), is_again));
            }
            Ok(Values::Labelled(values))
        }
        kind => Err(format!(
            "the result is a {}: write a query that gives one value for each backend",
            first(kind)
        )),
    }
}

/// A value as text; what is none is not believed.
fn number(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

fn hear(backend: &Backend, values: &Values, query: &Query, is_only: bool) -> Result<(), String> {
    let value = match values {
        Values::Scalar(value) if is_only => *value,
        Values::Scalar(_) => {
            return Err("the result is a scalar, and the pool has several backends".to_owned());
        }
        Values::Labelled(values) => {
            let resolved = backend.resolved.to_string();
            let names = [backend.address.as_str(), &resolved, backend.name.as_str(), backend.id.as_str()];
            let found = names.into_iter().find_map(|name| values.get(name));
            match found {
                None => return Err(format!("no value has {}={:?}", query.label, backend.address)),
                Some((_, true)) => {
                    return Err(format!(
                        "several values have {}={:?}: sum them up",
                        query.label, backend.address
                    ));
                }
                Some((value, false)) => *value,
            }
        }
    };
    let told = (Subject::Signal(query.signal), Ok(value));
    backend.hear(Source::Query, told, clock::now()).map_or(Ok(()), |why| Err(format!("not believed: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(answer: &str) -> String {
        values(answer.as_bytes(), "instance").unwrap_err()
    }

    #[test]
    fn what_is_no_vector_or_scalar_says_what_it_is() {
        assert!(wrong("<html>down</html>").contains("<html>"), "{}", wrong("<html>"));
        let matrix = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
        assert!(wrong(matrix).contains("is a matrix"));
        let string = r#"{"status":"success","data":{"resultType":"string","result":[1,"x"]}}"#;
        assert!(wrong(string).contains("is a string"));
        let error = r#"{"status":"error","errorType":"bad_data","error":"parse error at char 3"}"#;
        assert!(wrong(error).contains("parse error at char 3"));
        assert!(wrong(r#"{"data":{"resultType":"vector","result":7}}"#).contains("cannot be read"));
        assert!(wrong("{}").contains("no data"));
    }

    #[test]
    fn vectors_are_by_label_and_scalars_are_one() {
        let vector = r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"instance":"a"},"value":[1.5,"0.25"]},
            {"metric":{"instance":"b"},"value":[1.5,"NaN"]},
            {"metric":{"instance":"b","x":"y"},"value":[1.5,"1"]},
            {"metric":{},"value":[1.5,"3"]}]}}"#;
        let Values::Labelled(found) = values(vector.as_bytes(), "instance").unwrap() else {
            panic!("a vector")
        };
        assert_eq!(found.len(), 2);
        assert_eq!((found["a"], found["b"]), ((0.25, false), (1.0, true)));
        let scalar = r#"{"data":{"resultType":"scalar","result":[1,"7"]}}"#;
        assert!(matches!(values(scalar.as_bytes(), "x"), Ok(Values::Scalar(7.0))));
    }
}
