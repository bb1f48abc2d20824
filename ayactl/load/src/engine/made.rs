//! Requests that are made anew each time: of lists, of recordings of a browser, and with something filled in.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::common::{self, Common};
use super::{Fixed, Outgoing, Requests};
use crate::input::{Request, Source, Template};
use crate::plan::Plan;

/// The requests of a source.
#[derive(Debug)]
pub struct Made {
    source: Source,
    common: Common,
    keeps_host: bool,
}

impl Made {
    /// Those of `source` with the typed `headers`. With `keeps_host`, each is for the host that the source names, else for
    /// that of the target. Errors name what cannot be sent.
    pub fn new(
        plan: &Plan,
        source: Source,
        headers: &[(String, Template)],
        keeps_host: bool,
    ) -> Result<Self, String> {
        let common = Common::new(plan, headers)?;
        let count = source.recipes().len();
        for (index, recipe) in source.recipes().enumerate() {
            let check = || {
                common::method(&recipe.method)?;
                let mut text = String::new();
                recipe.path.render(0, &mut crate::input::Rng::new(plan.seed, 0), &mut text);
                common::check_path(&recipe.path, &text)?;
                recipe.headers.iter().try_for_each(|(name, value)| common::field(name, value).map(|_| ()))
            };
            check().map_err(|what| match count {
                1 => what,
                _ => format!("request {}: {what}", index + 1),
            })?;
        }
        Ok(Self { source, common, keeps_host })
    }

    /// What the engine takes: requests that are all the same are made once.
    pub fn requests(self) -> Arc<dyn Requests> {
        if !(self.source.is_fixed() && self.common.is_fixed()) {
            return Arc::new(self);
        }
        Arc::new(self.once())
    }

    /// The first request.
    pub(super) fn once(self) -> Fixed {
        let asked = self.asked(0);
        Fixed::of(self.common, asked)
    }

    fn asked(&self, number: u64) -> Request {
        let mut asked = Request::default();
        self.source.next(number, &mut asked);
        if !self.keeps_host {
            asked.host = None;
        }
        asked
    }
}

impl Requests for Made {
    fn request(&self, number: u64, host: &HeaderValue, room: HeaderMap) -> Outgoing {
        self.common.make(number, self.asked(number), host, room)
    }
}
