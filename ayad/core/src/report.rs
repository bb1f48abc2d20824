//! What a backend says about its load in a field of its answer.
//!
//! Three fields are understood: `endpoint-load-metrics` of ORCA, as text or as JSON; `endpoint-load-metrics-bin`, the
//! same as protobuf in base64 (how gRPC servers send it, mostly in trailers); and `x-aya-load`, our own:
//! `in-flight=12, slots=4, cpu=0.7`. Reading allocates nothing, and what is read is bounded: a backend is trusted to
//! know its load, not to be well.
//!
//! What it deliberately does not do: keep values (see [`crate::signal`]), or decide whose answers are read. Only
//! answers of backends may be handed in here; a client that could write these fields could steer traffic.
//!
//! Source: `xds.data.orca.v3.OrcaLoadReport`, and the text and JSON forms of Envoy's ORCA parser.

mod base64;
mod json;
mod protobuf;
mod text;

use crate::signal::{Signal, Unbelievable, believe};

/// Longest field that is read, in bytes.
pub const LONGEST: usize = 4096;
/// Most numbers of one report; what follows is an error, not a surprise.
pub const MOST: usize = 64;

/// The field in which a report came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `endpoint-load-metrics`.
    Orca,
    /// `endpoint-load-metrics-bin`.
    OrcaBinary,
    /// `x-aya-load`.
    Aya,
}

impl Form {
    /// The name of the field, in lower case.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Orca => "endpoint-load-metrics",
            Self::OrcaBinary => "endpoint-load-metrics-bin",
            Self::Aya => "x-aya-load",
        }
    }
}

/// What a number of a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A signal.
    Signal(Signal),
    /// How many requests it serves at the same time.
    Slots,
}

impl Subject {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signal(signal) => signal.as_str(),
            Self::Slots => "slots",
        }
    }
}

/// One number of a report: what it is about, and its value or why that is not believed.
pub type Told = (Subject, Result<f64, Unbelievable>);

/// Why a report cannot be read. Numbers that came before the flaw were told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It has more than [`LONGEST`] bytes.
    TooLong,
    /// It has more than [`MOST`] numbers.
    TooMany,
    /// A part is no `name=value`.
    Text,
    /// It is no JSON object of numbers.
    Json,
    /// It is not in base64.
    Base64,
    /// It is no `OrcaLoadReport`.
    Protobuf,
}

impl Flaw {
    /// In words, as they follow the name of the field.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "is longer than 4096 bytes",
            Self::TooMany => "has more than 64 numbers",
            Self::Text => "has a part that is no name=value",
            Self::Json => "is no JSON object of numbers",
            Self::Base64 => "is not in base64",
            Self::Protobuf => "is no OrcaLoadReport",
        }
    }
}

/// A name of the configuration for what a report calls `named_metrics.NAME`, `utilization.NAME` or just NAME.
pub type Named = (String, Signal);

/// Reads a report and tells its numbers one after the other. Names without a meaning are left out; `names` gives further
/// ones a meaning, before those that are known by themselves. Costs a pass over the text.
pub fn read(form: Form, value: &[u8], names: &[Named], tell: &mut dyn FnMut(Told)) -> Result<(), Flaw> {
    if value.len() > LONGEST {
        return Err(Flaw::TooLong);
    }
    let value = value.trim_ascii();
    let mut teller = Teller { names, tell, count: 0 };
    match form {
        Form::Aya => text::read(value, &mut |name, number| teller.aya(name, number)),
        Form::OrcaBinary => {
            let mut room = [0; LONGEST];
            let bytes = base64::decode(value, &mut room).ok_or(Flaw::Base64)?;
            protobuf::read(bytes, &mut teller)
        }
        Form::Orca => orca(value, &mut teller),
    }
}

fn orca(value: &[u8], teller: &mut Teller<'_>) -> Result<(), Flaw> {
    let (format, rest) = match value.iter().position(|byte| *byte == b' ') {
        Some(end) => value.split_at(end),
        None => (&b""[..], value),
    };
    match format {
        b"JSON" => json::read(rest.trim_ascii(), teller),
        b"BIN" => {
            let mut room = [0; LONGEST];
            let bytes = base64::decode(rest.trim_ascii(), &mut room).ok_or(Flaw::Base64)?;
            protobuf::read(bytes, teller)
        }
        b"TEXT" => text::read(rest, &mut |name, number| teller.dotted(name, number)),
        // Without a word for the format: the text, or what begins like JSON.
        _ if value.starts_with(b"{") => json::read(value, teller),
        _ => text::read(value, &mut |name, number| teller.dotted(name, number)),
    }
}

/// The parts of an ORCA report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    /// A field of the report itself.
    Own,
    /// `utilization`: shares by name.
    Utilization,
    /// `named_metrics`: numbers by name.
    Named,
    /// Anything else with names.
    Other,
}

impl Group {
    fn of(word: &[u8]) -> Self {
        match word {
            b"utilization" => Self::Utilization,
            b"named_metrics" | b"namedMetrics" => Self::Named,
            _ => Self::Other,
        }
    }

    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Own | Self::Other => b"",
            Self::Utilization => b"utilization.",
            Self::Named => b"named_metrics.",
        }
    }
}

/// Gives numbers their meaning.
struct Teller<'t> {
    names: &'t [Named],
    tell: &'t mut dyn FnMut(Told),
    count: usize,
}

impl Teller<'_> {
    /// A number of our own field.
    fn aya(&mut self, name: &[u8], number: f64) -> Result<(), Flaw> {
        let subject = if is_word(name, b"slots") {
            Some(Subject::Slots)
        } else {
            self.configured(Group::Own, name).or_else(|| signal(name)).map(Subject::Signal)
        };
        self.number(subject, number)
    }

    /// A number of ORCA's text, where a dot ends the name of a group.
    fn dotted(&mut self, name: &[u8], number: f64) -> Result<(), Flaw> {
        match name.iter().position(|byte| *byte == b'.') {
            Some(dot) => self.orca(Group::of(&name[..dot]), &name[dot + 1..], number),
            None => self.orca(Group::Own, name, number),
        }
    }

    fn orca(&mut self, group: Group, name: &[u8], number: f64) -> Result<(), Flaw> {
        let known = || match group {
            Group::Own => own(name),
            Group::Utilization | Group::Named => signal(name),
            Group::Other => None,
        };
        let found = self.configured(group, name).or_else(known);
        self.number(found.map(Subject::Signal), number)
    }

    fn configured(&self, group: Group, name: &[u8]) -> Option<Signal> {
        if group == Group::Other {
            return None;
        }
        let fits = |given: &[u8]| given == name || given.strip_prefix(group.prefix()) == Some(name);
        self.names.iter().find(|(given, _)| fits(given.as_bytes())).map(|(_, signal)| *signal)
    }

    fn number(&mut self, subject: Option<Subject>, number: f64) -> Result<(), Flaw> {
        self.count += 1;
        if self.count > MOST {
            return Err(Flaw::TooMany);
        }
        if let Some(subject) = subject {
            let like = if let Subject::Signal(signal) = subject { signal } else { Signal::InFlight };
            (self.tell)((subject, believe(like, number).map(|()| number)));
        }
        Ok(())
    }
}

/// Fields of `OrcaLoadReport`, as protobuf and as its JSON write them.
fn own(name: &[u8]) -> Option<Signal> {
    Some(match name {
        b"cpu_utilization" | b"cpuUtilization" => Signal::Cpu,
        b"mem_utilization" | b"memUtilization" => Signal::Memory,
        b"application_utilization" | b"applicationUtilization" => Signal::Utilization,
        b"rps_fractional" | b"rpsFractional" | b"rps" => Signal::Rate,
        b"eps" => Signal::Errors,
        _ => return None,
    })
}

/// The signal that a name means by itself: its word, with `_` as good as `-`, or a common short form.
fn signal(name: &[u8]) -> Option<Signal> {
    let by_word = Signal::ALL.iter().find(|signal| is_word(name, signal.as_str().as_bytes()));
    by_word.copied().or(match name {
        b"mem" => Some(Signal::Memory),
        b"rps" => Some(Signal::Rate),
        b"eps" => Some(Signal::Errors),
        _ => None,
    })
}

fn is_word(name: &[u8], word: &[u8]) -> bool {
    let same = |(given, wanted): (&u8, &u8)| given == wanted || (*given == b'_' && *wanted == b'-');
    name.len() == word.len() && name.iter().zip(word).all(same)
}

/// A number as text; what is none is NaN, which nobody believes.
fn number(text: &[u8]) -> f64 {
    std::str::from_utf8(text.trim_ascii()).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests;
