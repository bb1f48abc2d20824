//! Headers, credentials and bodies, as they were typed or stand in files.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use aya_load::input::{Body, InputError, Template};

use super::input::BRACES;
use crate::args::LoadtestArgs;
use crate::failure::Failure;

/// Largest file of headers, a body or a secret, in bytes.
const LARGEST: u64 = 64 << 20;

/// A header.
#[derive(Clone, Debug)]
pub struct Header {
    /// Its name, in small letters.
    pub name: String,
    /// Its value as it was written.
    value: String,
    /// Its value as it is made.
    pub template: Template,
    is_secret: bool,
}

/// The headers that were typed, and those of files: values as they were written.
pub fn headers(args: &LoadtestArgs) -> Result<Vec<Header>, Failure> {
    let mut headers = Vec::new();
    for line in &args.headers {
        headers.push(header(line, "-H", args)?);
    }
    if let Some(path) = &args.header_file {
        let text = text(path, "--header-file")?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            headers.push(Header { is_secret: true, ..header(line, &path.display().to_string(), args)? });
        }
    }
    if let Some(path) = &args.auth_file {
        let secret = text(path, "--auth-file")?;
        let secret = secret.trim();
        let value = match secret.split_once(':') {
            Some(_) => format!("Basic {}", base64(secret.as_bytes())),
            None => format!("Bearer {secret}"),
        };
        let (name, template) = ("authorization".to_owned(), Template::literal(&value));
        headers.push(Header { name, value, template, is_secret: true });
    }
    Ok(headers)
}

fn header(line: &str, place: &str, args: &LoadtestArgs) -> Result<Header, Failure> {
    let Some((name, value)) = line.split_once(':').filter(|(name, _)| !name.trim().is_empty()) else {
        // The value may be a secret that was put in the wrong place: it is not repeated.
        let what = format!("{place}: a header is NAME: VALUE");
        return Err(Failure::usage(what, "as in -H 'accept: text/html'"));
    };
    let (name, value) = (name.trim().to_lowercase(), value.trim().to_owned());
    let template = if args.no_templates { Ok(Template::literal(&value)) } else { value.parse::<Template>() };
    let template = template.map_err(|error| match error {
        InputError::Template { what, .. } => {
            Failure::usage(format!("{place}: header {name}: {what}"), BRACES)
        }
        other => Failure::from(other),
    })?;
    Ok(Header { name, value, template, is_secret: false })
}

impl Header {
    /// Its name and value as reports show it: those of files are secrets.
    pub fn shown(&self) -> (String, String) {
        let value = if self.is_secret { "(from a file)" } else { &self.value };
        (self.name.clone(), value.to_owned())
    }
}

/// The body that was typed. Text may have something to fill in.
pub fn typed_body(args: &LoadtestArgs) -> Result<Body, Failure> {
    let (bytes, place) = match args.body.as_deref() {
        None => (Vec::new(), ""),
        Some("@-") => {
            let mut body = Vec::new();
            std::io::stdin().take(LARGEST + 1).read_to_end(&mut body)?;
            if body.len() as u64 > LARGEST {
                let what = format!("--body @-: it has more than {LARGEST} bytes, and at most these are sent");
                return Err(Failure::usage(what, "send less"));
            }
            (body, "@-")
        }
        Some(text) => match text.strip_prefix('@') {
            Some(file) => (bytes(Path::new(file), "--body")?, text),
            None => (text.as_bytes().to_vec(), "--body"),
        },
    };
    match std::str::from_utf8(&bytes) {
        Ok(text) if !args.no_templates && text.contains("{{") => {
            let template = text.parse::<Template>().map_err(|error| Failure::from(error).context(place))?;
            Ok(Body::Template(Arc::new(template)))
        }
        _ => Ok(Body::Fixed(bytes.into())),
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
}
