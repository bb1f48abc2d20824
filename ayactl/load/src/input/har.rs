//! The requests of a HAR file, which browsers write. It is read as a stream: of the answers, which make most of such a
//! file, nothing is kept.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::{Body, InputError, MOST_KEPT, Recipe, Template, sendable, urls};

/// What some programs write at the beginning of a text.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// What a HAR file holds.
#[derive(Debug)]
pub struct Har {
    /// Its requests to one host.
    pub requests: Vec<Recipe>,
    /// That host, with its port unless that is the usual one.
    pub host: String,
    /// Requests that were passed over because they went to other hosts.
    pub other_hosts: u64,
    /// Entries that are no requests over HTTP, such as `data:` and `wss:`.
    pub not_http: u64,
}

#[derive(Deserialize)]
struct Entry {
    request: Asked,
}

#[derive(Deserialize)]
struct Asked {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Field>,
    #[serde(rename = "postData", default)]
    post: Option<Post>,
}

#[derive(Deserialize)]
struct Field {
    name: String,
    value: String,
}

#[derive(Deserialize)]
struct Post {
    #[serde(default)]
    text: String,
}

/// Fields that belong to a connection, or that the engine sets.
const OWN_FIELDS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Reads the requests of a HAR file that go to the host `wanted`, or to that of the first request when none goes there.
pub fn har(file: &Path, wanted: Option<&str>) -> Result<Har, InputError> {
    let opened = File::open(file).map_err(|error| InputError::file(file, error))?;
    if opened.metadata().is_ok_and(|about| about.is_dir()) {
        return Err(InputError::content(file, "it is a folder; a file is needed"));
    }
    let mut reader = BufReader::with_capacity(1 << 16, opened);
    let begin = reader.fill_buf().map_err(|error| InputError::file(file, error))?;
    if begin.starts_with(BOM) {
        reader.consume(BOM.len());
    }
    let mut gathered = Gathered { wanted: wanted.map(str::to_ascii_lowercase), ..Gathered::default() };
    let mut reader = serde_json::Deserializer::from_reader(reader);
    let read = Top(&mut gathered).deserialize(&mut reader).and_then(|()| reader.end());
    if let Some(what) = gathered.refused {
        return Err(InputError::content(file, what));
    }
    if let Err(error) = read {
        return Err(broken(file, &error));
    }
    if gathered.found.is_empty() {
        return Err(InputError::content(
            file,
            "there is no request over HTTP in it; a HAR file has them in log.entries",
        ));
    }
    let (host, not_http) = (gathered.host.unwrap_or_default(), gathered.not_http);
    let other_hosts = gathered.seen - not_http - gathered.found.len() as u64;
    Ok(Har { requests: gathered.found, host, other_hosts, not_http })
}

/// What is wrong with JSON, and where.
fn broken(file: &Path, error: &serde_json::Error) -> InputError {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    let remedy = match error.classify() {
        Category::Eof => "it ends too early: save it again from the browser",
        Category::Io | Category::Syntax | Category::Data => {
            "save it from the network view of a browser, as \"HAR with content\""
        }
    };
    let what = format!("it is no HAR file: {what} (column {}); {remedy}", error.column());
    InputError::Line { file: file.to_owned(), line: error.line() as u64, what }
}

#[derive(Default)]
struct Gathered {
    /// Whose requests are to be taken, if there are any.
    wanted: Option<String>,
    /// Those to `host`.
    found: Vec<Recipe>,
    host: Option<String>,
    seen: u64,
    not_http: u64,
    kept: usize,
    refused: Option<String>,
}

impl Gathered {
    fn take(&mut self, entry: Entry) {
        self.seen += 1;
        let Asked { method, url, headers, post } = entry.request;
        let Some(origin) = urls::origin_of(&url) else {
            self.not_http += 1;
            return;
        };
        let host = urls::host_of(&origin).unwrap_or_default();
        if self.wanted.as_deref() == Some(host) && self.host.as_deref() != Some(host) {
            // What was taken so far was so only for the case that nothing goes there.
            self.host = None;
            self.found.clear();
            self.kept = 0;
        }
        if self.host.get_or_insert_with(|| host.to_owned()) != host {
            return;
        }
        let is_method = !method.is_empty() && method.bytes().all(|c| c.is_ascii_alphabetic());
        let Some(path) = urls::path_of(&url)
            .filter(|path| is_method && !path.contains(|c: char| c.is_ascii_control() || c == ' '))
        else {
            let what = format!("\"{} {}\" is no request", method.escape_default(), url.escape_default());
            self.refused.get_or_insert(format!("entry {}: {what}; take it out", self.seen));
            return;
        };
        let body = post.map_or_else(Vec::new, |post| post.text.into_bytes());
        let heads: usize = headers.iter().map(|field| field.name.len() + field.value.len() + 64).sum();
        self.kept += path.len() + body.len() + heads + 200;
        if self.kept > MOST_KEPT {
            let most = MOST_KEPT >> 20;
            self.refused.get_or_insert(format!(
                "its requests alone (without answers) are larger than {most} MB; leave out uploads, or split the file"
            ));
            return;
        }
        let fields = headers.into_iter().filter(|field| !field.name.starts_with(':'));
        let fields = fields
            .map(|field| (field.name.to_ascii_lowercase(), field.value))
            .filter(|(name, _)| !OWN_FIELDS.contains(&name.as_str()))
            .map(|(name, value)| (name, Template::literal(&value)))
            .collect();
        self.found.push(Recipe {
            method: method.to_ascii_uppercase(),
            path: Template::literal(&sendable(path)),
            headers: fields,
            host: Some(host.to_owned()),
            body: Body::Fixed(Arc::from(body)),
        });
    }
}

struct Top<'g>(&'g mut Gathered);
struct Log<'g>(&'g mut Gathered);
struct Entries<'g>(&'g mut Gathered);

impl<'de> DeserializeSeed<'de> for Top<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with \"log\"")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "log" {
                map.next_value_seed(Log(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Log<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Log<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with \"entries\"")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "entries" {
                map.next_value_seed(Entries(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(entry) = seq.next_element::<Entry>()? {
            self.0.take(entry);
            if self.0.refused.is_some() {
                return Err(serde::de::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Request, Source};

    fn read_for(text: &str, wanted: Option<&str>) -> Result<Har, InputError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.har");
        std::fs::write(&file, text).unwrap();
        har(&file, wanted)
    }

    fn read(text: &str) -> Result<Har, InputError> {
        read_for(text, None)
    }

    fn entry(url: &str) -> String {
        format!(
            r#"{{"startedDateTime":"2025-10-10T13:55:36Z","time":5,"request":{{"method":"POST","url":"{url}","headers":[{{"name":":path","value":"/"}},{{"name":"Host","value":"h"}},{{"name":"X-A","value":"{{{{seq}}}}"}}],"postData":{{"mimeType":"a","text":"body"}}}},"response":{{"content":{{"text":"long"}}}}}}"#
        )
    }

    fn har_of(urls: &[&str]) -> String {
        let entries: Vec<String> = urls.iter().map(|url| entry(url)).collect();
        format!(r#"{{"log":{{"version":"1.2","entries":[{}]}}}}"#, entries.join(","))
    }

    #[test]
    fn requests_are_taken_and_answers_are_not() {
        let urls =
            ["data:image/png;base64,AAAA", "https://h/a?b#c", "https://other/x", "https://H:443/later<"];
        let har = read(&format!("\u{feff}{}", har_of(&urls))).unwrap();
        assert_eq!((har.other_hosts, har.not_http, har.host.as_str()), (1, 1, "h"));
        let source = Source::in_order(har.requests, 1).unwrap();
        let mut request = Request::default();
        source.next(2, &mut request);
        assert_eq!(
            (request.method.as_str(), request.path.as_str(), &*request.body),
            ("POST", "/a?b", &b"body"[..])
        );
        assert_eq!(
            request.headers,
            [("x-a".to_owned(), "{{seq}}".to_owned())],
            "values of a recording are no templates"
        );
        source.next(1, &mut request);
        assert_eq!(request.path, "/later%3C");
    }

    #[test]
    fn the_requests_of_the_wanted_host_are_taken_when_there_are_any() {
        let text = har_of(&["https://cdn/1", "https://shop:8443/2", "https://cdn/3", "https://shop:8443/4"]);
        let har = read_for(&text, Some("shop:8443")).unwrap();
        assert_eq!((har.requests.len(), har.other_hosts, har.host.as_str()), (2, 2, "shop:8443"));
        let har = read_for(&text, Some("127.0.0.1:8080")).unwrap();
        assert_eq!((har.requests.len(), har.other_hosts, har.host.as_str()), (2, 2, "cdn"));
    }

    #[test]
    fn what_is_no_har_file_is_told() {
        for (text, part) in [
            ("", "no HAR file"),
            ("[]", "no HAR file"),
            ("{}", "no request over HTTP"),
            ("{\"log\":{\"entries\":[\n{\"requ", "a.har:2: it is no HAR file: EOF"),
            (r#"{"log":{"entries":[{}]}}"#, "no HAR file"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn requests_beyond_all_bounds_are_refused() {
        let mut gathered = Gathered { kept: MOST_KEPT, ..Gathered::default() };
        gathered.take(serde_json::from_str(&entry("https://h/")).unwrap());
        assert!(gathered.refused.unwrap().contains("split the file"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[\\[\\]{}\":,a-z0-9 ]{0,80}") {
            let _ = read(&text);
            let _ = read(&format!(r#"{{"log":{{"entries":[{text}]}}}}"#));
        }
    }
}
