//! The same request again and again.

use bytes::Bytes;
use http::{HeaderValue, Method, Uri};
use http_body_util::Full;

use super::common::{self, Common};
use super::{Outgoing, Requests};
use crate::input::Template;
use crate::plan::Plan;

/// One request, made once.
#[derive(Debug)]
pub struct Fixed {
    method: Method,
    uri: Uri,
    body: Bytes,
    common: Common,
}

impl Fixed {
    /// The request of a plan with these `headers`, secrets included, and this `body`. Nothing is filled in. Errors name what
    /// is not valid.
    pub fn new(plan: &Plan, headers: &[(String, String)], body: Vec<u8>) -> Result<Self, String> {
        let literal = |(name, value): &(String, String)| (name.clone(), Template::literal(value));
        let headers: Vec<(String, Template)> = headers.iter().map(literal).collect();
        let common = Common::new(plan, &headers)?;
        let method = common::method(&plan.method)?;
        let path = &plan.target.path;
        common::check_path(&Template::literal(path), path)?;
        let uri = path.parse().map_err(|_| format!("\"{path}\" is no path"))?;
        Ok(Self { method, uri, body: body.into(), common })
    }
}

impl Requests for Fixed {
    fn request(&self, number: u64, host: &HeaderValue) -> Outgoing {
        let mut request = http::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.common.fields().clone();
        self.common.finish(number, &mut request, host);
        request
    }
}
