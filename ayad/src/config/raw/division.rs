//! How a pool is divided, and what requests are told apart by: keys of `[pool.NAME]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::format::{CookieName, FieldName, Share};

/// What a request is hashed by.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum HashKey {
    /// Something that every request has.
    Word(HashWord),
    /// Something that requests may have.
    Part(HashPart),
}

/// Something that every request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "a key to hash by")]
pub enum HashWord {
    /// The address of the client.
    Source,
    /// The path in its normal form, without the query.
    Path,
}

/// Something that requests may have: exactly one of the keys. Requests without it are hashed by the address of their
/// client.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HashPart {
    /// The value of this header field.
    pub header: Option<FieldName>,
    /// The value of this cookie.
    pub cookie: Option<CookieName>,
    /// The value of this parameter of the query, as it was sent.
    pub query: Option<String>,
}

/// Whether requests stay in the zone of this daemon (`zone` in `[daemon]`).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zones {
    /// false to treat all zones alike. Default: true. Zones that a route prefers are preferred in any case.
    pub prefer_local: Option<bool>,
    /// Share of its capacity in use up to which a zone keeps all of its requests; beyond it the rest goes to zones with
    /// more room. Default: "80%".
    pub spill: Option<Share>,
    /// Requests in flight for each unit of weight that use all of a backend, where backends report neither their
    /// utilisation nor their slots. Default: 32.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub capacity: Option<u32>,
}
