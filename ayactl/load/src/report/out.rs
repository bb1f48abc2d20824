//! Where reports are written to: `html=FILE`, any number of them. Whether that can be done is told before the run.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{Look, Report};

/// A rendering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A page with plots.
    Html,
    /// Markdown.
    Md,
    /// The shape itself.
    Json,
    /// XML of `JUnit`.
    Junit,
    /// The percentile distribution of the tools of `HdrHistogram`.
    Hgrm,
    /// A line a step.
    Csv,
    /// A JSON object a step.
    Jsonl,
    /// As on the terminal.
    Text,
}

const FORMATS: [(&str, Format); 8] = [
    ("html", Format::Html),
    ("md", Format::Md),
    ("json", Format::Json),
    ("junit", Format::Junit),
    ("hgrm", Format::Hgrm),
    ("csv", Format::Csv),
    ("jsonl", Format::Jsonl),
    ("text", Format::Text),
];

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = FORMATS.iter().find(|(known, _)| *known == name);
        let names = || FORMATS.map(|(name, _)| name).join(", ");
        known
            .map(|(_, format)| *format)
            .ok_or_else(|| format!("there is no format \"{name}\"; there are: {}", names()))
    }
}

/// A rendering with the file it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Which rendering.
    pub format: Format,
    /// Which file.
    pub file: PathBuf,
}

/// A report cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}; name a file in a folder that exists and can be written", file.display())]
pub struct OutError {
    file: PathBuf,
    source: std::io::Error,
}

impl OutError {
    /// Which file, and why not, without what to do about it.
    pub fn what(&self) -> String {
        format!("{}: {}", self.file.display(), self.source)
    }
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" names no file; write it like html=report.html");
        let (format, file) = text.split_once('=').filter(|(_, file)| !file.is_empty()).ok_or_else(wrong)?;
        Ok(Self { format: format.parse()?, file: file.into() })
    }
}

impl Output {
    /// Whether it can be written, without a change to a file that exists. To be asked before a run.
    pub fn check(&self) -> Result<(), OutError> {
        let failed = |source| OutError { file: self.file.clone(), source };
        if self.file.exists() {
            return OpenOptions::new().append(true).open(&self.file).map(drop).map_err(failed);
        }
        OpenOptions::new().create_new(true).write(true).open(&self.file).map_err(failed)?;
        std::fs::remove_file(&self.file).map_err(failed)
    }

    /// Writes it.
    pub fn write(&self, report: &Report) -> Result<(), OutError> {
        write(&self.file, &report.render(self.format))
            .map_err(|source| OutError { file: self.file.clone(), source })
    }
}

/// A reader never finds half of a file: it is written beside and then renamed.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    if file.exists() && !file.is_file() {
        return std::fs::write(file, text);
    }
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, file));
    if written.is_err() {
        // Half of a file is of no use, least of all on a disk that is full. That it stays is no worse than the failure.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

impl Report {
    /// The report in a format.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Html => self.html(),
            Format::Md => self.markdown(),
            Format::Json => self.json(),
            Format::Junit => self.junit(),
            Format::Hgrm => self.hgrm(),
            Format::Csv => self.csv(),
            Format::Jsonl => self.jsonl(),
            Format::Text => self.terminal(Look { color: false, width: 80 }),
        }
    }

    /// The shape as JSON in one line with an end.
    pub fn json(&self) -> String {
        // Every key is text and every number finite or absent, so that this always can be written.
        format!("{}\n", serde_json::to_string(self).expect("a report is JSON"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_known_before() {
        let folder = tempfile::tempdir().unwrap();
        let named =
            |name: &str| format!("html={}", folder.path().join(name).display()).parse::<Output>().unwrap();
        assert!(named("a.html").check().is_ok());
        assert!(!folder.path().join("a.html").exists());
        assert!(named("none/a.html").check().unwrap_err().to_string().contains("none/a.html"));
        std::fs::write(folder.path().join("b"), "old").unwrap();
        named("b").check().unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("b")).unwrap(), "old");
        // What cannot take the place of a file leaves nothing beside it.
        std::fs::create_dir(folder.path().join("d")).unwrap();
        write(&folder.path().join("d/"), "x").unwrap_err();
        let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.count(), 2);
        assert!("pdf=x".parse::<Output>().unwrap_err().contains("html, md"));
        assert!("html".parse::<Output>().unwrap_err().contains("names no file"));
    }
}
