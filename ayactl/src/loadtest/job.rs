//! From what was typed to what the engine does.

use std::fs;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aya_api::condition::Condition;
use aya_api::exit::Exit;
use aya_api::run::LoadLimits;
use aya_load::engine::{Fixed, Job};
use aya_load::gate;
use aya_load::plan::{Arrivals, Model, Plan, Protocol, Target, Tls};
use aya_load::profile::{Profile, ProfileFile};

use crate::args::LoadtestArgs;
use crate::failure::Failure;

/// Rate when none is said: enough to see something, too little to hurt anybody.
pub const GENTLE: f64 = 100.0;
/// Length when none is said.
const LENGTH: Duration = Duration::from_secs(10);
/// Most connections of an open loop, when nothing is said.
const OPEN: u32 = 256;
/// Connections of a closed loop, when nothing is said.
const CLOSED: u32 = 50;
/// Largest file of headers, a body or a secret, in bytes.
const LARGEST: u64 = 64 << 20;

/// What the engine is to do, as far as it is the same in each of several tests.
pub struct Order {
    /// What is to be done.
    pub plan: Plan,
    /// When.
    pub profile: Option<Profile>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// What must hold.
    pub slo: Vec<Condition>,
    /// What ends it.
    pub abort: Vec<Condition>,
}

impl Order {
    /// Reads everything that was typed, files included.
    pub fn read(args: &LoadtestArgs, target: Target, overhead: Option<Target>) -> Result<Self, Failure> {
        let (slo, abort) = (conditions(&args.slo, "--slo")?, conditions(&args.abort, "--abort")?);
        let (profile, text, arrivals) = profile(args)?;
        let headers = headers(args)?;
        let body = body(args.body.as_deref())?;
        if args.insecure && !target.address.parse().is_ok_and(|a: std::net::SocketAddr| a.ip().is_loopback())
        {
            let hint = "name the authority with --cacert FILE";
            return Err(Failure::usage("--insecure is for this machine alone", hint));
        }
        let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get) as u32;
        let length = profile.as_ref().map_or(args.duration.unwrap_or(LENGTH), Profile::length);
        let connections = args.connections.unwrap_or(if args.closed { CLOSED } else { OPEN });
        let plan = Plan {
            overhead,
            method: args.method.to_uppercase(),
            headers: shown(&headers, args),
            body_bytes: body.len() as u64,
            model: if args.closed { Model::Closed } else { Model::Open },
            profile: text,
            arrivals,
            connections,
            streams: args.streams,
            protocol: if args.http2 { Protocol::Http2 } else { Protocol::Http1 },
            tls: Tls {
                ca: path(&args.cacert),
                certificate: path(&args.cert),
                key: path(&args.key),
                insecure: args.insecure,
            },
            length_ms: length.as_millis() as u64,
            requests: args.requests,
            warmup_ms: args.warmup.as_millis() as u64,
            timeout_ms: args.request_timeout.as_millis() as u64,
            threads: args.threads.unwrap_or(cores).min(connections),
            seed: args.seed,
            slo: args.slo.clone(),
            abort: args.abort.clone(),
            command: command(std::env::args()),
            ..Plan::to(target)
        };
        if plan.warmup_ms >= plan.length_ms {
            let hint = "take a longer -d, or a shorter --warmup";
            return Err(Failure::usage("the warm-up is as long as the test: nothing would count", hint));
        }
        Ok(Self { plan, profile, headers, body, slo, abort })
    }

    /// What the engine begins with.
    pub fn job(&self) -> Result<Job, Failure> {
        let hint = "see `ayactl loadtest --help`";
        let requests = Fixed::new(&self.plan, &self.headers, self.body.clone());
        let requests = requests.map_err(|error| Failure::usage(error, hint))?;
        Ok(Job {
            plan: self.plan.clone(),
            profile: self.profile.clone(),
            requests: Arc::new(requests),
            parts: 1,
        })
    }

    /// Whether the configuration of the daemon says that it is too much.
    pub fn ceiling(&self, limits: &LoadLimits) -> Result<(), Failure> {
        let Some(most) = limits.max_rate else { return Ok(()) };
        let peak = self.profile.as_ref().map_or(0.0, Profile::peak);
        if peak <= most {
            return Ok(());
        }
        Err(Failure::new(
            Exit::NotPermitted,
            "not-permitted",
            format!(
                "the profile goes up to {peak:.0} requests a second, and the configuration allows {most:.0}"
            ),
            "take a lower rate, or raise [loadtest] max_rate in the configuration of ayad",
        ))
    }

    /// The same at another rate, for some time.
    #[must_use]
    pub fn at(&self, rate: f64, length: Duration) -> Self {
        let mut plan = self.plan.clone();
        plan.profile = format!("{rate:.0}/{}s", length.as_secs());
        plan.length_ms = length.as_millis() as u64;
        Self {
            plan,
            profile: Some(Profile::constant(rate, length)),
            headers: self.headers.clone(),
            body: self.body.clone(),
            slo: self.slo.clone(),
            abort: self.abort.clone(),
        }
    }
}

/// Reads conditions, and names the option that has a wrong one.
pub fn conditions<S: AsRef<str>>(texts: &[S], option: &str) -> Result<Vec<Condition>, Failure> {
    let read = |text: &S| {
        gate::parse(text.as_ref().trim()).map_err(|error| {
            Failure::usage(format!("{option} {error}"), "write it like p99<50ms, err<0.1% or 'err>5% for 3s'")
        })
    };
    texts.iter().map(read).collect()
}

fn profile(args: &LoadtestArgs) -> Result<(Option<Profile>, String, Arrivals), Failure> {
    let word = |word: &str| {
        word.parse::<Arrivals>().map_err(|error| Failure::usage(format!("--arrivals: {error}"), ""))
    };
    let typed = args.arrivals.as_deref().map(word).transpose()?;
    if args.closed {
        return Ok((None, String::new(), Arrivals::Constant));
    }
    if let Some(path) = &args.profile {
        let file = ProfileFile::read(path).map_err(|error| {
            let hint = "profiles/loadtest has some; a file has aya = 1, title, rate and perhaps arrivals";
            Failure::new(Exit::Error, "profile", error.to_string(), hint)
        })?;
        return Ok((Some(file.profile), file.rate, typed.or(file.arrivals).unwrap_or_default()));
    }
    let text = args.rate.clone().unwrap_or_else(|| format!("{GENTLE:.0}"));
    let length = args.duration.unwrap_or(LENGTH);
    let profile =
        Profile::parse(&text, Some(length)).map_err(|error| Failure::usage(format!("-r: {error}"), ""))?;
    Ok((Some(profile), text, typed.unwrap_or_default()))
}

fn headers(args: &LoadtestArgs) -> Result<Vec<(String, String)>, Failure> {
    let mut headers = Vec::new();
    for line in &args.headers {
        headers.push(header(line, "-H")?);
    }
    if let Some(path) = &args.header_file {
        let text = text(path, "--header-file")?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            headers.push(header(line, &path.display().to_string())?);
        }
    }
    if let Some(path) = &args.auth_file {
        let secret = text(path, "--auth-file")?;
        let secret = secret.trim();
        let value = match secret.split_once(':') {
            Some(_) => format!("Basic {}", base64(secret.as_bytes())),
            None => format!("Bearer {secret}"),
        };
        headers.push(("authorization".to_owned(), value));
    }
    Ok(headers)
}

fn header(line: &str, place: &str) -> Result<(String, String), Failure> {
    match line.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_lowercase(), value.trim().to_owned()))
        }
        // The value may be a secret that was put in the wrong place: it is not repeated.
        _ => Err(Failure::usage(format!("{place}: a header is NAME: VALUE"), "as in -H 'accept: text/html'")),
    }
}

/// Headers as reports show them: those of files are secrets.
fn shown(headers: &[(String, String)], args: &LoadtestArgs) -> Vec<(String, String)> {
    let typed = args.headers.len();
    let show = |(at, (name, value)): (usize, &(String, String))| {
        (name.clone(), if at < typed { value.clone() } else { "(from a file)".to_owned() })
    };
    headers.iter().enumerate().map(show).collect()
}

fn body(typed: Option<&str>) -> Result<Vec<u8>, Failure> {
    match typed {
        None => Ok(Vec::new()),
        Some("@-") => {
            let mut body = Vec::new();
            std::io::stdin().take(LARGEST).read_to_end(&mut body)?;
            Ok(body)
        }
        Some(text) => match text.strip_prefix('@') {
            Some(file) => bytes(Path::new(file), "--body"),
            None => Ok(text.as_bytes().to_vec()),
        },
    }
}

fn text(path: &Path, option: &str) -> Result<String, Failure> {
    String::from_utf8(bytes(path, option)?)
        .map_err(|_| Failure::usage(format!("{option} {}: it is no text", path.display()), ""))
}

fn bytes(path: &Path, option: &str) -> Result<Vec<u8>, Failure> {
    let wrong =
        |what: String| Failure::usage(format!("{option} {}: {what}", path.display()), "is that the file?");
    let length = fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if length > LARGEST {
        return Err(wrong(format!("it has {length} bytes, and at most {LARGEST} are sent")));
    }
    fs::read(path).map_err(|error| wrong(error.to_string()))
}

/// The command as it can be typed again.
fn command(words: impl Iterator<Item = String>) -> String {
    let quoted = words.enumerate().map(|(at, word)| {
        let word = if at == 0 { word.rsplit('/').next().unwrap_or_default().to_owned() } else { word };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,%+".contains(c);
        if !word.is_empty() && word.chars().all(is_plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Base64 (RFC 4648), for `Basic` credentials.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let value =
            chunk.iter().fold(0_u32, |value, byte| value << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let index = (value >> (18 - 6 * digit)) & 63;
            text.push(if digit <= chunk.len() { DIGITS[index as usize] as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_written_as_the_standard_says() {
        for (plain, coded) in [("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("user:pass", "dXNlcjpwYXNz")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn the_command_can_be_typed_again() {
        let words = ["/usr/bin/ayactl", "loadtest", "--slo", "p99<50ms", "-H", "a: it's"];
        let text = command(words.into_iter().map(str::to_owned));
        assert_eq!(text, r"ayactl loadtest --slo 'p99<50ms' -H 'a: it'\''s'");
    }
}
