//! What a run says about its hypothesis: one word, one sentence, and the reasons.

use std::time::Duration;

use aya_api::condition::{Condition, Unit, Value};
use aya_api::exit::Exit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::runner::{Cause, ExpectRun, Gate, Runner};

/// Said of what held while the generator of its load was full.
pub const NO_PROOF: &str = "everything held, but under less than the load that was asked for";

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Everything that was said held.
    Held,
    /// Something that was said did not hold.
    Failed,
    /// Everything held, but the load was not made as it was asked for.
    NoProof,
    /// It did not hold before anything was done, so nothing was done.
    NotStarted,
    /// A stop condition ended it, or a step that went wrong.
    Stopped,
    /// A person ended it.
    Interrupted,
    /// The daemon did not answer any more.
    Lost,
    /// It took too long.
    Deadline,
}

impl Word {
    /// The exit status that goes with it; a signal has its own.
    pub fn exit(self) -> Exit {
        match self {
            Self::Held => Exit::Done,
            Self::Failed | Self::NotStarted | Self::Stopped | Self::Interrupted => Exit::Gate,
            Self::NoProof => Exit::Invalid,
            Self::Lost => Exit::Unreachable,
            Self::Deadline => Exit::Deadline,
        }
    }

    /// As people read it.
    pub fn shown(self) -> &'static str {
        match self {
            Self::Held => "HELD",
            Self::Failed => "FAILED",
            Self::NoProof => "NO PROOF",
            Self::NotStarted => "NOT STARTED",
            Self::Stopped => "STOPPED",
            Self::Interrupted => "INTERRUPTED",
            Self::Lost => "LOST",
            Self::Deadline => "TOO LONG",
        }
    }
}

/// What a run says about its hypothesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// How it ended.
    pub word: Word,
    /// One sentence.
    pub text: String,
    /// What did not hold, one sentence each.
    pub reasons: Vec<String>,
}

/// Judges a run that is over.
pub fn of(runner: &Runner<'_>) -> Verdict {
    let mut reasons = Vec::new();
    let (word, text) = match &runner.cause {
        Some(Cause::Broken) => {
            reasons
                .extend(runner.probes.iter().filter(|p| p.gate.holds != Some(true)).map(|p| broken(&p.gate)));
            (Word::NotStarted, "the hypothesis did not hold before anything was done, so nothing was done")
        }
        Some(Cause::Condition(condition)) => {
            reasons.push(format!("stop condition met: {condition}"));
            (Word::Stopped, "a stop condition was met; everything was put back")
        }
        Some(Cause::Blind(condition)) => {
            reasons.push(format!(
                "nothing to judge the stop condition by for {} s: {condition}",
                super::runner::BLIND.as_secs()
            ));
            (
                Word::Stopped,
                "a stop condition could not be judged, and a run that cannot see does not go on; everything was put back",
            )
        }
        Some(Cause::Step(why)) => {
            reasons.push(why.clone());
            (Word::Stopped, "a step went wrong; everything was put back")
        }
        Some(Cause::Signal(_)) => (Word::Interrupted, "it was ended by hand; everything was put back"),
        Some(Cause::Lost(why)) => {
            reasons.push(why.clone());
            (Word::Lost, "the daemon did not answer any more; faults end with their lease")
        }
        Some(Cause::Deadline) => (Word::Deadline, "it took longer than it may; everything was put back"),
        Some(Cause::FailFast(_)) | None => (Word::Held, ""),
    };
    if runner.cause != Some(Cause::Broken) {
        reasons.extend(deviations(runner));
    }
    reasons.extend(runner.stuck.iter().map(|stuck| format!("not put back: {stuck}")));
    let text = match text {
        "" if reasons.is_empty() => "the hypothesis held",
        "" => "the hypothesis did not hold",
        text => text,
    };
    let word = if word == Word::Held && !reasons.is_empty() { Word::Failed } else { word };
    let (word, text) = if word == Word::Held && !runner.doubts.is_empty() {
        (Word::NoProof, NO_PROOF)
    } else {
        (word, text)
    };
    reasons.extend(runner.doubts.iter().cloned());
    Verdict { word, text: text.to_owned(), reasons }
}

fn deviations(runner: &Runner<'_>) -> Vec<String> {
    let begun = runner.begun.unwrap_or_default();
    let during = runner.during.iter().filter_map(|gate| {
        let at = gate.failed?.saturating_sub(begun);
        let value = shown(&gate.condition, gate.failed_value.as_ref());
        Some(format!(
            "did not hold all the time: {} ({value} after {:.1} s)",
            gate.condition,
            at.as_secs_f64()
        ))
    });
    let expects = runner.expects.iter().filter(|expect| expect.missed).map(|run| late(runner, run));
    let never =
        runner.expects.iter().filter(|expect| !expect.is_decided() && runner.cause.is_none()).map(|run| {
            format!(
                "never came about: {}, because \"{}\" never did",
                run.expect.what,
                runner.experiment.anchor(run.expect.after)
            )
        });
    let after = runner.probes.iter().filter_map(|probe| {
        let gate = probe.after.as_ref().filter(|gate| gate.holds != Some(true))?;
        let value = shown(&gate.condition, gate.value.as_ref());
        let within = runner.experiment.within;
        Some(format!("did not hold again within {} s: {} ({value})", seconds(within), gate.condition))
    });
    during.chain(expects).chain(never).chain(after).collect()
}

fn late(runner: &Runner<'_>, run: &ExpectRun) -> String {
    let value = shown(&run.expect.what, run.gate.value.as_ref());
    let after = runner.experiment.anchor(run.expect.after);
    format!(
        "expected {} within {} s after {after}: it was {value}",
        run.expect.what,
        seconds(run.expect.within)
    )
}

fn broken(gate: &Gate) -> String {
    match &gate.value {
        None => format!("nothing to judge by: {} (is there traffic?)", gate.condition),
        Some(value) => format!("does not hold: {} ({})", gate.condition, shown(&gate.condition, Some(value))),
    }
}

fn seconds(length: Duration) -> String {
    let text = format!("{:.1}", length.as_secs_f64());
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// A value in the unit of its condition.
pub fn shown(condition: &Condition, value: Option<&Value>) -> String {
    match value {
        None => "not known".to_owned(),
        Some(Value::Word(word)) => word.clone(),
        Some(Value::Number(number)) => match condition.metric.unit() {
            Unit::Time if *number < 10.0 => format!("{number:.1} ms"),
            Unit::Time => format!("{number:.0} ms"),
            Unit::Share => format!("{:.2} %", number * 100.0),
            Unit::PerSecond => format!("{number:.1}/s"),
            Unit::Count | Unit::Word => format!("{number:.0}"),
        },
    }
}
