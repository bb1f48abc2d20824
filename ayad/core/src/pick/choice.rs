//! An algorithm with its parameters, and how people write it: `hot-cold`, or `hot-cold quantile=0.7 choices=8`.

use std::fmt;

use super::{PICKERS, ParamKind, ParamSpec, Params, Picker, PickerSpec, Setup, find};

/// An algorithm with its parameters, as a pool has it.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// The algorithm.
    pub spec: &'static PickerSpec,
    /// Its parameters.
    pub params: Params,
}

/// Why a text is no choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChoiceError {
    /// No algorithm has this name.
    Algorithm(String),
    /// The algorithm has no parameter of this name.
    Param {
        /// The algorithm.
        algorithm: &'static str,
        /// What was written.
        name: String,
    },
    /// The parameter does not accept this value.
    Value {
        /// The parameter.
        name: &'static str,
        /// What was written.
        value: String,
        /// What is accepted.
        accepted: String,
    },
}

impl Choice {
    /// The algorithm with default parameters.
    pub fn of(spec: &'static PickerSpec) -> Self {
        Self { spec, params: Params::defaults(spec.params) }
    }

    /// Makes an instance.
    pub fn build(&self, seed: u64) -> Box<dyn Picker> {
        (self.spec.build)(&Setup { seed, params: self.params })
    }

    /// Sets one parameter, its value written as people do: `0.7`, `8`, `250ms`, `latency`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ChoiceError> {
        let algorithm = self.spec.name;
        let position =
            self.spec.param(name).ok_or_else(|| ChoiceError::Param { algorithm, name: name.to_owned() })?;
        let spec = &self.spec.params[position];
        let is_set =
            read(spec, value).is_some_and(|number| self.params.set(self.spec.params, position, number));
        let refused =
            || ChoiceError::Value { name: spec.name, value: value.to_owned(), accepted: spec.accepted() };
        if is_set { Ok(()) } else { Err(refused()) }
    }

    /// The value of one parameter; `None` when the algorithm has no such one.
    pub fn param(&self, name: &str) -> Option<f64> {
        self.spec.param(name).map(|position| self.params.get(position))
    }

    /// The parameters that differ from their defaults, by name and value.
    pub fn tuned(&self) -> impl Iterator<Item = (&'static str, String)> {
        let all = self.spec.params.iter().enumerate().map(|(i, spec)| (spec, self.params.get(i)));
        let tuned = all.filter(|(spec, value)| value.to_bits() != spec.default.to_bits());
        tuned.map(|(spec, value)| (spec.name, spec.show(value)))
    }
}

impl PartialEq for Choice {
    fn eq(&self, other: &Self) -> bool {
        self.spec.name == other.spec.name && self.params == other.params
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spec.name)?;
        self.tuned().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl std::str::FromStr for Choice {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default();
        let spec = find(name).ok_or_else(|| ChoiceError::Algorithm(name.to_owned()))?;
        let mut choice = Self::of(spec);
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            choice.set(name, value)?;
        }
        Ok(choice)
    }
}

impl ChoiceError {
    /// What could have been meant: the names there are in place of the one that is none.
    pub fn known(&self) -> Vec<&'static str> {
        match self {
            Self::Algorithm(_) => PICKERS.iter().map(|spec| spec.name).collect(),
            Self::Param { algorithm, .. } => {
                find(algorithm).map_or_else(Vec::new, |spec| spec.params.iter().map(|p| p.name).collect())
            }
            Self::Value { .. } => Vec::new(),
        }
    }

    /// What was written.
    pub fn written(&self) -> &str {
        match self {
            Self::Algorithm(written) | Self::Param { name: written, .. } => written,
            Self::Value { value, .. } => value,
        }
    }
}

impl fmt::Display for ChoiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Algorithm(name) => write!(f, "\"{name}\" is no algorithm"),
            Self::Param { algorithm, name } => write!(f, "{algorithm} has no parameter \"{name}\""),
            Self::Value { name, value, accepted } => {
                write!(f, "{name} cannot be \"{value}\": it takes {accepted}")
            }
        }
    }
}

impl std::error::Error for ChoiceError {}

fn read(spec: &ParamSpec, text: &str) -> Option<f64> {
    match spec.kind {
        ParamKind::Number | ParamKind::Count => text.parse().ok(),
        ParamKind::Word(words) => words.iter().position(|word| *word == text).map(|place| place as f64),
        ParamKind::Time => {
            let units = [("ms", 1e-3), ("us", 1e-6), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
            let (number, unit) = units.iter().find_map(|(unit, s)| Some((text.strip_suffix(unit)?, s)))?;
            Some(number.parse::<f64>().ok()? * unit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for text in
            ["hot-cold", "hot-cold quantile=0.7", "peak-ewma choices=4 decay=250ms", "ring-hash points=64"]
        {
            assert_eq!(text.parse::<Choice>().unwrap().to_string(), text);
        }
        let plain: Choice = "peak-ewma decay=10s".parse().unwrap();
        assert_eq!((plain, plain.to_string()), (Choice::of(plain.spec), "peak-ewma".to_owned()));
        assert_eq!(plain.param("decay"), Some(10.0));
    }

    #[test]
    fn mistakes_name_the_thing_and_what_is_accepted() {
        let wrong = |text: &str| text.parse::<Choice>().unwrap_err().to_string();
        assert_eq!(wrong("hot"), "\"hot\" is no algorithm");
        assert_eq!(wrong("hot-cold decay=1s"), "hot-cold has no parameter \"decay\"");
        assert_eq!(wrong("hot-cold quantile=2"), "quantile cannot be \"2\": it takes a number from 0 to 1");
        assert_eq!(
            wrong("hot-cold quantile=NaN"),
            "quantile cannot be \"NaN\": it takes a number from 0 to 1"
        );
        assert_eq!(wrong("peak-ewma decay=10"), "decay cannot be \"10\": it takes a time from 10ms to 600s");
        assert!("hot-cold x=1".parse::<Choice>().unwrap_err().known().contains(&"quantile"));
    }
}
