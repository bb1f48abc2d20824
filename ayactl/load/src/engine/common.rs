//! What the requests of one test have in common: the headers that were typed, and how the protocol addresses a host.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use http_body_util::Full;

use super::Outgoing;
use crate::input::{Request, Rng, Template};
use crate::plan::{Plan, Protocol};

/// How the generator introduces itself, unless a header says otherwise.
pub const AGENT: &str = concat!("ayactl/", env!("CARGO_PKG_VERSION"));
/// In which a load test says that it is one; the daemon's listeners then tell the times of the request's parts.
pub const LOAD_FIELD: &str = "x-aya-load";

/// Keeps what is filled into headers apart from other draws of the same request.
const HEADERS: u64 = 0x8E;
/// Longest path with its query, in bytes.
const LONGEST: usize = 65_000;

/// What is the same for all requests of a test, except for what is filled in.
#[derive(Debug)]
pub(super) struct Common {
    fields: HeaderMap,
    /// Fields in which something is filled in.
    filled: Vec<(HeaderName, Template)>,
    seed: u64,
    load_id: Option<HeaderValue>,
    /// HTTP/2 names the host in the URI.
    is_http2: bool,
    scheme: &'static str,
}

impl Common {
    /// That of a plan with these `headers`, secrets included. Errors name what is not valid.
    pub(super) fn new(plan: &Plan, headers: &[(String, Template)]) -> Result<Self, String> {
        let (mut fields, mut filled) = (HeaderMap::new(), Vec::new());
        for (name, template) in headers {
            let field = field(name, template)?;
            if field == CONTENT_LENGTH || field == TRANSFER_ENCODING {
                return Err(format!(
                    "header {field} is written by the generator, as the body is; leave it out"
                ));
            }
            if !template.is_fixed() {
                filled.push((field, template.clone()));
                continue;
            }
            let mut text = String::new();
            template.render(0, &mut Rng::new(plan.seed, 0), &mut text);
            let value = HeaderValue::try_from(text).map_err(|_| no_value(&field))?;
            // One's own user agent takes the place of ours; of others there may be several.
            if field == USER_AGENT || field == HOST {
                fields.insert(field, value);
            } else {
                fields.append(field, value);
            }
        }
        let load_id = plan
            .load_id
            .as_ref()
            .map(|id| HeaderValue::try_from(id).map_err(|_| format!("\"{id}\" is no id")));
        Ok(Self {
            fields,
            filled,
            seed: plan.seed,
            load_id: load_id.transpose()?,
            is_http2: plan.protocol == Protocol::Http2,
            scheme: if plan.target.tls { "https" } else { "http" },
        })
    }

    /// Whether all of its fields are the same each time.
    pub(super) fn is_fixed(&self) -> bool {
        self.filled.is_empty()
    }

    /// Makes request number `number` of what an input says. Typed fields take the place of those of the same name there.
    pub(super) fn make(&self, number: u64, asked: Request, host: &HeaderValue, room: HeaderMap) -> Outgoing {
        let (mut request, own) = self.draft(asked, room);
        self.finish(number, &mut request, own.as_ref().unwrap_or(host));
        request
    }

    /// The part of a request that is the same whatever its number, and its own host.
    ///
    /// Everything that goes in was checked when the test began; what cannot be all the same is left out.
    pub(super) fn draft(&self, asked: Request, room: HeaderMap) -> (Outgoing, Option<HeaderValue>) {
        let mut fields = copy(&self.fields, room);
        for (name, value) in asked.headers {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
                continue;
            };
            if !self.fields.contains_key(&name) && !self.filled.iter().any(|(known, _)| *known == name) {
                fields.append(name, value);
            }
        }
        if !fields.contains_key(USER_AGENT) && !self.filled.iter().any(|(name, _)| *name == USER_AGENT) {
            fields.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        }
        if let Some(id) = &self.load_id {
            fields.insert(LOAD_FIELD, id.clone());
        }
        let mut request = http::Request::new(Full::new(Bytes::from_owner(asked.body)));
        if let Ok(method) = Method::from_bytes(asked.method.as_bytes()) {
            *request.method_mut() = method;
        }
        if let Ok(path) = PathAndQuery::try_from(asked.path) {
            *request.uri_mut() = Uri::from(path);
        }
        *request.headers_mut() = fields;
        (request, asked.host.and_then(|host| HeaderValue::try_from(host).ok()))
    }

    /// Adds what differs from request to request, and says for which host it is.
    pub(super) fn finish(&self, number: u64, request: &mut Outgoing, host: &HeaderValue) {
        if !self.filled.is_empty() {
            let fields = request.headers_mut();
            let mut rng = Rng::new(self.seed ^ HEADERS, number);
            for (name, template) in &self.filled {
                let mut text = String::new();
                template.render(number, &mut rng, &mut text);
                if let Ok(value) = HeaderValue::try_from(text) {
                    fields.append(name, value);
                }
            }
        }
        address(request, host, self.is_http2, self.scheme);
    }
}

/// The name of a field, when its value can be sent whatever is filled in.
pub(super) fn field(name: &str, value: &Template) -> Result<HeaderName, String> {
    let name = HeaderName::try_from(name).map_err(|_| format!("\"{name}\" is no header name"))?;
    match value.bad_part(|part| HeaderValue::try_from(part).is_ok()) {
        None => Ok(name),
        Some(_) => Err(no_value(&name)),
    }
}

fn no_value(name: &HeaderName) -> String {
    format!("the value of header {name} has characters that no header may have")
}

/// Whether requests of a method have the typed body, where an input names methods.
pub fn has_body(method: &str) -> bool {
    !matches!(method, "GET" | "HEAD" | "DELETE" | "OPTIONS" | "TRACE" | "CONNECT")
}

/// A method that can be sent.
pub(super) fn method(method: &str) -> Result<Method, String> {
    Method::from_bytes(method.as_bytes()).map_err(|_| format!("\"{method}\" is no method"))
}

/// Makes sure that a path can be sent, whatever is filled in; `text` is how it was written.
pub(super) fn check_path(path: &Template, text: &str) -> Result<(), String> {
    let mut first = String::new();
    path.render(0, &mut Rng::new(0, 0), &mut first);
    if !first.starts_with('/') {
        return Err(format!("\"{text}\" is no path; it begins with /"));
    }
    if path.is_fixed() && first.parse::<PathAndQuery>().is_err() {
        return Err(format!("\"{}\" is no path; write a blank as %20", text.escape_default()));
    }
    // What is filled in may be written with three characters for one.
    let longest = path.longest().saturating_mul(if path.is_fixed() { 1 } else { 3 });
    if longest > LONGEST {
        return Err(format!("a path could have {longest} bytes, and {LONGEST} are the most"));
    }
    Ok(())
}

/// `fields` in the `room` of another map, which is empty.
pub(super) fn copy(fields: &HeaderMap, mut room: HeaderMap) -> HeaderMap {
    for (name, value) in fields {
        room.append(name.clone(), value.clone());
    }
    room
}

/// Says for which host a request is, as its protocol does.
fn address(request: &mut Outgoing, host: &HeaderValue, is_http2: bool, scheme: &str) {
    if !is_http2 {
        request.headers_mut().entry(HOST).or_insert_with(|| host.clone());
        return;
    }
    let own = request.headers_mut().remove(HOST);
    let host = own.as_ref().unwrap_or(host);
    *request.version_mut() = Version::HTTP_2;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let built = Uri::builder().scheme(scheme).authority(host.as_bytes()).path_and_query(path).build();
    if let Ok(uri) = built {
        *request.uri_mut() = uri;
    }
}
