//! What people write who come from other load balancers, and what they mean by it here.
//!
//! The nearest known word is no help to them: "https" is one letter from "http", and not what they want.

use super::path::Path;

const HTTPS: &str =
    "write protocol = \"http\", and tls = { certificates = [{ cert = \"web.pem\", key = \"web.key\" }] }";
const PAIRS: &str =
    "write certificates = [{ cert = \"web.pem\", key = \"web.key\" }], one pair for each certificate";
const HTTP2: &str = "leave it out: \"http\" speaks HTTP/2 too, unless http2 = false";
const TUNNELS: &str = "leave it out: \"http\" passes WebSockets on";
const SPEAKS_H2: &str = "write \"h2\", which is what gRPC speaks";
const TLS_OUT: &str = "write \"http/1.1\" or \"h2\", and tls = {}";
const DEFAULTS: &str = "write {} for all defaults";

/// Where it stands (`*` is any name), what is written there, and what to write.
const MEANT: &[(&str, &[&str], &str)] = &[
    ("listen.*.protocol", &["https", "tls", "ssl"], HTTPS),
    ("listen.*.protocol", &["h2", "h2c", "http2", "http/2", "grpc"], HTTP2),
    ("listen.*.protocol", &["ws", "websocket"], TUNNELS),
    ("listen.*.proxy_protocol", &["v1", "v2", "on", "true"], "write \"required\", which reads both versions"),
    ("listen.*.tls", &["cert", "certificate", "certificate_key", "cert_file", "crt", "key"], PAIRS),
    (
        "listen.*.tls",
        &["ca", "verify", "verify_client"],
        "write client_certificates = \"required\", client_ca = \"ca.pem\"",
    ),
    (
        "listen.*",
        &["cert", "certificate", "certificates", "ssl"],
        "write tls = { certificates = [{ cert = \"web.pem\", key = \"web.key\" }] }",
    ),
    ("listen.*", &["acme"], "write tls = { acme = { ... } }"),
    ("pool.*.protocol", &["grpc", "http2", "http/2", "h2c"], SPEAKS_H2),
    ("pool.*.protocol", &["https", "tls", "ssl"], TLS_OUT),
    ("pool.*.protocol", &["http"], "write \"http/1.1\""),
    ("pool.*.protocol", &["tcp"], "leave it out: a pool serves the listeners of the routes that name it"),
    ("pool.*.tls", &["cert", "certificate"], "write client_cert, and client_key with it"),
    ("pool.*.tls", &["sni"], "write server_name"),
    (
        "pool.*.tls",
        &["insecure", "skip_verify", "insecure_skip_verify"],
        "write verify = false, for tests only",
    ),
    ("pool.*", &["retries"], "write retry = { attempts = 3 }"),
    ("pool.*.tls", &["true"], DEFAULTS),
    ("pool.*.hedge", &["true"], DEFAULTS),
    ("pool.*.retry", &["true"], DEFAULTS),
];

/// What to write instead of `word` at `path`, when that is known.
pub(super) fn remedy(path: &Path<'_>, word: &str) -> Option<&'static str> {
    let path = path.to_string();
    let word = word.to_ascii_lowercase();
    let meant = MEANT.iter().find(|(at, words, _)| words.contains(&word.as_str()) && fits(at, &path));
    meant.map(|(_, _, help)| *help)
}

fn fits(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut there) = (pattern.split('.'), path.split('.'));
    loop {
        match (wanted.next(), there.next()) {
            (None, None) => return true,
            (Some(want), Some(is)) if want == "*" || want == is => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn habits_of_elsewhere_are_understood_where_they_belong() {
        let (root, listen, pool) = (Path::ROOT, Path::ROOT.key("listen"), Path::ROOT.key("pool"));
        let (listener, web) = (listen.key("web"), pool.key("web"));

        assert_eq!(remedy(&listener.key("protocol"), "HTTPS"), Some(HTTPS));
        assert_eq!(remedy(&web.key("protocol"), "https"), Some(TLS_OUT));
        assert_eq!(remedy(&web.key("tls"), "true"), Some(DEFAULTS));
        assert_eq!(remedy(&listener, "protocol"), None);
        assert_eq!(remedy(&root.key("listen"), "ssl"), None);
    }
}
