//! What routes ask of a request besides host and path. Many ask the same, which is kept once.

use std::collections::HashMap;

use super::context::{Answer, Context, Facts, is_value};
use super::order::Route;

/// Conditions that must all hold; the default has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Rules {
    /// Empty for all.
    pub(super) methods: Vec<String>,
    /// Names in lower case, and values.
    pub(super) headers: Vec<(String, String)>,
    /// Everything else; boxed, because nearly nobody asks.
    pub(super) context: Option<Box<Context>>,
    /// Sorted; `None` for all.
    pub(super) listeners: Option<Vec<u16>>,
}

impl Rules {
    pub(super) fn serves(&self, listener: u16) -> bool {
        self.listeners.as_ref().is_none_or(|listeners| listeners.binary_search(&listener).is_ok())
    }

    /// Whether a request is one of these, at a listener that is served.
    pub(super) fn match_request(&self, method: &str, facts: &mut dyn Facts) -> Answer {
        let is_method = self.methods.is_empty() || self.methods.iter().any(|named| named == method);
        let mut headers = self.headers.iter();
        if !is_method || !headers.all(|(name, value)| facts.header(name).is_some_and(|v| is_value(value, v)))
        {
            return Answer::No;
        }
        self.context.as_ref().map_or(Answer::Yes, |context| context.holds(facts))
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
        let is_for_all = route.methods.is_empty() && route.listeners.is_none();
        if is_for_all && route.headers.is_empty() && route.context.is_none() {
            return None;
        }
        let rules = Rules {
            methods: route.methods.iter().map(|&method| method.to_owned()).collect(),
            headers: route.headers.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect(),
            context: route.context.clone(),
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
