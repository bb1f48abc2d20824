//! What routes ask of a request besides host and path. Many ask the same, which is kept once.

use std::collections::HashMap;

use super::order::Route;

/// Conditions that must all hold; the default has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Rules {
    /// Empty for all.
    pub(super) methods: Vec<String>,
    /// Names in lower case, and values.
    pub(super) headers: Vec<(String, String)>,
    /// Sorted; `None` for all.
    pub(super) listeners: Option<Vec<u16>>,
}

impl Rules {
    pub(super) fn serves(&self, listener: u16) -> bool {
        self.listeners.as_ref().is_none_or(|listeners| listeners.binary_search(&listener).is_ok())
    }

    /// Whether a request is one of these, at a listener that is served.
    pub(super) fn match_request<'r>(
        &self,
        method: &str,
        header: &mut dyn FnMut(&str) -> Option<&'r [u8]>,
    ) -> bool {
        let method = self.methods.is_empty() || self.methods.iter().any(|named| named == method);
        method && self.headers.iter().all(|(name, value)| header(name) == Some(value.as_bytes()))
    }
}

/// Rules while tries are built.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) all: Vec<Rules>,
    known: HashMap<Rules, u32>,
}

impl Collected {
    /// The place of a route's rules; `None` when it has none.
    pub(super) fn of(&mut self, route: &Route<'_>) -> Option<u32> {
        if route.methods.is_empty() && route.headers.is_empty() && route.listeners.is_none() {
            return None;
        }
        let rules = Rules {
            methods: route.methods.iter().map(|&method| method.to_owned()).collect(),
            headers: route.headers.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect(),
            listeners: route.listeners.clone(),
        };
        let fresh = self.all.len() as u32;
        let place = *self.known.entry(rules).or_insert_with_key(|rules| {
            self.all.push(rules.clone());
            fresh
        });
        Some(place)
    }
}
