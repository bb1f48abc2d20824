//! What is asked for: one request after the other, from a URL, a list of URLs, a HAR file or an access log.
//!
//! A [`Source`] is cheap to clone; every clone gives the same request for the same number, so that several threads can
//! share the numbers among them. A replay is different: it reads its file once, in order, and each request has its moment.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

mod har;
mod lines;
mod log;
mod replay;
mod rng;
mod template;
mod urls;

pub use har::{Har, har};
pub use replay::{Replay, Survey, WINDOW, survey};
pub use rng::Rng;
pub use template::Template;
pub use urls::{Listed, origin_of, urls};

/// Most bytes that an input may keep in memory.
pub const MOST_KEPT: usize = 64 << 20;

/// Why an input cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file cannot be read.
    #[error("{}: {source}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in a file is wrong.
    #[error("{}:{line}: {what}", file.display())]
    Line {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// A template is wrong.
    #[error("template \"{text}\": {what}")]
    Template {
        /// The template.
        text: String,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// There is nothing to send in it, or too much.
    #[error("{}: {what}", file.display())]
    Content {
        /// Which file.
        file: PathBuf,
        /// What is wrong, and what can be done.
        what: String,
    },
}

impl InputError {
    fn file(file: &Path, source: std::io::Error) -> Self {
        Self::File { file: file.to_owned(), source }
    }

    fn content(file: &Path, what: impl Into<String>) -> Self {
        Self::Content { file: file.to_owned(), what: what.into() }
    }
}

/// One request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The method, in capitals.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Fields of the head, beside those that the engine sets by itself.
    pub headers: Vec<(String, String)>,
    /// The host it names, where the input knows one: with its port, unless that is the usual one.
    pub host: Option<String>,
    /// The body; may be empty.
    pub body: Arc<[u8]>,
    /// When it is to be sent after the start; `None` when the profile says so.
    pub at: Option<Duration>,
}

/// How a request is made.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The method, in capitals.
    pub method: String,
    /// Path and query.
    pub path: Template,
    /// Names and values of fields.
    pub headers: Vec<(String, Template)>,
    /// The host it names, where the input knows one.
    pub host: Option<String>,
    /// The body.
    pub body: Body,
}

/// How a body is made.
#[derive(Clone, Debug)]
pub enum Body {
    /// The same bytes each time.
    Fixed(Arc<[u8]>),
    /// Text with something to fill in.
    Template(Arc<Template>),
}

impl Body {
    /// The body of the number `n`.
    pub fn make(&self, n: u64, rng: &mut Rng) -> Arc<[u8]> {
        match self {
            Self::Fixed(bytes) => Arc::clone(bytes),
            Self::Template(template) => {
                let mut text = String::new();
                template.render(n, rng, &mut text);
                Arc::from(text.into_bytes())
            }
        }
    }
}

impl Recipe {
    /// A request without a body and fields of its own.
    pub fn get(path: &str) -> Result<Self, InputError> {
        let body = Body::Fixed(Arc::from([]));
        Ok(Self { method: "GET".into(), path: path.parse()?, headers: Vec::new(), host: None, body })
    }

    fn make(&self, n: u64, rng: &mut Rng, into: &mut Request) {
        into.method.clone_from(&self.method);
        into.path.clear();
        let from = into.path.len();
        self.path.render(n, rng, &mut into.path);
        if !self.path.is_fixed() {
            escape_target(&mut into.path, from);
        }
        into.headers.clear();
        for (name, template) in &self.headers {
            let mut value = String::new();
            template.render(n, rng, &mut value);
            into.headers.push((name.clone(), value));
        }
        into.host.clone_from(&self.host);
        into.body = self.body.make(n, rng);
        into.at = None;
    }
}

/// Blanks and controls, which a table may hold, would end the target of a request early.
fn escape_target(path: &mut String, from: usize) {
    let is_plain = |c: char| {
        c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}' | '#')
    };
    if path[from..].chars().all(is_plain) {
        return;
    }
    let rest = path.split_off(from);
    for c in rest.chars() {
        if is_plain(c) {
            path.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
}

/// The target of a recorded request, as it can be sent: clients send characters that no URL may have.
fn sendable(path: &str) -> String {
    let mut path = path.to_owned();
    if path.parse::<http::uri::PathAndQuery>().is_err() {
        escape_target(&mut path, 0);
    }
    path
}

/// A source of requests.
#[derive(Clone, Debug)]
pub struct Source {
    recipes: Arc<[(Recipe, u64)]>,
    total: u64,
    seed: u64,
    in_order: bool,
}

impl Source {
    /// Requests drawn by weight, the same ones for the same seed. `None` when there is none, or all weigh nothing.
    pub fn weighted(recipes: Vec<(Recipe, u32)>, seed: u64) -> Option<Self> {
        let mut total = 0;
        let summed: Vec<(Recipe, u64)> = recipes
            .into_iter()
            .filter(|(_, weight)| *weight > 0)
            .map(|(recipe, weight)| {
                total += u64::from(weight);
                (recipe, total)
            })
            .collect();
        (total > 0).then(|| Self { recipes: summed.into(), total, seed, in_order: false })
    }

    /// The same recipe each time.
    pub fn one(recipe: Recipe, seed: u64) -> Self {
        Self { recipes: Arc::from([(recipe, 1)]), total: 1, seed, in_order: true }
    }

    /// Requests in their order, and then again from the first. `None` when there is none.
    pub fn in_order(recipes: Vec<Recipe>, seed: u64) -> Option<Self> {
        let weighted = recipes.into_iter().map(|recipe| (recipe, 1)).collect();
        Self::weighted(weighted, seed).map(|source| Self { in_order: true, ..source })
    }

    /// Whether every request is the same, so that it need be made only once.
    pub fn is_fixed(&self) -> bool {
        let (recipe, _) = &self.recipes[0];
        self.recipes.len() == 1
            && recipe.path.is_fixed()
            && recipe.headers.iter().all(|(_, value)| value.is_fixed())
            && matches!(recipe.body, Body::Fixed(_))
    }

    /// How many different ones there are, before anything is filled in.
    pub fn recipes(&self) -> impl ExactSizeIterator<Item = &Recipe> {
        self.recipes.iter().map(|(recipe, _)| recipe)
    }

    /// Makes the request of the number `n` into `into`, whose memory is used again.
    pub fn next(&self, n: u64, into: &mut Request) {
        let mut rng = Rng::new(self.seed, n);
        let index = match self.recipes.len() {
            1 => 0,
            all if self.in_order => (n % all as u64) as usize,
            _ => {
                let drawn = rng.below(self.total);
                self.recipes.partition_point(|(_, sum)| *sum <= drawn)
            }
        };
        self.recipes[index].0.make(n, &mut rng, into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_kept_and_the_same_number_gives_the_same_request() {
        let recipe = |path| Recipe::get(path).unwrap();
        let source =
            Source::weighted(vec![(recipe("/a"), 3), (recipe("/b"), 1), (recipe("/c"), 0)], 7).unwrap();
        let (mut one, mut two, mut of_a) = (Request::default(), Request::default(), 0);
        for n in 0..10_000 {
            source.next(n, &mut one);
            source.clone().next(n, &mut two);
            assert_eq!(one, two);
            of_a += u32::from(one.path == "/a");
        }
        assert!((7_300..7_700).contains(&of_a), "{of_a}");
        assert!(Source::weighted(vec![(recipe("/c"), 0)], 7).is_none());
    }

    #[test]
    fn what_is_filled_in_cannot_end_the_target() {
        let mut path = "/a b\r\n\"é".to_owned();
        escape_target(&mut path, 0);
        assert_eq!(path, "/a%20b%0D%0A%22%C3%A9");
    }
}
