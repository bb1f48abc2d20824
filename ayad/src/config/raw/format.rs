//! Texts with a meaning: addresses, durations, names. One line in the table below each.
//!
//! A value of these types is parsed, not merely checked. The table also names each format in the JSON
//! Schema; the names start with `aya-` because JSON Schema's own `duration`, for one, is another notation.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use aya_core::route::HostMatch;
use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

use crate::config::secret::{self, Reference};
use crate::config::shape::suggest::nearest;
use crate::config::unit::{self, Wrong};

/// One format of texts.
#[derive(Debug)]
pub struct Format {
    /// Its name in the schema.
    pub name: &'static str,
    /// What it is called in messages, with its article.
    pub noun: &'static str,
    /// A value that is right.
    pub example: &'static str,
    /// Says what is wrong with a text, if anything is.
    pub check: fn(&str) -> Result<(), Wrong>,
}

impl Format {
    /// Finds a format by its name in the schema.
    pub fn find(name: &str) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.name == name)
    }
}

/// Reads a text where it stands, without a copy.
struct Text<T>(fn(&str) -> Result<T, Wrong>);

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

macro_rules! formats {
    ($(
        $(#[$doc:meta])*
        $type:ident($value:ty) = $name:literal, $noun:literal, $example:literal, $parse:path;
    )+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug)]
            pub struct $type(pub $value);

            impl<'de> Deserialize<'de> for $type {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    deserializer.deserialize_str(Text(|text| $parse(text).map(Self)))
                }
            }

            impl JsonSchema for $type {
                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($type).into()
                }

                fn inline_schema() -> bool {
                    true
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({ "type": "string", "format": $name, "examples": [$example] })
                }
            }
        )+

        /// Every format of texts.
        pub static FORMATS: &[Format] = &[
            $(Format { name: $name, noun: $noun, example: $example, check: |text| $parse(text).map(drop) }),+
        ];
    };
}

formats! {
    /// A duration above zero.
    Period(Duration) = "aya-duration", "a duration", "2s", unit::duration;
    /// A duration that may be zero.
    Wait(Duration) = "aya-duration-or-zero", "a duration", "30s", unit::duration_or_zero;
    /// A duration, or `none` for no limit.
    PeriodLimit(Option<Duration>) =
        "aya-duration-or-none", "a duration or \"none\"", "30s", unit::duration_or_none;
    /// A size in bytes.
    Size(u64) = "aya-size", "a size", "16KiB", unit::size;
    /// A size in bytes, or `none` for no limit.
    SizeLimit(Option<u64>) = "aya-size-or-none", "a size or \"none\"", "10MiB", unit::size_or_none;
    /// Bytes per second, or `none` for no limit.
    Rate(Option<u64>) = "aya-rate-or-none", "a rate or \"none\"", "500B/s", unit::rate_or_none;
    /// An address to listen on.
    Bind(SocketAddr) = "aya-bind", "an address to listen on", "127.0.0.1:8080", bind;
    /// The address of a backend, `unix:/PATH` for a Unix socket; a host name is resolved when the file is loaded.
    Address(String) = "aya-address", "an address", "127.0.0.1:9001", address;
    /// A network, or a single address.
    Network(IpNet) = "aya-network", "a network", "10.0.0.0/8", network;
    /// A host to match, with the text it was written as.
    Host((String, HostMatch)) = "aya-host", "a host", "shop.example.com", host;
    /// An HTTP method.
    Method(http::Method) = "aya-method", "an HTTP method", "GET", method;
    /// The path of a request, with a query if need be.
    Target(String) = "aya-target", "a path", "/healthz", target;
    /// The name of a cookie.
    CookieName(String) = "aya-cookie", "the name of a cookie", "aya", cookie;
    /// The name of a header field, or how one begins, in lower case.
    FieldName(String) = "aya-field-name", "the name of a header field", "x-client-cert", field_name;
    /// The name of a backend.
    Name(String) = "aya-name", "a name", "web-1", name;
    /// Something a request is retried on: a cause by name, or status codes.
    RetryOn(Cause) = "aya-retry-on", "something to retry on", "connect-failure", retry_on;
    /// A share in percent.
    Share(f64) = "aya-percent", "a share in percent", "20%", unit::percent;
    /// A percentile, as a share of all values.
    Percentile(f64) = "aya-percentile", "a percentile", "p95", unit::percentile;
    /// Where a secret is: `file:PATH` or `env:NAME`.
    SecretRef(Reference) =
        "aya-secret", "where a secret is", "file:/run/secrets/redis", secret::reference;
    /// Status codes: a class, a code or a range.
    Status((u16, u16)) = "aya-status", "status codes", "200-399", status;
}

/// Longest name of a listener, pool, route or backend, in bytes.
pub const MAX_NAME: usize = 64;

/// What begins the address of a backend at a Unix socket.
pub const UNIX: &str = "unix:";

/// Longest path of a Unix socket, in bytes: what the system's structure for it holds.
const MAX_SOCKET_PATH: usize = 107;

/// Reads the name of a listener, pool, route or backend.
pub fn name(text: &str) -> Result<String, Wrong> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._:[]-".contains(c);
    if !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    let help = format!("names are 1 to {MAX_NAME} letters, digits and . _ : [ ] -");
    Err(Wrong::new(format!("{text:?} is no name"), help))
}

fn bind(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_| {
        let port = text.rsplit(':').next().unwrap_or(text);
        let help = match (text.rsplit_once(':'), port.parse::<u16>()) {
            (Some(("" | "*", _)), Ok(_)) => {
                format!("for every address of this machine write \"0.0.0.0:{port}\"")
            }
            (Some(("localhost", _)), Ok(_)) => format!("write \"127.0.0.1:{port}\""),
            (None, Ok(_)) => format!("write \"127.0.0.1:{port}\", or \"0.0.0.0:{port}\" for every address"),
            _ => "write IP:PORT, e.g. \"127.0.0.1:8080\" or \"[::]:8080\"".into(),
        };
        Wrong::new(format!("\"{text}\" is no address to listen on"), help)
    })
}

fn address(text: &str) -> Result<String, Wrong> {
    let wrong = |help: &str| Wrong::new(format!("\"{text}\" is no address of a backend"), help);
    if let Some((scheme, rest)) = text.split_once("://") {
        let rest = rest.trim_end_matches('/');
        return Err(wrong(&match scheme {
            "unix" => format!("write \"unix:/{}\"", rest.trim_start_matches('/')),
            "https" => format!("write \"{rest}\", and tls = {{}} in the pool"),
            _ => format!("leave out \"{scheme}://\" and write \"{rest}\""),
        }));
    }
    if let Some(path) = text.strip_prefix(UNIX) {
        let fits = path.starts_with('/') && path.len() <= MAX_SOCKET_PATH && !path.contains('\0');
        return if fits {
            Ok(text.to_owned())
        } else {
            Err(wrong("write unix:/ABSOLUTE/PATH, up to 107 bytes"))
        };
    }
    let help = "write HOST:PORT, e.g. \"127.0.0.1:9001\", \"[::1]:9001\" or \"app.internal:80\"";
    let Some((host, port)) = text.rsplit_once(':') else { return Err(wrong(help)) };
    if !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err(wrong("the port after the last \":\" must be 1 to 65535"));
    }
    let ipv6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let good = match ipv6 {
        Some(_) => text.parse::<SocketAddr>().is_ok(),
        None => !host.is_empty() && host.len() <= 253 && host.chars().all(fits),
    };
    if good { Ok(text.to_owned()) } else { Err(wrong(help)) }
}

fn network(text: &str) -> Result<IpNet, Wrong> {
    let single = text.parse::<std::net::IpAddr>().map(IpNet::from);
    single.or_else(|_| text.parse()).map_err(|_| {
        let help = "write a network such as \"10.0.0.0/8\", or a single address such as \"192.0.2.7\"";
        Wrong::new(format!("\"{text}\" is no network"), help)
    })
}

fn host(text: &str) -> Result<(String, HostMatch), Wrong> {
    let help = "write \"shop.example.com\", \"*.example.com\" or \"*\", without a port";
    let matches = HostMatch::parse(text).map_err(|error| Wrong::new(error.to_string(), help))?;
    Ok((text.to_owned(), matches))
}

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

fn method(text: &str) -> Result<http::Method, Wrong> {
    let wrong = |help: String| Wrong::new(format!("\"{text}\" is no HTTP method"), help);
    if text.chars().any(|c| c.is_ascii_lowercase()) {
        // Methods are case-sensitive: a route for "get" would never match.
        let capitals = text.to_ascii_uppercase();
        let meant = nearest(&capitals, METHODS).unwrap_or(&capitals);
        return Err(wrong(format!("methods are written in capitals: \"{meant}\"")));
    }
    http::Method::from_bytes(text.as_bytes()).map_err(|_| wrong("write e.g. \"GET\"".into()))
}

fn target(text: &str) -> Result<String, Wrong> {
    let right = text.starts_with('/') && text.parse::<http::uri::PathAndQuery>().is_ok();
    let wrong = || Wrong::new(format!("\"{text}\" is no path of a request"), "write e.g. \"/healthz\"");
    if right { Ok(text.to_owned()) } else { Err(wrong()) }
}

fn cookie(text: &str) -> Result<String, Wrong> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(token) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("{text:?} is no name of a cookie"),
        "use letters, digits, \"-\" and \"_\", e.g. \"aya\"",
    ))
}

fn field_name(text: &str) -> Result<String, Wrong> {
    let help = "use letters, digits and \"-\", e.g. \"x-client-cert\"";
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(fits) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Wrong::new(format!("{text:?} is no name of a header field"), help))
}

fn status(text: &str) -> Result<(u16, u16), Wrong> {
    let code = |text: &str| text.trim().parse::<u16>().ok().filter(|code| (100..=599).contains(code));
    let class = text.strip_suffix("xx").and_then(|digit| digit.parse::<u16>().ok());
    let range = text.split_once('-').and_then(|(from, to)| Some((code(from)?, code(to)?)));
    let codes = class
        .filter(|class| (1..=5).contains(class))
        .map(|class| (class * 100, class * 100 + 99))
        .or(range)
        .or_else(|| code(text).map(|code| (code, code)))
        .filter(|(from, to)| from <= to);
    let help = "write a class \"2xx\", a code 204, a range \"200-399\", or a list of these";
    codes.ok_or_else(|| Wrong::new(format!("\"{text}\" names no status codes"), help))
}

/// What a request can be retried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The connection could not be made.
    ConnectFailure,
    /// The connection ended before an answer.
    Reset,
    /// The answer did not begin in time.
    Timeout,
    /// Status codes, both ends included.
    Statuses(u16, u16),
}

const CAUSES: [(&str, Cause); 3] =
    [("connect-failure", Cause::ConnectFailure), ("reset", Cause::Reset), ("timeout", Cause::Timeout)];

fn retry_on(text: &str) -> Result<Cause, Wrong> {
    if let Some((_, cause)) = CAUSES.iter().find(|(name, _)| *name == text) {
        return Ok(*cause);
    }
    let wrong = |help: String| Err(Wrong::new(format!("\"{text}\" is nothing to retry on"), help));
    match status(text) {
        Ok((from, to)) if from >= 400 => Ok(Cause::Statuses(from, to)),
        Ok(_) => wrong("only errors are retried: status codes from 400 to 599".into()),
        Err(_) => {
            let help = "write \"connect-failure\", \"reset\", \"timeout\" or status codes such as 503, \"502-504\" or \"5xx\"";
            let meant = nearest(text, CAUSES.map(|(name, _)| name));
            wrong(meant.map_or_else(|| help.into(), |name| format!("did you mean \"{name}\"?")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_right() {
        for format in FORMATS {
            assert_eq!((format.check)(format.example), Ok(()), "{}", format.name);
        }
    }

    #[test]
    fn every_format_survives_any_text() {
        for text in ["", " ", ":", "[", "[]:1", "-", "xx", "é", "*", "/", "\0", "a:0", "999-1", "://", "6xx"]
        {
            for format in FORMATS {
                if let Err(wrong) = (format.check)(text) {
                    assert!(!wrong.help.is_empty(), "{} says no remedy for {text:?}", format.name);
                }
            }
        }
    }

    #[test]
    fn a_slip_in_an_address_gets_the_right_spelling() {
        assert_eq!(
            bind(":8080").unwrap_err().help,
            "for every address of this machine write \"0.0.0.0:8080\""
        );
        assert_eq!(bind("localhost:80").unwrap_err().help, "write \"127.0.0.1:80\"");
        assert!(address("http://web:80/").unwrap_err().help.contains("write \"web:80\""));
        assert!(address("web:0").unwrap_err().help.contains("1 to 65535"));
        assert!(address("::1:80").is_err());
        assert!(method("get").unwrap_err().help.contains("\"GET\""));
    }

    #[test]
    fn status_codes_read_as_class_code_and_range() {
        assert_eq!(status("2xx"), Ok((200, 299)));
        assert_eq!(status("204"), Ok((204, 204)));
        assert_eq!(status("200-399"), Ok((200, 399)));
        for text in ["6xx", "99", "300-200", "2xxx", "ok", ""] {
            assert!(status(text).is_err(), "{text}");
        }
    }

    #[test]
    fn causes_of_a_retry_are_names_and_codes_of_errors() {
        assert_eq!(retry_on("reset"), Ok(Cause::Reset));
        assert_eq!(retry_on("5xx"), Ok(Cause::Statuses(500, 599)));
        assert_eq!(retry_on("429"), Ok(Cause::Statuses(429, 429)));
        assert!(retry_on("2xx").unwrap_err().help.contains("only errors"));
        assert_eq!(retry_on("connect-failed").unwrap_err().help, "did you mean \"connect-failure\"?");
    }
}
