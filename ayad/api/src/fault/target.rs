//! Whom a fault hits.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a fault is for. All that is said must hold; what is not said may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultTarget {
    /// Attempts at backends of this pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Attempts at this backend, `pool/backend`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Attempts at backends of this zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Attempts at backends with this tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Requests of this route; for TCP, connections of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Requests with this method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Requests with this path, exact, or a prefix ending in `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Requests with this header, `name` or `name=value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Clients of this network, `10.0.0.0/8` or one address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

impl FaultTarget {
    /// Every backend of `pool`.
    pub fn pool(pool: &str) -> Self {
        Self { pool: Some(pool.into()), ..Self::default() }
    }

    /// The backend `pool/backend`.
    pub fn backend(id: &str) -> Self {
        Self { backend: Some(id.into()), ..Self::default() }
    }

    /// True when nothing is said, and so everything matches.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// What is said, as pairs of name and value in a fixed order.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("pool", &self.pool),
            ("backend", &self.backend),
            ("zone", &self.zone),
            ("label", &self.label),
            ("route", &self.route),
            ("method", &self.method),
            ("path", &self.path),
            ("header", &self.header),
            ("client", &self.client),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
}

impl fmt::Display for FaultTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_everything() {
            return f.write_str("everything");
        }
        let mut is_first = true;
        for (name, value) in self.parts() {
            if !std::mem::take(&mut is_first) {
                f.write_str(" ")?;
            }
            match name {
                "pool" | "backend" => f.write_str(value)?,
                _ => write!(f, "{name}={value}")?,
            }
        }
        Ok(())
    }
}

/// What a share is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// Attempts at backends: each request decides for itself. TCP connections are one attempt each.
    #[default]
    Request,
    /// Client connections: all requests of one that is hit are hit.
    Connection,
}
