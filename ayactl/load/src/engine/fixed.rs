//! The same request again and again.

use http::{HeaderMap, HeaderValue};

use super::common::{self, Common};
use super::{Made, Outgoing, Requests};
use crate::input::{Body, Recipe, Request, Source, Template};
use crate::plan::Plan;

/// One request, made once.
#[derive(Debug)]
pub struct Fixed {
    request: Outgoing,
    host: Option<HeaderValue>,
    common: Common,
}

impl Fixed {
    /// The request of a plan with these `headers`, secrets included, and this `body`. Nothing is filled in. Errors name what
    /// is not valid.
    pub fn new(plan: &Plan, headers: &[(String, String)], body: Vec<u8>) -> Result<Self, String> {
        let literal = |(name, value): &(String, String)| (name.clone(), Template::literal(value));
        let headers: Vec<(String, Template)> = headers.iter().map(literal).collect();
        let recipe = Recipe {
            method: plan.method.clone(),
            path: Template::literal(&plan.target.path),
            headers: Vec::new(),
            host: None,
            body: Body::Fixed(body.into()),
        };
        Ok(Made::new(plan, Source::one(recipe, plan.seed), &headers, false)?.once())
    }

    /// What is asked for each time.
    pub(super) fn of(common: Common, asked: Request) -> Self {
        let (request, host) = common.draft(asked, HeaderMap::new());
        Self { request, host, common }
    }
}

impl Requests for Fixed {
    fn request(&self, number: u64, host: &HeaderValue, room: HeaderMap) -> Outgoing {
        let mut request = http::Request::new(self.request.body().clone());
        *request.method_mut() = self.request.method().clone();
        *request.uri_mut() = self.request.uri().clone();
        *request.headers_mut() = common::copy(self.request.headers(), room);
        self.common.finish(number, &mut request, self.host.as_ref().unwrap_or(host));
        request
    }
}
