//! Which of two routes is more specific, and which two are the same.

use std::cmp::Ordering;

use super::pattern::{Pattern, Segment};
use super::{Context, HostMatch, RouteError, RouteSpec};

/// A route ready for comparing and compiling; its lists are sorted.
#[derive(Debug)]
pub(super) struct Route<'s> {
    pub(super) index: usize,
    /// Orders routes as [`Route::compare`] does wherever it differs: thousands are sorted at each reload.
    key: [u64; 2],
    pub(super) host: &'s HostMatch,
    pub(super) pattern: Pattern<'s>,
    pub(super) methods: Vec<&'s str>,
    pub(super) headers: Vec<(String, &'s str)>,
    /// Boxed, because nearly no route has one.
    pub(super) context: Option<Box<Context>>,
    pub(super) listeners: Option<Vec<u16>>,
}

impl<'s> Route<'s> {
    pub(super) fn new(index: usize, spec: &'s RouteSpec, pattern: Pattern<'s>) -> Self {
        let headers = spec.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()));
        Self {
            index,
            key: [key_of_host(&spec.host), key_of_path(&pattern)],
            host: &spec.host,
            pattern,
            methods: sorted(spec.methods.iter().map(String::as_str)),
            headers: sorted(headers),
            context: (!spec.context.is_empty()).then(|| Box::new(spec.context.sorted())),
            listeners: spec.listeners.as_ref().map(|list| sorted(list.iter().copied())),
        }
    }

    /// More specific first. Everything decides before the index does, which only tells duplicates apart.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        if self.key[0] != other.key[0] || self.host == other.host && self.key[1] != other.key[1] {
            return self.key.cmp(&other.key);
        }
        self.compare_match(other)
            .then_with(|| self.listeners.is_none().cmp(&other.listeners.is_none()))
            .then_with(|| self.listeners.cmp(&other.listeners))
            .then_with(|| self.index.cmp(&other.index))
    }

    /// As [`Route::compare`], by what is matched in the request; equal means the same requests.
    fn compare_match(&self, other: &Self) -> Ordering {
        compare_hosts(self.host, other.host)
            .then_with(|| self.pattern.steps().cmp(other.pattern.steps()))
            .then_with(|| self.methods.is_empty().cmp(&other.methods.is_empty()))
            .then_with(|| other.conditions().cmp(&self.conditions()))
            .then_with(|| self.methods.len().cmp(&other.methods.len()))
            .then_with(|| compare_contexts(self.context.as_deref(), other.context.as_deref()))
            .then_with(|| self.methods.cmp(&other.methods))
            .then_with(|| self.headers.cmp(&other.headers))
    }

    /// How many conditions it has besides host, path and method.
    fn conditions(&self) -> usize {
        self.headers.len() + self.context.as_ref().map_or(0, |context| context.count())
    }

    /// Whether both claim the same listener by the same right: a route for named listeners is more specific
    /// than one for all, and that is no conflict.
    fn shares_listener(&self, other: &Self) -> bool {
        match (&self.listeners, &other.listeners) {
            (None, None) => true,
            (Some(mine), Some(theirs)) => mine.iter().any(|listener| theirs.contains(listener)),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}

/// The pairs of routes that match the same requests, each later one reported once. `routes` is sorted.
pub(super) fn duplicates(routes: &[Route<'_>]) -> impl Iterator<Item = RouteError> {
    let groups = routes.chunk_by(|a, b| a.compare_match(b).is_eq());
    groups.flat_map(|group| {
        (1..group.len()).filter_map(|at| {
            let twin = group[..at].iter().find(|earlier| earlier.shares_listener(&group[at]))?;
            let (a, b) = (twin.index, group[at].index);
            Some(RouteError::Duplicate { first: a.min(b), second: a.max(b) })
        })
    })
}

/// The first eight bytes of a text, so that numbers compare as texts do where they differ.
fn beginning(text: &str) -> u64 {
    let mut bytes = [0; 8];
    let length = text.len().min(8);
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    u64::from_be_bytes(bytes)
}

fn key_of_host(host: &HostMatch) -> u64 {
    match host {
        HostMatch::Exact(name) => beginning(name) >> 8,
        HostMatch::Wildcard(name) => (1 << 56) + u64::from(u32::MAX) - name.len() as u64,
        HostMatch::Any => 2 << 56,
    }
}

fn key_of_path(pattern: &Pattern<'_>) -> u64 {
    match (pattern.segments.first(), pattern.rest) {
        (Some(Segment::Literal(text)), _) => beginning(text) >> 8,
        (Some(Segment::Parameter), _) => 1 << 56,
        (None, false) => 2 << 56,
        (None, true) => 3 << 56,
    }
}

fn compare_hosts(a: &HostMatch, b: &HostMatch) -> Ordering {
    let rank = |host: &HostMatch| match host {
        HostMatch::Exact(_) => 0,
        HostMatch::Wildcard(_) => 1,
        HostMatch::Any => 2,
    };
    match (a, b) {
        (HostMatch::Exact(a), HostMatch::Exact(b)) => a.cmp(b),
        (HostMatch::Wildcard(a), HostMatch::Wildcard(b)) => b.len().cmp(&a.len()).then_with(|| a.cmp(b)),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Whoever asks more than headers comes first, and the narrower of two who do.
fn compare_contexts(a: Option<&Context>, b: Option<&Context>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.compare(b),
        _ => b.is_some().cmp(&a.is_some()),
    }
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort();
    items.dedup();
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_routes_as_comparing_them_does() {
        let hosts =
            ["a", "example.com", "example.org", "exampl", "*.com", "*.example.com", "*.example.org", "*"];
        let paths = [
            "/",
            "/*",
            "/a",
            "/a/",
            "/{id}",
            "/{id}/*",
            "/longer-one",
            "/longer-other",
            "/longer-o/*",
            "/b/{id}",
        ];
        let specs: Vec<RouteSpec> = hosts
            .iter()
            .flat_map(|host| {
                paths.map(|path| RouteSpec {
                    host: HostMatch::parse(host).unwrap(),
                    path: path.to_owned(),
                    methods: Vec::new(),
                    headers: Vec::new(),
                    context: Context::default(),
                    listeners: None,
                })
            })
            .collect();
        let read = |(index, spec): (usize, _)| Route::new(index, spec, Pattern::parse(&spec.path).unwrap());
        let routes: Vec<_> = specs.iter().enumerate().map(read).collect();
        for (one, other) in routes.iter().flat_map(|one| routes.iter().map(move |other| (one, other))) {
            let slowly = one.compare_match(other).then(one.index.cmp(&other.index));
            assert_eq!(one.compare(other), slowly, "{one:?} {other:?}");
        }
    }
}
