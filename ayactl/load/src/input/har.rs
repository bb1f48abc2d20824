//! The requests of a HAR file, which browsers write. It is read as a stream: of the answers, which make most of such a
//! file, nothing is kept.

use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Body, InputError, MOST_KEPT, Recipe, Template, log, urls};

/// What a HAR file holds.
#[derive(Debug)]
pub struct Har {
    /// Its requests, with their moment in milliseconds after the first where it is told.
    pub requests: Vec<(Recipe, Option<u64>)>,
    /// Requests that were passed over because they went to another host than the first one.
    pub other_hosts: u64,
    /// The host of the first request.
    pub host: String,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "startedDateTime", default)]
    started: String,
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

/// Reads the requests of a HAR file that go to the host of the first one.
pub fn har(file: &Path) -> Result<Har, InputError> {
    let opened = File::open(file).map_err(|error| InputError::file(file, error))?;
    let mut gathered = Gathered::default();
    let mut reader = serde_json::Deserializer::from_reader(BufReader::with_capacity(1 << 16, opened));
    let read = Top(&mut gathered).deserialize(&mut reader).and_then(|()| reader.end());
    if let Some(what) = gathered.refused {
        return Err(InputError::content(file, what));
    }
    if let Err(error) = read {
        return Err(InputError::content(file, format!("it is no HAR file: {error}")));
    }
    if gathered.found.is_empty() {
        return Err(InputError::content(
            file,
            "there is no request in it; a HAR file has them in log.entries",
        ));
    }
    let first = gathered.found.iter().filter_map(|(_, at)| *at).min();
    let since = |at: Option<i64>| at.zip(first).map(|(at, first)| (at - first).max(0) as u64);
    let requests = gathered.found.into_iter().map(|(recipe, at)| (recipe, since(at))).collect();
    Ok(Har { requests, other_hosts: gathered.other_hosts, host: gathered.host.unwrap_or_default() })
}

#[derive(Default)]
struct Gathered {
    found: Vec<(Recipe, Option<i64>)>,
    host: Option<String>,
    other_hosts: u64,
    kept: usize,
    refused: Option<String>,
}

impl Gathered {
    fn take(&mut self, entry: Entry) {
        let Asked { method, url, headers, post } = entry.request;
        let host = url
            .split_once("://")
            .map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
        if self.host.get_or_insert_with(|| host.to_owned()) != host {
            self.other_hosts += 1;
            return;
        }
        let is_method = !method.is_empty() && method.bytes().all(|c| c.is_ascii_alphabetic());
        let Some(path) = urls::path_of(&url)
            .filter(|path| is_method && !path.contains(|c: char| c.is_ascii_control() || c == ' '))
        else {
            let what = format!("\"{} {}\" is no request", method.escape_default(), url.escape_default());
            self.refused.get_or_insert(what);
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
        let path = Template::literal(path);
        let recipe = Recipe {
            method: method.to_ascii_uppercase(),
            path,
            headers: fields,
            body: Body::Fixed(Arc::from(body)),
        };
        self.found.push((recipe, log::rfc3339(&entry.started)));
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

    fn read(text: &str) -> Result<Har, InputError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.har");
        std::fs::write(&file, text).unwrap();
        har(&file)
    }

    fn entry(url: &str, at: &str) -> String {
        format!(
            r#"{{"startedDateTime":"{at}","time":5,"request":{{"method":"POST","url":"{url}","headers":[{{"name":":path","value":"/"}},{{"name":"Host","value":"h"}},{{"name":"X-A","value":"{{{{seq}}}}"}}],"postData":{{"mimeType":"a","text":"body"}}}},"response":{{"content":{{"text":"long"}}}}}}"#
        )
    }

    #[test]
    fn requests_are_taken_and_answers_are_not() {
        let first = entry("https://h/a?b#c", "2025-10-10T13:55:36.500Z");
        let later = entry("https://h/b", "2025-10-10T13:55:37.750Z");
        let other = entry("https://ads/x", "2025-10-10T13:55:37.750Z");
        let har =
            read(&format!(r#"{{"log":{{"version":"1.2","entries":[{first},{later},{other}]}}}}"#)).unwrap();
        assert_eq!((har.other_hosts, har.host.as_str()), (1, "h"));
        assert_eq!(har.requests.iter().map(|(_, at)| *at).collect::<Vec<_>>(), [Some(0), Some(1250)]);
        let source =
            Source::in_order(har.requests.into_iter().map(|(recipe, _)| recipe).collect(), 1).unwrap();
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
    }

    #[test]
    fn what_is_no_har_file_is_told() {
        for (text, part) in [
            ("", "no HAR file"),
            ("[]", "no HAR file"),
            ("{}", "no request in it"),
            (r#"{"log":{"entries":[{}]}}"#, "no HAR file"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn requests_beyond_all_bounds_are_refused() {
        let mut gathered = Gathered { kept: MOST_KEPT, ..Gathered::default() };
        gathered.take(serde_json::from_str(&entry("https://h/", "")).unwrap());
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
