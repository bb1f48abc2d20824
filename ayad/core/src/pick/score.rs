//! What an algorithm thinks of one backend, for people: the numbers it decides by.

/// How scores of an algorithm are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// What is counted, in a few words.
    pub unit: &'static str,
    /// Which score wins.
    pub wins: Wins,
}

impl Scale {
    /// The least score wins.
    pub const fn least(unit: &'static str) -> Self {
        Self { unit, wins: Wins::Least }
    }

    /// The largest score wins.
    pub const fn most(unit: &'static str) -> Self {
        Self { unit, wins: Wins::Most }
    }

    /// The score is a chance.
    pub const fn chance(unit: &'static str) -> Self {
        Self { unit, wins: Wins::Chance }
    }
}

/// Which score wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wins {
    /// The least.
    Least,
    /// The largest.
    Most,
    /// Any may, in proportion to its score.
    Chance,
}

impl Wins {
    /// The one spelling of this value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Least => "least",
            Self::Most => "most",
            Self::Chance => "chance",
        }
    }
}

/// A number, and the class it is compared in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// In the unit of the algorithm's [`Scale`].
    pub value: f32,
    /// Its class; those of a better class go first.
    pub class: Class,
}

impl Score {
    /// A number without classes.
    pub const fn plain(value: f32) -> Self {
        Self { value, class: Class::Plain }
    }
}

/// What a score is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Class {
    /// Its turn to be tried or looked at: it goes before all others, whatever it scores.
    Due,
    /// All scores are of one kind.
    #[default]
    Plain,
    /// Not busier than usual: the score is an expected latency in milliseconds.
    Cold,
    /// Busier than usual, and faster than the best cold one all the same: the score is the milliseconds it takes if the
    /// request waits for all that is in flight.
    Swift,
    /// Busier than usual: the score is its requests in flight for its weight.
    Hot,
}

impl Class {
    /// The one spelling of this value; empty where there are no classes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Plain => "",
            Self::Cold => "cold",
            Self::Swift => "swift",
            Self::Hot => "hot",
        }
    }
}
