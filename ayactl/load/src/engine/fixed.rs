//! The same request again and again.

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use http_body_util::Full;

use super::{Outgoing, Requests};
use crate::plan::{Plan, Protocol};

/// How the generator introduces itself, unless a header says otherwise.
pub const AGENT: &str = concat!("ayactl/", env!("CARGO_PKG_VERSION"));
/// In which a load test says that it is one; the daemon's listeners then tell the times of the request's parts.
pub const LOAD_FIELD: &str = "x-aya-load";

/// One request, made once.
#[derive(Debug)]
pub struct Fixed {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    /// HTTP/2 names the host in the URI.
    is_http2: bool,
    scheme: &'static str,
}

impl Fixed {
    /// The request of a plan with these `headers`, secrets included, and this `body`. Errors name what is not valid.
    pub fn new(plan: &Plan, headers: &[(String, String)], body: Vec<u8>) -> Result<Self, String> {
        let method = Method::from_bytes(plan.method.as_bytes())
            .map_err(|_| format!("\"{}\" is no method", plan.method))?;
        let uri = plan.target.path.parse().map_err(|_| format!("\"{}\" is no path", plan.target.path))?;
        let mut map = HeaderMap::new();
        map.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        for (name, value) in headers {
            let name = HeaderName::try_from(name).map_err(|_| format!("\"{name}\" is no header name"))?;
            let value = HeaderValue::try_from(value)
                .map_err(|_| format!("the value of header {name} has characters that no header may have"))?;
            // One's own user agent takes the place of ours; of others there may be several.
            if name == USER_AGENT || name == HOST {
                map.insert(name, value);
            } else {
                map.append(name, value);
            }
        }
        if let Some(id) = &plan.load_id {
            let id = HeaderValue::try_from(id).map_err(|_| format!("\"{id}\" is no id"))?;
            map.insert(LOAD_FIELD, id);
        }
        let is_http2 = plan.protocol == Protocol::Http2;
        let scheme = if plan.target.tls { "https" } else { "http" };
        Ok(Self { method, uri, headers: map, body: body.into(), is_http2, scheme })
    }
}

impl Requests for Fixed {
    fn request(&self, _: u64, host: &HeaderValue) -> Outgoing {
        let mut request = http::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        address(&mut request, host, self.is_http2, self.scheme);
        request
    }
}

/// Says for which host a request is, as its protocol does.
pub(super) fn address(request: &mut Outgoing, host: &HeaderValue, is_http2: bool, scheme: &str) {
    let own = request.headers_mut().remove(HOST);
    let host = own.as_ref().unwrap_or(host);
    if !is_http2 {
        request.headers_mut().insert(HOST, host.clone());
        return;
    }
    *request.version_mut() = Version::HTTP_2;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let built = Uri::builder().scheme(scheme).authority(host.as_bytes()).path_and_query(path).build();
    if let Ok(uri) = built {
        *request.uri_mut() = uri;
    }
}
