//! Step 2: from what hyper read to what the request is about.
//!
//! Framing, sizes and characters are checked by hyper while it reads; here is what it leaves to its user.

use aya_core::reason::Reason;
use http::header::HOST;
use http::request::Parts;
use http::uri::Scheme;
use http::{Method, Version};

use super::between::Target;
use super::framing;

/// Finds host and path, or why the request cannot be served.
pub(super) fn parse(head: &Parts) -> Result<Target<'_>, Reason> {
    if head.method == Method::CONNECT {
        return Err(Reason::NotImplemented);
    }
    framing::of_request(&head.headers)?;
    let host = match head.uri.authority() {
        // Only CONNECT has a bare authority for a target (RFC 9112, 3.2.3), and this is no proxy for other schemes.
        Some(_) if head.uri.scheme() != Some(&Scheme::HTTP) => return Err(Reason::BadRequest),
        // An absolute target overrules the Host field (RFC 9112, 3.2.2).
        Some(authority) => authority.host(),
        None => host_field(head)?,
    };
    let path = match head.uri.path() {
        "*" => "/",
        path => path,
    };
    Ok(Target { host, path })
}

fn host_field(head: &Parts) -> Result<&str, Reason> {
    let mut fields = head.headers.get_all(HOST).iter();
    match (fields.next(), fields.next()) {
        (None, _) if head.version < Version::HTTP_11 => Ok(""),
        (Some(value), None) => value.to_str().ok().and_then(without_port).ok_or(Reason::BadHost),
        _ => Err(Reason::BadHost),
    }
}

/// Takes the port off; `None` when what is left cannot be a host.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']')?;
            (&host[..address.len() + 2], after)
        }
        None => host.find(':').map_or((host, ""), |colon| host.split_at(colon)),
    };
    let port_is_fine = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let name_is_fine = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~[]:%!$&'()*+,;=".contains(&b));
    (port_is_fine && name_is_fine && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, hosts: &[&str]) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_port_is_no_part_of_the_host() {
        for (given, host) in [
            ("a.example", "a.example"),
            ("a.example:80", "a.example"),
            ("a.example:", "a.example"),
            ("[::1]:8080", "[::1]"),
            ("127.0.0.1:9", "127.0.0.1"),
        ] {
            assert_eq!(parse(&head("/x?y", &[given])), Ok(Target { host, path: "/x" }), "{given}");
        }
    }

    #[test]
    fn an_absolute_target_overrules_the_host_field() {
        assert_eq!(
            parse(&head("http://b.example:81/p?q", &["a.example"])),
            Ok(Target { host: "b.example", path: "/p" })
        );
    }

    #[test]
    fn what_cannot_be_one_host_is_refused() {
        for hosts in [&[][..], &["a", "b"], &[""], &["a b"], &["a:b"], &["[::1"], &[":80"], &["a/b"]] {
            assert_eq!(parse(&head("/", hosts)), Err(Reason::BadHost), "{hosts:?}");
        }
    }
}
