//! What the agent of a backend says, in the text protocol of `HAProxy`'s `agent-check`, so that agents that exist work.
//!
//! An answer is one line of words, separated by spaces, tabs or commas, in any order. Each changes one thing; what is not
//! named stays as it was said before: `up`, `down`, `stopped`, `fail` (with a description behind `#`), `ready`, `drain`,
//! `maint`, a percentage such as `75%` for the weight, and `maxconn:30`.
//!
//! What it deliberately does not do: connect, or give orders. What an agent says is a fact of its own beside what people
//! ordered; it can keep new traffic away and cannot bring any to a backend that people took out.
//!
//! Source: `HAProxy`'s configuration manual, `agent-check`.

/// Most bytes of an answer that are looked at.
pub const LONGEST: usize = 512;
/// Most characters of a description that are kept.
pub const LONGEST_REASON: usize = 120;

/// Why an agent wants no new traffic for its backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hold {
    /// `down`: it does not work.
    Down,
    /// `fail`: a check of the agent itself failed.
    Fail,
    /// `stopped`: somebody stopped it on purpose.
    Stopped,
    /// `drain`, or a weight of nothing: nothing new.
    Drain,
    /// `maint`: out of service.
    Maint,
}

impl Hold {
    /// Every one.
    pub const ALL: &'static [Self] = &[Self::Down, Self::Fail, Self::Stopped, Self::Drain, Self::Maint];

    /// The agent's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Fail => "fail",
            Self::Stopped => "stopped",
            Self::Drain => "drain",
            Self::Maint => "maint",
        }
    }
}

/// One answer, taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Said<'a> {
    /// Whether it works: `Some(None)` for `up`.
    pub works: Option<Option<Hold>>,
    /// Whether it is in service: `Some(None)` for `ready`.
    pub serves: Option<Option<Hold>>,
    /// Its share of its weight, 1 for all of it. Above 1 is said, and counts as 1.
    pub weight: Option<f64>,
    /// Most requests at once.
    pub most: Option<u32>,
    /// The description.
    pub reason: &'a str,
    /// The first word that is not known.
    pub unknown: Option<&'a str>,
}

/// Why an answer says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mute {
    /// It is empty.
    Empty,
    /// It is no text.
    Binary,
    /// No word of it is known.
    Unknown,
}

impl Mute {
    /// In words, as they follow "its answer".
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "is empty",
            Self::Binary => "is no text",
            Self::Unknown => "has no word of the agent protocol",
        }
    }
}

/// Reads the first line of an answer, of which at most [`LONGEST`] bytes count.
pub fn read(answer: &[u8]) -> Result<Said<'_>, Mute> {
    let answer = &answer[..answer.len().min(LONGEST)];
    let line = answer.split(|byte| matches!(byte, b'\r' | b'\n' | 0)).next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| Mute::Binary)?;
    let (words, reason) = line.split_once('#').unwrap_or((line, ""));
    let mut said = Said { reason: first(reason.trim(), LONGEST_REASON), ..Said::default() };
    let mut count = 0;
    for word in words.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
        count += 1;
        if !said.take(word) {
            said.unknown.get_or_insert(first(word, LONGEST_REASON));
        }
    }
    let is_mute =
        said.works.is_none() && said.serves.is_none() && said.weight.is_none() && said.most.is_none();
    match (is_mute, count) {
        (false, _) => Ok(said),
        (true, 0) => Err(Mute::Empty),
        (true, _) => Err(Mute::Unknown),
    }
}

/// At most this many characters.
fn first(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(end, _)| &text[..end])
}

impl Said<'_> {
    /// Takes a word in; false for one that is not known.
    fn take(&mut self, word: &str) -> bool {
        match word {
            "up" => self.works = Some(None),
            "down" => self.works = Some(Some(Hold::Down)),
            "fail" => self.works = Some(Some(Hold::Fail)),
            "stopped" => self.works = Some(Some(Hold::Stopped)),
            "ready" => self.serves = Some(None),
            "drain" => self.serves = Some(Some(Hold::Drain)),
            "maint" => self.serves = Some(Some(Hold::Maint)),
            _ => return self.take_number(word),
        }
        true
    }

    fn take_number(&mut self, word: &str) -> bool {
        if let Some(most) = word.strip_prefix("maxconn:") {
            self.most = most.parse().ok().or(self.most);
            return most.parse::<u32>().is_ok();
        }
        let percent = word.strip_prefix("weight:").unwrap_or(word).strip_suffix('%');
        let percent = percent.and_then(|digits| digits.parse::<u32>().ok());
        self.weight = percent.map(|percent| f64::from(percent) / 100.0).or(self.weight);
        percent.is_some()
    }
}

/// What holds after all that an agent said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agent {
    works: Option<Hold>,
    serves: Option<Hold>,
    weight: f64,
}

impl Default for Agent {
    fn default() -> Self {
        Self { works: None, serves: None, weight: 1.0 }
    }
}

impl Agent {
    /// Takes in what is said now.
    pub fn hear(&mut self, said: &Said<'_>) {
        self.works = said.works.unwrap_or(self.works);
        self.serves = said.serves.unwrap_or(self.serves);
        self.weight = said.weight.unwrap_or(self.weight).min(1.0);
    }

    /// Why there is to be no new traffic; `None` when there may be.
    pub fn hold(&self) -> Option<Hold> {
        self.works.or(self.serves).or((self.weight <= 0.0).then_some(Hold::Drain))
    }

    /// The share of its weight, 0 to 1.
    pub fn weight(&self) -> f64 {
        self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(answers: &[&str]) -> Agent {
        let mut agent = Agent::default();
        for answer in answers {
            agent.hear(&read(answer.as_bytes()).unwrap());
        }
        agent
    }

    #[test]
    fn words_come_in_any_order_and_with_any_separator() {
        let said = read(b"up,75%\tready maxconn:30 # fine\r\nup\n").unwrap();
        let expected = Said {
            works: Some(None),
            serves: Some(None),
            weight: Some(0.75),
            most: Some(30),
            reason: "fine",
            unknown: None,
        };
        assert_eq!(said, expected);
        assert_eq!(read(b"down#disk full\n").unwrap().reason, "disk full");
        assert_eq!(read(b"weight:50% wat").unwrap().unknown, Some("wat"));
        assert_eq!(read(b"up 50").unwrap().unknown, Some("50"));
    }

    #[test]
    fn what_is_not_named_stays() {
        assert_eq!(after(&[]).hold(), None);
        assert_eq!(after(&["drain", "75%"]).hold(), Some(Hold::Drain));
        assert_eq!(after(&["drain", "75%", "ready"]), Agent { weight: 0.75, ..Agent::default() });
        assert_eq!(after(&["maint", "fail"]).hold(), Some(Hold::Fail));
        assert_eq!(after(&["maint", "fail", "up"]).hold(), Some(Hold::Maint));
        assert_eq!(after(&["0%"]).hold(), Some(Hold::Drain));
        assert_eq!(after(&["0%", "200%"]), Agent::default());
    }

    #[test]
    fn what_says_nothing_is_told_apart() {
        assert_eq!(read(b""), Err(Mute::Empty));
        assert_eq!(read(b" \n up"), Err(Mute::Empty));
        assert_eq!(read(b"\xff\xfe"), Err(Mute::Binary));
        assert_eq!(read(b"<html>"), Err(Mute::Unknown));
        assert_eq!(read(b"maxconn:many -5% NaN%"), Err(Mute::Unknown));
        let long = format!("{}up", " ".repeat(LONGEST));
        assert_eq!(read(long.as_bytes()), Err(Mute::Empty));
    }
}
